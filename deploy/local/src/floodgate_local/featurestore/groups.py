"""Feature groups: what they declare, and a record held against the declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from floodgate_local.aws_wire import AwsError

MAX_RECORD_BYTES: Final = 350 * 1_024
ONLINE: Final = "OnlineStore"
OFFLINE: Final = "OfflineStore"
_ISO_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z")
_NANOSECONDS: Final = 1_000_000_000
_SECONDS_OF_UNIT: Final = {"Seconds": 1, "Minutes": 60, "Hours": 3_600, "Days": 86_400, "Weeks": 604_800}

Value = str | list[str]
Values = dict[str, Value]
FeatureType = Literal["Integral", "Fractional", "String"]


def validation_error(message: str) -> AwsError:
    """The 400 by which Feature Store refuses a request."""
    return AwsError(400, "ValidationError", f"Validation Error: {message}")


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """A feature group as CreateFeatureGroup declares it."""

    name: str
    identifier_feature: str
    event_time_feature: str
    types: Mapping[str, FeatureType]
    collections: frozenset[str]
    online: bool
    offline: bool
    ttl_seconds: int | None

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> FeatureGroup:
        """Read a CreateFeatureGroup request whose shape was checked.

        Raises:
            AwsError: 400 when the identifier or the event time is no declared feature of a fitting type.
        """
        features = definition["FeatureDefinitions"]
        online = definition.get("OnlineStoreConfig") or {}
        group = cls(
            name=definition["FeatureGroupName"],
            identifier_feature=definition["RecordIdentifierFeatureName"],
            event_time_feature=definition["EventTimeFeatureName"],
            types={feature["FeatureName"]: feature["FeatureType"] for feature in features},
            collections=frozenset(f["FeatureName"] for f in features if f.get("CollectionType")),
            online=bool(online.get("EnableOnlineStore")),
            offline=definition.get("OfflineStoreConfig") is not None,
            ttl_seconds=ttl_seconds(online.get("TtlDuration")),
        )
        group._check_declaration(len(features))
        return group

    def _check_declaration(self, declared: int) -> None:
        if len(self.types) != declared:
            raise validation_error("FeatureDefinitions name a feature twice")
        if not (self.online or self.offline):
            raise validation_error("a feature group needs an OnlineStoreConfig or an OfflineStoreConfig")
        if self.identifier_feature not in self.types:
            raise validation_error(f"RecordIdentifierFeatureName {self.identifier_feature} is not a declared feature")
        if self.types.get(self.event_time_feature) not in {"String", "Fractional"}:
            raise validation_error(
                f"EventTimeFeatureName {self.event_time_feature} must be a declared String or Fractional feature"
            )

    def stores(self, targets: Sequence[str] | None) -> frozenset[str]:
        """The stores a request reaches.

        Raises:
            AwsError: 400 when it names one that the group does not have.
        """
        own = frozenset(name for name, on in ((ONLINE, self.online), (OFFLINE, self.offline)) if on)
        wanted = frozenset(targets) if targets else own
        missing = sorted(wanted - own)
        if missing:
            raise validation_error(f"TargetStores: the feature group {self.name} has no {missing[0]}")
        return wanted

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse feature names that are not declared.

        Raises:
            AwsError: 400 ValidationError.
        """
        for name in names:
            if name not in self.types:
                raise validation_error(f"FeatureName {name} is not a feature of the feature group {self.name}")


@dataclass(frozen=True, slots=True)
class Record:
    """A checked record."""

    identifier: str
    event_time_ns: int
    values: Values


def read_record(group: FeatureGroup, features: Sequence[Mapping[str, Any]]) -> Record:
    """Hold the features of a PutRecord against their group.

    Raises:
        AwsError: 400 ValidationError, as Feature Store refuses such a record.
    """
    group.check_names([feature["FeatureName"] for feature in features])
    values: Values = {}
    for feature in features:
        name = feature["FeatureName"]
        if name in values:
            raise validation_error(f"FeatureName {name} occurs more than once in the record")
        values[name] = _read_value(group, feature)
    for name in (group.identifier_feature, group.event_time_feature):
        if not values.get(name):
            raise validation_error(f"the record has no value for the required feature {name}")
    size = sum(len(name.encode()) + _size_bytes(value) for name, value in values.items())
    if size > MAX_RECORD_BYTES:
        raise validation_error(f"the record of {size} bytes exceeds the limit of {MAX_RECORD_BYTES} bytes")
    event_time = values[group.event_time_feature]
    return Record(str(values[group.identifier_feature]), parse_event_time(str(event_time)), values)


def _read_value(group: FeatureGroup, feature: Mapping[str, Any]) -> Value:
    name = feature["FeatureName"]
    value, several = feature.get("ValueAsString"), feature.get("ValueAsStringList")
    if (value is None) == (several is None):
        raise validation_error(f"the feature {name} must have either ValueAsString or ValueAsStringList")
    if (several is not None) != (name in group.collections):
        raise validation_error(f"the feature {name} has a list where it declares none, or the other way round")
    for item in several if several is not None else [value]:
        _check_type(name, group.types[name], str(item))
    return several if several is not None else str(value)


def _check_type(name: str, feature_type: FeatureType, value: str) -> None:
    if feature_type == "String":
        return
    try:
        int(value) if feature_type == "Integral" else float(value)
    except ValueError:
        raise validation_error(f"the value of the feature {name} is not of its type {feature_type}") from None


def _size_bytes(value: Value) -> int:
    return sum(len(item.encode()) for item in value) if isinstance(value, list) else len(value.encode())


def parse_event_time(text: str) -> int:
    """An event time in nanoseconds since the epoch: ISO 8601 in UTC, or epoch seconds.

    Raises:
        AwsError: 400 ValidationError.
    """
    iso = _ISO_TIME.fullmatch(text)
    try:
        if iso is None:
            return round(float(text) * _NANOSECONDS)
        moment = datetime.fromisoformat(iso[1]).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise validation_error(
            "EventTime must be ISO 8601 in UTC (yyyy-MM-dd'T'HH:mm:ssZ, fractions allowed) or epoch seconds"
        ) from None
    return int(moment.timestamp()) * _NANOSECONDS + int((iso[2] or "0").ljust(9, "0"))


def format_time(nanoseconds: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest // 1_000_000:03d}Z"


def ttl_seconds(duration: Mapping[str, Any] | None) -> int | None:
    """A TtlDuration in seconds."""
    return None if duration is None else int(duration["Value"]) * _SECONDS_OF_UNIT[duration["Unit"]]


def expiry_ns(record: Record, ttl: int | None) -> int | None:
    """When a record leaves the online store, or None for never."""
    return None if ttl is None else record.event_time_ns + ttl * _NANOSECONDS
