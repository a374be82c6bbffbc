"""Who may do what in Kafka: access rules of every service, made from `schemas/topics.yaml`, and held against a cluster.

A service may read and write the topics that name it, join its own groups, use its own transactional ids, and see the
groups whose progress it asks for. That is all: topics are made, and rules written, by whoever deploys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from keyflow.errors import FatalError
from keyflow.kafka_errors import SignIn, denied

from floodgate.deadletters.redrive import TRANSACTIONAL_ID as REDRIVE
from floodgate.events.topics import ServiceAccess, services, topics
from floodgate.settings import READERS, KafkaSettings

PRINCIPAL: Final = "User:floodgate.{service}"
"""How services are called where nothing else is said."""
_TIMEOUT_SECONDS: Final = 30.0
_ALLOW: Final = "allow"
_ANY_PERMISSION: Final = AclPermissionType.ANY


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One rule.

    Attributes:
        resource: topic, group, transactional_id; of rules found on a cluster whatever Kafka calls it.
        pattern: literal, or prefixed: all names that begin so.
        permission: allow, or deny (none of ours).
    """

    principal: str
    resource: str
    name: str
    pattern: str
    operation: str
    host: str = "*"
    permission: str = _ALLOW

    def __str__(self) -> str:
        name = f"{self.name}*" if self.pattern == "prefixed" else self.name
        unusual = "" if (self.host, self.permission) == ("*", _ALLOW) else f" ({self.permission}, host {self.host})"
        return f"{self.principal}  {self.operation}  {self.resource} {name}{unusual}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What a cluster has beside what it should have, of our principals' rules."""

    missing: tuple[Acl, ...]
    surplus: tuple[Acl, ...]
    present: int


def principal_of(service: str, template: str = PRINCIPAL) -> str:
    """How Kafka calls a service.

    Raises:
        FatalError: The template has no place for the service.
    """
    if "{service}" not in template:
        raise FatalError(f'the principal {template!r} has to say where the service stands: "{PRINCIPAL}", say')
    return template.replace("{service}", service)


def wanted(group_prefix: str, template: str = PRINCIPAL) -> list[Acl]:
    """The rules of all services, in order."""
    return sorted({acl for service in services().values() for acl in _of(service, group_prefix, template)})


def _of(service: ServiceAccess, prefix: str, template: str) -> Iterator[Acl]:
    principal = principal_of(service.name, template)
    for topic in topics().values():
        for operation, names in (("read", topic.readers), ("write", topic.writers)):
            if service.names & set(names):
                yield Acl(principal, "topic", topic.name, "literal", operation)
    # Kafka looks for the coordinator of a consumer's group even where the consumer never joins it.
    yield Acl(principal, "group", f"{prefix}{READERS}", "prefixed", "describe")
    for name in (*service.processors, *service.consumers):
        yield Acl(principal, "group", f"{prefix}{name}", "literal", "read")
    for processor in service.processors:
        yield Acl(principal, "group", f"{prefix}{processor}.restore", "literal", "describe")
        yield Acl(principal, "transactional_id", f"{prefix}{processor}-", "prefixed", "write")
    if "redrive" in service.others:
        yield Acl(principal, "transactional_id", REDRIVE, "prefixed", "write")
    yield from _watching(service, prefix, principal)


def _watching(service: ServiceAccess, prefix: str, principal: str) -> Iterator[Acl]:
    """A group's lag: where it stands, and where what it reads ends."""
    if "*" in service.watches:
        yield Acl(principal, "group", prefix, "prefixed", "describe")
    for processor in service.watches:
        if processor != "*":
            yield Acl(principal, "group", f"{prefix}{processor}", "literal", "describe")
    for topic in topics().values():
        seen = service.names & {*topic.readers, *topic.writers}
        if not seen and ("*" in service.watches or set(service.watches) & set(topic.readers)):
            yield Acl(principal, "topic", topic.name, "literal", "describe")


class AclDesk:
    """Rules of a cluster, as an administrator has them. Connects on the first call.

    Args:
        settings: Where Kafka is; the principal needs Describe and Alter on the cluster.
        template: How services are called.
    """

    def __init__(self, settings: KafkaSettings, template: str = PRINCIPAL) -> None:
        self._sign_in = SignIn()
        self._settings = settings
        self._template = template
        self._connected: AdminClient | None = None

    def difference(self) -> Difference:
        """Holds the cluster's rules of our principals against what they should be; services of old have some too.

        Raises:
            FatalError: Kafka cannot be asked, or has no authorizer.
        """
        ours = re.compile(".+".join(re.escape(part) for part in self._template.split("{service}")))
        should = set(wanted(self._settings.group_prefix, self._template))
        anything: Any = None
        everything = AclBindingFilter(
            ResourceType.ANY, anything, ResourcePatternType.ANY, anything, anything, AclOperation.ANY, _ANY_PERMISSION
        )
        found = self._asked(lambda admin: [admin.describe_acls(everything, request_timeout=_TIMEOUT_SECONDS)])[0]
        there = {acl for acl in map(_read, found) if ours.fullmatch(acl.principal)}
        return Difference(tuple(sorted(should - there)), tuple(sorted(there - should)), len(should & there))

    def add(self, acls: Iterable[Acl]) -> None:
        """Writes rules.

        Raises:
            FatalError: Kafka refuses.
        """
        bindings = [_binding(acl) for acl in acls]
        if bindings:
            self._asked(lambda admin: admin.create_acls(bindings, request_timeout=_TIMEOUT_SECONDS).values())

    def remove(self, acls: Iterable[Acl]) -> None:
        """Takes rules back.

        Raises:
            FatalError: Kafka refuses.
        """
        filters = [_filter(acl) for acl in acls]
        if filters:
            self._asked(lambda admin: admin.delete_acls(filters, request_timeout=_TIMEOUT_SECONDS).values())

    def _asked(self, ask: Any) -> list[Any]:
        try:
            return [future.result() for future in ask(self._admin())]
        except KafkaException as error:
            said = error.args[0]
            if said.code() == KafkaError.SECURITY_DISABLED:
                raise FatalError("this cluster has no authorizer (authorizer.class.name): it knows no rules") from error
            refused = denied(said, "rules: the principal needs Describe and Alter on the cluster")
            raise refused or FatalError(f"rules: {said.str()}") from error

    def _admin(self) -> AdminClient:
        if self._connected is None:
            connection: dict[str, Any] = {**self._settings.connection(), "error_cb": self._sign_in}
            self._connected = AdminClient(connection)
            self._sign_in.topics(self._connected, seconds=15.0)
        return self._connected


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_parts(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_parts(acl))


def _parts(acl: Acl) -> tuple[Any, ...]:
    return (
        ResourceType[acl.resource.upper()],
        acl.name,
        ResourcePatternType[acl.pattern.upper()],
        acl.principal,
        acl.host,
        AclOperation[acl.operation.upper()],
        AclPermissionType[acl.permission.upper()],
    )


def _read(found: Any) -> Acl:
    return Acl(
        principal=found.principal,
        resource=found.restype.name.lower(),
        name=found.name,
        pattern=found.resource_pattern_type.name.lower(),
        operation=found.operation.name.lower(),
        host=found.host,
        permission=found.permission_type.name.lower(),
    )
