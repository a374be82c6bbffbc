"""The agent on an engine that can be killed between any two steps, and a world that answers as a script says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from time import thread_time
from typing import Any, Final
from uuid import UUID, uuid5

from agent.approving import SHOP
from agent.domain.answers import Answer
from agent.domain.calls import CallResult
from agent.domain.exchange import ModelReading
from agent.domain.records import option_id
from agent.domain.state import AgentState
from agent.handlers import AgentHandler
from agent.scripts import Line, Player, Script
from agent.settings import AgentSettings
from agent.writing import ESCALATIONS, REPLIES, Writer
from floodgate.events import Citation, Decision, Message, MessageKind, Misuse, ModelUsage, Verdict
from keyflow import Emit, Outcome, PendingEffect, Processor, Record, StateSpec, Tools
from support.crash_lab import Lab
from support.crash_process import Fault, Process
from support.crash_topics import DEAD, IN, STATE

KEY: Final = "intercom:1"
_IDS: Final = UUID("4d2f0a51-6a3e-4d0e-9a41-0a9d6f1f2c11")
_MOMENTS: Final = {"occurred_at", "expires_at", "at"}
"""`at` is that of a turn in the transcript of a hand-over."""
_SETTINGS: Final = AgentSettings()


class ScriptedWorld:
    """Shop, model and knowledge of one script. What they answer depends on where the conversation is, and not on how
    often it was asked: a process that died asks again.
    """

    def __init__(self, player: Player, script: Script) -> None:
        self.player = player
        self.script = script
        self.verdicts: list[Verdict] = []
        self._said_at: list[int] = []
        self._acted_at: dict[str, int] = {}
        self._at = 0
        for number, line in enumerate(script.lines):
            if line.user is not None or line.press is not None:
                self.verdicts.append(self._verdict(line))
                self._said_at.append(number)

    def records(self) -> list[tuple[str, bytes]]:
        """What the firewall decided of what the user did."""
        return [(KEY, verdict.model_dump_json().encode()) for verdict in self.verdicts]

    def actions(self) -> list[tuple[str, Any]]:
        """The actions that reach the shop, as the script has them."""
        return [(line.act, line.with_) for line in self.script.lines if line.act is not None]

    def handler(self) -> AgentHandler:
        """A new process's."""
        library = self.player.library
        writer = Writer(library, _SETTINGS.reply_ttl_seconds, "0.1.0")
        known: Any = self  # Knowledge is a class; this answers in its place
        return AgentHandler(library, self, self, _SETTINGS, knowledge=known, writer=writer, now_ms=lambda: 0)

    # Where the conversation is

    def hears(self, verdict: Verdict) -> None:
        self._at = self._said_at[[known.event_id for known in self.verdicts].index(verdict.event_id)] + 1

    def decides(self, key: str) -> None:
        self._acted_at[key] = self._at

    def does(self, key: str) -> CallResult:
        return self._result(self.script.lines[self._acted_at[key]])

    def goes_on_after(self, key: str) -> None:
        self._at = self._acted_at[key] + 1

    def _next(self) -> Line:
        self._at += 1
        return self.script.lines[self._at - 1]

    def _result(self, line: Line) -> CallResult:
        return self.player.result(line.look_up or line.act or "", line.gives or "done", self.script.name)

    # Backend, SlotReader and Knowledge

    async def look_up(self, call: str, arguments: Mapping[str, str | int], contact_id: str) -> CallResult:
        line = self._next()
        assert line.look_up == call, f"{self.script.name}: looks up {call}, not {line.look_up}"
        return self._result(line)

    async def read(self, request: Any) -> tuple[ModelReading, ModelUsage]:
        model = self._next().model or {}
        values = {name: value for name, value in model.items() if name != "command"}
        return ModelReading(values, model.get("command") or "none", request.text), ModelUsage(calls=1)

    async def answer(self, question: str, *_: Any) -> Answer | None:
        text = self._next().knowledge
        return Answer(text, Citation(article_id="a", chunk_id="a-1", title="A")) if text else None

    async def bearing_on(self, *_: Any) -> tuple[Citation, ...]:
        return ()

    def _verdict(self, line: Line) -> Verdict:
        number = len(self.verdicts)
        clicked = {}
        if line.press is not None:
            clicked = {"clicked_option": str(option_id(self.verdicts[-1].event_id, line.press))}
        message = Message(
            event_id=uuid5(_IDS, f"message {number}"),
            occurred_at=self.player.file.now,
            conversation_id=KEY,
            kind=MessageKind.USER_MESSAGE,
            channel="intercom",
            contact_id="pseudonym-of-cust-0001",
            contact_verified=True,
            text=line.user or line.press or "",
            **clicked,
        )
        return Verdict(
            event_id=uuid5(_IDS, f"verdict {number}"),
            occurred_at=self.player.file.now,
            conversation_id=KEY,
            decision=Decision.AUTOMATE,
            message=message,
            category=self.player.workflow.category,
            misuse=Misuse.NONE,
            urgent=False,
            urgency=0.1,
            workflow=self.player.workflow.id,
            wants="The customer wants something.",
            confidence=0.9,
            explanation="A test.",
            language=self.script.language,
        )


