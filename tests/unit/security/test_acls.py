"""What each service may do in Kafka, made from topics.yaml."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from floodgate.acls import Acl, principal_of, wanted
from floodgate.cli.main import SERVICES
from floodgate.events.topics import services, topics
from keyflow.errors import FatalError

FIREWALL = "User:floodgate.firewall"


def rules(principal: str) -> set[tuple[str, str, str, str]]:
    return {
        (acl.operation, acl.resource, acl.name, acl.pattern)
        for acl in wanted("floodgate.")
        if acl.principal == principal
    }


def test_every_installed_service_signs_in_under_its_own_name() -> None:
    assert {entry.name for entry in entry_points(group=SERVICES)} <= set(services())


def test_every_writer_and_reader_of_a_topic_belongs_to_somebody() -> None:
    named = {name for topic in topics().values() for name in (*topic.readers, *topic.writers)}
    assert named <= {name for service in services().values() for name in service.names}


def test_no_rule_is_wider_than_reading_writing_and_seeing() -> None:
    assert {acl.operation for acl in wanted("floodgate.")} == {"read", "write", "describe"}
    assert not {acl for acl in wanted("floodgate.") if acl.resource == "topic" and acl.pattern != "literal"}


def test_the_firewall_has_its_group_its_transactions_and_its_topics() -> None:
    found = rules(FIREWALL)
    assert ("read", "group", "floodgate.firewall", "literal") in found
    assert ("write", "transactional_id", "floodgate.firewall-", "prefixed") in found
    assert ("write", "topic", "support.verdicts", "literal") in found
    assert ("read", "topic", "support.modes", "literal") in found  # followed, without a group
    assert ("write", "topic", "support.messages", "literal") not in found


def test_no_service_can_fence_another_ones_transactions() -> None:
    prefixes = [(acl.principal, acl.name) for acl in wanted("floodgate.") if acl.resource == "transactional_id"]
    for principal, prefix in prefixes:
        for other in services().values():
            ids = [f"floodgate.{processor}-0" for processor in other.processors]
            if principal != principal_of(other.name):
                assert not [name for name in ids if name.startswith(prefix)]


def test_principals_are_named_by_a_rule() -> None:
    assert principal_of("agent", "User:CN={service},O=example") == "User:CN=agent,O=example"
    with pytest.raises(FatalError, match="where the service stands"):
        wanted("floodgate.", "User:floodgate")


def test_a_rule_is_told_in_one_line() -> None:
    rule = Acl(FIREWALL, "group", "floodgate.reader.", "prefixed", "describe")
    assert str(rule) == "User:floodgate.firewall  describe  group floodgate.reader.*"
