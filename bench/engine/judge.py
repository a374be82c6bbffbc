"""What went wrong, judged from the committed output alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Faults of one contender.

    Attributes:
        lost: Records without an output; None where the run was cut off, so that it cannot be said.
        duplicates: Outputs beyond the first of a record.
        order_violations: Records whose first output came after that of a later record of the same key.
    """

    lost: int | None
    duplicates: int
    order_violations: int

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.duplicates or self.order_violations)


class Judge:
    """Takes the outputs in the order of their partitions; records are numbered from 0 in the order of their keys."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen = bytearray(count)
        self._last: dict[str, int] = {}
        self._duplicates = 0
        self._violations = 0
        self.distinct = 0

    @property
    def complete(self) -> bool:
        """Whether every record has an output."""
        return self.distinct == self._count

    def saw(self, number: int, key: str) -> bool:
        """One committed output; returns whether it is the record's first."""
        if self._seen[number]:
            self._duplicates += 1
            return False
        self._seen[number] = 1
        self.distinct += 1
        last = self._last.get(key, -1)
        self._violations += last > number
        self._last[key] = max(last, number)
        return True

    def verdict(self, *, whole: bool = True) -> Verdict:
        """What was found.

        Args:
            whole: Whether the contender was given the time to finish.
        """
        return Verdict(self._count - self.distinct if whole else None, self._duplicates, self._violations)
