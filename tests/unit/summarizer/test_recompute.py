"""Which interactions of a period are summarized again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from summarizer.domain.recompute import recomputations

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 11, 2, tzinfo=UTC)
NEW = "summarize@2+1f2e3d4c"


def at(interaction, hours: float, **changes):
    return interaction(ended_at=BEGIN + timedelta(hours=hours), interaction_id=uuid4(), **changes)


def test_only_what_ended_in_the_period_is_asked_again(interaction):
    inside, first, end = at(interaction, 5), at(interaction, 0), at(interaction, 24)
    found = recomputations([inside, end, first, at(interaction, -1)], {}, BEGIN, END, NEW)
    assert [one.interaction_id for one in found] == [first.interaction_id, inside.interaction_id]


def test_what_has_a_record_of_the_set_already_is_left_alone(interaction):
    old, new = at(interaction, 1), at(interaction, 2)
    known = {(old.interaction_id, old.ended_at): "summarize@2", (new.interaction_id, new.ended_at): NEW}
    assert [one.interaction_id for one in recomputations([old, new], known, BEGIN, END, NEW)] == [old.interaction_id]


def test_asking_twice_gives_the_same_events_and_another_set_gives_others(interaction):
    one = at(interaction, 1)
    first, again, other = (recomputations([one], {}, BEGIN, END, name)[0] for name in (NEW, NEW, "summarize@3"))
    assert first == again
    assert first.causation_id == one.event_id
    assert len({one.event_id, first.event_id, other.event_id}) == 3


def test_an_interaction_that_came_twice_is_asked_once_and_one_that_went_on_in_its_order(interaction):
    one = at(interaction, 1)
    later = one.model_copy(update={"ended_at": BEGIN + timedelta(hours=3), "event_id": uuid4()})
    twice = one.model_copy(update={"event_id": uuid4()})
    found = recomputations([later, one, twice], {}, BEGIN, END, NEW)
    assert [(item.ended_at, item.causation_id) for item in found] == [
        (one.ended_at, twice.event_id),
        (later.ended_at, later.event_id),
    ]
