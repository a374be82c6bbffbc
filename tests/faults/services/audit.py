"""The audit: after every fault the same questions, one function each, each with its answer in words.

Ids are derived from what caused them, so a record that was made twice has the same id twice: a double shows, however
it came about. All functions are pure; they yield one line per thing that is not as it should be, nothing otherwise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from faults.services.journal import PROCESSORS, Entry, Place, inputs_of, unread
from faults.services.picture import Picture
from floodgate.events import (
    DeadLetter,
    Decision,
    Escalation,
    EscalationSource,
    Interaction,
    Message,
    MessageKind,
    Reply,
    Summary,
    Verdict,
)

_BY_DESIGN: Final = "poison"
"""The one error class of a dead letter: `retries_exhausted` would mean that an outage was taken for a bad record."""


Check = Callable[[Picture], Iterator[str]]


def problems(picture: Picture, checks: Iterable[Check] | None = None) -> list[str]:
    """Everything that is not as it should be; each line names the check that found it."""
    return [f"{check.__name__}: {line}" for check in checks or CHECKS for line in check(picture)]


# Every input, one outcome


def front_door(picture: Picture) -> Iterator[str]:
    """What users wrote and files held has reached the topics."""
    arrived = Counter(m.conversation_id for m in picture.user_messages.values())
    for number, conversation in picture.conversations.items():
        count = arrived[f"intercom:{number}"]
        if count != conversation.written:
            yield f"intercom:{number}: {conversation.written} messages were written, {count} are on the topic"
    interactions = {i.interaction_id for i in picture.records("support.interactions", Interaction)}
    for missing in sorted(set(picture.dropped) - interactions):
        yield f"interaction {missing} was dropped into the bucket and is not on the topic"
    edge = [letter for letter in picture.letters if letter.origin_topic.startswith("s3://")]
    if len(edge) != picture.broken_lines:
        yield f"{picture.broken_lines} broken lines were dropped, {len(edge)} are dead letters"


def one_verdict(picture: Picture) -> Iterator[str]:
    """Every user message has one verdict."""
    found = Counter(verdict.causation_id for verdict in picture.verdicts)
    repeatable = picture.repeatable
    for event_id, message in picture.user_messages.items():
        if not 1 <= found[event_id] <= repeatable.get(event_id, 1):
            yield f"{message.conversation_id}: message {event_id} has {found[event_id]} verdicts"
    for cause in found.keys() - picture.user_messages.keys():
        yield f"a verdict names message {cause}, which is not on the topic"


def one_answer(picture: Picture) -> Iterator[str]:
    """Every verdict leads where it says: to the agent's answer, or to a hand-over."""
    answered: Counter[UUID | None] = Counter()
    for answer in _answers(picture):
        answered[answer.causation_id] += 1
    quiet = _with_humans(picture)
    repeatable = picture.repeatable
    for verdict in picture.verdicts:
        cause = verdict.causation_id
        handed_over = verdict.decision in (Decision.ESCALATE, Decision.QUARANTINE)
        if handed_over and cause is not None and not 1 <= answered[cause] <= repeatable.get(cause, 1):
            yield f"{verdict.conversation_id}: {verdict.decision.value} of {cause} has {answered[cause]} hand-overs"
        automated = verdict.decision is Decision.AUTOMATE
        if automated and answered[verdict.event_id] == 0 and verdict.conversation_id not in quiet:
            yield f"{verdict.conversation_id}: verdict {verdict.event_id} was to be automated and nobody answered"


def one_summary(picture: Picture) -> Iterator[str]:
    """Every interaction has its feature record, once, and the feature store has it."""
    made = Counter(summary.causation_id for summary in picture.records("support.summaries", Summary))
    failed = {letter.key for letter in picture.letters if letter.service == "summarizer"}
    summarised = {s.interaction_id for s in picture.records("support.summaries", Summary)}
    for interaction in picture.records("support.interactions", Interaction):
        known = str(interaction.interaction_id)
        if interaction.interaction_id not in summarised and known.encode() not in failed:
            yield f"interaction {known} has no feature record"
        if made[interaction.event_id] > 1:
            yield f"interaction {known} has {made[interaction.event_id]} feature records of one event"
    for missing in sorted(summarised - set(picture.stored), key=str):
        yield f"the feature record of interaction {missing} is not in the feature store"


