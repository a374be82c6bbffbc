"""The wiring: nothing connects, what is passed takes the place of the real thing, and settings are checked."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from firewall.adapters.nlu_language import NluLanguageIdentifier
from firewall.bootstrap import bootstrap
from firewall.domain.state import ConversationState
from firewall.settings import FirewallSettings
from floodgate.catalogue import Cascade
from floodgate.events.serde import AvroSerde


def test_the_service_is_wired_without_connecting_to_anything(catalogue, model, retrieval):
    service = bootstrap(
        FirewallSettings(budget_seconds=7.0),
        catalogue=catalogue,
        model=model,
        retriever=retrieval,
        serde=AvroSerde("http://127.0.0.1:9"),
    )
    (processor,) = service.processors
    assert (service.name, processor.name) == ("firewall", "firewall")
    assert processor.inputs == ("support.messages", "support.replies", "support.escalations")
    assert processor.redrive_topic == "support.firewall.redrive"
    assert processor.budget_seconds == 7.0
    assert processor.fallback is not None
    assert processor.on_poison is not None
    assert processor.state is not None
    assert processor.state.changelog == "support.firewall.state"
    assert processor.state.decode(processor.state.encode(ConversationState())) == ConversationState()


def test_the_command_line_finds_the_service():
    (found,) = entry_points(group="floodgate.services", name="firewall")
    assert found.value == "firewall.bootstrap:build"


def test_settings_that_leave_no_time_for_the_model_are_refused():
    with pytest.raises(ValueError, match="leave nothing"):
        FirewallSettings(budget_seconds=2.0, retrieval_seconds=2.0)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FLOODGATE_FIREWALL_BUDGET_SECONDS", "12.5")
    assert FirewallSettings().budget_seconds == 12.5


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ik heb mijn tickets nog steeds niet ontvangen", "nl"),
        ("Je n'ai toujours pas reçu mes billets", "fr"),
        ("Todavía no he recibido mis entradas", "es"),
        ("Nadal nie otrzymałam biletów na koncert", "pl"),
        ("I still have not received my tickets", "en"),
        ("Ich habe meine Karten immer noch nicht erhalten", "de"),
        ("Non ho ancora ricevuto i miei biglietti", "it"),
        ("Ainda não recebi os meus bilhetes", "pt"),
        ("Jag har fortfarande inte fått mina biljetter", "sv"),
        ("Stále jsem nedostala vstupenky na koncert", "cs"),
    ],
)
def test_the_served_languages_are_told_apart(text, language):
    identifier = NluLanguageIdentifier(("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs"), "en")
    assert identifier.identify(text, None) == language


def test_a_language_that_is_not_served_counts_as_the_declared_or_the_default_one():
    identifier = NluLanguageIdentifier(("en", "nl"), "en")
    assert identifier.identify("Stále jsem nedostala vstupenky na koncert", None) == "en"
    assert identifier.identify("Stále jsem nedostala vstupenky na koncert", "nl") == "nl"


def test_a_catalogue_that_lets_the_local_classifier_answer_is_wired_with_it(catalogue, model, retrieval):
    rules = Cascade(certainty={"en": 0.9})
    service = bootstrap(
        FirewallSettings(),
        catalogue=catalogue.model_copy(update={"cascade": rules}),
        model=model,
        retriever=retrieval,
        serde=AvroSerde("http://127.0.0.1:9"),
    )
    assert service.name == "firewall"
