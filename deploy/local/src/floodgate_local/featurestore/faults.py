"""Faults of the Feature Store server, switchable while it runs."""

from __future__ import annotations

import random

from pydantic import BaseModel, ConfigDict, Field

from floodgate_local.aws_wire import AwsError


class FaultSettings(BaseModel):
    """What `PUT /_local/faults` takes; rates are shares of the calls (of the entries, for `unprocessed_rate`)."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 0
    throttle_rate: float = Field(default=0.0, ge=0, le=1)
    unavailable_rate: float = Field(default=0.0, ge=0, le=1)
    unprocessed_rate: float = Field(default=0.0, ge=0, le=1)


class FaultInjector:
    """Draws faults from a seeded generator."""

    def __init__(self) -> None:
        self.set(FaultSettings())

    def set(self, settings: FaultSettings) -> None:
        """Switch to other faults; the generator starts again from the seed."""
        self.settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - reproducible faults, not a secret

    def strike(self) -> None:
        """Refuse this call if a fault hits it.

        Raises:
            AwsError: 400 ThrottlingException or 503 ServiceUnavailable.
        """
        point = self._random.random()
        if point < self.settings.throttle_rate:
            raise AwsError(400, "ThrottlingException", "Rate exceeded")
        if point - self.settings.throttle_rate < self.settings.unavailable_rate:
            raise AwsError(503, "ServiceUnavailable", "The service is currently unavailable.")

    def leaves_undone(self) -> bool:
        """Whether this entry of a batch is left for another try."""
        return self._random.random() < self.settings.unprocessed_rate
