"""Faults are drawn from a seeded generator, at the rates asked for, and end when told to."""

from typing import Any

import pytest
from floodgate_local.aws_wire import AwsError
from floodgate_local.bedrock.faults import Fault, FaultInjector, FaultSettings, break_schema, raise_fault
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


def draws(settings: FaultSettings, count: int, operation: str = "Converse") -> list[Fault | None]:
    injector = FaultInjector(settings)
    return [injector.draw(operation) for _ in range(count)]


def test_the_same_seed_draws_the_same_faults() -> None:
    settings = FaultSettings(throttle_rate=0.2, stall_rate=0.1, malformed_rate=0.1, seed=5)
    assert draws(settings, 200) == draws(settings, 200)
    assert draws(settings, 200) != draws(settings.model_copy(update={"seed": 6}), 200)


def test_faults_come_at_their_rates() -> None:
    drawn = draws(FaultSettings(throttle_rate=0.1, server_error_rate=0.05), 20_000)
    assert drawn.count(Fault.THROTTLE) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert drawn.count(Fault.SERVER_ERROR) / 20_000 == pytest.approx(0.05, abs=0.01)


def test_no_fault_comes_when_none_is_set() -> None:
    assert set(draws(FaultSettings(), 100)) == {None}


def test_faults_end_after_the_number_asked_for() -> None:
    assert draws(FaultSettings(throttle_rate=1, max_faults=2), 4) == [Fault.THROTTLE, Fault.THROTTLE, None, None]


def test_faults_hit_only_the_operations_named() -> None:
    settings = FaultSettings(throttle_rate=1, operations=("InvokeModel",))
    assert draws(settings, 1) == [None]
    assert draws(settings, 1, "InvokeModel") == [Fault.THROTTLE]


def test_an_outage_refuses_everything_until_it_is_over() -> None:
    now = [100.0]
    injector = FaultInjector(FaultSettings(), clock=lambda: now[0])
    injector.set(FaultSettings(outage_seconds=60))
    assert injector.draw("Converse") is Fault.OUTAGE
    now[0] += 60
    assert injector.draw("Converse") is None
    injector.set(FaultSettings(outage=True))
    now[0] += 10_000
    assert injector.draw("Converse") is Fault.OUTAGE


@pytest.mark.parametrize("settings", [{"throttle_rate": 0.6, "stall_rate": 0.6}, {"stall_rate": 2}, {"typo_rate": 1}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FaultSettings(**settings)


@pytest.mark.parametrize(
    ("fault", "status", "error_type"),
    [
        (Fault.THROTTLE, 429, "ThrottlingException"),
        (Fault.MODEL_TIMEOUT, 408, "ModelTimeoutException"),
        (Fault.MODEL_ERROR, 424, "ModelErrorException"),
        (Fault.OUTAGE, 503, "ServiceUnavailableException"),
    ],
)
def test_a_refusal_carries_the_status_and_type_of_aws(fault: Fault, status: int, error_type: str) -> None:
    with pytest.raises(AwsError) as refused:
        raise_fault(fault, FaultInjector())
    assert (refused.value.status, refused.value.error_type) == (status, error_type)


def test_a_throttled_call_says_when_to_come_back_if_asked_to() -> None:
    with pytest.raises(AwsError) as refused:
        raise_fault(Fault.THROTTLE, FaultInjector(FaultSettings(retry_after_seconds=1.5)))
    assert refused.value.headers == {"Retry-After": "1.5"}


@given(st.integers(0, 1_000), st.dictionaries(st.sampled_from("abc"), st.integers() | st.text() | st.just({})))
def test_broken_output_differs_from_the_original_and_leaves_it_alone(seed: int, value: dict[str, Any]) -> None:
    before = dict(value)
    broken = break_schema(value, {"required": list(value)}, FaultInjector(FaultSettings(seed=seed)))
    assert broken != value
    assert value == before
