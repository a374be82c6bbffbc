"""What the engine makes of a Kafka that turns it away or does not allow something."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from keyflow import AccessDeniedError, FatalError
from keyflow.kafka_errors import SignIn, denied, translated

WRONG_PASSWORD = KafkaError(
    KafkaError._AUTHENTICATION,
    "sasl_ssl://b:9096/1: SASL authentication error: invalid credentials (after 6ms in state)",
)
WRONG_AUTHORITY = KafkaError(KafkaError._SSL, "ssl://b:9096/1: certificate verify failed (after 3ms in state)")
DOWN = KafkaError(KafkaError._TRANSPORT)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Turned:
    """A client whose calls fail, and whose callback hears why once it polls."""

    def __init__(self, sign_in: SignIn, said: KafkaError) -> None:
        self._sign_in = sign_in
        self._said = said

    def list_topics(self, *_: str, timeout: float) -> Any:
        raise KafkaException(DOWN)

    def poll(self, _: float) -> None:
        self._sign_in(self._said)


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "the topic support.verdicts"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "the group floodgate.firewall"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "the transactional id floodgate.firewall-0"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "the cluster"),
    ],
)
def test_what_is_not_allowed_is_named_and_stops_the_process(code: int, named: str) -> None:
    names = {"group": "floodgate.firewall", "transactional_id": "floodgate.firewall-0"}
    refused = denied(KafkaError(code), "reading", topic="support.verdicts", **names)
    assert isinstance(refused, FatalError)
    assert str(refused) == f"reading: Kafka does not allow this principal {named}: add an ACL"


def test_other_errors_are_no_refusals() -> None:
    assert denied(DOWN, "reading", topic="support.verdicts") is None


def test_a_refusal_inside_a_call_is_no_reason_to_try_again() -> None:
    refusal = KafkaException(KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED))
    with (
        pytest.raises(AccessDeniedError, match=r"the transactional id floodgate\.agent-0"),
        translated("connecting to Kafka", transactional_id="floodgate.agent-0"),
    ):
        raise refusal


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (WRONG_PASSWORD, "Kafka refuses the sign-in: .*invalid credentials: check the user and the password"),
        (WRONG_AUTHORITY, "no encrypted connection to Kafka: .*verify failed: check the CA file"),
    ],
)
def test_a_client_that_is_turned_away_says_so_in_its_first_call(said: KafkaError, line: str) -> None:
    sign_in = SignIn()
    with pytest.raises(AccessDeniedError, match=line):
        sign_in.topics(Turned(sign_in, said), seconds=15.0)


def test_a_broker_that_is_down_turns_nobody_away() -> None:
    sign_in = SignIn()
    with pytest.raises(KafkaException):
        sign_in.topics(Turned(sign_in, DOWN), seconds=15.0)


def test_a_running_client_waits_for_a_broker_that_starts_again_but_not_for_ever() -> None:
    clock = Clock()
    sign_in = SignIn(clock)
    for clock.now in (0.0, 10.0, 20.0):
        sign_in(WRONG_PASSWORD)
        sign_in.check(30.0)
    clock.now = 30.0
    sign_in(WRONG_PASSWORD)
    with pytest.raises(AccessDeniedError):
        sign_in.check(30.0)


def test_two_short_refusals_far_apart_are_not_a_long_one() -> None:
    clock = Clock()
    sign_in = SignIn(clock)
    for clock.now in (0.0, 1000.0):
        sign_in(WRONG_PASSWORD)
    sign_in.check(30.0)
