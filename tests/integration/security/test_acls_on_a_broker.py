"""Every service against every topic, group and transactional id: what topics.yaml says, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from floodgate.acls import Acl, AclDesk, principal_of, wanted
from floodgate.cli.acls import app
from floodgate.deadletters.redrive import TRANSACTIONAL_ID
from floodgate.events.topics import ServiceAccess, services, topics
from support.secured_site import Site
from typer.testing import CliRunner

PREFIX = "floodgate."
EVERYBODY = sorted(services())


def readable(service: ServiceAccess) -> set[str]:
    return {name for name, topic in topics().items() if service.names & set(topic.readers)}


def writable(service: ServiceAccess) -> set[str]:
    return {name for name, topic in topics().items() if service.names & set(topic.writers)}


def refused(error: KafkaException, expected: int) -> set[Any]:
    """Nothing: what is allowed where Kafka refuses for just this reason."""
    assert error.args[0].code() == expected
    return set()


def operations(site: Site, service: str) -> dict[str, set[str]]:
    """By topic, what the broker's authorizer says; nothing where even that is refused."""
    admin = AdminClient(site.settings(service).connection())
    asked = admin.describe_topics(TopicCollection(sorted(topics())), include_authorized_operations=True)
    found = {}
    for topic, future in asked.items():
        try:
            found[topic] = {operation.name.lower() for operation in future.result().authorized_operations or ()}
        except KafkaException as error:
            found[topic] = refused(error, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return found


def written(site: Site, service: str) -> set[str]:
    """The topics that took a record."""
    taken: set[str] = set()
    refusals: set[int] = set()

    def delivered(error: KafkaError | None, message: object) -> None:
        if error is None:
            taken.add(message.topic())  # type: ignore[attr-defined]
        else:
            refusals.add(error.code())

    producer = Producer({**site.settings(service).connection(), "log_level": 0})
    for topic in topics():
        producer.produce(topic, b"probe", b"key", partition=0, on_delivery=delivered)
    assert producer.flush(30) == 0
    assert refusals <= {KafkaError.TOPIC_AUTHORIZATION_FAILED}
    return taken


def read(site: Site, service: str, expected: set[str]) -> set[str]:
    """The topics of which a record came, of all that were asked for."""
    consumer = Consumer({**site.settings(service).reader("probe"), "auto.offset.reset": "earliest", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0) for topic in topics()])
    seen: set[str] = set()
    deadline = time.monotonic() + 60.0
    while not expected <= seen and time.monotonic() < deadline:
        for message in consumer.consume(100, 0.2):
            if message.error() is None:
                seen.add(message.topic())
            else:
                assert message.error().code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    consumer.close()
    return seen


@pytest.mark.parametrize("service", EVERYBODY)
def test_a_service_writes_what_it_may_and_nothing_else(probed_site: Site, service: str) -> None:
    assert written(probed_site, service) == writable(services()[service])


@pytest.mark.parametrize("service", EVERYBODY)
def test_a_service_reads_what_it_may_and_nothing_else(probed_site: Site, service: str) -> None:
    expected = readable(services()[service])
    assert read(probed_site, service, expected) == expected


@pytest.mark.parametrize("service", EVERYBODY)
def test_no_service_may_do_more_with_a_topic_than_read_write_and_see_it(probed_site: Site, service: str) -> None:
    access = services()[service]
    watching = bool(access.watches)
    for topic, allowed in operations(probed_site, service).items():
        does = {name for name, there in (("read", readable(access)), ("write", writable(access))) if topic in there}
        assert allowed - {"describe"} == does, topic
        assert "describe" in allowed or not does
        assert does or watching or not allowed


def groups_to_try() -> Iterator[str]:
    for access in services().values():
        for name in (*access.processors, *access.consumers):
            yield from (f"{PREFIX}{name}", f"{PREFIX}{name}.restore")
    yield from (f"{PREFIX}reader.tail", f"{PREFIX}nobody", "another-team")


