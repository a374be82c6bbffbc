"""A consumer group in memory: members, generations, the range assignor, eager or incremental."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Final

from confluent_kafka import KafkaError
from support.virtual_time import VirtualLoop

Place = tuple[str, int]

_REBALANCE_SECONDS: Final = 60.0
"""A member that does not come back to a rebalance in this time is out (Kafka: max.poll.interval.ms)."""


@dataclass(eq=False)
class Member:
    """One consumer in a group, as the broker knows it.

    Attributes:
        joined: It asked to take part in the rebalance that is under way.
        offered: What the last rebalance gave it and it has not picked up yet.
        owned: What it has been given and has not given back (incremental only).
        out: It is no longer in the group: expired, or it left.
        fenced: Another one with its instance id took its place.
    """

    id: str
    topics: list[str]
    incremental: bool
    session_seconds: float
    instance: str | None = None
    joined: bool = False
    generation: int = -1
    offered: list[Place] | None = None
    owned: set[Place] = field(default_factory=set)
    target: set[Place] = field(default_factory=set)
    assigned: list[Place] = field(default_factory=list)
    out: bool = False
    fenced: bool = False


class Group:
    """Who owns what. Members act in their own polls; the broker only waits for them."""

    _ids = count(1)

    def __init__(self, loop: VirtualLoop, topics: dict[str, int]) -> None:
        self._loop = loop
        self._topics = topics
        self.members: list[Member] = []
        self._fenced: set[str] = set()
        self.generation = 0
        self.preparing = False

    def join(
        self, topics: list[str], *, incremental: bool, session_seconds: float, instance: str | None = None
    ) -> Member:
        """A consumer subscribes; one with an instance id takes the place of the one before, without a rebalance."""
        member = Member(f"member-{next(self._ids):06}", topics, incremental, session_seconds, instance)
        before = next((found for found in self.members if instance is not None and found.instance == instance), None)
        if before is None:
            self.members.append(member)
            self._rebalance()
            return member
        before.out = before.fenced = True
        self._fenced.add(before.id)
        self.members[self.members.index(before)] = member
        if self.preparing or before.topics != topics:
            self._rebalance()
        else:
            member.offered = member.assigned = before.assigned
            self._loop.notify()
        return member

    def leave(self, member: Member) -> None:
        """It closed, or its session ran out."""
        if not member.out:
            member.out = True
            self.members.remove(member)
            self._rebalance()

    def lose(self, member: Member) -> None:
        """Its process died: the group notices when the session runs out."""
        self._loop.call_later(member.session_seconds, self.leave, member)

    def rejoin(self, member: Member) -> None:
        """The member has given back what it owned and waits for the next assignment (eager)."""
        member.joined = True
        self._complete()

    def gave_back(self, member: Member, places: set[Place]) -> None:
        """The member let go of some of its partitions (incremental)."""
        member.owned -= places
        self._loop.notify()

    def free(self, member: Member) -> set[Place]:
        """What the member may take now: its target without what others still hold (incremental)."""
        held = {place for other in self.members if other is not member for place in other.owned}
        return member.target - member.owned - held

    def check(self, member_id: str, generation: int) -> int:
        """The error of an offset commit of this member; 0 when it is right."""
        member = next((found for found in self.members if found.id == member_id), None)
        if member is None:
            return KafkaError.FENCED_INSTANCE_ID if member_id in self._fenced else KafkaError.UNKNOWN_MEMBER_ID
        current = member.generation if member.incremental else self.generation
        return 0 if generation == current else KafkaError.ILLEGAL_GENERATION

    def _rebalance(self) -> None:
        if any(member.incremental for member in self.members):
            self.generation += 1
            for member, places in self._ranges().items():
                member.target = places
        elif self.members:
            if not self.preparing:
                self.preparing = True
                for member in self.members:
                    member.joined = False
                self._loop.call_later(_REBALANCE_SECONDS, self._drop_absent, self.generation)
            self._complete()
        else:
            self.preparing = False
        self._loop.notify()

    def _drop_absent(self, generation: int) -> None:
        if self.preparing and self.generation == generation:
            for member in [member for member in self.members if not member.joined]:
                member.out = True
                self.members.remove(member)
            self._complete()

    def _complete(self) -> None:
        if not self.preparing or not self.members or not all(member.joined for member in self.members):
            return
        self.preparing = False
        self.generation += 1
        for member, places in self._ranges().items():
            member.joined = False
            member.offered = member.assigned = sorted(places)
        self._loop.notify()

    def _ranges(self) -> dict[Member, set[Place]]:
        found: dict[Member, set[Place]] = {member: set() for member in self.members}
        for topic in sorted({topic for member in self.members for topic in member.topics}):
            takers = sorted(
                (member for member in self.members if topic in member.topics), key=lambda one: one.instance or one.id
            )
            each, more = divmod(self._topics.get(topic, 0), len(takers))
            at = 0
            for number, member in enumerate(takers):
                size = each + (number < more)
                found[member] |= {(topic, partition) for partition in range(at, at + size)}
                at += size
        return found
