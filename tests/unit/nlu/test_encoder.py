"""Sentence embeddings: the tokenizer, the weights of the package, and what happens without them."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from floodgate_nlu import minilm
from floodgate_nlu.intents import IntentModel
from floodgate_nlu.meanings import Embeddings
from floodgate_nlu.minilm import EncoderMissingError, SentenceEncoder, load_encoder, read_tensors
from floodgate_nlu.wordpiece import WordPiece

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "tick", "##et", "##s", "where", "?", "creme", "一"]
REFUNDS = [
    ("I want my money back", "refund"),
    ("please reimburse me", "refund"),
    ("my password does not work", "sign_in"),
    ("I am locked out of my profile", "sign_in"),
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    try:
        return load_encoder()
    except EncoderMissingError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Where tickets?", ["[CLS]", "where", "tick", "##et", "##s", "?", "[SEP]"]),
        ("CRÈME", ["[CLS]", "creme", "[SEP]"]),
        ("where一where", ["[CLS]", "where", "一", "where", "[SEP]"]),
        ("where\u200bwhere zzz", ["[CLS]", "[UNK]", "[UNK]", "[SEP]"]),
        ("", ["[CLS]", "[SEP]"]),
    ],
)
def test_texts_are_split_into_known_pieces(text: str, pieces: list[str]) -> None:
    assert [VOCABULARY[n] for n in WordPiece(VOCABULARY).encode(text, 64)] == pieces


def test_long_texts_are_cut_and_keep_their_closing_mark() -> None:
    numbers = WordPiece(VOCABULARY).encode("where " * 500, 64)
    assert len(numbers) == 64
    assert VOCABULARY[numbers[-1]] == "[SEP]"


def test_embeddings_agree_with_the_published_example(encoder: SentenceEncoder) -> None:
    texts = [
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    ]
    rows = encoder.encode(texts)
    assert rows @ rows[0] == pytest.approx([1.0, 0.695, 0.943, 0.257], abs=0.002)


def test_a_text_has_one_embedding_alone_and_in_company(encoder: SentenceEncoder) -> None:
    texts = ["Where is my order?", "", "I would like to be reimbursed, please. " * 30]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-4)


def test_meaning_finds_what_shares_no_word_with_the_examples(encoder: SentenceEncoder) -> None:
    model = IntentModel(REFUNDS, lambda: Embeddings(encoder))
    assert model.predict("the login page rejects credentials").best()[0] == "sign_in"


def test_without_the_encoder_the_words_decide() -> None:
    model = IntentModel(REFUNDS, lambda: None)
    assert model.predict("money back now").best()[0] == "refund"


def test_missing_weights_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_weights")
    with pytest.raises(EncoderMissingError, match=r"no-such-weights.*make setup"):
        load_encoder()


def test_tensors_are_read_where_the_header_says(tmp_path: Path) -> None:
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}, "n": {"dtype": "I64"}}
    ).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2.0))
    assert read_tensors(path)["a"].tolist() == [[1.5], [-2.0]]


@pytest.mark.parametrize("content", [b"short", struct.pack("<Q", 1 << 40) + b"{}"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no safetensors file"):
        read_tensors(path)
