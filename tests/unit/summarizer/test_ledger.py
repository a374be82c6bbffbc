"""The books of completeness: everything that came in is out, open for a while, or a gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from floodgate.events import DeadLetter, Summary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from summarizer.domain.ledger import BATCHED, Grace, Ledger, without_outcome

NOW_MS = 1_795_341_600_000
GRACE = Grace(180.0, 26 * 3600.0)
OLD_MS = NOW_MS - 600_000


def record_of(interaction) -> Summary:
    return Summary.model_construct(causation_id=interaction.event_id, interaction_id=interaction.interaction_id)


def dead(key: str, service: str = "summarizer", origin: str = "support.interactions") -> DeadLetter:
    return DeadLetter.model_construct(event_id=uuid4(), service=service, origin_topic=origin)


def totals(ledger: Ledger, now_ms: int = NOW_MS) -> dict[str, int]:
    names = ("interactions", "records", "dead_letters", "repeated", "open", "late", "refused")
    entries = ledger.entries(now_ms, GRACE)
    return {name: sum(getattr(entry, name) for entry in entries) for name in names if
            any(getattr(entry, name) for entry in entries)}  # fmt: skip


def test_records_and_dead_letters_close_what_came_in(interaction) -> None:
    ledger = Ledger()
    done, refused = interaction(interaction_id=uuid4()), interaction(interaction_id=uuid4())
    for one in (done, refused):
        ledger.take(str(one.interaction_id), one, OLD_MS)
    ledger.take(str(done.interaction_id), record_of(done), NOW_MS)
    ledger.take(str(refused.interaction_id), dead("x"), NOW_MS)
    assert totals(ledger) == {"interactions": 2, "records": 1, "dead_letters": 1}
    assert ledger.late(NOW_MS, GRACE) == []


def test_what_is_not_out_is_open_and_then_late(interaction) -> None:
    ledger, lost = Ledger(), interaction(interaction_id=uuid4())
    ledger.take(str(lost.interaction_id), lost, NOW_MS)
    assert totals(ledger) == {"interactions": 1, "open": 1}
    assert totals(ledger, NOW_MS + 181_000) == {"interactions": 1, "late": 1}
    assert ledger.late(NOW_MS + 181_000, GRACE) == [str(lost.interaction_id)]


def test_the_same_content_again_needs_no_second_record_but_more_content_does(interaction) -> None:
    ledger, first = Ledger(), interaction()
    again, longer = interaction(event_id=uuid4()), interaction("My tickets never came", "Sent again.", "Thanks")
    for one in (first, again, longer):
        ledger.take(str(one.interaction_id), one, OLD_MS)
    ledger.take(str(first.interaction_id), record_of(first), NOW_MS)
    assert totals(ledger) == {"interactions": 3, "records": 1, "repeated": 1, "late": 1}


def test_what_went_to_batch_inference_has_its_own_grace(interaction) -> None:
    ledger, sent = Ledger(), interaction(interaction_id=uuid4())
    ledger.take(str(sent.interaction_id), sent, OLD_MS)
    ledger.take(str(sent.interaction_id), sent, OLD_MS, BATCHED)
    assert totals(ledger) == {"interactions": 1, "open": 1}
    assert totals(ledger, OLD_MS + 27 * 3_600_000) == {"interactions": 1, "late": 1}


def test_the_same_again_changes_nothing_and_what_is_old_is_forgotten(interaction) -> None:
    ledger, lost = Ledger(), interaction(interaction_id=uuid4())
    letter = dead("c", "ingest", "s3://bucket/a.jsonl")
    for _ in range(2):
        ledger.take(str(lost.interaction_id), lost, OLD_MS)
        ledger.take("c", letter, OLD_MS)
    assert totals(ledger) == {"interactions": 1, "late": 1, "refused": 1}
    ledger.forget(OLD_MS + 7_200_000)
    assert totals(ledger) == {}


def test_hours_and_sources_are_kept_apart(interaction) -> None:
    ledger = Ledger()
    ledger.take("a", interaction(interaction_id=uuid4(), source="s3"), OLD_MS - 3_600_000)
    ledger.take("b", interaction(interaction_id=uuid4(), source="file"), OLD_MS)
    ledger.take("c", dead("c", "ingest", "s3://bucket/a.jsonl"), OLD_MS)
    entries = ledger.entries(NOW_MS, GRACE)
    assert [(entry.source, entry.late, entry.refused) for entry in entries] == [
        ("s3", 1, 0),
        ("file", 1, 0),
        ("s3", 0, 1),
    ]


def test_an_object_of_which_nothing_came_is_named(interaction) -> None:
    ledger = Ledger()
    ledger.take("a", interaction(origin="s3://bucket/a.jsonl:3"), OLD_MS)
    ledger.take("b", dead("b", "ingest", "s3://bucket/b.jsonl"), OLD_MS)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    old = now - timedelta(hours=1)
    objects = [(f"s3://bucket/{name}.jsonl", old) for name in "abc"] + [("s3://bucket/d.jsonl", now)]
    assert without_outcome(objects, ledger, now) == ["s3://bucket/c.jsonl"]


@given(kinds=st.lists(st.sampled_from(["record", "dead", "nothing"]), max_size=12), chance=st.randoms())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_counted_twice_or_forgotten_whatever_the_order(interaction, kinds, chance) -> None:
    ledger, taken = Ledger(), []
    for kind in kinds:
        one = interaction(interaction_id=uuid4(), event_id=uuid4())
        taken.append((str(one.interaction_id), one))
        if kind == "record":
            taken.append((str(one.interaction_id), record_of(one)))
        elif kind == "dead":
            taken.append((str(one.interaction_id), dead("x")))
    chance.shuffle(taken)
    for key, value in taken:
        ledger.take(key, value, OLD_MS)
    found = totals(ledger)
    assert found.get("interactions", 0) == len(kinds)
    assert found.get("records", 0) == kinds.count("record")
    assert found.get("dead_letters", 0) == kinds.count("dead")
    assert found.get("late", 0) == kinds.count("nothing")
