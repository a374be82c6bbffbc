"""How often actions may happen over all users: what was done today, and whether one more fits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from agent.domain.limits import Limits, Quota

USER_LIMIT: Final = "user_daily_limit"
DAY_LIMIT: Final = "daily_cap"
TOO_FAST: Final = "too_many_at_once"
LIMIT_CODES: Final = (USER_LIMIT, DAY_LIMIT, TOO_FAST)
"""What a workflow sees as the code of a refusal that is not the backend's."""


class Entry(BaseModel):
    """An action that was let through."""

    model_config = ConfigDict(frozen=True)

    key: str
    user: str
    amount_cents: int = 0
    at_ms: int


class Page(BaseModel):
    """The entries of one call on one day (UTC)."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[Entry, ...] = ()


def page_name(call: str, at_ms: int) -> str:
    """The name under which a day's entries of a call are kept."""
    return f"limits/{datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()}/{call}.json"


def refusal(entries: Sequence[Entry], wanted: Entry, limits: Limits) -> str | None:
    """Why one more action is not let through; None when it is. The same action again is always let through."""
    if any(entry.key == wanted.key for entry in entries):
        return None
    of_user = [entry for entry in entries if entry.user == wanted.user]
    if _over(of_user, wanted, limits.per_user_per_day):
        return USER_LIMIT
    if _over(entries, wanted, limits.per_day):
        return DAY_LIMIT
    since = wanted.at_ms - limits.velocity.within_minutes * 60_000
    if sum(entry.at_ms > since for entry in entries) >= limits.velocity.count:
        return TOO_FAST
    return None


def _over(entries: Sequence[Entry], wanted: Entry, quota: Quota) -> bool:
    moved = sum(entry.amount_cents for entry in entries) + wanted.amount_cents
    return len(entries) >= quota.count or (quota.amount_cents is not None and moved > quota.amount_cents)


def added(page: Page, entry: Entry) -> Page:
    """The day with one action more; the same action twice counts once."""
    if any(known.key == entry.key for known in page.entries):
        return page
    return Page(entries=(*page.entries, entry))


def removed(page: Page, key: str) -> Page:
    """The day without an action that the backend did not do after all."""
    return Page(entries=tuple(entry for entry in page.entries if entry.key != key))
