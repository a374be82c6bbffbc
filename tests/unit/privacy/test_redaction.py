"""Redaction: what is masked in ten languages, what stays, and that nothing is lost. All people are invented."""

from __future__ import annotations

import re
import string

import pytest
from floodgate.privacy import contains_personal_data, placeholders_in, redact, restore
from hypothesis import given
from hypothesis import strategies as st

MASKED = [
    ("en", "GB", "Call me on 07700 900123 please", "07700 900123", "PHONE"),
    ("en", "GB", "My National Insurance number is AB 12 34 56 C", "AB 12 34 56 C", "NATIONAL_ID"),
    (
        "en",
        None,
        "mail anna.de-vries+tickets@mail.example.org, thanks",
        "anna.de-vries+tickets@mail.example.org",
        "EMAIL",
    ),
    ("en", None, "write to anna [at] example [dot] org", "anna [at] example [dot] org", "EMAIL"),
    ("en", None, "paid with 4111 1111 1111 1111 exp 12/27", "4111 1111 1111 1111", "CARD"),
    ("en", None, "my amex card 378282246310005", "378282246310005", "CARD"),
    ("en", None, "reach me at +1 (202) 555-0143", "+1 (202) 555-0143", "PHONE"),
    ("nl", "NL", "Bel mij op 06-12345678 graag", "06-12345678", "PHONE"),
    ("nl", "NL", "mijn bsn is 123456782", "123456782", "NATIONAL_ID"),
    ("nl", "BE", "rijksregisternummer 85.07.30-033.28", "85.07.30-033.28", "NATIONAL_ID"),
    ("nl", "NL", "rekening NL91 ABNA 0417 1643 00 op naam", "NL91 ABNA 0417 1643 00", "IBAN"),
    ("fr", "FR", "joignable au 06.12.34.56.78 merci", "06.12.34.56.78", "PHONE"),
    ("fr", "FR", "mon NIR : 2 55 08 14 168 025 38", "2 55 08 14 168 025 38", "NATIONAL_ID"),
    ("es", "ES", "Llámame al 612 345 678", "612 345 678", "PHONE"),
    ("es", "ES", "mi DNI es 12345678Z", "12345678Z", "NATIONAL_ID"),
    ("es", "ES", "mi NIE: X1234567L", "X1234567L", "NATIONAL_ID"),
    ("pl", "PL", "Zadzwońcie pod 512 345 678", "512 345 678", "PHONE"),
    ("pl", "PL", "Mój PESEL to 44051401359", "44051401359", "NATIONAL_ID"),
    ("de", "DE", "Handy: 0171 2345678", "0171 2345678", "PHONE"),
    ("de", "DE", "Meine Steuer-ID ist 86095742719", "86095742719", "NATIONAL_ID"),
    ("de", "DE", "IBAN DE89370400440532013000", "DE89370400440532013000", "IBAN"),
    ("it", "IT", "chiamatemi al 347 1234567", "347 1234567", "PHONE"),
    ("it", "IT", "codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S", "NATIONAL_ID"),
    ("pt", "PT", "telemóvel 912 345 678", "912 345 678", "PHONE"),
    ("pt", "PT", "O meu NIF é 123456789", "123456789", "NATIONAL_ID"),
    ("sv", "SE", "Ring mig på 070-123 45 67", "070-123 45 67", "PHONE"),
    ("sv", "SE", "personnummer 811218-9876", "811218-9876", "NATIONAL_ID"),
    ("cs", "CZ", "Zavolejte na 601 123 456", "601 123 456", "PHONE"),
    ("cs", "CZ", "rodné číslo 710319/2745", "710319/2745", "NATIONAL_ID"),
    # Written otherwise than the textbook says.
    ("en", None, "write to kit.marlow @ example.org", "kit.marlow @ example.org", "EMAIL"),
    ("en", None, "kit.marlow at example dot org is mine", "kit.marlow at example dot org", "EMAIL"),
    ("en", None, "NI number QQ 12 34 56 C", "QQ 12 34 56 C", "NATIONAL_ID"),
    ("en", None, "social security 219-09-9999", "219-09-9999", "NATIONAL_ID"),
    ("en", None, "passport number X1234567", "X1234567", "NATIONAL_ID"),
    ("de", None, "zurück auf DE 89 3704 0044 0532 0130 00 bitte", "DE 89 3704 0044 0532 0130 00", "IBAN"),
    ("de", None, "Büro 089 / 54 12 34 56", "089 / 54 12 34 56", "PHONE"),
    ("de", None, "Sozialversicherungsnummer 12 150485 M 002", "12 150485 M 002", "NATIONAL_ID"),
    ("nl", None, "mistyped NL91 ABNA 0417 1643 01", "NL91 ABNA 0417 1643 01", "IBAN"),
    ("pl", None, "nr konta 61 1090 1014 0000 0712 1981 2874", "61 1090 1014 0000 0712 1981 2874", "IBAN"),
    ("pl", None, "pesel 440514 01359", "440514 01359", "NATIONAL_ID"),
    ("it", None, "CF RSS MRA 85T10 A562S", "RSS MRA 85T10 A562S", "NATIONAL_ID"),
    ("it", None, "+39 347 123.4567", "+39 347 123.4567", "PHONE"),
    ("es", None, "NIE X-1234567-L", "X-1234567-L", "NATIONAL_ID"),
    ("pt", None, "llamar al 655-443-322", "655-443-322", "PHONE"),
    ("sv", None, "sms:a 070 - 123 45 71", "070 - 123 45 71", "PHONE"),
    ("cs", None, "RČ: 710319 / 2745", "710319 / 2745", "NATIONAL_ID"),
]
NAMES = [
    ("en", "Hello, my name is Anna de Vries and I lost my ticket", "Anna de Vries"),
    ("en", "my name is anna and my ticket is gone", "anna"),
    ("en", "It did not work.\n\nKind regards,\nAnna Smith", "Anna Smith"),
    ("nl", "de bestelling staat op naam van Piet Bakker", "Piet Bakker"),
    ("nl", "Ik heet Jan-Willem van der Berg, waar zijn mijn tickets?", "Jan-Willem van der Berg"),
    ("fr", "Je m’appelle Élodie Martin.", "Élodie Martin"),
    ("es", "Me llamo José García López y quiero cancelar", "José García López"),
    ("pl", "Nazywam się Anna Kowalska", "Anna Kowalska"),
    ("de", "Ich heiße Jürgen Groß, wo sind die Karten?", "Jürgen Groß"),
    ("it", "Mi chiamo Giulia Rossi e vorrei un rimborso", "Giulia Rossi"),
    ("pt", "O meu nome é João da Silva", "João da Silva"),
    ("sv", "Jag heter Åsa Öberg", "Åsa Öberg"),
    ("cs", "Jmenuji se Jan Novák.", "Jan Novák"),
]
KEPT = [
    "au nom de l'écologie",
    "order TK-48213 and 2 tickets in row 12 seat 34",
    "bestelling 123456782 is nooit gekomen",
    "pedido 612345678",
    "zamówienie nr 512345678",
    "Bestellnummer 86095742719",
    "orders 123456, 234567 and 345678",
    "€ 1.299,00, 129,90 EUR, £59.99, 1 250,00 zł, 12 990 Kč",
    "on 22-11-2026, 22.11.2026, 2026-11-22 18:30, le 22/11/2026 à 19h30, 11/22/2026",
    "season 2024/2025, version 10.15.7, 192.168.1.10, 10.000.000 views",
    "https://example.org/orders/31612345678 fails",
    "my name is wrong on the ticket",
    "The name on the booking is misspelled",
    "tracking 8712345678906",
    "isbn 978-3-16-148410-0, seats 12 13 14 15 16, stoelen 12 13 14 15",
    "levererat 12/11 2026, customer 40018822, transakcja 99120034, batch 20260917",
    "uuid 550e8400-e29b-41d4-a716-446655440000, mac 00:1A:2B:3C:4D:5E, order 408-1234567-1234567",
    "barcode 2904 1187 5566 0012 3, SKU 44-120-99812, imei 356938035643809, voucher LATO-2026-88",
    "paket 00373500489530470123, colis 8R41234567890, JD014600006281234567",
]


