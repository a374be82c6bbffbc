"""Another model: the evaluation of both, both over yesterday's topics, and what to do. One command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from floodgate.bedrock import BedrockSettings
from floodgate.settings import load
from keyflow import FatalError

from floodgate_eval.evaluate import Request, evaluate
from floodgate_eval.gate import Finding, baseline_of
from floodgate_eval.gate import compare as compare_figures
from floodgate_eval.rows import Task
from floodgate_eval.shadow.harness import Comparison, compare
from floodgate_eval.shadow.history import History
from floodgate_eval.suites import Prepared

_MOST_FAILED: Final = 0.01
_MUCH_DECIDED_OTHERWISE: Final = 0.10
_DEARER: Final = 1.1


@dataclass(slots=True)
class Advice:
    """What to do, and why.

    Attributes:
        against: Reasons not to switch.
        look: What somebody should look at first.
    """

    model_id: str
    instead_of: str
    against: list[str] = field(default_factory=list)
    look: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if self.against:
            return f"stay with {self.instead_of}"
        return f"look at the examples, then switch to {self.model_id}" if self.look else f"switch to {self.model_id}"

    def lines(self) -> list[str]:
        """For people, with the settings that switch and keep the old model behind the new one."""
        said = [f"recommendation: {self.verdict}"]
        said += [f"  against it: {reason}" for reason in self.against]
        said += [f"  look at: {reason}" for reason in self.look]
        if not self.against:
            said += [
                "  to switch, restart the services with",
                f"    FLOODGATE_BEDROCK_MODEL_ID={self.model_id}",
                f"    FLOODGATE_BEDROCK_FALLBACK_MODEL_ID={self.instead_of}",
            ]
        return said


async def evaluated(
    suites: Sequence[Prepared], like: Request, model_id: str, *, say: Callable[[str], None]
) -> tuple[list[Finding], dict[str, dict[str, Any]]]:
    """Every suite that asks a model with both models: what got better and worse, and the new one's results.

    Raises:
        FatalError: A file, a setting or the endpoint cannot be used, or the budget is spent.
    """
    findings: list[Finding] = []
    results: dict[str, dict[str, Any]] = {}
    for one in (one for one in suites if one.suite.task is not Task.PRIVACY):
        request = one.request(like)
        if like.limit is not None:
            request = replace(request, limit=min(like.limit, request.limit or like.limit))
        before = await _measured(one.name, request, say)
        after = await _measured(one.name, replace(request, model_id=model_id), say)
        known = baseline_of({one.name: before})["suites"][one.name]
        findings += compare_figures(one.name, after, known, tolerance=one.suite.tolerance)
        results[one.name] = {**after, "suite": one.name}
    return findings, results


async def _measured(name: str, request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"{name}: {request.model_id or load(BedrockSettings).model_id}")
    result = await evaluate(request, say=say)
    if result["stopped"]:
        raise FatalError(f"{name}: {result['stopped']}")
    return result


async def shadowed(
    comparisons: Sequence[tuple[Comparison, History]], *, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Both models over what there is; a service without anything in the window is left out and told of.

    Raises:
        FatalError: The model or a setting cannot be used.
    """
    found = []
    for comparison, history in comparisons:
        if history.conversations:
            found.append(await compare(comparison, history, say=say))
        else:
            say(f"{comparison.subject.name}: nothing in the topics in that time, so nothing to compare")
    return found


def advice(model_id: str, findings: Sequence[Finding], shadows: Sequence[Mapping[str, Any]]) -> Advice:
    """What the evaluation and the comparisons say together. Pure but for the configured model's name."""
    given = Advice(model_id, load(BedrockSettings).model_id)
    given.against += [f"{one.suite}: {one.figure} {one.said}" for one in findings if one.failed]
    if not shadows:
        given.look.append("no service was compared over real topics")
    for found in shadows:
        _weigh(given, found)
    return given


def _weigh(given: Advice, found: Mapping[str, Any]) -> None:
    name, n = found["service"], max(found["n"], 1)
    lost = found["marks"].get("urgent", {}).get("lost", 0)
    if lost:
        given.against.append(f"{name}: {lost} urgent messages would be lost")
    if found["failed"]["after"] - found["failed"]["before"] > _MOST_FAILED * n:
        given.against.append(f"{name}: {found['failed']['after']:.0f} of {n} without a valid answer")
    share = found["decided_otherwise_share"]
    if share["interval"][1] > _MUCH_DECIDED_OTHERWISE:
        given.look.append(
            f"{name}: {found['decided_otherwise']} of {n} would be decided otherwise (up to {share['interval'][1]:.0%})"
        )
    before, after = found["cost_usd_per_decision"]["before"], found["cost_usd_per_decision"]["after"]
    if after > _DEARER * before:
        given.look.append(f"{name}: ${after:.6f} a decision instead of ${before:.6f} at list price")
    if found["stopped"]:
        given.against.append(f"{name}: not all was compared: {found['stopped']}")