def closed_conversations(picture: Picture) -> Iterator[str]:
    """Every conversation that closed became an interaction."""
    made = {i.causation_id for i in picture.records("support.interactions", Interaction)}
    told: set[str] = set()
    for message in picture.records("support.messages", Message):
        if message.kind is MessageKind.CLOSED:
            told.add(message.conversation_id)
            if message.event_id not in made:
                yield f"{message.conversation_id}: its end {message.event_id} has no interaction"
    for number, conversation in picture.conversations.items():
        if conversation.closed and f"intercom:{number}" not in told:
            yield f"intercom:{number}: it was closed and no topic says so"


def nothing_twice(picture: Picture) -> Iterator[str]:
    """No output was committed twice. Edges may repeat themselves; only they."""
    repeatable = picture.repeatable
    for topic, kind in _OUTPUTS.items():
        records = picture.records(topic, kind)
        causes = {record.event_id: record.causation_id for record in records}
        for event_id, count in Counter(record.event_id for record in records).items():
            if count > repeatable.get(causes[event_id], 1):
                yield f"{topic}: {event_id} was committed {count} times"


def dead_letters(picture: Picture) -> Iterator[str]:
    """One dead letter of every reader for each broken record, and none of anything else."""
    expected = {
        (reader, place) for place, readers in picture.poison.items() for reader in readers or _readers(place[0])
    }
    found: Counter[tuple[str, Place]] = Counter()
    for letter in picture.letters:
        place = (letter.origin_topic, letter.origin_partition, letter.origin_offset)
        if letter.origin_topic.startswith("s3://"):
            continue
        found[letter.service, place] += 1
        broken_answer = picture.expects_broken_answers and letter.raw_output is not None
        if letter.error_class != _BY_DESIGN:
            yield f"{letter.service}: {_at(place)} was dead-lettered as {letter.error_class}: {letter.reason}"
        elif (letter.service, place) not in expected and not broken_answer:
            yield f"{letter.service}: {_at(place)} was dead-lettered: {letter.reason}"
    for service, place in expected:
        if found[service, place] != 1:
            yield f"{service}: broken record {_at(place)} has {found[service, place]} dead letters"
    for (service, place), count in found.items():
        if count > 1 and (service, place) not in expected:
            yield f"{service}: {_at(place)} has {count} dead letters"


# The outside


def shop(picture: Picture) -> Iterator[str]:
    """Every action was done once, and is what the agent says of it."""
    verdicts = {str(verdict.event_id) for verdict in picture.verdicts if verdict.decision is Decision.AUTOMATE}
    done = {}
    for action in picture.actions:
        key = str(action["idempotency_key"])
        if key.partition(":")[0] not in verdicts:
            continue
        done[key] = action["outcome"] == "done"
        if action["times_done"] != int(done[key]):
            yield f"action {key} ended as {action['outcome']} and was done {action['times_done']} times"
    told = {result.idempotency_key: result.status.value for answer in _answers(picture) for result in answer.actions}
    for key, status in told.items():
        if status in ("done", "refused") and done.get(key) is not (status == "done"):
            yield f"action {key} is said to be {status}; the shop's journal says otherwise"
    for key in done.keys() - told.keys():
        yield f"action {key} is in the shop's journal and no record tells of it"


def intercom(picture: Picture) -> Iterator[str]:
    """Every reply is shown once, in its order, or a note says why it was withheld."""
    decided = _decided(picture)
    for number, conversation in picture.conversations.items():
        name = f"intercom:{number}"
        left = list(conversation.said)
        for topic, replies in decided.get(name, {}).items():
            at = -1
            for words, buttons in replies:
                shown = next((i for i, part in enumerate(left) if part and _is_shown(words, buttons, part)), None)
                if shown is None and not any(words in note for note in conversation.notes):
                    yield f"{name}: a reply of {topic} is not shown and no note tells of it"
                if shown is not None:
                    left[shown] = ("", ())
                    if shown < at:
                        yield f"{name}: replies of {topic} are shown out of order"
                    at = shown
        for words, _ in left:
            if words:
                yield f"{name}: the bot said something more often than it was decided"
        marks = Counter(mark for note in conversation.notes for mark in _marks(note))
        for mark, count in marks.items():
            if count > 1:
                yield f"{name}: note {mark} stands there {count} times"


