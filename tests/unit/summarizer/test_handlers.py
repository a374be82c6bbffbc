"""An interaction in, a feature record out; fakes for model and store."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest
from floodgate.catalogue.calibration import FeatureCalibration, NumberCalibration
from floodgate.events import ResolutionStatus, Sentiment, Summary, derive_event_id
from keyflow import KEEP, PoisonMessageError, RetryableError
from summarizer.domain.features import feature_definitions, feature_values, typed_values
from summarizer.handlers import StoreHandler, SummarizerHandler
from summarizer.settings import SummarizerSettings


async def test_an_interaction_becomes_one_feature_record(handler, model, record, interaction, answer, tools):
    model.answers = [answer()]
    finished = interaction()
    outcome = await handler.handle(record(finished), None, tools)
    (emit,) = outcome.events
    summary = emit.value
    assert (emit.topic, emit.key) == ("support.summaries", str(finished.interaction_id))
    assert summary.event_id == derive_event_id(finished.event_id, "summary")
    assert summary.causation_id == finished.event_id
    assert summary.event_time == finished.ended_at
    assert (summary.sentiment, summary.resolution_status) == (Sentiment.NEUTRAL, ResolutionStatus.RESOLVED)
    assert (summary.language, summary.country, summary.contact_id) == ("en", "GB", "abc")
    assert (summary.model, summary.repaired) == ("local model (m)", False)
    assert (summary.usage.cache_read_tokens, summary.usage.cost_usd) == (1500, 0.00012)
    assert (summary.versions.prompt, summary.versions.catalogue) == ("summarize@2", "0123456789ab")


async def test_personal_data_never_reaches_the_model(handler, model, record, interaction, answer, tools):
    model.answers = [answer()]
    await handler.handle(record(interaction()), None, tools)
    asked = model.requests[0].user_text
    assert "anna@example.org" not in asked
    assert "Anna" not in asked
    assert asked.count("<NAME_1>") == 2
    assert "TK-48213" in asked


async def test_a_repeated_event_gives_nothing(handler, model, record, interaction, answer, tools):
    model.answers = [answer()]
    finished = interaction()
    outcome = await handler.handle(record(finished), None, tools)
    again = await handler.handle(record(finished), outcome.state, tools)
    assert again.events == ()
    assert again.state is KEEP


async def test_the_same_content_under_another_event_gives_nothing(handler, model, record, interaction, answer, tools):
    model.answers = [answer()]
    outcome = await handler.handle(record(interaction()), None, tools)
    again = await handler.handle(record(interaction(event_id=uuid4())), outcome.state, tools)
    assert again.events == ()
    assert len(again.state.recent_event_ids) == 2
    assert len(model.requests) == 1


def calibrated_handler(catalogue, asked, languages, **about) -> SummarizerHandler:
    fitted = {"model": "local model (m)", "prompt": "summarize@2", "fitted_on": date(2026, 11, 22)} | about
    numbers = NumberCalibration(shift={"en": 0.2})
    calibration = FeatureCalibration(**fitted, urgency=numbers)
    return SummarizerHandler(
        catalogue=catalogue.model_copy(update={"calibration": calibration}),
        model=asked,
        languages=languages,
        settings=SummarizerSettings(),
        service_version="0.0.0",
    )


async def test_calibration_changes_the_numbers_and_the_set_version(
    catalogue, languages, model, record, interaction, answer, tools
):
    model.answers = [answer()]
    handler = calibrated_handler(catalogue, model, languages)
    (emit,) = (await handler.handle(record(interaction()), None, tools)).events
    assert emit.value.urgency_score == pytest.approx(answer()["urgency_score"] + 0.2)
    assert emit.value.feature_set_version == handler.feature_set
    assert feature_values(emit.value)["feature_set_version"].startswith("summarize@2+")


@pytest.mark.parametrize("about", [{"model": "another"}, {"prompt": "summarize@1"}])
async def test_calibration_of_another_model_or_prompt_changes_nothing(
    about, catalogue, languages, model, record, interaction, answer, tools
):
    model.answers = [answer()]
    handler = calibrated_handler(catalogue, model, languages, **about)
    (emit,) = (await handler.handle(record(interaction()), None, tools)).events
    assert emit.value.urgency_score == answer()["urgency_score"]
    assert emit.value.feature_set_version == "summarize@2"


async def test_the_same_content_under_a_new_set_of_features_gives_a_new_record(
    handler, catalogue, languages, model, record, interaction, answer, tools
):
    model.answers = [answer()]
    before = await handler.handle(record(interaction()), None, tools)
    later = calibrated_handler(catalogue, model, languages)
    again = record(interaction(event_id=uuid4()))
    first = await later.handle(again, before.state, tools)
    assert [emit.value.event_time for emit in first.events] == [before.events[0].value.event_time]
    assert (await later.handle(again, first.state, tools)).events == ()


async def test_an_interaction_that_went_on_gives_a_new_record(handler, model, record, interaction, answer, tools):
    model.answers = [answer(summary="The customer asked again and got an answer.")]
    outcome = await handler.handle(record(interaction()), None, tools)
    longer = interaction("My tickets never came", "Sent again.", "Thank you!")
    again = await handler.handle(record(longer), outcome.state, tools)
    assert len(again.events) == 1


async def test_a_refused_answer_is_repaired_once_with_the_reason(handler, model, record, interaction, answer, tools):
    model.answers = [answer(summary="<NAME_1> asked for the tickets and got them again."), answer()]
    outcome = await handler.handle(record(interaction()), None, tools)
    assert outcome.events[0].value.repaired is True
    assert "placeholder" in model.refusals[0]


async def test_an_answer_refused_twice_is_poison_with_its_raw_text(handler, model, record, interaction, answer, tools):
    model.answers = [answer(summary="Write to anna@example.org about the tickets.")]
    with pytest.raises(PoisonMessageError) as caught:
        await handler.handle(record(interaction()), None, tools)
    assert caught.value.raw_output is not None
    assert "anna@example.org" not in str(caught.value)


async def test_an_interaction_without_text_is_poison(handler, record, interaction, tools):
    with pytest.raises(PoisonMessageError, match="nothing to summarize"):
        await handler.handle(record(interaction(" ", "\u200b")), None, tools)


async def test_one_language_can_be_configured_for_all_summaries(
    catalogue, model, languages, record, interaction, answer, tools
):
    settings = SummarizerSettings(summary_language="en")
    handler = SummarizerHandler(
        catalogue=catalogue, model=model, languages=languages, settings=settings, service_version="1"
    )
    model.answers = [answer(summary="De klant kreeg de tickets niet maar nu wel."), answer()]
    outcome = await handler.handle(record(interaction(language="nl")), None, tools)
    assert "<summary_language>en</summary_language>" in model.requests[0].user_text
    assert outcome.events[0].value.language == "nl"
    assert "not in the language en" in model.refusals[0]


class FakeStore:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, str]] = {}
        self.error: Exception | None = None

    async def put(self, values: dict[str, str]) -> None:
        if self.error is not None:
            raise self.error
        self.kept[(values["interaction_id"], values["event_time"])] = values


async def test_a_record_is_kept_with_every_declared_feature_and_twice_is_once(
    handler, model, record, interaction, answer, tools
):
    model.answers = [answer()]
    store = FakeStore()
    summary = (await handler.handle(record(interaction()), None, tools)).events[0].value
    for _ in range(2):
        outcome = await StoreHandler(store).handle(record(summary, "support.summaries"), None, tools)
        assert outcome.events == ()
    (values,) = store.kept.values()
    declared = {feature.name for feature in feature_definitions()}
    assert set(values) <= declared
    assert values["event_time"] == "2026-11-20T10:30:00.000Z"
    assert values["repaired"] == "0"
    assert values["usage_cost_usd"] == "0.00012"
    assert typed_values(values)["urgency_score"] == 0.2
    assert typed_values(values)["usage_calls"] == 1


async def test_a_busy_store_is_left_to_the_engine(handler, model, record, interaction, answer, tools):
    model.answers = [answer()]
    summary = (await handler.handle(record(interaction()), None, tools)).events[0].value
    store = FakeStore()
    store.error = RetryableError("throttled")
    with pytest.raises(RetryableError):
        await StoreHandler(store).handle(record(summary), None, tools)


def test_the_features_are_read_off_the_record():
    kinds = {feature.name: feature.kind for feature in feature_definitions()}
    assert kinds["interaction_id"] == "String"
    assert kinds["urgency_score"] == "Fractional"
    assert kinds["usage_input_tokens"] == "Integral"
    assert kinds["repaired"] == "Integral"
    assert kinds["country"] == "String"
    assert kinds["event_time"] == "String"
    assert kinds["versions_prompt"] == "String"


def test_values_that_are_absent_are_left_out(interaction):

    finished = interaction()
    summary = Summary(
        event_id=uuid4(),
        occurred_at=finished.occurred_at,
        interaction_id=finished.interaction_id,
        summary="s",
        sentiment=Sentiment.POSITIVE,
        primary_topic="t",
        intent="i",
        resolution_status=ResolutionStatus.PENDING,
        urgency_score=0.0,
        csat_indicator=1.0,
        language="en",
        model="m",
        event_time=finished.ended_at,
    )
    assert "country" not in feature_values(summary)
    assert "causation_id" not in feature_values(summary)
