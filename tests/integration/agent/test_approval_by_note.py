"""A teammate decides on a proposed action by a note in Intercom: by webhook, ingest, the agent and delivery."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from floodgate.events import Escalation, SwitchMode
from support.processes import ServiceProcess, answers, begin_at_the_end, eventually, free_port, running

pytestmark = pytest.mark.integration

GROUPS = {
    "delivery": ("support.verdicts", "support.replies", "support.escalations", "support.messages"),
    "ingest": ("support.intercom.raw",),
    "ingest-closed": ("support.messages",),
    "ingest-status": ("support.messages", "support.verdicts", "support.replies", "support.escalations"),
}


@dataclass
class Inbox:
    """A conversation as teammates see it."""

    intercom: httpx.Client
    number: str

    def notes(self) -> list[str]:
        shown = self.intercom.get(f"/_local/conversations/{self.number}").raise_for_status().json()
        parts = shown["conversation_parts"]["conversation_parts"]
        return [re.sub(r"<[^>]+>", "\n", part["body"]) for part in parts if part["part_type"] == "note"]

    def note(self, text: str) -> None:
        body = {"text": text, "note": True}
        self.intercom.post(f"/_local/conversations/{self.number}/human-reply", json=body).raise_for_status()

    def proposal(self) -> str:
        """The id in the note that asks for a decision."""
        found = eventually(
            lambda: [match[1] for note in self.notes() if (match := re.search(r"approve ([0-9a-f-]{36})", note))],
            "no note asks for a decision",
        )
        return str(found[0])


@pytest.fixture(scope="module")
def around(
    agent: ServiceProcess,
    agent_env: dict[str, str],
    stack_env: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """Ingest and delivery beside the agent; Intercom's notifications go to this ingest."""
    folder = tmp_path_factory.mktemp("around")
    port = free_port()
    env = {**agent_env, "FLOODGATE_INGEST_PORT": str(port)}
    for group, topics in GROUPS.items():
        servers, prefix = stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], agent_env["FLOODGATE_KAFKA_GROUP_PREFIX"]
        begin_at_the_end(servers, prefix + group, topics)
    with (
        running(ServiceProcess("delivery", env, folder / "delivery.log")),
        running(ServiceProcess("ingest", env, folder / "ingest.log")) as ingest,
        httpx.Client(base_url=stack_env["FLOODGATE_INTERCOM_BASE_URL"], timeout=10) as intercom,
    ):
        eventually(lambda: answers(f"http://127.0.0.1:{port}/readyz"), ingest.tail)
        before = intercom.get("/_local/webhook").json()["url"]
        intercom.put("/_local/webhook", json={"url": f"http://127.0.0.1:{port}/webhooks/intercom"}).raise_for_status()
        yield intercom
        intercom.put("/_local/webhook", json={"url": before} if before else {}).raise_for_status()


@pytest.fixture
def proposed(
    around: httpx.Client, open_desk: Callable[..., Any], limit: Callable[[SwitchMode], None]
) -> Callable[[int], tuple[Any, Inbox]]:
    """A customer's agreed action that waits for a person, and the inbox in which they decide."""

    def one(customer: int) -> tuple[Any, Inbox]:
        body = {"text": "I cannot sign in", "external_id": f"cust-{uuid.uuid4().hex[:8]}", "name": "Robin Vale"}
        made = around.post("/_local/conversations", json=body).raise_for_status().json()
        inbox = Inbox(around, str(made["conversation_id"]))
        desk = open_desk(customer=customer, workflow="reset_sign_in", conversation=f"intercom:{inbox.number}")
        desk.say("I cannot sign in", channel="intercom")
        desk.click("yes")
        return desk, inbox

    limit(SwitchMode.PROPOSE)
    return one


def test_a_note_approves_what_was_proposed_and_it_is_done_once(proposed: Any) -> None:
    desk, inbox = proposed(27)
    word = f"approve {inbox.proposal()}"
    assert desk.actions() == []
    # Who names another proposal decides nothing; who says it twice decides once.
    for said in (f"approve {uuid.uuid4()}", word, word):
        inbox.note(said)
    eventually(lambda: any(getattr(each, "resolved", False) for each in desk.records()), "it is not resolved")
    assert [(entry["action"], entry["times_requested"]) for entry in desk.actions()] == [("reset_sign_in", 1)]


def test_a_note_rejects_and_a_human_goes_on(proposed: Any) -> None:
    desk, inbox = proposed(28)
    proposal = inbox.proposal()
    # The notes of a conversation are read in order: an approval with a condition to it was none.
    inbox.note(f"approve {proposal} but only tomorrow")
    inbox.note(f"Reject {proposal}: the account is being looked at")
    eventually(
        lambda: [each.reason_code for each in desk.records() if isinstance(each, Escalation)] == ["approval_rejected"],
        "nobody took over",
    )
    assert desk.actions() == []
