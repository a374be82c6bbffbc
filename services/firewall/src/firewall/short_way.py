"""The cascade at work: asks the local classifier, counts, audits, and switches itself off."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

from floodgate.telemetry import counter, get_logger

from firewall.domain.assessment import interpret
from firewall.domain.cascade import (
    CascadeWatch,
    LocalClassifier,
    LocalRuling,
    certainty,
    is_calm,
    may_decide,
    same_ruling,
)
from firewall.domain.planning import plan
from firewall.domain.policy import decide
from firewall.domain.ruling import Ruling
from firewall.domain.screen import Reading, Screen

log = get_logger(__name__)

_ANSWERS: Final = counter(
    "floodgate_firewall_cascade_total",
    "Messages of languages with the cascade on, by who decided: local, audited (both were asked) or model.",
    ("language", "way"),
)
_AUDITED: Final = counter(
    "floodgate_firewall_cascade_audited_total",
    "Certain answers of the local classifier beside the model's: same or different.",
    ("language", "result"),
)
_SAVED: Final = counter(
    "floodgate_firewall_cascade_saved_usd_total",
    "What the answers of the local classifier would have cost, at the mean of this process's calls.",
    ("language",),
)


class ShortWay:
    """The local classifier beside the model.

    Args:
        screen: The catalogue's part.
        classifier: None where the catalogue switches the cascade on for no language.
    """

    def __init__(self, screen: Screen, classifier: LocalClassifier | None) -> None:
        self._screen = screen
        self._classifier = classifier
        self._watch = CascadeWatch(screen.index.catalogue.cascade)
        self._calls, self._cost_usd = 0, 0.0

    async def certain(self, reading: Reading) -> Ruling | None:
        """The local classifier's ruling where the catalogue lets it answer and it is certain."""
        needed = self._watch.needed(reading.language)
        if self._classifier is None or needed is None:
            return None
        local = await asyncio.to_thread(self.local, reading) if is_calm(reading.situation) else None
        if local is None or local.certainty < needed:
            _ANSWERS.labels(reading.language, "model").inc()
            return None
        return local.ruling

    def local(self, reading: Reading) -> LocalRuling | None:
        """What the local classifier makes of a message, and how sure it is; None where it cannot tell."""
        if self._classifier is None:
            return None
        screen, known = self._screen, reading.situation
        asked = plan(screen.prompt, text=reading.text, chosen_path=known.chosen_path, language=reading.language)
        answer = self._classifier.answer(screen.prompt, asked.user_text)
        if answer is None:
            return None
        assessment = interpret(answer, screen.index, reading.text)
        ruling = decide(known, assessment, screen.index)
        sure = certainty(assessment, known, screen.index)
        return LocalRuling(ruling, sure if may_decide(ruling) else 0.0)

    def answers_alone(self, event_id: UUID, language: str) -> bool:
        """Whether a certain answer stands without the model; of some the model is asked all the same."""
        alone = not self._watch.is_audited(event_id)
        _ANSWERS.labels(language, "local" if alone else "audited").inc()
        if alone and self._calls:
            _SAVED.labels(language).inc(self._cost_usd / self._calls)
        return alone

    def paid(self, cost_usd: float) -> None:
        """Takes in what a model call cost."""
        self._calls, self._cost_usd = self._calls + 1, self._cost_usd + cost_usd

    def compare(self, language: str, local: Ruling, model: Ruling) -> None:
        """Takes in what the model made of a message whose local answer was certain."""
        agrees = same_ruling(local, model)
        _AUDITED.labels(language, "same" if agrees else "different").inc()
        if self._watch.audited(language, agrees=agrees):
            log.error("cascade.switched_off", language=language, error=self._watch.error(language))
