"""Types of values in workflows: what a field, a slot or an expression holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

Base = Literal["any", "null", "bool", "int", "double", "string", "timestamp", "duration", "list", "record"]


@dataclass(frozen=True)
class Kind:
    """A type.

    Attributes:
        nullable: It may be null as well.
        item: What a list holds.
        fields: What a record holds; empty: not known.
    """

    base: Base
    nullable: bool = False
    item: Kind | None = None
    fields: Mapping[str, Kind] = field(default_factory=dict)

    def __str__(self) -> str:
        """As an author would say it."""
        name = f"list of {self.item or ANY}" if self.base == "list" else self.base
        return f"{name} or null" if self.nullable else name


ANY: Final = Kind("any")
NULL: Final = Kind("null")
BOOL: Final = Kind("bool")
INT: Final = Kind("int")
DOUBLE: Final = Kind("double")
STRING: Final = Kind("string")
TIMESTAMP: Final = Kind("timestamp")
DURATION: Final = Kind("duration")

_WORDS: Final[Mapping[str, Kind]] = {
    "text": STRING,
    "moment": STRING,
    "integer": INT,
    "cents": INT,
    "flag": BOOL,
    "number": DOUBLE,
    "any": ANY,
}


def record(fields: Mapping[str, Kind]) -> Kind:
    """A record of known fields."""
    return Kind("record", fields=fields)


def list_of(item: Kind) -> Kind:
    """A list."""
    return Kind("list", item=item)


def read_kind(written: Any, known: Mapping[str, Kind]) -> Kind:
    """A type as a backend's declaration writes it.

    Raises:
        ValueError: It is not declared.
    """
    if isinstance(written, Mapping):
        return record({name: read_kind(of, known) for name, of in written.items()})
    if isinstance(written, list) and len(written) == 1:
        return list_of(read_kind(written[0], known))
    name = str(written).removesuffix("?")
    kind = _WORDS.get(name) or known.get(name)
    if kind is None:
        raise ValueError(f"type {written!r} is not declared")
    return replace(kind, nullable=True) if str(written).endswith("?") else kind


def fits(one: Kind, other: Kind) -> bool:
    """Whether values of two types can be compared or stand in each other's place."""
    if "any" in (one.base, other.base):
        return True
    if one.base == "null" or other.base == "null":
        return True
    return one.base == other.base or {one.base, other.base} == {"int", "double"}


def join(one: Kind, other: Kind) -> Kind:
    """The type of a value that is one or the other."""
    if "null" in (one.base, other.base):
        return replace(other if one.base == "null" else one, nullable=True)
    if one == other or one.base != other.base:
        return one if one == other else ANY
    nullable = one.nullable or other.nullable
    if one.base == "list":
        return Kind("list", nullable, join(one.item or ANY, other.item or ANY))
    if one.base == "record":
        return Kind("record", nullable, fields=_shared(one, other))
    return Kind(one.base, nullable)


def _shared(one: Kind, other: Kind) -> Mapping[str, Kind]:
    return {name: join(kind, other.fields[name]) for name, kind in one.fields.items() if name in other.fields}
