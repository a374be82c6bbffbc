"""Walks a workflow with every answer of user and backend, and writes conversations for what no script covers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from agent.domain import interpreter
from agent.domain.exchange import (
    AwaitUser,
    NeedAct,
    NeedAnswer,
    NeedLookUp,
    NeedReading,
    Transition,
)
from agent.domain.model import ActStep
from agent.scripts import Edge, Line, Player, Script, outcomes_of, short, taken, told
from agent.talking import has_ended

_MAX_NODES: Final = 60_000
_BUTTONS: Final = 3
UNREADABLE: Final = "hmm hmm"
"""What no parser reads; with a model that reads nothing either, the question is put again until it gives up."""


@dataclass(frozen=True, slots=True)
class Node:
    """How far a conversation has come, and the lines that led here."""

    transition: Transition
    lines: tuple[Line, ...]


class Explorer:
    """Explores one workflow with the answers of its script file."""

    def __init__(self, player: Player, language: str = "en") -> None:
        self._player = player
        self._language = language
        self._joined: list[Node] = []

    def propose(self, missing: Iterable[Edge]) -> tuple[list[Script], set[Edge]]:
        """Conversations that cover what is missing, as short as possible; and what nothing here can reach."""
        left = set(missing)
        scripts: list[Script] = []
        for node in chain(self.endings(), self._cut_short(left)):
            covered = left & self._edges(node)
            if covered:
                left -= covered
                scripts.append(Script(name=_name(covered), language=self._language, lines=node.lines))
            if not left:
                break
        return scripts, left

    def _edges(self, node: Node) -> set[Edge]:
        return set(taken(node.transition.run, self._player.workflow))

    def _cut_short(self, left: set[Edge]) -> Iterator[Node]:
        """Ways that joined others, where what came before them is still missing: walked on to the nearest end."""
        for node in list(self._joined):
            if left & self._edges(node):
                yield next(self._walk(deque([node])))

    def endings(self) -> Iterator[Node]:
        """Every way to an end, the shortest first; a way that another one came through before is not walked twice."""
        yield from self._walk(deque(self._begin(text) for text in self._player.file.begin))

    def _walk(self, waiting: deque[Node]) -> Iterator[Node]:
        seen: set[tuple[str, Edge]] = set()
        count = 0
        while waiting and count < _MAX_NODES:
            node = waiting.popleft()
            count += 1
            if has_ended(node.transition):
                yield node
                continue
            for line in self._next_lines(node.transition):
                following = self._step(node, line)
                key = _fingerprint(following.transition)
                if key in seen:
                    self._joined.append(following)
                    continue
                seen.add(key)
                waiting.append(following)

    def _begin(self, text: str) -> Node:
        transition = interpreter.begin(self._player.context(self._language, text), text)
        return Node(transition, (self._noted(Line(user=text), transition),))

    def _step(self, node: Node, line: Line) -> Node:
        said = next((known.user for known in (line, *reversed(node.lines)) if known.user), "")
        script = Script(name="explored", lines=(line, line))
        event = self._player._event(script, len(node.lines) + 1, line, node.transition)
        context = self._player.context(self._language, said)
        transition = interpreter.advance(context, node.transition.run, event)
        return Node(transition, (*node.lines, self._noted(line, transition)))

    def _noted(self, line: Line, transition: Transition) -> Line:
        """The line with what came of it as what is expected."""
        said = tuple(short(self._player.workflow.id, text.template) for text in transition.says)
        found = told(transition.need)
        changes: dict[str, Any] = {"says": said} if said else {}
        if found.startswith("waits for "):
            changes["waits"] = found.removeprefix("waits for ")
        if found.startswith("ends: "):
            changes["ends"] = found.removeprefix("ends: ")
        return line.model_copy(update=changes)

    def _next_lines(self, transition: Transition) -> Iterator[Line]:
        match transition.need:
            case AwaitUser() as need:
                yield from (Line(press=button.value) for button in need.buttons[:_BUTTONS])
                yield from (Line(user=text) for text in self._player.file.texts.get(need.slot, ()))
                yield Line(user=UNREADABLE)
            case NeedReading():
                yield Line(model={})
            case NeedAnswer():
                yield Line(knowledge="")
                yield Line(knowledge="That is how it is.")
            case NeedLookUp() as need:
                for gives in (*self._answers(need.call), "not_found", "failed"):
                    yield Line(look_up=need.call, gives=gives)
            case NeedAct() as need:
                step = self._player.workflow.steps[need.step]
                assert isinstance(step, ActStep)
                codes = [
                    outcome.replace(": ", " ")
                    for outcome in outcomes_of(step, self._player.library.calls[need.call])
                    if outcome != "done"
                ]
                for gives in (*self._answers(need.call), *codes):
                    yield Line(act=need.call, with_=dict(need.arguments), gives=gives)

    def _answers(self, call: str) -> list[str]:
        return [f"done {name}" for name in self._player.file.answers.get(call, {})]


def _fingerprint(transition: Transition) -> tuple[str, Edge]:
    run = transition.run
    last = (run.path[-1].step, run.path[-1].way) if run.path else ("", "")
    codes = tuple(action.detail + action.status for action in run.actions)
    kept = run.model_copy(update={"turns": 0, "trace": (), "path": (), "history": (), "actions": ()})
    return f"{kept.model_dump_json()} {codes} {type(transition.need).__name__}", last


def _name(covered: set[Edge]) -> str:
    steps = [f"{step} {way}" for step, way in sorted(covered)]
    return ", ".join(steps[:4]) + (f" and {len(steps) - 4} more" if len(steps) > 4 else "")