@pytest.mark.parametrize("service", EVERYBODY)
def test_a_service_joins_its_own_groups_and_sees_those_it_watches(probed_site: Site, service: str) -> None:
    access, names = services()[service], sorted(set(groups_to_try()))
    admin = AdminClient(probed_site.settings(service).connection())
    asked = admin.describe_consumer_groups(names, include_authorized_operations=True)
    found: dict[str, set[AclOperation]] = {}
    for name, future in asked.items():
        try:
            found[name] = set(future.result().authorized_operations or ())
        except KafkaException as error:
            found[name] = refused(error, KafkaError.GROUP_AUTHORIZATION_FAILED)
    joins = {name for name, allowed in found.items() if AclOperation.READ in allowed}
    assert joins == {f"{PREFIX}{name}" for name in (*access.processors, *access.consumers)}
    sees = {name for name, allowed in found.items() if allowed}
    own = {*joins, *(f"{PREFIX}{name}.restore" for name in access.processors), f"{PREFIX}reader.tail"}
    watched = set(names) - {"another-team"} if "*" in access.watches else {f"{PREFIX}{name}" for name in access.watches}
    assert sees == own | watched
    assert all(allowed <= {AclOperation.READ, AclOperation.DESCRIBE} for allowed in found.values())


def begins(site: Site, service: str, transactional_id: str) -> bool:
    producer = Producer({**site.settings(service).connection(), "transactional.id": transactional_id, "log_level": 0})
    try:
        producer.init_transactions(30.0)
    except KafkaException as error:
        return bool(refused(error, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED))
    return True


@pytest.mark.parametrize("service", EVERYBODY)
def test_a_service_fences_nobody_but_itself(probed_site: Site, service: str) -> None:
    ids = {processor: f"{PREFIX}{processor}-0" for each in services().values() for processor in each.processors}
    own = set(services()[service].processors)
    begun = {processor for processor, name in ids.items() if begins(probed_site, service, name)}
    assert begun == own
    assert begins(probed_site, service, TRANSACTIONAL_ID) == ("redrive" in services()[service].others)


# The command


def until_listed(desk: AclDesk, *, missing: int, surplus: int) -> None:
    """A broker lists rules a while after it enforces them."""
    deadline = time.monotonic() + 60.0
    while True:
        found = desk.difference()
        if (len(found.missing), len(found.surplus)) == (missing, surplus):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_check_and_apply_bring_a_cluster_to_what_it_should_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in site.environment("admin").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOODGATE_KAFKA_USERNAME", "admin")
    desk = AclDesk(site.settings("admin"))
    lost = Acl(principal_of("firewall"), "topic", "support.verdicts", "literal", "write")
    surplus = Acl(principal_of("retired"), "topic", "support.", "prefixed", "read")
    foreign = Acl("User:another-team", "topic", "support.verdicts", "literal", "read")
    until_listed(desk, missing=0, surplus=0)
    desk.remove([lost])
    desk.add([surplus, foreign])
    until_listed(desk, missing=1, surplus=1)
    run = CliRunner()
    checked = run.invoke(app, ["check", "--json"])
    told = json.loads(checked.stdout)
    assert (checked.exit_code, told["agrees"], len(told["missing"]), len(told["surplus"])) == (1, False, 1, 1)
    tried = run.invoke(app, ["apply", "--dry-run", "--remove"])
    assert f"would add: {lost}" in tried.stdout
    assert f"would remove: {surplus}" in tried.stdout
    kept = run.invoke(app, ["apply"])
    assert f"surplus, left as it is (--remove takes it back): {surplus}" in kept.stdout
    until_listed(desk, missing=0, surplus=1)
    assert run.invoke(app, ["apply", "--remove"]).exit_code == 0
    until_listed(desk, missing=0, surplus=0)
    assert run.invoke(app, ["check"]).exit_code == 0
    assert run.invoke(app, ["apply"]).stdout.startswith(f"{len(wanted(PREFIX))} unchanged, 0 added, 0 removed")
    desk.remove([foreign])
