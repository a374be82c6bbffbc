"""A backfill's arithmetic: what it may cost, how fast it may go, and where it stands. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from floodgate.bedrock import ModelPrice

# Tokens of a summary's question beside the transcript, and of its answer, as the local server counts them.
_FIXED_TOKENS: Final = 770
_ANSWER_TOKENS: Final = 115
_CHARACTERS_PER_TOKEN: Final = 4
_SLOWEST_PER_SECOND: Final = 1.0
_GROWTH_PER_SECOND: Final = 0.1


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a backfill is about.

    Attributes:
        lines: About how many, by the documents' sizes and the lines that were sampled.
        usd: At the price of online calls, without repairs; batch inference costs about half.
        usd_each: Of a line.
    """

    documents: int
    size_bytes: int
    lines: int
    usd: float
    usd_each: float


def usd_of(text_characters: int, price: ModelPrice) -> float:
    """What a record of an interaction with so much text costs, asked online without a cached prefix."""
    return price.cost_usd(_FIXED_TOKENS + text_characters // _CHARACTERS_PER_TOKEN, _ANSWER_TOKENS)


def text_characters(line: bytes) -> int:
    """Characters of the turns' texts of one line; of the whole line where it cannot be read."""
    try:
        return sum(len(str(turn["text"])) for turn in json.loads(line)["turns"])
    except (ValueError, KeyError, TypeError):
        return len(line)


def estimate(sizes: Sequence[int], samples: Iterable[tuple[int, Sequence[bytes]]], price: ModelPrice) -> Estimate:
    """What documents of these sizes cost.

    Args:
        sizes: Of all documents, in bytes as they are stored.
        samples: Of some of them, how many stored bytes were read and the lines in them.
        price: Of the model.
    """
    read_bytes = read_lines = 0
    usd = 0.0
    for sampled_bytes, lines in samples:
        read_bytes += sampled_bytes
        read_lines += len(lines)
        usd += sum(usd_of(text_characters(line), price) for line in lines)
    each = usd / read_lines if read_lines else 0.0
    total = round(sum(sizes) * read_lines / read_bytes) if read_bytes else 0
    return Estimate(len(sizes), sum(sizes), total, total * each, each)


@dataclass(slots=True)
class Pace:
    """How many lines a second: half as many where a backlog builds up, a tenth more each second where none does.

    Attributes:
        target: Interactions that may wait for the summarizer.
        ceiling: Upper bound, lines a second.
    """

    target: int
    ceiling: float
    per_second: float = 20.0

    def seen(self, backlog: int, seconds: float) -> None:
        """Takes in how many interactions wait now.

        Args:
            backlog: How many.
            seconds: Since the last time.
        """
        if backlog > self.target:
            self.per_second = max(self.per_second / 2, _SLOWEST_PER_SECOND)
        else:
            self.per_second = min(self.per_second * (1 + _GROWTH_PER_SECOND) ** min(seconds, 10.0), self.ceiling)

    def is_standing(self, backlog: int) -> bool:
        """Whether nothing may be added for now."""
        return backlog > 2 * self.target


@dataclass
class Standing:
    """Where a backfill stands; kept in a file, so that a second run goes on there.

    Attributes:
        done: Documents that were read to their end.
        lines: Of the others, how many lines were written.
        usd: What those cost by the estimate.
    """

    source: str
    done: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    interactions: int = 0
    dead_letters: int = 0
    usd: float = 0.0

    @classmethod
    def of(cls, text: str) -> Standing:
        """Reads it.

        Raises:
            ValueError: It is no standing.
        """
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from error

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))

    def finished(self, document: str) -> None:
        """A document was read to its end."""
        self.done.append(document)
        self.lines.pop(document, None)

    def report(self) -> dict[str, Any]:
        """For people and programs."""
        counts = {"documents_done": len(self.done), "interactions": self.interactions}
        return {"source": self.source, **counts, "dead_letters": self.dead_letters, "usd_estimated": round(self.usd, 6)}
