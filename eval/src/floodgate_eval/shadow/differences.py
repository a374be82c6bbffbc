"""What would change: counts, shares with intervals, groups and examples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from floodgate.intervals import wilson

from floodgate_eval.shadow.replay import Pair
from floodgate_eval.shadow.taken import Taken

EXAMPLES_A_CHANGE: Final = 3
MOST_CHANGES: Final = 40
_NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Counted:
    """Pairs that are comparable, and what they are compared by."""

    pairs: tuple[Pair, ...]
    follows: tuple[Pair, ...]


def differences(pairs: Sequence[Pair], first: Sequence[str], *, unmask: bool = False) -> dict[str, Any]:
    """Everything that is told of a comparison, as JSON.

    Args:
        pairs: Every record of the window with both decisions.
        first: Marks that stand before all others.
        unmask: Show what customers wrote, with placeholders for personal data, and what was said to them.
    """
    direct = [pair for pair in pairs if not pair.follows]
    follows = [pair for pair in pairs if pair.follows]
    return {
        "n": len(direct),
        **_counts(direct),
        "marks": _marks(direct, first),
        "matrix": _matrix(direct),
        "facts": dict(Counter(name for pair in direct for name in pair.before.differs(pair.after)).most_common()),
        "follows": {"n": len(follows), "decided_otherwise": sum(p.before.label != p.after.label for p in follows)},
        "by_category": _groups(direct, lambda pair: pair.before.category or _NONE),
        "by_language": _groups(direct, lambda pair: pair.before.language or _NONE),
        "by_country": _groups(direct, lambda pair: pair.about.country or _NONE),
        "cost_usd": _both(direct, _cost),
        "cost_usd_per_decision": _both(direct, lambda takens: _cost(takens) / len(takens) if takens else 0.0),
        "model_calls": _both(direct, lambda takens: float(sum(one.usage.calls for one in takens))),
        "latency_ms": _both(direct, _latency),
        "failed": _both(direct, lambda takens: float(sum(bool(one.failed) for one in takens))),
        "noise": _noise(direct),
        "examples": _examples(direct, first, unmask=unmask),
    }


def _counts(pairs: Sequence[Pair]) -> dict[str, Any]:
    otherwise = sum(pair.before.label != pair.after.label for pair in pairs)
    changed = sum(_changed(pair) for pair in pairs)
    return {
        "decided_otherwise": otherwise,
        "decided_otherwise_share": _share(otherwise, len(pairs)),
        "changed": changed,
        "changed_share": _share(changed, len(pairs)),
    }


def _changed(pair: Pair) -> bool:
    return pair.before.moved(pair.after) or bool(pair.before.differs(pair.after))


def _share(hits: int, n: int) -> dict[str, Any]:
    low, high = wilson(hits, n)
    return {"value": hits / n if n else 0.0, "interval": [low, high]}


def _marks(pairs: Sequence[Pair], first: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often each mark was there before and after, gained and lost; those of interest are there with zeros too."""
    names = {mark for pair in pairs for mark in (*pair.before.marks, *pair.after.marks)}
    ordered = [*first, *sorted(names - set(first))]
    return {
        mark: {
            "before": sum(mark in pair.before.marks for pair in pairs),
            "after": sum(mark in pair.after.marks for pair in pairs),
            "lost": sum(mark in pair.before.marks - pair.after.marks for pair in pairs),
            "gained": sum(mark in pair.after.marks - pair.before.marks for pair in pairs),
        }
        for mark in ordered
    }


def _matrix(pairs: Sequence[Pair]) -> dict[str, dict[str, int]]:
    counts = Counter((pair.before.label, pair.after.label) for pair in pairs)
    labels = sorted({label for both in counts for label in both})
    return {
        before: {after: counts[before, after] for after in labels}
        for before in labels
        if any(counts[before, after] for after in labels)
    }


def _groups(pairs: Sequence[Pair], group: Callable[[Pair], str]) -> dict[str, dict[str, Any]]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(group(pair), []).append(pair)
    return {
        name: {"n": len(found[name]), **_counts(found[name]), "moved": _moved(found[name])} for name in sorted(found)
    }


