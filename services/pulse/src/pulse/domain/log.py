"""What stands on support.pulse.counts: what an event adds, and the ticks by which windows close. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Count(BaseModel):
    """What one event adds, with the place where it stands: the same place counts once."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["count"] = "count"
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    at_ms: int
    cell: tuple[str, str, str]
    figures: dict[str, int]
    letter: tuple[str, str, str, str] | None = None
    opens: str = ""
    closes: str = ""

    @property
    def source(self) -> str:
        """The partition that it came from."""
        return f"{self.topic}/{self.partition}"


class Tick(BaseModel):
    """The time, once a second.

    Attributes:
        watermark_ms: Whatever is older was counted by the process that says so.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["tick"] = "tick"
    instance: str
    now_ms: int
    watermark_ms: int


class Line(BaseModel):
    """One record of the topic."""

    item: Count | Tick


def read(data: bytes) -> Count | Tick:
    """The record that these bytes are.

    Raises:
        ValueError: They are none.
    """
    return Line.model_validate_json(b'{"item":' + data + b"}").item