@pytest.mark.parametrize(("language", "country", "text", "value", "kind"), MASKED)
def test_personal_data_is_masked(language, country, text, value, kind):
    redacted = redact(text, language=language, country=country)
    assert redacted.placeholders == {f"<{kind}_1>": value}
    assert redacted.text == text.replace(value, f"<{kind}_1>")
    assert restore(redacted.text, redacted.placeholders) == text


@pytest.mark.parametrize(("language", "text", "name"), NAMES)
def test_a_stated_name_is_masked(language, text, name):
    redacted = redact(text, language=language)
    assert redacted.placeholders == {"<NAME_1>": name}
    assert restore(redacted.text, redacted.placeholders) == text


@pytest.mark.parametrize("text", KEPT)
@pytest.mark.parametrize("language", ["en", "nl", "fr", "es", "pl", "de", "it", "pt", "sv", "cs"])
def test_order_numbers_prices_and_dates_stay(text, language):
    assert redact(text, language=language).text == text


def test_the_same_value_has_the_same_placeholder():
    text = "anna@example.org, again anna@example.org, not bob@example.org"
    redacted = redact(text)
    assert redacted.text == "<EMAIL_1>, again <EMAIL_1>, not <EMAIL_2>"


def test_a_stated_name_is_masked_wherever_it_stands_again():
    redacted = redact("My name is Anna. The ticket says Anna, not Annabel.")
    assert redacted.text == "My name is <NAME_1>. The ticket says <NAME_1>, not Annabel."


