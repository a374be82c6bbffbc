"""The gate: suites against the baseline file. A real drop fails; noise does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keyflow import FatalError

Result = Mapping[str, Any]

# Of these less is better.
_LOWER_IS_BETTER: Final = frozenset(
    {
        "false_positive_rate",
        "quarantined_false_positive_rate",
        "unsupported_facts",
        "unsupported_share",
        "calibration_error",
        "urgency_mae",
        "csat_mae",
        "personal_data_in_summaries",
        "too_short_share",
    }
)
DEFAULT_TOLERANCE: Final = 0.03
"""The local model is deterministic, so a small file shows a drop that its intervals would hide."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of one suite against the baseline."""

    suite: str
    figure: str
    before: float | None
    now: float | None
    failed: bool
    said: str


def compare(
    suite: str, result: Result, baseline: Mapping[str, Any] | None, *, tolerance: float = DEFAULT_TOLERANCE
) -> list[Finding]:
    """Every figure of a result against the baseline's.

    It fails where the intervals do not overlap and the figure got worse, or where it got worse by more than the
    tolerance.
    """
    intervals: Mapping[str, Sequence[float]] = result["confidence_intervals"]
    if baseline is None:
        return [
            Finding(suite, name, None, result[name], failed=False, said="not in the baseline yet") for name in intervals
        ]
    if baseline.get("corpus") != result.get("corpus"):
        said = "the corpus changed: look at the figures, then renew the baseline with --update"
        return [Finding(suite, "n", baseline.get("n"), result["n"], failed=True, said=said)]
    found = []
    for name, before in baseline["figures"].items():
        if name not in intervals:
            found.append(Finding(suite, name, before["value"], None, failed=True, said="is not measured any more"))
        else:
            found.append(_one(suite, name, before, (float(result[name]), intervals[name]), tolerance))
    return found


def reached(suite: str, result: Result, at_least: Mapping[str, float]) -> list[Finding]:
    """The figures that a suite has to reach whatever the baseline says."""
    return [
        Finding(
            suite, name, least, float(result[name]),
            failed=bool(result[name] < least), said=f"at least {least:g} is asked for",
        )
        for name, least in at_least.items()
    ]  # fmt: skip


def unwritten(suite: str, rows: int) -> Finding:
    """A suite whose rows nobody has written yet: it cannot pass."""
    return Finding(suite, "n", None, float(rows), failed=True, said=f"{rows} rows are still to be written")


def _one(
    suite: str, name: str, before: Mapping[str, Any], measured: tuple[float, Sequence[float]], tolerance: float
) -> Finding:
    now, interval = measured
    value, (low, high) = float(before["value"]), before["interval"]
    sign = -1.0 if name in _LOWER_IS_BETTER else 1.0
    drop = sign * (value - now)
    apart = interval[1] < low if sign > 0 else interval[0] > high
    if drop > 0 and apart:
        said = f"dropped by {drop:.3f}, and the intervals do not overlap"
    elif drop > tolerance + 1e-9:
        said = f"dropped by {drop:.3f}, more than the tolerance of {tolerance:g}"
    else:
        said = "as before" if abs(drop) < 5e-4 else f"{'better' if drop < 0 else 'worse'} by {abs(drop):.3f}"
        return Finding(suite, name, value, now, failed=False, said=said)
    return Finding(suite, name, value, now, failed=True, said=said)


def baseline_of(results: Mapping[str, Result]) -> dict[str, Any]:
    """What is kept of a run to compare later ones with."""
    return {
        "suites": {
            suite: {
                "task": result["task"],
                "n": result["n"],
                "model": result["model"],
                "corpus": result.get("corpus"),
                "figures": {
                    name: {"value": result[name], "interval": interval}
                    for name, interval in result["confidence_intervals"].items()
                },
            }
            for suite, result in results.items()
        }
    }


def read_baseline(path: Path) -> dict[str, Any]:
    """The suites of a baseline file; empty where there is none yet.

    Raises:
        FatalError: It cannot be read.
    """
    if not path.exists():
        return {}
    try:
        suites: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["suites"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FatalError(f"{path}: is no baseline file; write it anew with `floodgate eval gate --update`") from error
    return suites


def fingerprint(paths: Sequence[Path]) -> str:
    """Of the files that a suite is made of: a figure over other rows is no drop."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