def nobody_waits(picture: Picture) -> Iterator[str]:
    """No conversation was left without a verdict or a human."""
    last: dict[str, Verdict] = {}
    for verdict in picture.verdicts:
        last[verdict.conversation_id] = verdict
    escalated = {escalation.conversation_id for escalation in picture.escalations}
    answered = {reply.causation_id for reply in picture.replies}
    for number, conversation in picture.conversations.items():
        name = f"intercom:{number}"
        if name not in last:
            yield f"{name}: there is no verdict"
            continue
        verdict = last[name]
        with_human = name in escalated or name in _with_humans(picture) or conversation.assigned
        match verdict.decision:
            case Decision.PASS if verdict.team is not None and not conversation.assigned:
                yield f"{name}: it was passed to {verdict.team} and nobody has it"
            case Decision.ESCALATE | Decision.QUARANTINE if not conversation.assigned and not conversation.closed:
                yield f"{name}: it was handed over and nobody has it"
            case Decision.AUTOMATE if verdict.event_id not in answered and not with_human:
                yield f"{name}: neither the agent nor a human has it"


# Order, state, offsets


def order(picture: Picture) -> Iterator[str]:
    """Outputs of one key stand in the order of what caused them, and keys in their partition."""
    messages = _first_places(picture.user_messages, picture.decoded.get("support.messages", ()))
    yield from _in_order("support.verdicts", picture.verdicts, messages)
    verdicts = {v.event_id: n for n, v in enumerate(picture.verdicts)}
    yield from _in_order("support.replies", picture.replies, verdicts)
    agents = [e for e in picture.escalations if e.source is EscalationSource.AGENT]
    yield from _in_order("support.escalations (agent)", agents, verdicts)
    firewalls = [e for e in picture.escalations if e.source is EscalationSource.FIREWALL]
    yield from _in_order("support.escalations (firewall)", firewalls, messages)
    partitions: dict[bytes, int] = {}
    for topic in _BY_CONVERSATION:
        for entry, _ in picture.decoded.get(topic, ()):
            if entry.key is not None and partitions.setdefault(entry.key, entry.partition) != entry.partition:
                yield f"{topic}: key {entry.key.decode()} is in partition {entry.partition}, elsewhere in another"


def state(picture: Picture) -> Iterator[str]:
    """What an engine restores is the fold of the changelog, and tells of what was committed."""
    for changelog, folded in picture.folded.items():
        restored = picture.restored.get(changelog, {})
        if len(restored) != len(folded):
            yield f"{changelog}: {len(restored)} keys are restored, {len(folded)} are in the fold"
        for key, raw in folded.items():
            entry = restored.get(key)
            if entry is None or entry.state != raw.partition(b"\n")[2]:
                yield f"{changelog}: {key} is not restored as the changelog has it"
            elif entry.effect is not None:
                yield f"{changelog}: {key} still waits for {entry.effect.kind} {entry.effect.idempotency_key}"
    yield from _remembers(picture)


def offsets(picture: Picture) -> Iterator[str]:
    """Nothing is unread: committed offsets and their maps cover every record."""
    for processor in PROCESSORS:
        committed = picture.committed.get(processor, {})
        for topic in inputs_of(processor):
            left = unread(picture.journal.of(topic), committed)
            if left:
                yield f"{processor}: {len(left)} records of {topic} are unread, the first at {_at(left[0].place)}"


CHECKS: Final[tuple[Check, ...]] = (
    front_door,
    one_verdict,
    one_answer,
    one_summary,
    closed_conversations,
    nothing_twice,
    dead_letters,
    shop,
    intercom,
    nobody_waits,
    order,
    state,
    offsets,
)
_OUTPUTS: Final[Mapping[str, type[Any]]] = {
    "support.verdicts": Verdict,
    "support.replies": Reply,
    "support.escalations": Escalation,
    "support.summaries": Summary,
    "support.dead-letters": DeadLetter,
}
_BY_CONVERSATION: Final = ("support.messages", "support.verdicts", "support.replies", "support.escalations")


