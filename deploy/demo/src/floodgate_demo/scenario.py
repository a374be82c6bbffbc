"""What the demo plays: conversations, one YAML file per language, and finished interactions, one JSONL file each."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Final

import yaml
from keyflow.errors import FatalError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

BROKEN: Final = "broken"
"""Name of the drop whose lines are broken on purpose."""


class Click(BaseModel):
    """The user presses a button: the path that it stands for, or a workflow's value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    click: str


class Play(BaseModel):
    """One conversation, turn by turn; a turn after the first is played when the automation has answered.

    Attributes:
        kind: What it shows; for the reader of the file, never sent anywhere.
        customer: Number of the shop's customer; None for someone whom nobody vouches for.
        human: What a human answers at the end, after which the conversation is closed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z]{2}-\d{2,3}$")]
    kind: str
    customer: int | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    path: str | None = None
    turns: Annotated[tuple[str | Click, ...], Field(min_length=1)]
    human: str | None = None
    language: str = ""

    @property
    def belongs(self) -> str | None:
        """The path that a reviewer would say it belongs to; None where nobody looks."""
        clicked = [turn.click for turn in self.turns if isinstance(turn, Click) and "/" in turn.click]
        if self.kind == "right path":
            return self.path
        return clicked[0] if clicked and self.kind in {"wrong path", "bypass"} else None


class Drop(BaseModel):
    """One file of finished interactions, as it is dropped into the bucket."""

    model_config = ConfigDict(frozen=True)

    name: str
    body: bytes

    @property
    def lines(self) -> int:
        """Lines that hold something."""
        return sum(1 for line in self.body.splitlines() if line.strip())


class Scenario(BaseModel):
    """Everything that the demo plays.

    Attributes:
        raw: Bytes that a connector puts onto the raw topic, by key.
        broken_raw: How many of those cannot be read.
    """

    model_config = ConfigDict(frozen=True)

    plays: tuple[Play, ...]
    drops: tuple[Drop, ...]
    broken_raw: tuple[bytes, ...] = ()


_PLAYS: Final = TypeAdapter(tuple[Play, ...])

_BROKEN_RAW: Final = (
    b"\x00\xffnot json",
    b'{"type": "notification_event"}',
    b'{"topic": "conversation.user.created", "data": 7}',
)


def load_scenario() -> Scenario:
    """Reads the packaged scenario.

    Raises:
        FatalError: A file is broken; names it and the place.
    """
    data = files("floodgate_demo") / "data"
    plays: list[Play] = []
    for entry in _sorted(data / "conversations", ".yaml"):
        language = entry.name.removesuffix(".yaml")
        plays.extend(play.model_copy(update={"language": language}) for play in _read_plays(entry))
    drops = [Drop(name=entry.name, body=entry.read_bytes()) for entry in _sorted(data / "interactions", ".jsonl")]
    # Languages take turns, as they would arrive.
    plays.sort(key=lambda play: (play.id.partition("-")[2], play.language))
    return Scenario(plays=tuple(plays), drops=tuple(drops), broken_raw=_BROKEN_RAW)


def _sorted(folder: Traversable, suffix: str) -> list[Traversable]:
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(suffix)), key=lambda entry: entry.name)


def _read_plays(entry: Traversable) -> tuple[Play, ...]:
    try:
        return _PLAYS.validate_python(yaml.safe_load(entry.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise FatalError(f"the demo's {entry.name}: {error}") from error
