"""The components of the stack, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from floodgate_local.components.apicurio import Apicurio
from floodgate_local.components.base import Component, Place
from floodgate_local.components.kafka import Kafka
from floodgate_local.components.opensearch import OpenSearch
from floodgate_local.components.python_server import Bedrock, Moto, PythonServer

COMPONENTS: Final[tuple[Component, ...]] = (
    Kafka(),
    Apicurio(),
    OpenSearch(),
    Moto(),
    Bedrock(),
    PythonServer("featurestore"),
    PythonServer("intercom"),
    PythonServer("shop"),
)

__all__ = ["COMPONENTS", "Component", "Place"]
