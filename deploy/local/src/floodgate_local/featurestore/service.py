"""The operations of Feature Store Runtime, and the few of SageMaker that declare groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from floodgate_local.aws_wire import AwsError, check_body
from floodgate_local.featurestore.faults import FaultInjector
from floodgate_local.featurestore.groups import (
    OFFLINE,
    ONLINE,
    FeatureGroup,
    Record,
    Value,
    Values,
    expiry_ns,
    format_time,
    parse_event_time,
    read_record,
    ttl_seconds,
    validation_error,
)
from floodgate_local.featurestore.store import OnlineRecord, Store

SERVICE: Final = "sagemaker-featurestore-runtime"
_ACCOUNT_ID: Final = "000000000000"
_PAGE_SIZE: Final = 100


class FeatureStore:
    """The operations over one store."""

    def __init__(self, store: Store, faults: FaultInjector) -> None:
        self._store = store
        self._faults = faults
        self._groups: dict[str, FeatureGroup] = {}

    # --- Runtime ---

    def put_record(self, name: str, body: Mapping[str, Any]) -> None:
        """PutRecord. An older event time reaches the offline store only.

        Raises:
            AwsError: 400 ValidationError.
        """
        check_body(SERVICE, "PutRecord", body, "ValidationError")
        self._put(self._group_or_refuse(name), body, None)

    def get_record(self, name: str, identifier: str, names: Sequence[str], *, with_expiry: bool) -> dict[str, Any]:
        """GetRecord; an empty answer when there is no such record.

        Raises:
            AwsError: 404 ResourceNotFound for an unknown group, 400 for an unknown feature.
        """
        group = self._group(name)
        if group is None:
            raise AwsError(404, "ResourceNotFound", _not_found(name))
        group.check_names(names)
        if not group.online:
            raise validation_error(f"the feature group {group.name} has no OnlineStore")
        found = self._store.get_online(group.name, identifier)
        return {} if found is None else _answer(found, names, with_expiry=with_expiry)

    def delete_record(self, name: str, identifier: str, event_time: str, targets: Sequence[str], mode: str) -> None:
        """DeleteRecord, soft or hard; the marker goes to the offline store.

        Raises:
            AwsError: 400 ValidationError; also for a HardDelete that is not later than the record.
        """
        group = self._group_or_refuse(name)
        stores = group.stores(targets)
        if mode not in {"SoftDelete", "HardDelete"}:
            raise validation_error("DeletionMode must be SoftDelete or HardDelete")
        values: Values = {group.identifier_feature: identifier, group.event_time_feature: event_time}
        marker = Record(identifier, parse_event_time(event_time), values)
        if ONLINE in stores:
            self._delete_online(group, marker, hard=mode == "HardDelete")
        if OFFLINE in stores:
            self._store.append_offline(group.name, marker, is_deleted=True)

    def batch_get(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """BatchGetRecord: what is found, what failed, and what was left undone.

        Raises:
            AwsError: 400 ValidationError for the request as a whole.
        """
        check_body(SERVICE, "BatchGetRecord", body, "ValidationError")
        answer: dict[str, list[Any]] = {"Records": [], "Errors": [], "UnprocessedIdentifiers": []}
        with_expiry = body.get("ExpirationTimeResponse") == "Enabled"
        for wanted in body["Identifiers"]:
            name, features = wanted["FeatureGroupName"], wanted.get("FeatureNames") or []
            undone = []
            for identifier in wanted["RecordIdentifiersValueAsString"]:
                if self._faults.leaves_undone():
                    undone.append(identifier)
                    continue
                found, error = self._get_one(name, identifier, features, with_expiry=with_expiry)
                subject = {"FeatureGroupName": name, "RecordIdentifierValueAsString": identifier}
                if error is not None:
                    answer["Errors"].append({**subject, **_error_members(error)})
                elif found:
                    answer["Records"].append({**subject, **found})
            if undone:
                answer["UnprocessedIdentifiers"].append({**wanted, "RecordIdentifiersValueAsString": undone})
        return answer

    def batch_write(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """BatchWriteRecord: each entry is written, refused, or left undone for another try.

        Raises:
            AwsError: 400 ValidationError for the request as a whole.
        """
        check_body(SERVICE, "BatchWriteRecord", body, "ValidationError")
        answer: dict[str, list[Any]] = {"Errors": [], "UnprocessedEntries": []}
        for entry in body["Entries"]:
            if self._faults.leaves_undone():
                answer["UnprocessedEntries"].append(entry)
                continue
            try:
                group = self._group(entry["FeatureGroupName"])
                if group is None:
                    raise AwsError(404, "ResourceNotFound", _not_found(entry["FeatureGroupName"]))
                self._put(group, entry, ttl_seconds(body.get("TtlDuration")))
            except AwsError as error:
                answer["Errors"].append({"Entry": entry, **_error_members(error)})
        return answer

    def list_records(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """ListRecords, in pages.

        Raises:
            AwsError: 404 ResourceNotFound for an unknown group.
        """
        check_body(SERVICE, "ListRecords", body, "ValidationError")
        group = self._group(name)
        if group is None:
            raise AwsError(404, "ResourceNotFound", _not_found(name))
        size = body.get("MaxResults") or _PAGE_SIZE
        with_deleted = bool(body.get("IncludeSoftDeletedRecords"))
        after = body.get("NextToken") or ""
        found = self._store.list_online(group.name, after, size + 1, with_deleted=with_deleted)
        page: dict[str, Any] = {"RecordIdentifiers": found[:size]}
        if len(found) > size:
            page["NextToken"] = found[size - 1]
        return page

    # --- Groups ---

    def create_group(self, definition: Mapping[str, Any], region: str) -> dict[str, Any]:
        """CreateFeatureGroup.

        Raises:
            AwsError: 400 for a wrong declaration or a name that is taken.
        """
        check_body("sagemaker", "CreateFeatureGroup", definition)
        FeatureGroup.from_definition(definition)
        if not self._store.add_group(definition):
            raise AwsError(
                400, "ResourceInUse", f"Resource Already Exists: FeatureGroup {definition['FeatureGroupName']}"
            )
        return {"FeatureGroupArn": _arn(definition["FeatureGroupName"], region)}

    def describe_group(self, name: str, region: str) -> dict[str, Any]:
        """DescribeFeatureGroup.

        Raises:
            AwsError: 400 ResourceNotFound.
        """
        found = self._store.group(_plain(name))
        if found is None:
            raise AwsError(400, "ResourceNotFound", _not_found(name))
        definition, created_ns = found
        return {
            **definition,
            "FeatureGroupArn": _arn(definition["FeatureGroupName"], region),
            "CreationTime": created_ns / 1e9,
            "FeatureGroupStatus": "Created",
        }

    def update_group(self, body: Mapping[str, Any], region: str) -> dict[str, Any]:
        """UpdateFeatureGroup: features can be added, never changed or removed.

        Raises:
            AwsError: 400 for an unknown group or a feature that is there already.
        """
        check_body("sagemaker", "UpdateFeatureGroup", body)
        name = _plain(body["FeatureGroupName"])
        found = self._store.group(name)
        if found is None:
            raise AwsError(400, "ResourceNotFound", _not_found(name))
        definition = dict(found[0])
        additions = body.get("FeatureAdditions") or []
        definition["FeatureDefinitions"] = [*definition["FeatureDefinitions"], *additions]
        FeatureGroup.from_definition(definition)
        self._store.declare_group(definition)
        self._groups.pop(name, None)
        return {"FeatureGroupArn": _arn(name, region)}

    def list_groups(self, region: str) -> dict[str, Any]:
        """ListFeatureGroups, all on one page."""
        described = [self.describe_group(name, region) for name in self._store.group_names()]
        names = ("FeatureGroupName", "FeatureGroupArn", "CreationTime", "FeatureGroupStatus")
        return {"FeatureGroupSummaries": [{name: group[name] for name in names} for group in described]}

    def delete_group(self, name: str) -> None:
        """DeleteFeatureGroup.

        Raises:
            AwsError: 400 ResourceNotFound.
        """
        self._groups.pop(_plain(name), None)
        if not self._store.remove_group(_plain(name)):
            raise AwsError(400, "ResourceNotFound", _not_found(name))

    # --- Parts ---

    def _group(self, name: str) -> FeatureGroup | None:
        plain = _plain(name)
        if plain not in self._groups:
            found = self._store.group(plain)
            if found is None:
                return None
            self._groups[plain] = FeatureGroup.from_definition(found[0])
        return self._groups[plain]

    def _group_or_refuse(self, name: str) -> FeatureGroup:
        group = self._group(name)
        if group is None:
            # PutRecord and DeleteRecord declare no ResourceNotFound: AWS sends a ValidationError that says so.
            _refuse_unknown(name)
        return group

    def _put(self, group: FeatureGroup, entry: Mapping[str, Any], batch_ttl: int | None) -> None:
        stores = group.stores(entry.get("TargetStores"))
        record = read_record(group, entry["Record"])
        own_ttl = ttl_seconds(entry.get("TtlDuration"))
        ttl = next((value for value in (own_ttl, batch_ttl, group.ttl_seconds) if value is not None), None)
        if ONLINE in stores:
            self._store.put_online(group.name, record, expiry_ns(record, ttl))
        if OFFLINE in stores:
            self._store.append_offline(group.name, record)

    def _delete_online(self, group: FeatureGroup, marker: Record, *, hard: bool) -> None:
        if not hard:
            if self._store.online_event_time_ns(group.name, marker.identifier) is not None:
                self._store.put_online(group.name, marker, None, is_deleted=True)
            return
        known = self._store.online_event_time_ns(group.name, marker.identifier)
        if known is not None and marker.event_time_ns <= known:
            raise AwsError(400, "ValidationError", "EventTime: must be later than the EventTime of the record")
        self._store.erase_online(group.name, marker.identifier)

    def _get_one(
        self, name: str, identifier: str, features: Sequence[str], *, with_expiry: bool
    ) -> tuple[dict[str, Any], AwsError | None]:
        try:
            return self.get_record(name, identifier, features, with_expiry=with_expiry), None
        except AwsError as error:
            return {}, error


def _answer(found: OnlineRecord, names: Sequence[str], *, with_expiry: bool) -> dict[str, Any]:
    wanted = set(names)
    record = [_member(name, value) for name, value in found.values.items() if not wanted or name in wanted]
    answer: dict[str, Any] = {"Record": record} if record else {}
    if with_expiry and found.expires_ns is not None:
        answer["ExpiresAt"] = format_time(found.expires_ns)
    return answer


def _member(name: str, value: Value) -> dict[str, Any]:
    kind = "ValueAsStringList" if isinstance(value, list) else "ValueAsString"
    return {"FeatureName": name, kind: value}


def _error_members(error: AwsError) -> dict[str, str]:
    return {"ErrorCode": error.error_type, "ErrorMessage": error.message}


def _plain(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _arn(name: str, region: str) -> str:
    return f"arn:aws:sagemaker:{region or 'us-east-1'}:{_ACCOUNT_ID}:feature-group/{name.lower()}"


def _not_found(name: str) -> str:
    return f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {_plain(name)}"


def _refuse_unknown(name: str) -> NoReturn:
    raise AwsError(400, "ValidationError", _not_found(name))
