"""The Bedrock server on loopback with a small fake model, and boto3 clients pointed at it."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
import pytest
import uvicorn
from botocore.config import Config
from floodgate_local.bedrock.app import create_app
from floodgate_local.bedrock.config import Latency, LatencySettings
from floodgate_local.bedrock.faults import FaultInjector, FaultSettings
from floodgate_local.bedrock.runtime import Runtime
from floodgate_nlu.types import Completion, ModelCall


@dataclass
class FakeModel:
    """Answers from the request alone: the first enum value, the message itself, zeros."""

    calls: list[ModelCall] = field(default_factory=list)

    def complete(self, call: ModelCall) -> Completion:
        self.calls.append(call)
        last = call.messages[-1].text
        if call.tool is None:
            return Completion(f"You said: {last}", None)
        properties = call.tool.schema.get("properties", {})
        return Completion(None, {name: self._value(schema, last) for name, schema in properties.items()})

    def embed(self, text: str, dimensions: int) -> list[float]:
        return [float((len(text) + position) % 7 + 1) for position in range(dimensions)]

    @staticmethod
    def _value(schema: dict[str, Any], text: str) -> Any:
        if "enum" in schema:
            return schema["enum"][0]
        return {"number": 0.5, "integer": 1, "boolean": True, "array": []}.get(schema.get("type", ""), text)


SESSION: Final = boto3.session.Session()  # one for all, because it keeps the service models it has read


class MemoryStorage:
    """S3 for batch jobs, in memory: (bucket, key) to bytes."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return sorted(key for place, key in self.objects if place == bucket and key.startswith(prefix))

    def read(self, bucket: str, key: str) -> bytes:
        return self.objects[bucket, key]

    def write(self, bucket: str, key: str, data: bytes) -> None:
        self.objects[bucket, key] = data


@dataclass
class Server:
    """A running server."""

    url: str
    model: FakeModel
    runtime: Runtime
    storage: MemoryStorage


@pytest.fixture(scope="session")
def bedrock_server() -> Iterator[Server]:
    model = FakeModel()
    runtime = Runtime(model, Latency(LatencySettings()), FaultInjector(), threads=2)
    storage = MemoryStorage()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)  # connections wait here until the server has started
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(runtime, storage=storage), log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield Server(f"http://127.0.0.1:{port}", model, runtime, storage)
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def server(bedrock_server: Server) -> Server:
    """The running server with nothing left over from another test."""
    bedrock_server.runtime.faults.set(FaultSettings())
    bedrock_server.runtime.latency = Latency(LatencySettings())
    bedrock_server.runtime.cache.clear()
    bedrock_server.runtime.stats.reset()
    bedrock_server.model.calls.clear()
    bedrock_server.storage.objects.clear()
    return bedrock_server


ClientFactory = Callable[..., Any]


@pytest.fixture
def make_client(server: Server) -> Iterator[ClientFactory]:
    """boto3 clients as anyone makes them; only the endpoint is ours."""
    made = []

    def make(service: Any = "bedrock-runtime", key: str = "AKIDEXAMPLE", region: str = "eu-central-1") -> Any:
        client = SESSION.client(
            service,
            endpoint_url=server.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key="not-a-secret",
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=10),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def runtime_client(make_client: ClientFactory) -> Any:
    return make_client()
