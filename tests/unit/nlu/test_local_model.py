import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from floodgate_nlu.catalogue import load_catalogue
from floodgate_nlu.language import identify
from floodgate_nlu.local_model import ChatMessage, LocalModel, ModelCall, ToolSpec
from floodgate_nlu.passages import CANNOT_ANSWER
from jsonschema import Draft202012Validator

Run = Callable[..., Mapping[str, Any]]
SUBPROCESS = "from floodgate_nlu.embedding import embed; print(embed('Où sont mes billets ?', 64))"


def cosine(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("dimensions", [64, 256, 1024])
def test_embeddings_have_length_one(model: LocalModel, dimensions: int) -> None:
    for text in ("Where are my tickets?", "", "🙂"):
        vector = model.embed(text, dimensions)
        assert len(vector) == dimensions
        assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-5)


def test_embeddings_are_the_same_in_another_process(model: LocalModel) -> None:
    printed = subprocess.run([sys.executable, "-c", SUBPROCESS], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(tuple(model.embed("Où sont mes billets ?", 64)))


def test_embeddings_bring_one_subject_in_two_languages_together(model: LocalModel) -> None:
    question = model.embed("I want to cancel my subscription", 256)
    same = model.embed("Ik wil mijn abonnement opzeggen", 256)
    other = model.embed("Waar kan ik parkeren bij de zaal?", 256)
    assert cosine(question, same) > cosine(question, other) + 0.2


def test_a_wrong_number_of_dimensions_is_refused(model: LocalModel) -> None:
    with pytest.raises(ValueError, match="1 to 4096"):
        model.embed("text", 0)


def test_without_a_tool_the_passages_answer(model: LocalModel) -> None:
    prompt = (
        '<passage id="a">Tickets are sent by e-mail within one hour. Parking costs ten euro.</passage>'
        "<customer_message>How much does parking cost?</customer_message>"
    )
    answer = model.complete(ModelCall("", (ChatMessage("user", prompt),), None, 200, {})).text
    assert answer is not None
    assert "Parking costs ten euro." in answer


def test_without_passages_it_says_that_it_cannot_answer(model: LocalModel) -> None:
    asked = ModelCall("", (ChatMessage("user", "Who are you?"),), None, 200, {})
    assert model.complete(asked).text == CANNOT_ANSWER


def test_an_unknown_tool_is_filled_to_its_schema(ask: Run) -> None:
    schema = {
        "type": "object",
        "properties": {
            "topic": {"enum": ["refund_request", "parking_question", "other"]},
            "email": {"type": ["string", "null"]},
            "amount": {"type": "number", "minimum": 0},
            "confirmed": {"type": "boolean"},
            "note": {"type": "string", "maxLength": 30},
            "quotes": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "details": {
                "type": "object",
                "properties": {"order_number": {"type": "string"}},
                "required": ["order_number"],
            },
            "kind": {"$ref": "#/$defs/kind"},
        },
        "required": ["topic", "email", "amount", "note", "details", "kind"],
        "$defs": {"kind": {"enum": ["question", "complaint"]}},
    }
    answer = ask("Where is the parking? I paid 12 euro. Order TK-40021, jo@example.org", "anything", schema)
    Draft202012Validator(schema).validate(dict(answer))
    assert answer["topic"] == "parking_question"
    assert answer["amount"] == 12
    assert answer["email"] == "jo@example.org"
    assert answer["details"] == {"order_number": "TK-40021"}


def test_a_repair_turn_is_honoured(ask: Run) -> None:
    schema = {"type": "object", "properties": {"summary": {"type": "string"}}}
    turn = '<turn role="customer">I would like to know where my four tickets for the show in Utrecht are.</turn>'
    prompt = f"<transcript>{turn}</transcript>"
    first = ask(prompt, "summarize_interaction", schema)["summary"]
    error = ChatMessage("user", "summary: is too long, at most 40 characters")
    second = ask(prompt, "summarize_interaction", schema, ChatMessage("assistant", "{}"), error)["summary"]
    assert len(first) > 40 >= len(second) > 10


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("waar is mijn bestelling", "nl"),
        ("où est ma commande", "fr"),
        ("dónde está mi pedido", "es"),
        ("gdzie jest moje zamówienie", "pl"),
        ("where is my order", "en"),
        ("wo ist meine bestellung", "de"),
        ("dov'è il mio ordine", "it"),
        ("onde está a minha encomenda", "pt"),
        ("var är min beställning", "sv"),
        ("kde je moje objednávka", "cs"),
    ],
)
def test_short_texts_are_identified(text: str, language: str) -> None:
    assert identify(text) == language


def test_the_declared_language_decides_only_where_the_text_cannot() -> None:
    assert identify("12345", "sv") == "sv"
    assert identify("Ik wil graag mijn abonnement opzeggen", "fr") == "nl"


def test_a_broken_catalogue_names_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "categories"
    folder.mkdir()
    (folder / "bad.yaml").write_text("id: [", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.yaml"):
        load_catalogue(tmp_path)


def test_a_catalogue_trains_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "categories"
    folder.mkdir()
    for name, text in (("balloons", "my balloon burst"), ("kites", "the kite string broke")):
        (folder / f"{name}.yaml").write_text(
            f"id: {name}\npath: toys/{name}\ntitle: {{en: {name}}}\nexamples: {{en: [{text}, {name} question]}}\n",
            encoding="utf-8",
        )
    model = LocalModel(tmp_path)
    model.warm_up()
    schema = {"type": "object", "properties": {"category": {"enum": ["balloons", "kites", "none"]}}}
    asked = ModelCall(
        "",
        (ChatMessage("user", "<customer_message>a balloon burst</customer_message>"),),
        ToolSpec("assess_message", "", schema),
        100,
        {},
    )
    answer = model.complete(asked).tool_input
    assert answer is not None
    assert answer["category"] == "balloons"
