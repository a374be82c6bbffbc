"""The Feature Store server on loopback, and boto3 clients pointed at it."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
import uvicorn
from botocore.config import Config
from floodgate_local.featurestore.app import create_app
from floodgate_local.featurestore.store import Store

GROUP = {
    "FeatureGroupName": "support-interactions",
    "RecordIdentifierFeatureName": "interaction_id",
    "EventTimeFeatureName": "event_time",
    "FeatureDefinitions": [
        {"FeatureName": "interaction_id", "FeatureType": "String"},
        {"FeatureName": "event_time", "FeatureType": "String"},
        {"FeatureName": "urgency_score", "FeatureType": "Fractional"},
        {"FeatureName": "turns", "FeatureType": "Integral"},
        {"FeatureName": "summary", "FeatureType": "String"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
    "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://bucket/offline"}},
    "RoleArn": "arn:aws:iam::000000000000:role/feature-store",
}


SESSION: Final = boto3.session.Session()  # one for all, because it keeps the service models it has read


@dataclass
class Server:
    """A running server over a store of its own."""

    url: str
    store: Store


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    store = Store(tmp_path / "store.sqlite")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)  # connections wait here until the server has started
    port = listener.getsockname()[1]
    instance = uvicorn.Server(uvicorn.Config(create_app(store), log_level="warning", access_log=False))
    thread = threading.Thread(target=instance.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield Server(f"http://127.0.0.1:{port}", store)
    instance.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def make_client(server: Server) -> Iterator[Callable[..., Any]]:
    made = []

    def make(service: Any = "sagemaker-featurestore-runtime") -> Any:
        client = SESSION.client(
            service,
            endpoint_url=server.url,
            region_name="eu-central-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="not-a-secret",
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def store_client(make_client: Callable[..., Any]) -> Any:
    """The runtime client, with the feature group declared."""
    make_client("sagemaker").create_feature_group(**GROUP)
    return make_client()
