"""What a batch inference job is made of: which records, under which name, and when. Pure.

A job's input is one object whose name says which offsets of which partitions it holds. The name is all that a restart
needs: what has an object is not collected again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

# Bedrock takes letters, digits and a few signs in keys; job names are shorter than object names.
_SUFFIX: Final = ".jsonl"
_SPAN: Final = re.compile(r"p(\d+)_(\d+)-(\d+)")
_JOB_PREFIX: Final = "floodgate-summaries-"


class NextStep(StrEnum):
    """What to do with what was collected."""

    WAIT = "wait"
    WRITE = "write"
    SEND_BACK = "send_back"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Records of one partition, from the first to the last offset."""

    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Limits:
    """When a job is worth starting; see `BatchSettings`."""

    min_records: int
    max_records: int
    max_bytes: int
    max_wait_seconds: float


def next_step(records: int, size_bytes: int, oldest_seconds: float, limits: Limits) -> NextStep:
    """Whether to wait for more, to write a job's input, or to give up on a job.

    Args:
        records: How many were collected.
        size_bytes: Of their lines.
        oldest_seconds: How long the first of them has waited.
        limits: When what.
    """
    if records >= limits.max_records or size_bytes >= limits.max_bytes:
        return NextStep.WRITE
    if not records or oldest_seconds < limits.max_wait_seconds:
        return NextStep.WAIT
    return NextStep.WRITE if records >= limits.min_records else NextStep.SEND_BACK


def name_of(spans: Iterable[Span]) -> str:
    """The name of the input of some records."""
    return ".".join(f"p{s.partition}_{s.first}-{s.last}" for s in sorted(spans)) + _SUFFIX


def spans_of(name: str) -> tuple[Span, ...]:
    """The records that a name stands for; none for what is no input's name."""
    found = [_SPAN.fullmatch(part) for part in name.removesuffix(_SUFFIX).split(".")]
    if not name.endswith(_SUFFIX) or None in found:
        return ()
    return tuple(Span(*map(int, match.groups())) for match in found if match is not None)


def next_offsets(names: Iterable[str]) -> dict[int, int]:
    """By partition, the first offset after everything that has an input."""
    ends: dict[int, int] = {}
    for name in names:
        for span in spans_of(name):
            ends[span.partition] = max(ends.get(span.partition, 0), span.last + 1)
    return ends


def job_name(where: str, name: str) -> str:
    """The job of an input: the same after a restart, another for another place."""
    return _JOB_PREFIX + hashlib.sha256(f"{where}/{name}".encode()).hexdigest()[:32]


def record_id(partition: int, offset: int) -> str:
    """What a record is joined by; Bedrock wants at least eleven letters and digits."""
    return f"p{partition:03d}o{offset:012d}"


def line_of(identifier: str, body: Mapping[str, Any]) -> bytes:
    """A line of the input."""
    return json.dumps({"recordId": identifier, "modelInput": body}, ensure_ascii=False).encode() + b"\n"


def results_of(data: bytes) -> dict[str, Mapping[str, Any]]:
    """The lines of an output by recordId; what is no line of an output is left out and counts as not answered."""
    found: dict[str, Mapping[str, Any]] = {}
    for line in data.split(b"\n"):
        try:
            row = json.loads(line)
            found.setdefault(str(row["recordId"]), row)
        except (ValueError, KeyError, TypeError):
            continue
    return found
