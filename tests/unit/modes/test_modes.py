"""Limits lower what the catalogue allows, never raise it; setting one writes it and its audit entry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import date

import pytest
from floodgate.catalogue.models import Automation, Category
from floodgate.events import AuditEntry, AvroModel, ModeChange, SwitchMode
from floodgate.mode_switch import ModeSwitch, set_mode
from floodgate.modes import EVERYTHING, Modes
from keyflow.errors import RetryableError

from tests.unit.modes.changes import AT, change


def category(automation: Automation, *, never: bool = False) -> Category:
    return Category(
        id="refunds", title={"en": "Refunds"}, path="refunds", team="t", automation=automation, never_automate=never,
        workflow="refund", examples={"en": ("x",)}, owner="o", review_by=date(2027, 1, 1),
    )  # fmt: skip


@pytest.mark.parametrize("stated", list(Automation))
@pytest.mark.parametrize("limit", [SwitchMode.OBSERVE, SwitchMode.OFF, SwitchMode.SHADOW, SwitchMode.PROPOSE])
@pytest.mark.parametrize("target", [EVERYTHING, "refunds"])
def test_a_limit_lowers_and_never_raises(stated, limit, target):
    order = list(Automation)
    held = Modes().after([change(target, limit)]).automation(category(stated))
    assert order.index(held) <= order.index(stated)
    most = Automation.SHADOW if limit is SwitchMode.OBSERVE else Automation(limit.value)
    assert order.index(held) <= order.index(most)


def test_the_lower_of_both_limits_holds_and_on_lifts_one():
    modes = Modes().after([change(EVERYTHING, SwitchMode.PROPOSE), change("refunds", SwitchMode.OFF)])
    assert modes.automation(category(Automation.ON)) is Automation.OFF
    modes = modes.after([change("refunds", SwitchMode.ON)])
    assert modes.automation(category(Automation.ON)) is Automation.PROPOSE


def test_a_word_of_a_newer_version_limits():
    assert Modes().after([change("refunds", SwitchMode.UNKNOWN)]).automation(category(Automation.ON)) is Automation.OFF


def test_what_is_never_automated_stays_so():
    assert Modes().automation(category(Automation.OFF, never=True)) is Automation.OFF


class Sink:
    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.sent: list[tuple[str, str, AvroModel]] = []

    async def send(self, topic: str, key: str, value: AvroModel) -> None:
        if topic == self.refuses:
            raise RetryableError("away")
        self.sent.append((topic, key, value))


def test_setting_a_mode_writes_the_limit_and_then_the_audit():
    sink = Sink()
    asyncio.run(set_mode(sink, "refunds", SwitchMode.OFF, actor="Ada", reason=" too many ", at=AT))
    (modes, key, limit), (audit, audited, entry) = sink.sent
    assert isinstance(limit, ModeChange)
    assert isinstance(entry, AuditEntry)
    assert (modes, key, limit.reason) == ("support.modes", "refunds", "too many")
    assert (audit, audited, entry.target) == ("support.audit", "mode:refunds", "mode:refunds")
    assert (entry.action, entry.actor, entry.details) == ("mode", "Ada", {"mode": "off"})
    assert entry.causation_id == limit.event_id


def test_the_switch_works_while_the_audit_does_not_and_says_so():
    sink = Sink(refuses="support.audit")
    with pytest.raises(RetryableError, match="is set to off, but the audit entry was not written"):
        asyncio.run(set_mode(sink, "refunds", SwitchMode.OFF, actor="Ada", reason="x", at=AT))
    assert [topic for topic, *_ in sink.sent] == ["support.modes"]


@pytest.mark.parametrize(("mode", "reason"), [(SwitchMode.UNKNOWN, "x"), (SwitchMode.OFF, "  ")])
def test_a_mode_that_means_nothing_or_that_nobody_explains_is_refused(mode, reason):
    with pytest.raises(ValueError, match="say"):
        asyncio.run(set_mode(Sink(), "refunds", mode, actor="Ada", reason=reason, at=AT))


class ScriptedTail:
    def __init__(self, *readings: Sequence[AvroModel] | Exception) -> None:
        self.readings = list(readings)
        self.caught_up = False
        self.closed = False
        self.read_all = threading.Event()

    def read(self, seconds: float) -> Sequence[AvroModel]:
        found = self.readings.pop(0) if self.readings else ()
        self.caught_up = not self.readings
        if self.caught_up:
            self.read_all.set()
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.closed = True


def test_a_service_knows_every_limit_before_its_first_record():
    tail = ScriptedTail([change("refunds", SwitchMode.OFF)], [], [change("refunds", SwitchMode.SHADOW)])
    switch = ModeSwitch(lambda: tail)
    asyncio.run(switch.start())
    assert switch.modes.automation(category(Automation.ON)) is Automation.SHADOW


def test_what_was_known_last_holds_while_kafka_is_away():
    tail = ScriptedTail([change("refunds", SwitchMode.OFF)], RetryableError("away"))
    switch = ModeSwitch(lambda: tail, rest_seconds=0.0)

    async def follow() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(switch.run(stop))
        await asyncio.to_thread(tail.read_all.wait, 10)
        stop.set()
        await running

    asyncio.run(follow())
    assert switch.modes.automation(category(Automation.ON)) is Automation.OFF
    assert tail.closed
