"""What customers feel who use no word of feeling, and what the local model makes of it."""

import pytest
from floodgate_nlu.dialogue import Turn, pressure, satisfaction
from floodgate_nlu.feelings import SENTIMENTS, likeliest, sentiment_shares
from floodgate_nlu.glosses import plainly
from floodgate_nlu.meanings import shared_embeddings
from floodgate_nlu.opinions import opinion_of

WAITED_IN_VAIN = {
    "en": "I stood outside your office all morning and the shutters stayed down.",
    "nl": "Ik stond de hele ochtend voor een dichte deur en niemand kwam.",
    "de": "Ich stand den ganzen Morgen vor verschlossener Tür und niemand kam.",
    "fr": "J'ai attendu toute la matinée devant une porte fermée et personne n'est venu.",
    "es": "Esperé toda la mañana delante de la puerta cerrada y no vino nadie.",
    "it": "Ho aspettato tutta la mattina davanti alla porta chiusa e non è venuto nessuno.",
    "pt": "Esperei a manhã inteira à porta fechada e ninguém veio.",
    "pl": "Czekałem cały ranek pod zamkniętymi drzwiami i nikt nie przyszedł.",
    "sv": "Jag väntade hela morgonen utanför en stängd dörr och ingen kom.",
    "cs": "Čekal jsem celé ráno před zavřenými dveřmi a nikdo nepřišel.",
}


@pytest.mark.parametrize("language", sorted(WAITED_IN_VAIN))
def test_a_complaint_without_a_word_of_complaint_is_heard_in_every_language(language: str) -> None:
    if shared_embeddings() is None:
        pytest.skip("the sentence encoder is not installed: make setup")
    turns = (Turn("customer", WAITED_IN_VAIN[language]), Turn("agent", "…"))
    assert likeliest(sentiment_shares(turns, "pending", language)) == "negative"


def test_shares_are_of_every_sentiment_and_add_up() -> None:
    shares = sentiment_shares((Turn("customer", "When do you open?"), Turn("agent", "At nine.")), "resolved", "en")
    assert set(shares) == set(SENTIMENTS)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert likeliest(shares) == "neutral"


def test_where_nobody_has_answered_the_text_decides_alone() -> None:
    shares = sentiment_shares((Turn("customer", "This is wonderful, thank you!"),), "pending", "en")
    assert shares["positive"] > 0.8
    assert shares == opinion_of("This is wonderful, thank you!", "en")


def test_a_request_without_praise_or_complaint_is_neutral() -> None:
    for said, language in (("I would like to know when the doors open", "en"), ("Ik wil graag een stoel", "nl")):
        assert sentiment_shares((Turn("customer", said),), "pending", language)["neutral"] == 1.0


def test_who_likely_complains_is_less_satisfied_and_more_pressing() -> None:
    turns = (Turn("customer", "My box is late."), Turn("agent", "…"))
    calm = {"negative": 0.1, "neutral": 0.8, "positive": 0.1}
    cross = {"negative": 0.8, "neutral": 0.1, "positive": 0.1}
    assert satisfaction(turns, "pending", "en", cross) < satisfaction(turns, "pending", "en", calm)
    assert pressure("resolved", 0.8) > pressure("resolved", 0.1)
    assert pressure("pending", 0.1) > pressure("resolved", 0.1)


def test_plain_words_are_those_that_glosses_are_made_of() -> None:
    assert plainly("The parcels were delayed again!") == "parcel delay again"
    assert plainly("Zzyzx") == "Zzyzx"
