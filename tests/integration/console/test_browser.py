"""The console in a real Chromium: every page, both themes, two widths, by keyboard, and the story of a redrive."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from confluent_kafka import Producer
from floodgate.committed import CommittedRecords
from floodgate.deadletters import Letters
from floodgate.events import DeadLetter, Message, MessageKind
from floodgate.events.serde import AvroSerde
from floodgate.settings import KafkaSettings
from keyflow.reading import committed_records
from playwright.sync_api import Page, expect
from support.console_client import Console, until

pytestmark = pytest.mark.integration
PAGES = (
    "/",
    "/conversations",
    "/firewall",
    "/agent?span=30d",
    "/summaries",
    "/knowledge",
    "/dead-letters",
    "/topics?topic=support.verdicts",
    "/impact",
)
OpenPage = Callable[..., Any]
Write = Callable[..., DeadLetter]


@pytest.fixture
def serde(stack_env: dict[str, str]) -> AvroSerde:
    return AvroSerde(stack_env["FLOODGATE_SCHEMA_REGISTRY_URL"])


@pytest.fixture
def write(stack_env: dict[str, str], serde: AvroSerde, console: Console) -> Write:
    """Writes dead letters of one group and waits until the console shows them."""
    producer = Producer(
        {"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"], "partitioner": "murmur2_random"}
    )

    def many(count: int = 1, **changes: Any) -> DeadLetter:
        reason = f"a test letter {uuid4().hex}"
        for number in range(count):
            letter = DeadLetter(
                **{
                    "event_id": uuid4(),
                    "occurred_at": datetime.now(UTC),
                    "service": "ingest",
                    "origin_topic": "support.intercom.raw",
                    "origin_partition": 0,
                    "origin_offset": number,
                    "key": f"intercom:{uuid4().hex[:8]}".encode(),
                    "value": b'{"topic": "conversation.user.created", "note": "Lotte wrote"',
                    "error_class": "poison",
                    "reason": reason,
                    "attempts": 1,
                }
                | changes
            )
            producer.produce("support.dead-letters", key=letter.key, value=serde.encode("support.dead-letters", letter))
        assert producer.flush(10) == 0
        with console.client() as client:
            until(lambda: client.get(f"/dead-letter?id={letter.event_id}").status_code == 200)
            until(lambda: reason in client.get("/dead-letters").text)
        return letter

    return many


def went_back(key: bytes | None, service: str = "ingest") -> list[bytes | None]:
    """What stands in a service's redrive topic under a key."""
    settings = KafkaSettings()
    client = {"bootstrap.servers": settings.bootstrap_servers, "group.id": "console-test"}
    return [record.value() for record in committed_records(client, f"support.{service}.redrive") if record.key() == key]


