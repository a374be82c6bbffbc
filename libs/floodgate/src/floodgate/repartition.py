"""Another number of partitions for topics that share one: what has to hold, what is done, in which order.

A key's partition follows from the count, so records, state and offsets of a key would part. Therefore everything is
read to its end and stopped first. Then, in an order in which a service that is started half-way refuses to run:

1. compacted topics get their new partitions (their counts differ from the inputs' from now on: the engine stops);
2. their keys move: the newest entry to its new partition, a tombstone behind it, in one transaction;
3. the other topics get theirs;
4. groups commit offset 0 in the new partitions (until then state without an offset is fatal to the engine).

What is done is seen in Kafka alone, so the same command goes on after it was killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from floodgate.events.topics import Topic


@dataclass(frozen=True, slots=True)
class Subject:
    """A topic that changes.

    Attributes:
        compacted: The newest record of a key holds, so it has to stand where the key is looked for.
        holds_state: It is an engine's changelog: its entries may have an effect that is not done yet.
    """

    name: str
    compacted: bool = False
    holds_state: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """How things stand.

    Attributes:
        counts: Partitions of each topic that is there.
        members: Processes of each group that reads one of them.
        behind: By group, topics with records that it has not finished.
        open_topics: Topics with a transaction that has not ended.
        misplaced: By compacted topic, keys that do not stand where the new count has them.
        pending: By changelog, keys whose effect has no committed result.
        uncommitted: Partitions by group, as (topic, partition), in which it has no offset yet.
    """

    target: int
    counts: Mapping[str, int]
    members: Mapping[str, int] = field(default_factory=dict)
    behind: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open_topics: tuple[str, ...] = ()
    misplaced: Mapping[str, int] = field(default_factory=dict)
    pending: Mapping[str, int] = field(default_factory=dict)
    uncommitted: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    @property
    def growing(self) -> tuple[str, ...]:
        """Topics that have fewer partitions than they shall have."""
        return tuple(sorted(name for name, count in self.counts.items() if count < self.target))

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.growing and not any(self.misplaced.values()) and not any(self.uncommitted.values())

    @property
    def drained(self) -> bool:
        """Whether nobody is behind and no transaction or effect is under way."""
        return not self.behind and not self.open_topics and not any(self.pending.values())

    def problems(self) -> list[str]:
        """Why it cannot be done now; empty when it can."""
        found = []
        if too_many := sorted(name for name, count in self.counts.items() if count > self.target):
            found.append(
                f"{', '.join(too_many)}: {max(self.counts.values())} partitions are there already, and Kafka takes "
                "none away: name a larger number"
            )
        before = sorted({count for count in self.counts.values() if count < self.target})
        if len(before) > 1:
            found.append(f"the topics have {', '.join(map(str, before))} partitions: they have to have one count")
        running = sorted(name for name, members in self.members.items() if members)
        if running:
            found.append(f"{', '.join(running)} run: stop every service, once nothing is left to do for them")
        found += [f"{group} has not finished {', '.join(names)}" for group, names in sorted(self.behind.items())]
        if self.open_topics:
            found.append(f"{', '.join(self.open_topics)}: a transaction is open: try again in 15 s")
        found += [
            f"{name}: {count} effects are decided and not done: start the service and let it end them"
            for name, count in sorted(self.pending.items())
            if count
        ]
        return found

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "target": self.target,
            "counts": dict(self.counts),
            "growing": list(self.growing),
            "keys_to_move": dict(self.misplaced),
            "groups": {name: {"members": count, "behind": list(self.behind.get(name, ()))}
                       for name, count in self.members.items()},
            "offsets_to_commit": {group: len(places) for group, places in self.uncommitted.items()},
            "problems": self.problems(),
            "done": self.done,
        }  # fmt: skip


def subjects_of(declared: Iterable[Topic]) -> list[Subject]:
    """Every topic that is declared with more than one partition: they share one number."""
    return [
        Subject(topic.name, topic.cleanup == "compact", topic.cleanup == "compact" and topic.name.endswith(".state"))
        for topic in declared
        if topic.partitions > 1
    ]
