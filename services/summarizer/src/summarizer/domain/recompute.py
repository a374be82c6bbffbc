"""Which interactions of a period are summarized again under another set of features. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from floodgate.events import Interaction, Summary, derive_event_id

from summarizer.domain.features import event_time_of

Content = tuple[UUID, datetime]
"""What a feature record is stored by: interaction and event time."""


def recomputations(
    interactions: Iterable[Interaction],
    known: Mapping[Content, str],
    since: datetime,
    until: datetime,
    feature_set: str,
) -> list[Interaction]:
    """The interactions that ended in a period and have no record of this set, under event ids of their own.

    The ids follow from the event and the set, so that asking twice brings nothing twice.

    Args:
        interactions: As they came; of one content the last event counts.
        known: The set of features of the newest record of each content.
        since: First moment.
        until: First moment that is not part of it.
        feature_set: The set that is wanted.
    """
    found: dict[Content, Interaction] = {}
    for interaction in interactions:
        content = (interaction.interaction_id, event_time_of(interaction))
        if since <= content[1] < until and known.get(content) != feature_set:
            found[content] = interaction
    # In the order in which an interaction went on, so that its newest content stays the newest.
    return [
        interaction.model_copy(
            update={
                "event_id": derive_event_id(interaction.event_id, f"recompute {feature_set}"),
                "causation_id": interaction.event_id,
            }
        )
        for _, interaction in sorted(found.items(), key=lambda item: (item[0][1], str(item[0][0])))
    ]


def sets_of(records: Iterable[Summary]) -> dict[Content, str]:
    """The set of features of the newest record of each content."""
    return {(record.interaction_id, record.event_time): record.feature_set_version for record in records}
