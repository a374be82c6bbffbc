from collections.abc import Callable, Mapping
from typing import Any

import pytest
from floodgate_nlu.slot_values import find_amount, find_choice, find_date, find_yes_no

DATES = [
    "on 3 May 2026",
    "am 3. Mai 2026",
    "le 3 mai 2026",
    "el 3 de mayo de 2026",
    "3 maja 2026",
    "03-05-2026",
    "2026-05-03",
    "May 3, 2026",
    "3. května 2026",
]
Run = Callable[..., Mapping[str, Any]]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("TK-40021", "TK-40021"),
        ("it's order tk 40021 I think", "tk-40021"),
        ("Mijn bestelnummer is TK-40021, betaald op 12-11-2026", "TK-40021"),
        ("I don't have it", None),
        ("Paid 49,90 € on 3 May", None),
    ],
)
def test_order_numbers_are_found_and_nothing_else(read_slots: Run, message: str, expected: str | None) -> None:
    assert read_slots(message, order_number="order_number")["order_number"] == expected


def test_an_address_is_found_as_text_or_placeholder(read_slots: Run) -> None:
    assert read_slots("mail me at jo@example.org.", email="email")["email"] == "jo@example.org"
    assert read_slots("to <EMAIL_1> please", email="email")["email"] == "<EMAIL_1>"


@pytest.mark.parametrize(
    "yes", ["yes please", "ja graag", "oui", "sí, claro", "tak", "sì", "sim", "ano", "jo visst", "ja, bitte"]
)
def test_yes_is_understood_in_every_language(yes: str) -> None:
    assert find_yes_no(yes) is True


@pytest.mark.parametrize(
    "no", ["no thanks", "nee", "non merci", "nein danke", "não", "nie", "nej tack", "ne", "no, grazie"]
)
def test_no_is_understood_in_every_language(no: str) -> None:
    assert find_yes_no(no) is False


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("€ 1.234,50", 1234.5),
        ("1,234.50 USD", 1234.5),
        ("25 euro", 25.0),
        ("99 zł", 99.0),
        ("450 kr", 450.0),
        ("1 200 Kč", 1200.0),
    ],
)
def test_amounts_are_read_as_each_country_writes_them(written: str, amount: float) -> None:
    assert find_amount(f"I paid {written} for it") == amount


@pytest.mark.parametrize("written", DATES)
def test_dates_are_read_as_each_country_writes_them(written: str) -> None:
    assert find_date(f"It was {written}", None) == "2026-05-03"


def test_relative_days_need_to_know_today(read_slots: Run) -> None:
    assert read_slots("morgen", day="date")["day"] == "2026-11-23"
    assert find_date("tomorrow", None) is None


def test_a_choice_is_named_in_full_in_part_or_by_number() -> None:
    choices = ["Monthly plan", "Annual plan", "Family"]
    assert find_choice("the annual plan please", choices) == "Annual plan"
    assert find_choice("family one", choices) == "Family"
    assert find_choice("2", choices) == "Annual plan"
    assert find_choice("whatever", choices) is None


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ("I want to speak to a person", "human"),
        ("Kan ik een medewerker spreken?", "human"),
        ("Ich möchte mit einem Mitarbeiter sprechen", "human"),
        ("Je veux parler à un conseiller", "human"),
        ("Quiero hablar con una persona", "human"),
        ("Vorrei parlare con un operatore", "human"),
        ("Quero falar com um atendente", "human"),
        ("Chcę rozmawiać z konsultantem", "human"),
        ("Jag vill prata med en människa", "human"),
        ("Chci mluvit s člověkem", "human"),
        ("never mind", "cancel"),
        ("laat maar zitten", "cancel"),
        ("hat sich erledigt", "cancel"),
        ("laissez tomber", "cancel"),
        ("nieważne", "cancel"),
        ("Sorry, I meant TK-40022", "correct"),
        ("TK-40021", "answer"),
        ("Why do you need that?", "question"),
        ("hmm", "none"),
    ],
)
def test_commands_are_recognised(read_slots: Run, message: str, command: str) -> None:
    assert read_slots(message, order_number="order_number")["command"] == command


def test_a_slot_that_is_not_there_is_null(read_slots: Run) -> None:
    answer = read_slots("hello there", order_number="order_number", email="email", paid="amount", ok="yes_no")
    assert [answer[name] for name in ("order_number", "email", "paid", "ok")] == [None] * 4
    assert answer["command"] == "none"