def serious(page: Page) -> list[str]:
    """What axe finds of weight."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_whole_in_both_themes_and_widths(open_page: OpenPage, theme: str, width: int) -> None:
    page = open_page("/", theme=theme, width=width).page
    for path in PAGES:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert serious(page) == [], path


def test_a_letter_and_a_conversation_are_accessible_too(open_page: OpenPage, write: Write) -> None:
    letter = write()
    for theme in ("light", "dark"):
        page = open_page(f"/dead-letter?id={letter.event_id}", theme=theme).page
        assert serious(page) == []


def test_the_story_of_a_redrive(open_page: OpenPage, write: Write, serde: AvroSerde) -> None:
    letter = write()
    page = open_page("/dead-letters").page
    page.get_by_role("link", name=letter.reason).click()
    page.get_by_role("link").filter(has_text=f"{letter.occurred_at:%d %b %H:%M:%S}").click()
    expect(page.get_by_text("Lotte wrote")).to_have_count(0)
    expect(page.get_by_text("would fail again: correct it")).to_be_visible()

    page.get_by_label("Why do you need to see or correct it?").fill("a bracket is missing")
    page.get_by_role("button", name="Show and correct").click()
    editor = page.get_by_label("Correct it here")
    expect(editor).to_contain_text("Lotte wrote")
    page.get_by_role("button", name="Check against the schema").click()
    expect(page.get_by_role("alert")).to_contain_text("not one JSON object")

    editor.fill('{"topic": "conversation.user.created", "note": "Lotte wrote"}')
    page.get_by_role("button", name="Check against the schema").click()
    expect(page.get_by_role("heading", name="What the correction changes")).to_be_visible()
    page.get_by_label("It fits the schema. Why is this right?").fill("closed the bracket")
    page.get_by_role("button", name="Send the corrected record back").click()
    expect(page.get_by_role("status")).to_contain_text("went back to ingest")

    [value] = went_back(letter.key)
    assert json.loads(value or b"")["note"] == "Lotte wrote"
    entry = Letters(KafkaSettings(), serde).ledger()[str(letter.event_id)]
    assert (entry.action, entry.actor, entry.reason) == ("redriven", "mila", "closed the bracket")
    actions = [
        record.action
        for _, _, record in CommittedRecords("set up", "test").of("support.audit", keys={str(letter.event_id)})
    ]
    assert actions == ["unmask", "redrive"]


def test_a_group_goes_back_once_however_often_it_is_sent(open_page: OpenPage, write: Write, console: Console) -> None:
    letter = write(30, value=b'{"whole": true}')
    page = open_page("/dead-letters").page
    page.get_by_role("link", name=letter.reason).click()
    page.get_by_label("Why can they go back now?").fill("ingest is fixed")
    page.get_by_role("button", name="Send 30 back").click()
    expect(page.get_by_role("status")).to_contain_text("30 letters go back to ingest")
    with console.client() as client:
        until(lambda: letter.reason not in client.get("/dead-letters").text)
        assert client.get("/dead-letters", params={"state": "redriven"}).text.count(letter.reason) > 0
    assert went_back(letter.key) == [b'{"whole": true}']


def test_what_may_move_money_needs_a_second_person(open_page: OpenPage, write: Write) -> None:
    letter = write(service="agent", origin_topic="support.verdicts", value=b"\x00old bytes")
    mila = open_page(f"/dead-letter?id={letter.event_id}").page
    mila.get_by_label("Why can it go back now?").fill("the shop answers again")
    mila.get_by_role("button", name="Send it back").click()
    expect(mila.get_by_role("status")).to_contain_text("a second person confirms it")
    asked = mila.locator(".ask").filter(has_text="the shop answers again").last
    expect(asked).to_contain_text("Somebody else has to confirm it")
    assert went_back(letter.key, "agent") == []

    noor = open_page("/dead-letters", user="noor").page
    noor.locator(".ask").filter(has_text="the shop answers again").last.get_by_role("button", name="Confirm").click()
    expect(noor.get_by_role("status")).to_contain_text("Confirmed")
    until(lambda: went_back(letter.key, "agent") == [b"\x00old bytes"])


def test_a_letter_is_given_up_with_a_reason(open_page: OpenPage, write: Write) -> None:
    letter = write()
    page = open_page(f"/dead-letter?id={letter.event_id}").page
    page.get_by_label("Why is nothing to be done with it?").fill("the account is gone")
    page.get_by_role("button", name="Give it up").click()
    expect(page.get_by_role("status")).to_contain_text("Given up")


def test_it_warns_when_the_conversation_has_moved_on(
    open_page: OpenPage, write: Write, serde: AvroSerde, stack_env: dict[str, str], console: Console
) -> None:
    letter = write(value=b"{}")
    key = (letter.key or b"").decode()
    closed = Message(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        conversation_id=key,
        kind=MessageKind.CLOSED,
        channel="intercom",
        contact_id="test-contact",
    )
    producer = Producer({"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("support.messages", key=key, value=serde.encode("support.messages", closed))
    producer.flush(10)
    with console.client() as client:
        until(lambda: "has moved on" in client.get(f"/dead-letter?id={letter.event_id}").text)
    page = open_page(f"/dead-letter?id={letter.event_id}").page
    expect(page.get_by_role("alert")).to_contain_text("it was closed")


def test_everything_can_be_reached_by_keyboard(open_page: OpenPage, write: Write) -> None:
    letter = write()
    page = open_page("/").page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.goto("/")
    _tab_to(page, "Dead letters")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Dead letters")
    _tab_to(page, letter.reason)
    page.keyboard.press("Enter")
    expect(page.get_by_text(letter.reason)).to_be_visible()


def _tab_to(page: Page, text: str) -> None:
    for _ in range(200):
        page.keyboard.press("Tab")
        if text in page.evaluate("document.activeElement.textContent"):
            return
    raise AssertionError(f"no Tab reaches {text!r}")


def test_the_theme_is_kept(open_page: OpenPage) -> None:
    page = open_page("/").page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark theme").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.goto("/impact")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_an_open_page_moves_by_itself(
    open_page: OpenPage, serde: AvroSerde, stack_env: dict[str, str], console: Console
) -> None:
    name = f"rest:{uuid4().hex}"
    page = open_page("/topics?topic=support.messages").page
    expect(page.locator(".records")).to_be_visible()
    expect(page.get_by_text(name)).to_have_count(0)
    said = Message(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        conversation_id=name,
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id="test-contact",
        text="Hello",
    )
    producer = Producer({"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("support.messages", key=name, value=serde.encode("support.messages", said))
    producer.flush(10)
    expect(page.get_by_text(name, exact=True)).to_be_visible(timeout=15_000)


def test_hostile_text_stays_text(
    open_page: OpenPage, serde: AvroSerde, stack_env: dict[str, str], console: Console
) -> None:
    name = f"rest:{uuid4().hex}"
    said = Message(
        event_id=uuid4(),
        occurred_at=datetime.now(UTC),
        conversation_id=name,
        kind=MessageKind.USER_MESSAGE,
        channel="rest",
        contact_id="test-contact",
        text='</pre><script>document.title="taken"</script><img src=x onerror="document.title=\'taken\'">',
        chosen_path='"><svg onload=alert(1)>',
    )
    producer = Producer({"bootstrap.servers": stack_env["FLOODGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce("support.messages", key=name, value=serde.encode("support.messages", said))
    producer.flush(10)
    with console.client() as client:
        until(lambda: client.get("/conversation", params={"id": name}).status_code == 200)
    page = open_page(f"/conversation?id={name}").page
    page.on("dialog", lambda dialog: pytest.fail("a script of the customer ran"))
    page.get_by_text("Show what was written").click()
    page.get_by_label("Why do you need to see it?").fill("a test")
    page.get_by_role("button", name="Show the texts").click()
    expect(page.locator(".said").first).to_contain_text("<script>")
    assert "taken" not in page.title()
    for path in ("/firewall", "/conversations", f"/topics?topic=support.messages&key={name}"):
        page.goto(path)
        assert "taken" not in page.title()
