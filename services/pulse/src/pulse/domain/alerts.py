"""What people are told of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pulse.domain.figures import COST, shown
from pulse.domain.log import Count
from pulse.domain.surges import Surge

FIRST_LETTER: Final = "dead_letters.first"
GAP: Final = "completeness.gap"
SURGE: Final = "surge."
_HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody has to know.

    Attributes:
        identity: The same for the same thing, however often it is found.
    """

    name: str
    start_ms: int
    seconds: int
    dimensions: dict[str, str]
    value: float
    text: str
    identity: str


def first_letter(count: Count) -> Alert:
    """The first dead letter of a group, or the first after a day without."""
    assert count.letter is not None
    service, error_class, error_type, version = count.letter
    text = (
        f"first dead letter of {service} {version}: {error_class} ({error_type}); "
        f"see `floodgate dlq list --service {service}`"
    )
    dimensions = {"service": service, "error_class": error_class, "error_type": error_type, "version": version}
    identity = f"{FIRST_LETTER}/{count.source}/{count.offset}"
    return Alert(FIRST_LETTER, count.at_ms // 60_000 * 60_000, 60, dimensions, 1.0, text, identity)


def surge_alert(figure: str, category: str, start_ms: int, found: Surge) -> Alert:
    """An hour that is out of the ordinary."""
    of = f" of {category}" if category else ""
    text = (
        f"{figure}{of}: {_told(figure, found.value)} since {_hour(start_ms)}; usual for this hour is "
        f"{_told(figure, found.usual)} (of {found.days} days), surprising from {_told(figure, found.threshold)} on"
    )
    dimensions = {"category": category} if category else {}
    name = SURGE + figure
    return Alert(
        name, start_ms, _HOUR_SECONDS, dimensions, shown(figure, found.value), text, f"{name}/{category}/{start_ms}"
    )


def gap_alert(start_ms: int, number: int, gap_ms: int) -> Alert:
    """Interactions of an hour that ended as nothing."""
    text = (
        f"{number} interactions since {_hour(start_ms)} have neither record nor dead letter after "
        f"{gap_ms // 60_000} min; see `floodgate features ledger`"
    )
    return Alert(GAP, start_ms, _HOUR_SECONDS, {}, float(number), text, f"{GAP}/{start_ms}")


def _told(figure: str, value: float) -> str:
    return f"${value / 1e9:.2f}" if figure.startswith(COST) else f"{value:.0f}"


def _hour(start_ms: int) -> str:
    return f"{datetime.fromtimestamp(start_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
