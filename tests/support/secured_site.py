"""A Kafka that enforces the rules of `floodgate acls`, with a user for every service."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from floodgate.acls import AclDesk, wanted
from floodgate.admin import apply_topics
from floodgate.events.topics import services
from floodgate.settings import KafkaSettings
from floodgate_local.secured_kafka import ADMIN, SecuredKafka
from pydantic import SecretStr


@dataclass
class Site:
    """The broker, and who signs in to it."""

    kafka: SecuredKafka
    passwords: dict[str, str]

    def settings(self, service: str, **other: object) -> KafkaSettings:
        """A service's own settings; "admin" is the super user."""
        user = ADMIN if service == ADMIN else f"floodgate.{service}"
        return KafkaSettings.model_validate(
            {
                "bootstrap_servers": self.kafka.servers,
                "auth": "scram",
                "username": user,
                "password": SecretStr(self.passwords[service]),
                "ca_file": self.kafka.authority.file,
                "start_over": True,
                **other,
            }
        )

    def environment(self, service: str) -> dict[str, str]:
        """The same as variables of a process."""
        return {
            "FLOODGATE_KAFKA_BOOTSTRAP_SERVERS": self.kafka.servers,
            "FLOODGATE_KAFKA_AUTH": "scram",
            "FLOODGATE_KAFKA_USERNAME": f"floodgate.{service}",
            "FLOODGATE_KAFKA_PASSWORD": self.passwords[service],
            "FLOODGATE_KAFKA_CA_FILE": str(self.kafka.authority.file),
        }


def secured_site(folder: Path) -> Iterator[Site]:
    """A broker with all topics, users and rules."""
    with SecuredKafka(folder) as kafka:
        passwords = {service: secrets.token_hex(16) for service in services()}
        kafka.add_users({f"floodgate.{service}": word for service, word in passwords.items()})
        site = Site(kafka, {**passwords, ADMIN: kafka.password})
        admin = site.settings(ADMIN)
        apply_topics(admin)
        AclDesk(admin).add(wanted(admin.group_prefix))
        yield site
