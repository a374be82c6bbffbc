"""Topics of which only the names are known, and what customers feel without saying so."""

import pytest
from floodgate_nlu.dialogue import Turn, conversation_sentiment
from floodgate_nlu.labels import pick_label, read_labels
from floodgate_nlu.subjects import evidence, profiles_of

PARCELS = {
    "en": "My parcel never arrived, where is the courier?",
    "nl": "Mijn pakket is niet bezorgd, waar blijft de koerier?",
    "fr": "Mon colis n'a pas été livré.",
    "es": "El paquete no ha llegado, ¿dónde está el transportista?",
    "pl": "Paczka nie dotarła, gdzie jest kurier?",
    "de": "Mein Paket wurde nicht zugestellt.",
    "it": "Il pacco non è stato consegnato dal corriere.",
    "pt": "A encomenda não chegou, falei com a transportadora.",
    "sv": "Paketet har inte levererats.",
    "cs": "Balík nebyl doručen, kurýr nepřijel.",
}
TOPICS = ("contract_terms", "loyalty_points", "parcel_tracking", "warranty_claims")
MOCKING = {
    "en": "Oh wonderful, the app froze again. Great job, really.",
    "nl": "Fijn hoor, alweer een foutmelding. Knap hoor.",
    "de": "Na toll, schon wieder abgestürzt. Ein Traum.",
    "fr": "Bravo, vraiment, encore une fois en panne.",
    "es": "Enhorabuena, otra vez el mismo error.",
    "it": "Complimenti davvero, di nuovo lo stesso errore.",
    "pt": "Parabéns, outra vez o mesmo erro.",
    "pl": "No pięknie, znowu ten sam błąd.",
    "sv": "Grattis, nu igen samma fel. Imponerande.",
    "cs": "No skvělé, zase ta samá chyba.",
}


@pytest.mark.parametrize("language", sorted(PARCELS))
def test_a_topic_is_found_by_its_name_alone_in_every_language(language: str) -> None:
    text = PARCELS[language]
    labels = read_labels(TOPICS)
    assert pick_label(labels, language, {}, evidence(text, "")) == "parcel_tracking"


def test_a_word_that_several_labels_share_tells_less() -> None:
    order, delivery = profiles_of([["order", "delivery"], ["order", "refund"]])
    assert order["delivery"] > order["order"]
    assert delivery["refunds"] > delivery["order"]


@pytest.mark.parametrize("language", sorted(MOCKING))
def test_praise_beside_a_grievance_mocks(language: str) -> None:
    turns = (Turn("customer", MOCKING[language]), Turn("agent", "…"))
    assert conversation_sentiment(turns, "pending", language) == "negative"


@pytest.mark.parametrize(
    ("language", "answer"), [("en", "ok that works"), ("de", "Gut."), ("sv", "Bra."), ("cs", "Dobře.")]
)
def test_a_bare_answer_is_no_feeling(language: str, answer: str) -> None:
    turns = (Turn("customer", "?"), Turn("agent", "…"), Turn("customer", answer))
    assert conversation_sentiment(turns, "resolved", language) == "neutral"
