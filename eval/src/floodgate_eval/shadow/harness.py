"""One comparison from the history to the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from floodgate.bedrock import BedrockSettings, ModelClient
from floodgate.bedrock.budget import Budget
from floodgate.catalogue import Catalogue
from floodgate.settings import load
from keyflow import FatalError

from floodgate_eval.catalogues import Measured
from floodgate_eval.endpoint import CONFIGURED, LOCAL, model_at
from floodgate_eval.running import Progress, Run, run_rows
from floodgate_eval.shadow.asking import SharedAnswers
from floodgate_eval.shadow.differences import differences
from floodgate_eval.shadow.history import Conversation, History
from floodgate_eval.shadow.replay import Compared, Sides, compare_conversation
from floodgate_eval.shadow.taken import Subject
from floodgate_eval.shadow.versions import Version

LOCAL_CONCURRENCY: Final = 4
CONCURRENCY: Final = 16


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, and how.

    Attributes:
        rerun: The live version runs again too; else its recorded decisions are compared with.
        unmask: Show what customers wrote, with placeholders for personal data.
    """

    subject: Subject
    live: Version
    candidate: Version
    rerun: bool = False
    endpoint: str = CONFIGURED
    concurrency: int | None = None
    unmask: bool = False
    quiet: bool = False


async def compare(comparison: Comparison, history: History, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the candidate, and the live version where it is to run again, over the history.

    Raises:
        FatalError: The model, the shop or a setting cannot be used, or the window holds nothing to compare.
    """
    subject = comparison.subject
    if not history.conversations:
        raise FatalError(
            f"{subject.inputs[0]}: nothing in {_window(history)}: name another time with --since or --from and --to"
        )
    with _models(comparison, say) as (live_model, candidate_model):
        sides = Sides(
            subject,
            subject.processor(comparison.candidate, candidate_model),
            subject.processor(comparison.live, live_model) if comparison.rerun else None,
        )
        run = await _replayed(comparison, history, sides)
    pairs = [pair for _, compared in run.done for pair in compared.pairs]
    unrecorded = sum(compared.unrecorded for _, compared in run.done)
    if not pairs and not run.stopped:
        raise FatalError(
            f"{subject.name}: {unrecorded} records in {_window(history)}, and none has a recorded decision to compare "
            "with: take another time, or let the live version run again with --baseline rerun"
        )
    found = differences(pairs, subject.first, unmask=comparison.unmask)
    return {
        **_about(comparison, history), **found,
        "conversations": len(run.done), "unrecorded": unrecorded, "unreadable": history.unreadable,
        "models": _labels(pairs), "seconds": round(run.seconds, 1), "stopped": run.stopped,
    }  # fmt: skip


async def _replayed(comparison: Comparison, history: History, sides: Sides) -> Run[Conversation, Compared]:
    subject, conversations = comparison.subject, history.conversations
    progress = Progress(
        f"shadow {subject.name}", len(conversations), quiet=comparison.quiet, unit="conversations"
    )  # fmt: skip

    async def one(conversation: Conversation) -> Compared:
        return await compare_conversation(conversation, history, sides)

    try:
        return await run_rows(
            conversations, one, concurrency=_concurrency(comparison), progress=progress, keep_interrupted=True
        )
    finally:
        await subject.close()


@contextmanager
def _models(comparison: Comparison, say: Callable[[str], None]) -> Iterator[tuple[ModelClient, ModelClient]]:
    """A client for each version: the same one where they ask the same model, so that it gives the same answers."""
    live, candidate, endpoint = comparison.live, comparison.candidate, comparison.endpoint
    budget = Budget(load(BedrockSettings).max_usd)
    # The local model is trained on the catalogue that its server was started with.
    apart = endpoint == LOCAL and _taught(live.catalogue) != _taught(candidate.catalogue)

    def client(version: Version) -> ModelClient:
        measured = Measured(version.catalogue, {}, temporary=version.directory is None)
        model = stack.enter_context(
            model_at(
                endpoint, measured, catalogue_dir=version.directory, model_id=version.model_id,
                concurrency=_concurrency(comparison), say=say, budget=budget,
            )
        )  # fmt: skip
        return SharedAnswers(model)

    with ExitStack() as stack:
        second = client(candidate)
        same = not apart and live.model_id == candidate.model_id
        yield (second if same or not comparison.rerun else client(live)), second


def _taught(catalogue: Catalogue) -> Any:
    return [(one.id, one.title, one.examples) for one in catalogue.categories], catalogue.urgency


def _concurrency(comparison: Comparison) -> int:
    return comparison.concurrency or (LOCAL_CONCURRENCY if comparison.endpoint == LOCAL else CONCURRENCY)


def _about(comparison: Comparison, history: History) -> dict[str, Any]:
    return {
        "service": comparison.subject.name,
        "changes": list(comparison.candidate.changes),
        "baseline": "rerun" if comparison.rerun else "recorded",
        "catalogue": {
            "live": comparison.live.catalogue.version,
            "candidate": comparison.candidate.catalogue.version,
        },
        "from": _moment(history.window.from_ms),
        "to": _moment(history.window.to_ms),
    }


def _labels(pairs: Any) -> dict[str, list[str]]:
    return {
        "before": sorted({pair.before.usage.model_label for pair in pairs} - {""}),
        "after": sorted({pair.after.usage.model_label for pair in pairs} - {""}),
    }


def _window(history: History) -> str:
    return f"{_moment(history.window.from_ms)} to {_moment(history.window.to_ms)}"


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
