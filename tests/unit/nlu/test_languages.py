"""Languages of short texts and of conversations, and summaries in the language asked for."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from floodgate_nlu.language import identify, identify_conversation, language_scores

Run = Callable[..., Mapping[str, Any]]

SHORT = {
    "en": ["Still waiting!", "Nothing arrived"],
    "nl": ["Nog steeds niets", "Dank je wel hoor"],
    "de": ["Immer noch nichts", "Geht leider nicht"],
    "fr": ["Toujours rien", "Ça ne marche pas"],
    "es": ["Sigo esperando", "No funciona nada"],
    "it": ["Ancora niente", "Non funziona niente"],
    "pt": ["Ainda nada", "Não funciona nada"],
    "pl": ["Nadal nic", "Nic nie działa"],
    "sv": ["Fortfarande ingenting", "Funkar inte alls"],
    "cs": ["Pořád nic", "Nic nefunguje"],
}
# One customer word that says little, and an agent who answers at length.
AGENTS = {
    "pt": ("Promo?", "O código já não é válido, mas posso enviar-lhe outro ainda hoje."),
    "sv": ("Video stop", "Jag har startat om strömmen åt dig, prova gärna att ladda om sidan."),
    "it": ("Ok perfetto", "Le abbiamo inviato di nuovo i biglietti al suo indirizzo."),
    "cs": ("Login?", "Poslali jsme vám odkaz na nové heslo, platí jednu hodinu."),
}


@pytest.mark.parametrize("language", SHORT)
def test_a_few_words_tell_the_language(language: str) -> None:
    assert [identify(text) for text in SHORT[language]] == [language] * 2


@pytest.mark.parametrize("language", AGENTS)
def test_the_agents_turns_help_where_the_customer_says_little(language: str) -> None:
    customer, agent = AGENTS[language]
    assert identify_conversation(customer, agent) == language


def test_the_customer_decides_where_the_customer_says_enough() -> None:
    customer = "Ik heb mijn bestelling nog steeds niet ontvangen en wacht nu al drie weken op antwoord."
    assert identify_conversation(customer, "Thank you for your message, we will look into it.", "en") == "nl"


def test_without_customer_words_the_others_or_the_declared_language_decide() -> None:
    assert identify_conversation("👍", "Ihre Karten sind unterwegs, viel Freude damit.") == "de"
    assert identify_conversation("👍", "", "sv") == "sv"


@pytest.mark.parametrize("asked", ["it", "de", "en", "cs"])
def test_a_summary_is_in_the_language_asked_for_whatever_is_spoken(summarize: Run, asked: str) -> None:
    for turns in (
        [("customer", "Olá"), ("agent", "Enviei os bilhetes outra vez para o seu e-mail.")],
        [("customer", "Hej, filmen hackar"), ("agent", "Vi startar om tjänsten åt dig nu.")],
        [("customer", "Biletlerim gelmedi, lütfen tekrar gönderin"), ("agent", "Tekrar gönderdik.")],
    ):
        summary = summarize(turns, asked)["summary"]
        scores = language_scores(summary)
        assert max(scores.values()) - scores[asked] < 0.5, summary
        assert len(summary) >= 15
