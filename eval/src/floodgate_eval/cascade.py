"""What the cascade would do: how many messages the local classifier would answer alone, how wrongly, and what it saves.

The threshold is chosen on one half of the rows and judged on the other, which did not choose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from firewall.adapters.nlu_classifier import NluClassifier
from firewall.domain.ruling import Ruling
from firewall.domain.state import ConversationState
from firewall.short_way import ShortWay
from floodgate.bedrock import ModelClient
from floodgate.committed import CommittedRecords
from floodgate.events import Message, Verdict
from floodgate.intervals import wilson
from floodgate.json_lines import json_objects
from keyflow import FatalError
from pydantic import ValidationError

from floodgate_eval.catalogues import Measured
from floodgate_eval.recording import ReplayingModel
from floodgate_eval.rows import OUT_OF_SCOPE, IntentRow
from floodgate_eval.screening import Question, Screening

VERDICTS: Final = "support.verdicts"
_STEPS: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
_FEWEST_CERTAIN: Final = 30
_UNSURE: Final = 2.0
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Observed:
    """One message: how sure the local classifier is, and whether it decides as the reference did.

    Attributes:
        key: Puts the message into one of the halves, always the same.
        cost_usd: What the model's answer cost; None where no model was asked.
    """

    key: str
    language: str
    certainty: float
    same: bool
    cost_usd: float | None = None

    @property
    def chooses(self) -> bool:
        """Whether it is of the half that chooses the threshold."""
        return blake2b(self.key.encode(), digest_size=1).digest()[0] % 2 == 0


class Trial:
    """The local classifier over one catalogue.

    Args:
        measured: The catalogue.
        model: Asked for the reference; None where rows bring their own.
    """

    def __init__(self, measured: Measured, model: ModelClient | None = None) -> None:
        self._measured = measured
        self._asks = model is not None
        self._screening = Screening(measured, model or ReplayingModel())
        self._short_way = ShortWay(self._screening.screen, NluClassifier(measured.catalogue))

    def by_label(self, row: IntentRow) -> Observed:
        """Against a person's label."""
        message = self._screening.message(Question(row.words, None, row.country, row.lang))
        language, local, sure = self._local(message)
        label = self._measured.label_of(local.category) if local is not None else OUT_OF_SCOPE
        return Observed(row.text, language, sure, label == row.intent)

    async def by_model(self, row: IntentRow) -> Observed:
        """Against the model's verdict, asked for now.

        Raises:
            FatalError: Credentials, access, model or budget do not allow the call.
        """
        question = Question(row.words, None, row.country, row.lang)
        language, local, sure = self._local(self._screening.message(question))
        answered = await self._screening.ask(question)
        cost = answered.usage.cost_usd if answered.usage is not None else None
        return Observed(row.text, language, sure, _agree(local, answered.verdict), cost)

    def by_verdict(self, verdict: Verdict) -> Observed:
        """Against the verdict of the running system."""
        language, local, sure = self._local(verdict.message)
        return Observed(
            str(verdict.event_id), language, sure, _agree(local, verdict), verdict.usage.cost_usd or None
        )  # fmt: skip

    def _local(self, message: Message) -> tuple[str, Ruling | None, float]:
        screening = self._screening
        reading = screening.screen.read(
            message, ConversationState(), screening.languages, max_chars=screening.max_chars
        )
        local = self._short_way.local(reading)
        return (reading.language, local.ruling, local.certainty) if local else (reading.language, None, 0.0)


def _agree(local: Ruling | None, verdict: Verdict) -> bool:
    """What the conversation's state decides besides is the same whoever answers, so it is left out."""
    if local is None:
        return False
    return (local.category, local.matches_chosen_path) == (verdict.category, verdict.matches_chosen_path)


def verdicts_of(paths: Sequence[Path], since_ms: int | None) -> Iterable[Verdict]:
    """Verdicts that a model was asked for, from files or from the topic.

    Raises:
        FatalError: A file or the topic cannot be read, or a row is no verdict.
    """
    found = _of_files(paths) if paths else _of_topic(since_ms)
    return (verdict for verdict in found if verdict.screened and verdict.usage.calls > 0)


def _of_files(paths: Sequence[Path]) -> Iterable[Verdict]:
    for place, row in json_objects(paths, "one verdict as support.verdicts carries it"):
        try:
            yield Verdict.model_validate(row)
        except ValidationError as error:
            raise FatalError(f"{place}: this is no verdict: {error.errors()[0]['msg']}") from error


def _of_topic(since_ms: int | None) -> Iterable[Verdict]:
    records = CommittedRecords("run `floodgate setup`, or name files with --verdicts", "eval")
    for _, _, record in records.of(VERDICTS, since_ms=since_ms):
        if isinstance(record, Verdict):
            yield record


def found(
    observed: Sequence[Observed], *, max_error: float, audit_share: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """The findings per language, and what to write into the catalogue."""
    languages = sorted({one.language for one in observed})
    by_language = {
        language: _language([one for one in observed if one.language == language], max_error, audit_share)
        for language in languages
    }
    for language, told in by_language.items():
        say(f"{language}: {told['advice']}")
    advised = {language: told["certainty"] for language, told in by_language.items() if told["passes"]}
    return {"n": len(observed), "max_error": max_error, "by_language": by_language, "catalogue": {"certainty": advised}}


def _language(observed: Sequence[Observed], max_error: float, audit_share: float) -> dict[str, Any]:
    chooses = [one for one in observed if one.chooses]
    judges = [one for one in observed if not one.chooses]
    certainty = _chosen(chooses, max_error)
    at = {str(step): _at(observed, step) for step in _STEPS}
    if certainty is None:
        advice = f"off: no threshold keeps the error within {max_error:.1%} on {len(chooses)} rows"
        return {"n": len(observed), "certainty": None, "passes": False, "advice": advice, "at": at}
    held_out = _at(judges, certainty)
    low, high = held_out["error_interval"]
    # The audit watches on from here; what is asked for now is that the error is hardly twice the bar.
    passes = held_out["error"] <= max_error and high <= _UNSURE * max_error
    costs = [one.cost_usd for one in observed if one.cost_usd is not None]
    saved = held_out["share"] * (1 - audit_share) * sum(costs) / len(costs) * 1000 if costs else None
    figures = f"{held_out['share']:.1%} answered, error {held_out['error']:.1%} ({low:.1%} to {high:.1%}), held out"
    advice = f"certainty {certainty:g}: {figures}" if passes else f"off: at {certainty:g} {figures}"
    return {
        "n": len(observed), "certainty": certainty, "passes": passes, "advice": advice, "held_out": held_out,
        "saved_usd_per_1000": None if saved is None else round(saved, _DIGITS), "at": at,
    }  # fmt: skip


def _chosen(observed: Sequence[Observed], max_error: float) -> float | None:
    """The lowest threshold that keeps to the bar."""
    for step in _STEPS:
        told = _at(observed, step)
        if told["answered"] >= _FEWEST_CERTAIN and told["error"] <= max_error:
            return step
    return None


def _at(observed: Sequence[Observed], certainty: float) -> dict[str, Any]:
    certain = [one for one in observed if one.certainty >= certainty]
    wrong = sum(not one.same for one in certain)
    return {
        "answered": len(certain),
        "share": round(len(certain) / len(observed), _DIGITS) if observed else 0.0,
        "error": round(wrong / len(certain), _DIGITS) if certain else 0.0,
        "error_interval": [round(bound, _DIGITS) for bound in wilson(wrong, len(certain))],
    }
