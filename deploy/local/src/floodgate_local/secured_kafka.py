"""A Kafka that trusts nobody: TLS, SCRAM, certificates or tokens, and an authorizer that refuses what no ACL allows.

The stack's own Kafka answers everybody on loopback. This one is for trying security settings and ACLs; it has a
folder of its own and keeps nothing.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from floodgate_local.artifacts import Homes
from floodgate_local.certificates import Authority
from floodgate_local.components.base import jvm_environment, listens
from floodgate_local.errors import ComponentFailedError
from floodgate_local.java import COMMON_OPTIONS, java_executable, run_to_end
from floodgate_local.process import ProcessRecord, is_alive, spawn, stop
from floodgate_local.progress import SilentProgress
from floodgate_local.state import LOOPBACK, free_ports

ADMIN: Final = "admin"
_CLUSTER_ID: Final = "Zmxvb2RnYXRlLXNlY3VyZQ"
_START_SECONDS: Final = 120.0
_LISTENERS: Final = ("SCRAM", "CERTIFICATE", "TOKEN", "CONTROLLER")


class SecuredKafka:
    """One broker and controller that enforces ACLs. A context manager: it runs inside, and leaves nothing.

    Clients sign in by SCRAM-SHA-512 (`servers`), by a certificate of `authority` (`certificate_servers`), or by an
    unsigned JSON web token (`token_servers`): Kafka's own check for tests, which believes every subject.

    Args:
        folder: Empty; for certificates, log and data.

    Attributes:
        authority: Whom clients have to trust.
        password: The super user's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = Authority(folder / "certificates")
        self.password = secrets.token_hex(16)
        self._ports = dict(zip(_LISTENERS, free_ports(len(_LISTENERS), set()), strict=True))
        self._process: ProcessRecord | None = None

    @property
    def servers(self) -> str:
        """Where clients sign in by SCRAM."""
        return f"{LOOPBACK}:{self._ports['SCRAM']}"

    @property
    def certificate_servers(self) -> str:
        """Where clients sign in by their certificate."""
        return f"{LOOPBACK}:{self._ports['CERTIFICATE']}"

    @property
    def token_servers(self) -> str:
        """Where clients sign in by a token."""
        return f"{LOOPBACK}:{self._ports['TOKEN']}"

    def admin(self) -> AdminClient:
        """A client of the super user."""
        return AdminClient(self.scram(ADMIN, self.password))

    def scram(self, user: str, password: str) -> dict[str, Any]:
        """Librdkafka's settings of a user."""
        return {
            "bootstrap.servers": self.servers,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.authority.file),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "log_level": 0,
        }

    def add_users(self, passwords: Mapping[str, str]) -> None:
        """Makes users, or gives them other passwords.

        Raises:
            KafkaException: The broker refuses.
        """
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        asked: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, info, word.encode()) for user, word in passwords.items()
        ]
        admin = self.admin()  # held until all answered: its end would end them
        for future in admin.alter_user_scram_credentials(asked).values():
            future.result(30)

    def __enter__(self) -> SecuredKafka:
        homes = Homes.default()
        homes.ensure(["kafka"], SilentProgress())
        java = [str(java_executable()), *COMMON_OPTIONS, "-Xmx384m", "-cp", f"{homes.path('kafka') / 'libs'}/*"]
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        config = self._folder / "server.properties"
        config.write_text(self._properties(), encoding="utf-8")
        self._format(java, config)
        self._process = spawn(
            [*java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "kafka.Kafka", str(config)],
            cwd=self._folder,
            environment=jvm_environment(self._folder),
            log=self._folder / "kafka.log",
            run_as=None,
        )
        try:
            self._await_ready(self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            stop(self._process, grace_seconds=10.0)
        shutil.rmtree(self._folder / "log", ignore_errors=True)

    def _format(self, java: list[str], config: Path) -> None:
        first = f"SCRAM-SHA-512=[name={ADMIN},password={self.password}]"
        output, succeeded = run_to_end(
            [
                *(*java, "kafka.tools.StorageTool", "format", "--cluster-id", _CLUSTER_ID),
                *("--config", str(config), "--add-scram", first),
            ],
            timeout_seconds=_START_SECONDS,
        )
        if not succeeded:
            raise ComponentFailedError("Kafka's log folder cannot be formatted", "see below", log_tail=output[-2000:])

    def _await_ready(self, process: ProcessRecord) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and is_alive(process):
            try:
                if listens(self._ports["SCRAM"]) and self.admin().list_topics(timeout=2.0).brokers:
                    return
            except KafkaException:
                pass
            time.sleep(0.1)
        tail = (self._folder / "kafka.log").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise ComponentFailedError("The secured Kafka does not answer", "see its log below", log_tail=tail)

    def _properties(self) -> str:
        certificate, key = self.authority.issue("broker")
        store = self._folder / "broker.pem"
        store.touch(mode=0o600)
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        listeners = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in self._ports.items())
        advertised = listeners.rpartition(",CONTROLLER")[0]
        values = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._ports['CONTROLLER']}",
            "listeners": listeners,
            "advertised.listeners": advertised,
            "listener.security.protocol.map": "SCRAM:SASL_SSL,CERTIFICATE:SSL,TOKEN:SASL_SSL,CONTROLLER:SSL",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CERTIFICATE",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.file,
            "listener.name.certificate.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.token.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.token.oauthbearer.sasl.jaas.config": (
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:CN=broker;User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
            "log.dirs": self._folder / "log",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 8_388_608,
            "log.index.size.max.bytes": 1_048_576,
            "log.segment.bytes": 67_108_864,
            # A client whose password is wrong is answered at once; the default waits for a tenth of a second.
            "connection.failed.authentication.delay.ms": 0,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())
