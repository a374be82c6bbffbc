"""Builds changes of the mode."""

from __future__ import annotations

from datetime import UTC, datetime

from floodgate.events import ModeChange, SwitchMode, edge_event_id

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def change(target: str, mode: SwitchMode, reason: str = "a trial") -> ModeChange:
    identity = edge_event_id("mode", f"{target}:{mode}")
    return ModeChange(event_id=identity, occurred_at=AT, target=target, mode=mode, actor="Ada", reason=reason)
