"""How often an action may happen, over all users: part of the workflow language."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class WorkflowModel(BaseModel):
    """Immutable; unknown members are refused so that a typing error is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Quota(WorkflowModel):
    """How much may be done in a day (UTC)."""

    count: Annotated[int, Field(gt=0)]
    amount_cents: Annotated[int, Field(gt=0)] | None = None


class Velocity(WorkflowModel):
    """A breaker: so many within so long, and no more until it is less."""

    count: Annotated[int, Field(gt=0)]
    within_minutes: Annotated[int, Field(gt=0, le=1_440)]


class Limits(WorkflowModel):
    """How often an action may happen, whatever its workflow decides. Beyond it, the backend is not asked: refused."""

    per_user_per_day: Quota
    per_day: Quota
    velocity: Velocity
