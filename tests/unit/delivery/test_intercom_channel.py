"""The Intercom channel on a fake workspace: paced, looked before repeated, marked."""

from __future__ import annotations

from typing import Any

import pytest
from delivery.adapters.intercom_channel import IntercomChannel, note_html
from delivery.domain.commands import (
    AssignCommand,
    AttributesCommand,
    CloseCommand,
    NoteCommand,
    Option,
    Order,
    ReplyCommand,
    TagCommand,
)
from delivery.domain.pace import TokenBucket
from delivery.ports import Fate
from floodgate.intercom import ChangedConversation, Conversation, IntercomUnavailableError, Tag

BOT = "5001"


class FakeIntercom:
    """One conversation; a call can fail before or after it was done."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self.assignee: str | None = None
        self.calls: list[str] = []
        self.fail_before: list[Exception] = []
        self.fail_after: list[Exception] = []

    def add(self, kind: str, body: str | None, author: str = BOT, options: Any = ()) -> None:
        self.parts.append(
            {
                "id": str(len(self.parts) + 1),
                "part_type": kind,
                "body": body,
                "author": {"type": "admin", "id": author},
                "metadata": {"quick_reply_options": [{"text": o.text, "uuid": o.uuid} for o in options]},
            }
        )

    def _document(self) -> dict[str, Any]:
        return {
            "id": "77",
            "admin_assignee_id": self.assignee,
            "conversation_parts": {"conversation_parts": self.parts},
        }

    def _do(self, name: str, kind: str, body: str | None = None, options: Any = ()) -> ChangedConversation:
        self.calls.append(name)
        if self.fail_before:
            raise self.fail_before.pop(0)
        self.add(kind, body, options=options)
        if self.fail_after:
            raise self.fail_after.pop(0)
        return ChangedConversation.model_validate(self._document())

    async def get_conversation(self, conversation_id: str, *, plaintext: bool = True) -> Conversation:
        self.calls.append("get")
        return Conversation.model_validate(self._document())

    async def reply(self, conversation_id: str, text: str) -> ChangedConversation:
        return self._do("reply", "comment", text)

    async def send_quick_replies(
        self, conversation_id: str, options: Any, *, text: str | None = None
    ) -> ChangedConversation:
        return self._do("quick_reply", "quick_reply", text, options)

    async def add_note(self, conversation_id: str, html: str) -> ChangedConversation:
        return self._do("note", "note", html)

    async def assign(self, conversation_id: str, assignee_id: str) -> ChangedConversation:
        return self._do(f"assign {assignee_id}", "assignment")

    async def update_conversation(self, conversation_id: str, *, custom_attributes: Any) -> ChangedConversation:
        return self._do(f"attributes {sorted(custom_attributes)}", "attribute")

    async def create_tag(self, name: str) -> Tag:
        self.calls.append(f"create {name}")
        return Tag(id=f"id of {name}", name=name)

    async def attach_tag(self, conversation_id: str, tag_id: str) -> Tag:
        self.calls.append(f"attach {tag_id}")
        return Tag(id=tag_id)

    async def close(self, conversation_id: str) -> ChangedConversation:
        return self._do("close", "close")

    async def bot_admin_id(self) -> str:
        return BOT


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def workspace() -> FakeIntercom:
    return FakeIntercom()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channel(workspace: FakeIntercom, clock: Clock) -> IntercomChannel:
    bucket = TokenBucket(60_000, 1_000)
    return IntercomChannel(
        workspace, bucket, request_timeout_seconds=10.0, monotonic=clock.monotonic, sleep=clock.sleep
    )


def order(command, number=0, after=None):
    return Order(
        channel="intercom",
        conversation_id="77",
        event_id="1a2b3c4d-0000-5000-8000-000000000000",
        number=number,
        command=command,
        after_part_id=after,
    )


REPLY = ReplyCommand(text="Which order is it about?")
BUTTONS = ReplyCommand(text="Which?", options=(Option(option_id="u-1", label="One"),))
NOTE = NoteCommand(title="Hands over <b>", text="one\ntwo & three")


async def test_a_reply_reads_the_conversation_and_is_sent(channel, workspace, clock):
    receipt = await channel.deliver(order(REPLY), maybe_repeated=False)
    assert (receipt.fate, receipt.part_id) == (Fate.SENT, "1")
    assert workspace.calls == ["get", "reply"]
    assert clock.slept == []


async def test_buttons_become_quick_replies(channel, workspace):
    await channel.deliver(order(BUTTONS), maybe_repeated=False)
    assert workspace.parts[0]["metadata"]["quick_reply_options"] == [{"text": "One", "uuid": "u-1"}]


@pytest.mark.parametrize("command", [REPLY, BUTTONS])
async def test_after_a_restart_what_had_arrived_is_not_sent_again(channel, workspace, clock, command):
    await channel.deliver(order(command), maybe_repeated=False)
    receipt = await channel.deliver(order(command), maybe_repeated=True)
    assert receipt.fate is Fate.ALREADY_SENT
    assert receipt.part_id == "1"
    assert len(workspace.parts) == 1
    assert clock.slept == [10.0]


async def test_after_a_restart_what_had_not_arrived_is_sent(channel, workspace):
    receipt = await channel.deliver(order(REPLY), maybe_repeated=True)
    assert receipt.fate is Fate.SENT
    assert len(workspace.parts) == 1


async def test_a_time_out_after_it_was_accepted_is_not_sent_again(channel, workspace, clock):
    workspace.fail_after.append(IntercomUnavailableError("ReadTimeout", maybe_done=True))
    with pytest.raises(IntercomUnavailableError):
        await channel.deliver(order(REPLY), maybe_repeated=False)
    receipt = await channel.deliver(order(REPLY), maybe_repeated=True)
    assert receipt.fate is Fate.ALREADY_SENT
    assert len(workspace.parts) == 1


async def test_a_refusal_at_the_door_is_tried_again_without_waiting_or_looking_for_it(channel, workspace, clock):
    workspace.fail_before.append(IntercomUnavailableError("429", 3.0, maybe_done=False, status=429))
    with pytest.raises(IntercomUnavailableError):
        await channel.deliver(order(NOTE), maybe_repeated=False)
    receipt = await channel.deliver(order(NOTE), maybe_repeated=True)
    assert receipt.fate is Fate.SENT
    assert workspace.calls == ["note", "note"]
    assert clock.slept == [pytest.approx(3.0, abs=0.1)], "everyone waits as long as Intercom asked"


async def test_a_doubtful_try_stays_doubtful_when_a_later_one_is_refused(channel, workspace):
    workspace.fail_after.append(IntercomUnavailableError("ReadTimeout", maybe_done=True))
    with pytest.raises(IntercomUnavailableError):
        await channel.deliver(order(NOTE), maybe_repeated=False)
    receipt = await channel.deliver(order(NOTE), maybe_repeated=True)
    assert receipt.fate is Fate.ALREADY_SENT


async def test_a_human_who_has_joined_silences_the_reply_but_not_the_note(channel, workspace):
    workspace.add("comment", "Hi, this is Maren", author="5002")
    assert (await channel.deliver(order(REPLY), maybe_repeated=False)).fate is Fate.WITHHELD
    assert (await channel.deliver(order(NOTE, 1), maybe_repeated=False)).fate is Fate.SENT
    assert (await channel.deliver(order(CloseCommand(), 2), maybe_repeated=False)).fate is Fate.WITHHELD


async def test_an_assigned_human_silences_but_the_bot_itself_does_not(channel, workspace):
    workspace.assignee = "5002"
    assert (await channel.deliver(order(REPLY), maybe_repeated=False)).fate is Fate.WITHHELD
    workspace.assignee = BOT
    assert (await channel.deliver(order(REPLY, 1), maybe_repeated=False)).fate is Fate.SENT


async def test_states_are_set_without_reading(channel, workspace):
    await channel.deliver(order(AssignCommand(team="tickets", channel_team_id="1001")), maybe_repeated=True)
    await channel.deliver(order(AttributesCommand(values={"floodgate_decision": "pass"}), 1), maybe_repeated=True)
    await channel.deliver(order(TagCommand(tags=("a", "b")), 2), maybe_repeated=True)
    await channel.deliver(order(TagCommand(tags=("a",)), 3), maybe_repeated=True)
    assert workspace.calls == [
        "assign 1001",
        "attributes ['floodgate_decision']",
        "create a",
        "attach id of a",
        "create b",
        "attach id of b",
        "attach id of a",
    ]


def test_a_note_is_escaped_and_ends_with_its_mark():
    assert note_html(NOTE, "1a2b3c4d-0") == (
        "<p><b>Hands over &lt;b&gt;</b></p><p>one<br>two &amp; three</p><p><i>Floodgate · ref 1a2b3c4d-0</i></p>"
    )


async def test_calls_keep_to_the_rate(workspace, clock):
    channel = IntercomChannel(
        workspace, TokenBucket(60, 2), request_timeout_seconds=1.0, monotonic=clock.monotonic, sleep=clock.sleep
    )
    for number in range(4):
        await channel.deliver(order(NOTE, number), maybe_repeated=False)
    assert clock.slept == [pytest.approx(1.0), pytest.approx(1.0)]