class AgentLab(Lab):
    """A lab whose processes run the agent.

    Args:
        make_handler: Makes a handler that asks the one shop of the lab.
        now: What the agent's clock shows at the beginning; None: the broker's time.
        world: Answers actions, once per idempotency key; None: every action is done.
    """

    def __init__(
        self,
        make_handler: Callable[[], AgentHandler],
        *,
        now: datetime | None = None,
        world: ScriptedWorld | None = None,
    ) -> None:
        super().__init__(partitions=1)
        for topic in (REPLIES, ESCALATIONS):
            self.broker.create(topic, 1)
        self.make_handler = make_handler
        self.world = world
        if now is not None:
            self.clock_ahead_ms = int(now.timestamp() * 1000) - self.broker.now_ms()
        self.done: Counter[str] = Counter()
        self.asked: dict[str, tuple[str, Any]] = {}
        self.attempts: Counter[str] = Counter()
        self.answers: dict[str, Mapping[str, Any]] = {}
        self.own_seconds: list[float] = []
        """Processor time of each call of the handler; model and shop answer from memory."""

    def _processor(self, process: Process) -> Processor[Any]:
        async def act(pending: PendingEffect) -> Mapping[str, Any]:
            process.step("effect")
            key, payload = pending.effect.idempotency_key, pending.effect.payload
            self.attempts[key] += 1
            if key not in self.answers:
                self.done[key] += 1
                self.asked[key] = (payload["call"], dict(payload["arguments"]))
                self.answers[key] = self._answer(key)
            process.step("effect", when="after")
            return self.answers[key]

        return Processor(
            name="lab",
            inputs=[IN],
            handler=_Stepping(self, process, self.make_handler()),
            decode=lambda _, data: Verdict.model_validate_json(data),
            encode=lambda _, value: value.model_dump_json().encode(),
            dead_letter=lambda failed: Emit(DEAD, "x", {"reason": failed.reason}),
            state=StateSpec(STATE, _encode, AgentState.model_validate_json, None),
            effects={SHOP: act},
        )

    def _answer(self, key: str) -> Mapping[str, Any]:
        if self.world is None:
            return {"outcome": "done", "code": "", "value": {"number": "TK-40001", "ends_at": None}}
        result = self.world.does(key)
        return {"outcome": str(result.outcome), "code": result.code, "value": dict(result.value)}

    def told(self) -> list[Any]:
        """Everything that was committed, without the moments, which are the clock's."""
        found = [*self.committed(REPLIES), *self.committed(ESCALATIONS)]
        return [(key, _timeless(value)) for key, value in found]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(part) for name, part in value.items() if name not in _MOMENTS}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def _encode(state: AgentState) -> bytes:
    return state.model_dump_json().encode()


class _Stepping:
    """A handler with places at which its process may die."""

    def __init__(self, lab: AgentLab, process: Process, handler: AgentHandler) -> None:
        self._lab, self._process, self._handler = lab, process, handler

    async def handle(self, record: Record, state: Any, tools: Tools) -> Outcome[Any]:
        self._process.step("handle")
        self._lab.handled.append((record.key, record.offset))
        if self._lab.world is not None:
            self._lab.world.hears(record.value)
        began = thread_time()
        outcome = await self._handler.handle(record, state, tools)
        self._decided(outcome, began)
        self._process.step("handle", when="after")
        return outcome

    async def resume(self, result: Any, key: str, state: Any, tools: Tools) -> Outcome[Any]:
        self._process.step("resume")
        if self._lab.world is not None:
            self._lab.world.goes_on_after(result.effect.idempotency_key)
        began = thread_time()
        outcome = await self._handler.resume(result, key, state, tools)
        self._decided(outcome, began)
        self._process.step("resume", when="after")
        return outcome

    def _decided(self, outcome: Outcome[Any], began: float) -> None:
        self._lab.own_seconds.append(thread_time() - began)
        if self._lab.world is not None and outcome.effect is not None:
            self._lab.world.decides(outcome.effect.idempotency_key)


def run(
    handler: Callable[[], AgentHandler],
    records: list[tuple[str, bytes]],
    faults: list[Fault],
    *,
    now: datetime | None = None,
    world: ScriptedWorld | None = None,
) -> tuple[AgentLab, list[str]]:
    """One conversation, one process after the other; the lab, and the steps of the first process."""
    lab = AgentLab(handler, now=now, world=world)
    with lab.open():
        lab.fill(records)
        lives = lab.finish(faults)
    return lab, lives[0].steps


def play(player: Player, script: Script, *faults: Fault) -> tuple[AgentLab, list[str]]:
    """One scripted conversation."""
    world = ScriptedWorld(player, script)
    return run(world.handler, world.records(), list(faults), now=player.file.now, world=world)


class Calm:
    """A scripted conversation without a fault, and what must not differ from it with some.

    Raises:
        AssertionError: Without a fault already the actions are not those of the script.
    """

    def __init__(self, player: Player, script: Script) -> None:
        self._player = player
        self._script = script
        self._lab, self.steps = play(player, script)
        name = f"{player.workflow.id}: {script.name}"
        wanted = ScriptedWorld(player, script).actions()
        found = list(self._lab.asked.values())
        assert [call for call, _ in found] == [call for call, _ in wanted], f"{name}: {found}, not {wanted}"
        assert all(with_ is None or with_ == asked for (_, asked), (_, with_) in zip(found, wanted, strict=True)), name
        assert self._lab.told(), f"{name}: says nothing"
        assert self._lab.committed(DEAD) == [], name

    @property
    def own_seconds(self) -> list[float]:
        """Processor time of each call of the agent's handler."""
        return self._lab.own_seconds

    def killed_at(self, *steps: int) -> None:
        """Plays it again, the processes dying one after the other at these steps.

        Raises:
            AssertionError: Something was said or done otherwise, or twice.
        """
        lab, _ = play(self._player, self._script, *map(Fault, steps))
        where = f"{self._player.workflow.id}: {self._script.name}: killed at {steps} of {len(self.steps)}"
        assert lab.told() == self._lab.told(), where
        assert lab.asked == self._lab.asked, where
        assert set(lab.done.values()) <= {1}, where
        assert lab.committed(DEAD) == [], where
