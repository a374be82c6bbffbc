"""A small taxonomy, fakes of the ports, and builders of interactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from floodgate.bedrock import ModelRequest, ModelResult, Usage
from floodgate.catalogue import Catalogue, Category, Path, Team
from floodgate.events import Interaction, Turn, TurnRole
from keyflow import PoisonMessageError, Record, Tools
from summarizer.handlers import SummarizerHandler
from summarizer.settings import SummarizerSettings

NOW_MS = 1_795_341_600_000
INTERACTION_ID = UUID("0b5c0b3c-6c58-4e0a-9f0e-0d5b5a1b2c3d")
OWNED: dict[str, Any] = {"owner": "support", "review_by": date(2027, 1, 1)}


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        version="0123456789ab",
        company="Example Tickets",
        languages=("en", "nl"),
        countries=("GB", "NL"),
        paths=(Path(id="tickets/resend", label={"en": "Resend"}, category="resend_tickets"),),
        categories=(
            Category(
                id="resend_tickets",
                title={"en": "Resend tickets"},
                path="tickets/resend",
                team="tickets",
                examples={"en": ("my tickets never came",)},
                **OWNED,
            ),
        ),
        urgency=(),
        teams=(Team(id="tickets", title="Tickets", intercom_team_id="1", **OWNED),),
        templates=(),
        articles=(),
        topics=("tickets", "billing", "other"),
        intents=("resend", "other"),
    )


class FakeModel:
    """Gives its answers one after the other and repairs once, as the real client does."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.requests: list[ModelRequest[Any]] = []
        self.refusals: list[str] = []

    async def call(self, request: ModelRequest[Any]) -> ModelResult[Any]:
        self.requests.append(request)
        for attempt in (0, 1):
            raw = self.answers[min(attempt, len(self.answers) - 1)]
            try:
                value = request.prompt.output.model_validate(raw)
                assert request.check is not None
                request.check(value)
            except ValueError as error:
                self.refusals.append(str(error))
                continue
            usage = Usage("m", "local model (m)", 700, 60, 1500, 0, 0.00012, 900, attempt + 1)
            return ModelResult(value, usage, repaired=attempt > 0, raw=raw)
        raise PoisonMessageError("the answer broke the schema twice", raw_output=str(self.answers[-1]))

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[0.0] for _ in texts]


class FakeLanguages:
    def identify(self, text: str, declared: str | None, others: str = "") -> str:
        return declared or "en"

    def is_other(self, text: str, language: str) -> bool:
        return language == "en" and "tickets niet" in text

    def weight(self, text: str) -> float:
        return float("turning" in text)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def languages() -> FakeLanguages:
    return FakeLanguages()


@pytest.fixture
def handler(catalogue: Catalogue, model: FakeModel, languages: FakeLanguages) -> SummarizerHandler:
    return SummarizerHandler(
        catalogue=catalogue,
        model=model,
        languages=languages,
        settings=SummarizerSettings(),
        service_version="1.2.3",
    )


@pytest.fixture
def tools() -> Tools:
    return Tools(now_ms=lambda: NOW_MS, remaining_seconds=lambda: 100.0)


@pytest.fixture
def answer() -> Callable[..., dict[str, Any]]:
    def build(**changes: Any) -> dict[str, Any]:
        return {
            "summary": "The customer asked for the tickets of order TK-48213 and got them again.",
            "sentiment": "neutral",
            "primary_topic": "tickets",
            "intent": "resend",
            "resolution_status": "resolved",
            "urgency_score": 0.2,
            "csat_indicator": 0.7,
            "language": "en",
            **changes,
        }

    return build


@pytest.fixture
def interaction() -> Callable[..., Interaction]:
    def build(*texts: str, **changes: Any) -> Interaction:
        said = texts or (
            "My tickets of order TK-48213 never came. My name is Anna Jansen, anna@example.org",
            "I have sent them again, Anna Jansen.",
        )
        roles = (TurnRole.CUSTOMER, TurnRole.AGENT)
        values: dict[str, Any] = {
            "event_id": uuid4(),
            "occurred_at": datetime.fromtimestamp(NOW_MS / 1000 - 60, UTC),
            "interaction_id": INTERACTION_ID,
            "source": "s3",
            "contact_id": "abc",
            "country": "GB",
            "ended_at": datetime(2026, 11, 20, 10, 30, tzinfo=UTC),
            "turns": tuple(Turn(role=roles[n % 2], text=text) for n, text in enumerate(said)),
            **changes,
        }
        return Interaction(**values)

    return build


@pytest.fixture
def record() -> Callable[..., Record]:
    def build(value: Any, topic: str = "support.interactions") -> Record:
        return Record(topic=topic, partition=0, offset=1, key=str(INTERACTION_ID), value=value)

    return build
