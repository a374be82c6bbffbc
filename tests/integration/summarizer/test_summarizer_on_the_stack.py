"""An interaction in, a summary and a feature record out: real Kafka, registry, Bedrock and Feature Store protocols."""

from __future__ import annotations

import json
import uuid

import pytest
from floodgate.events import Sentiment, derive_event_id

pytestmark = pytest.mark.integration


def test_an_interaction_becomes_a_summary_and_a_feature_record(summarizer, archive):
    finished = archive.interaction(
        ("customer", "Hi, my name is Anna Jansen. I was charged twice in November, 12.99 each. anna@example.org"),
        ("agent", "Hello Anna Jansen. I see two charges; I have refunded the second one of 12.99."),
        ("customer", "Great, thank you so much!"),
        country="GB",
    )
    archive.hand_in(finished)
    summary = archive.summary_of(finished)
    assert summary.event_id == derive_event_id(finished.event_id, "summary")
    assert 0 < len(summary.summary) <= 200
    assert "Anna" not in summary.summary
    assert summary.sentiment in {Sentiment.POSITIVE, Sentiment.NEUTRAL, Sentiment.NEGATIVE}
    assert summary.event_time == finished.ended_at
    assert (summary.language, summary.country) == ("en", "GB")
    assert "local model" in summary.model
    assert summary.versions.prompt == "summarize@2"
    assert summary.usage.cost_usd > 0
    features = archive.features_of(finished)
    assert features["summary"] == summary.summary
    assert features["interaction_id"] == str(finished.interaction_id)
    assert features["urgency_score"] == pytest.approx(summary.urgency_score)
    assert features["event_time"] == finished.ended_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_ten_languages_are_summarized_in_their_own(summarizer, archive):
    said = {
        "nl": ("Ik heb mijn tickets voor het concert nog steeds niet ontvangen", "Ik heb ze opnieuw gestuurd"),
        "fr": ("Je n'ai toujours pas reçu mes billets pour le concert", "Je vous les ai renvoyés à l'instant"),
        "es": ("Todavía no he recibido mis entradas para el concierto", "Se las acabo de enviar otra vez"),
        "pl": ("Nadal nie otrzymałam biletów na koncert", "Wysłałem je ponownie przed chwilą"),
        "en": ("I still have not received my tickets for the concert", "I have just sent them to you again"),
        "de": ("Ich habe meine Karten für das Konzert immer noch nicht erhalten", "Ich habe sie noch einmal geschickt"),
        "it": ("Non ho ancora ricevuto i miei biglietti per il concerto", "Li ho appena inviati di nuovo"),
        "pt": ("Ainda não recebi os meus bilhetes para o concerto", "Acabei de os enviar novamente"),
        "sv": ("Jag har fortfarande inte fått mina biljetter till konserten", "Jag har precis skickat dem igen"),
        "cs": ("Stále jsem nedostala vstupenky na koncert", "Právě jsem je poslal znovu"),
    }
    finished = {
        language: archive.interaction(("customer", question), ("agent", answer))
        for language, (question, answer) in said.items()
    }
    archive.hand_in(*finished.values())
    assert {archive.summary_of(interaction).language: language for language, interaction in finished.items()} == {
        language: language for language in said
    }


def test_an_interaction_that_comes_twice_has_one_record_and_one_that_went_on_a_second(summarizer, archive):
    turns = (("customer", "Where are my tickets? Order TK-48213"), ("agent", "I have sent them again."))
    once = archive.interaction(*turns)
    longer = archive.interaction(*turns, ("customer", "Thank you, got them!"), interaction_id=once.interaction_id)
    marker = archive.interaction(("customer", "How do I change my e-mail address?"))
    archive.hand_in(once, once, longer, longer, marker)
    archive.summary_of(marker)
    archive.await_one("support.summaries", lambda s: s.causation_id == longer.event_id)
    found = archive.all("support.summaries", lambda s: s.interaction_id == once.interaction_id)
    assert [summary.causation_id for summary in found] == [once.event_id, longer.event_id]


def test_an_interaction_without_text_becomes_a_dead_letter_and_no_record(summarizer, archive):
    empty = archive.interaction(("customer", "  "))
    archive.hand_in(empty)
    letter = archive.await_one("support.dead-letters", lambda d: d.key == str(empty.interaction_id).encode())
    assert (letter.service, letter.error_class) == ("summarizer", "poison")
    assert "nothing to summarize" in letter.reason
    assert letter.versions["prompt"] == "summarize@2"


def test_a_record_that_does_not_exist_is_named_with_the_reason(archive, summarizer):
    shown = archive.floodgate("features", "get", str(uuid.uuid4()))
    assert shown.returncode == 1
    assert "has no record of" in shown.stderr


def test_declaring_the_group_again_changes_nothing(archive, summarizer):
    shown = archive.floodgate("features", "setup", "--json")
    assert json.loads(shown.stdout)["outcome"] == "unchanged"