def _readers(topic: str) -> list[str]:
    return [processor for processor in PROCESSORS if topic in inputs_of(processor)]


def _at(place: Place) -> str:
    return "/".join(str(part) for part in place)


def _answers(picture: Picture) -> list[Any]:
    return [*picture.replies, *picture.escalations]


def _with_humans(picture: Picture) -> set[str]:
    """Conversations in which the automation has reason to be silent."""
    joined = {
        m.conversation_id for m in picture.records("support.messages", Message) if m.kind is MessageKind.HUMAN_JOINED
    }
    return joined | {escalation.conversation_id for escalation in picture.escalations}


def _decided(picture: Picture) -> dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]]:
    """What is to be said: by conversation and topic, in order."""
    found: dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]] = defaultdict(lambda: defaultdict(list))
    for topic, kind in (("support.verdicts", Verdict), ("support.replies", Reply), ("support.escalations", Escalation)):
        for record in picture.records(topic, kind):
            if record.reply is not None:
                buttons = tuple(str(option.option_id) for option in record.reply.options)
                found[record.conversation_id][topic].append((words_of(record.reply.text), buttons))
    return found


def words_of(text: str) -> str:
    """Text without differences that formatting makes."""
    return " ".join(text.split())


def _is_shown(words: str, buttons: tuple[str, ...], part: tuple[str, tuple[str, ...]]) -> bool:
    # The first reply of a conversation begins with the notice that it is automated.
    return part[1] == buttons and (part[0] == words or part[0].endswith(words))


def _marks(note: str) -> list[str]:
    return [note.rpartition("Floodgate · ref ")[2].strip()] if "Floodgate · ref " in note else []


def _first_places(wanted: Collection[UUID], records: Iterable[tuple[Entry, Any]]) -> dict[UUID, int]:
    places: dict[UUID, int] = {}
    for number, (_, record) in enumerate(records):
        if record.event_id in wanted:
            places.setdefault(record.event_id, number)
    return places


def _in_order(topic: str, records: Iterable[Any], causes: Mapping[UUID, int]) -> Iterator[str]:
    latest: dict[str, int] = {}
    for record in records:
        at = causes.get(record.causation_id, -1)
        if at < latest.get(record.conversation_id, -1):
            yield f"{topic}: {record.conversation_id}: {record.event_id} stands after what came later"
        latest[record.conversation_id] = max(at, latest.get(record.conversation_id, -1))


def _remembers(picture: Picture) -> Iterator[str]:
    """The states name the events that were handled, each once: what makes a repeat known."""
    poisoned = {(letter.service, letter.key or b"") for letter in picture.letters}
    handled: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for message in picture.user_messages.values():
        handled["firewall"][message.conversation_id].append(str(message.event_id))
    for verdict in picture.verdicts:
        if verdict.decision is Decision.AUTOMATE:
            handled["agent"][verdict.conversation_id].append(str(verdict.event_id))
    for event in [*picture.verdicts, *_answers(picture)]:
        handled["delivery"][event.conversation_id].append(str(event.event_id))
    for service, keys in handled.items():
        states = picture.states.get(f"support.{service}.state", {})
        for key, ids in keys.items():
            if (service, key.encode()) in poisoned:
                continue  # a poisoned record changes no state
            known = [str(event_id) for event_id in states.get(key, {}).get("recent_event_ids", ())]
            forgotten = set(ids) - set(known)
            if forgotten and len(known) < _LEAST_MEMORY:
                yield f"support.{service}.state: {key} does not know {len(forgotten)} events that were handled"
            if len(set(known)) != len(known):
                yield f"support.{service}.state: {key} has handled an event twice"
            if states.get(key, {}).get("queue"):
                yield f"support.{service}.state: {key} has commands left"


_LEAST_MEMORY: Final = 50
"""The shortest memory of the services, in events: a fuller one may have forgotten."""