def test_placeholders_continue_over_the_turns_of_a_conversation():
    first = redact("I am at anna@example.org. My name is Anna Jansen.")
    second = redact("Dear Anna Jansen, we wrote to anna@example.org and to bob@example.org", known=first.placeholders)
    assert second.text == "Dear <NAME_1>, we wrote to <EMAIL_1> and to <EMAIL_2>"
    assert restore(second.text, second.placeholders).endswith("bob@example.org")


def test_what_only_looks_like_a_placeholder_comes_back_as_it_was():
    text = "literally <EMAIL_1> and anna@example.org"
    redacted = redact(text)
    assert "<EMAIL_2>" in redacted.text
    assert restore(redacted.text, redacted.placeholders) == text


def test_a_typed_placeholder_is_not_mistaken_for_an_earlier_value():
    known = redact("anna@example.org").placeholders
    redacted = redact("what is <EMAIL_1>?", known=known)
    assert restore(redacted.text, redacted.placeholders) == "what is <EMAIL_1>?"


def test_unknown_placeholders_stay():
    assert restore("to <PHONE_9>", {"<PHONE_1>": "1"}) == "to <PHONE_9>"


def test_a_mistyped_id_is_masked_where_the_word_before_names_it():
    assert "NATIONAL_ID" in redact("BSN 123456789", language="nl").text
    assert redact("123456789", language="nl", country="NL").text == "123456789"


def test_a_number_is_what_the_last_word_before_it_says():
    redacted = redact("pedido 612345679, teléfono 612345678", language="es", country="ES")
    assert redacted.text == "pedido 612345679, teléfono <PHONE_1>"


def test_values_never_show_in_the_representation():
    assert "anna@example.org" not in repr(redact("anna@example.org"))


def test_what_is_left_can_be_asked_for():
    assert contains_personal_data("write to anna@example.org or +31612345678") == ("EMAIL", "PHONE")
    assert contains_personal_data("order TK-48213 for <EMAIL_1>") == ()
    assert placeholders_in("<EMAIL_1> and <NAME_2>") == ("<EMAIL_1>", "<NAME_2>")


ODDITIES = [
    "my name is Anna Jansen",
    "Ich heiße Jörg",
    "<EMAIL_1>",
    "<PHONE_2>",
    "<",
    ">",
    "order TK-48213",
    "\n",
    "€ 12",
]
SNIPPETS = st.sampled_from([case[3] for case in MASKED] + ODDITIES)
PIECES = st.one_of(SNIPPETS, st.text(max_size=12), st.text(string.digits + " +-.()/", max_size=16))
TEXTS = st.lists(PIECES, max_size=12).map("".join)
LANGUAGES = st.sampled_from([None, "nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs"])
COUNTRIES = st.sampled_from([None, "NL", "FR", "ES", "PL", "GB", "DE", "IT", "PT", "SE", "CZ"])


@given(TEXTS, LANGUAGES, COUNTRIES)
def test_restoring_gives_every_text_back(text, language, country):
    redacted = redact(text, language=language, country=country)
    assert restore(redacted.text, redacted.placeholders) == text


@given(TEXTS, TEXTS)
def test_restoring_gives_every_later_turn_back(first, second):
    known = redact(first).placeholders
    redacted = redact(second, known=known)
    assert restore(redacted.text, redacted.placeholders) == second
    assert dict(known).items() <= dict(redacted.placeholders).items()


@given(TEXTS, LANGUAGES)
def test_redacting_is_deterministic(text, language):
    assert redact(text, language=language) == redact(text, language=language)


@given(TEXTS)
def test_no_address_is_left(text):
    left = re.sub(r"<[A-Z_]+_\d+>", " ", redact(text).text)
    assert "anna.de-vries+t@mail.example.org" not in left
