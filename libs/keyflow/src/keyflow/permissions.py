"""What this principal may do with topics, asked of the broker: its refusals do not say which topic they mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation

_TIMEOUT_SECONDS: Final = 10.0


def unwritable(client: Mapping[str, Any], topics: Collection[str]) -> list[str]:
    """The topics that the principal may not write, in order; without those of which the broker does not tell.

    Args:
        client: Librdkafka's settings: bootstrap.servers, security.
        topics: Which.
    """
    admin = AdminClient(dict(client))
    asked = admin.describe_topics(
        TopicCollection(sorted(topics)), include_authorized_operations=True, request_timeout=_TIMEOUT_SECONDS
    )
    return [topic for topic, future in sorted(asked.items()) if not _writable(future)]


def _writable(described: Any) -> bool:
    try:
        operations = described.result().authorized_operations
    except KafkaException as error:
        return bool(error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return operations is None or AclOperation.WRITE in operations
