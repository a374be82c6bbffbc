"""Who may do what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

EVERYBODY: Final = "*"


class Role(IntEnum):
    """What somebody may do; each may do what those before it may."""

    NOBODY = 0
    VIEWER = 1
    REVIEWER = 2
    OPERATOR = 3

    @property
    def label(self) -> str:
        """As it is shown."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Person:
    """Who sits in front of the page."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether they may do what this role may."""
        return self.role >= role


@dataclass(frozen=True, slots=True)
class RoleGroups:
    """Groups of the site that stand for the roles."""

    viewers: Sequence[str]
    reviewers: Sequence[str]
    operators: Sequence[str]

    def role(self, groups: Collection[str]) -> Role:
        """The highest role that one of the groups gives."""
        for role, wanted in (
            (Role.OPERATOR, self.operators),
            (Role.REVIEWER, self.reviewers),
            (Role.VIEWER, self.viewers),
        ):
            if EVERYBODY in wanted or set(wanted) & set(groups):
                return role
        return Role.NOBODY