def _moved(pairs: Sequence[Pair]) -> dict[str, int]:
    """Net change of each mark."""
    net: Counter[str] = Counter()
    for pair in pairs:
        net.update(pair.after.marks)
        net.subtract(pair.before.marks)
    return {mark: count for mark, count in sorted(net.items()) if count}


def _both(pairs: Sequence[Pair], measure: Callable[[Sequence[Taken]], Any]) -> dict[str, Any]:
    return {"before": measure([pair.before for pair in pairs]), "after": measure([pair.after for pair in pairs])}


def _cost(takens: Sequence[Taken]) -> float:
    return round(sum(taken.usage.cost_usd for taken in takens), 6)


def _latency(takens: Sequence[Taken]) -> dict[str, int] | None:
    """Of the model's calls: p50 and p95 over the decisions that asked it."""
    times = sorted(taken.usage.latency_ms for taken in takens if taken.usage.calls)
    if not times:
        return None
    return {"p50": times[int(0.50 * (len(times) - 1))], "p95": times[int(0.95 * (len(times) - 1))]}


def _noise(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """How often the live version decides otherwise today than it did: what is no effect of the change."""
    known = [pair for pair in pairs if pair.recorded is not None and pair.recorded is not pair.before]
    if not known:
        return None
    otherwise = sum(pair.recorded is not None and pair.recorded.label != pair.before.label for pair in known)
    return {"n": len(known), "decided_otherwise": otherwise, "share": _share(otherwise, len(known))}


def _examples(pairs: Sequence[Pair], first: Sequence[str], *, unmask: bool) -> list[dict[str, Any]]:
    """A few of every kind of change: what matters most first, then what is most frequent."""
    kinds: dict[str, list[Pair]] = {}
    for pair in pairs:
        if _changed(pair):
            kinds.setdefault(_kind(pair), []).append(pair)
    rank = {mark: number for number, mark in enumerate(first)}

    def weight(kind: str) -> tuple[int, int, str]:
        lost_or_gained = [
            rank[mark] for mark in kinds[kind][0].before.marks ^ kinds[kind][0].after.marks if mark in rank
        ]
        return min(lost_or_gained, default=len(rank)), -len(kinds[kind]), kind

    return [
        {"change": kind, "n": len(kinds[kind]), "shown": [_shown(pair, unmask=unmask) for pair in _some(kinds[kind])]}
        for kind in sorted(kinds, key=weight)[:MOST_CHANGES]
    ]


def _some(pairs: Sequence[Pair]) -> Sequence[Pair]:
    # One urgent message that is lost is one too many to leave out.
    return (
        pairs if any("urgent" in pair.before.marks - pair.after.marks for pair in pairs) else pairs[:EXAMPLES_A_CHANGE]
    )


def _kind(pair: Pair) -> str:
    before, after = pair.before, pair.after
    if before.label != after.label:
        said = f"{before.label} -> {after.label}"
    else:
        names = before.differs(after)
        said = f"{before.label}: other {', '.join(names)}" if names else before.label
    if "urgent" in before.marks ^ after.marks:
        said += " (urgent lost)" if "urgent" in before.marks else " (urgent gained)"
    return said


def _shown(pair: Pair, *, unmask: bool) -> dict[str, Any]:
    about, before, after = pair.about, pair.before, pair.after
    return {
        "conversation_id": about.conversation_id,
        "event_id": about.event_id,
        "language": before.language,
        "country": about.country,
        "path": about.path,
        "text": about.text if unmask else f"<{len(about.text)} characters>",
        "differs": {name: [before.facts.get(name, ""), after.facts.get(name, "")] for name in _named(before, after)},
        "before": _side(before, unmask=unmask),
        "after": _side(after, unmask=unmask),
    }


def _named(before: Taken, after: Taken) -> list[str]:
    return [name for name in before.differs(after) if name != "wording"]


def _side(taken: Taken, *, unmask: bool) -> dict[str, Any]:
    side: dict[str, Any] = {"decision": taken.label, "explanation": taken.explanation}
    if taken.said:
        side["said"] = taken.said if unmask else f"<{len(taken.said)} characters>"
    if taken.failed:
        side["failed"] = taken.failed
    return side
