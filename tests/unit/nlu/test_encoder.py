"""Sentence embeddings: the tokenizer, the fetched weights, and what happens without them."""

from pathlib import Path

import numpy as np
import pytest
from floodgate_nlu.encoder import (
    MODEL,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    EncoderMissingError,
    SentenceEncoder,
    cache_folder,
    load_encoder,
)
from floodgate_nlu.intents import IntentModel
from floodgate_nlu.meanings import Embeddings
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


def test_what_means_the_same_is_nearer_than_what_shares_words(encoder: SentenceEncoder) -> None:
    rows = encoder.encode(["I want my money back", "Please give me a refund", "I want my hat back home"])
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_a_text_has_one_embedding_alone_and_in_company(encoder: SentenceEncoder) -> None:
    texts = ["Where is my order?", "", "I would like to be reimbursed, please. " * 30]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.array_equal(together, alone)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0)


def test_meaning_finds_what_shares_no_word_with_the_examples(encoder: SentenceEncoder) -> None:
    model = IntentModel(REFUNDS, lambda: Embeddings(encoder))
    assert model.predict("the login page rejects credentials").best()[0] == "sign_in"


def test_without_the_encoder_the_words_decide() -> None:
    model = IntentModel(REFUNDS, lambda: None)
    assert model.predict("money back now").best()[0] == "refund"


def test_missing_weights_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOODGATE_CACHE", str(tmp_path))
    with pytest.raises(EncoderMissingError, match=r"not in .*bge-small.*make setup"):
        load_encoder()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLOODGATE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "floodgate" / "nlu"
    monkeypatch.setenv("FLOODGATE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own" / "nlu"


@pytest.mark.parametrize("tokenizer", ["not json", "{}", '{"model": {"vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}}}'])
def test_damaged_files_are_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokenizer: str
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("FLOODGATE_CACHE", str(tmp_path))
    folder = tmp_path / "nlu" / MODEL
    folder.mkdir(parents=True)
    (folder / TOKENIZER_FILE).write_text(tokenizer)
    (folder / WEIGHTS_FILE).write_bytes(b"no weights")
    with pytest.raises(EncoderMissingError, match=r"cannot be used .*remove it, then run `make setup`") as caught:
        load_encoder()
    assert "\n" not in str(caught.value)
