"""Embeddings kept on disk: found again, bounded, and never in the way."""

from pathlib import Path

import numpy as np
from floodgate_nlu.embedding_store import EmbeddingStore

ROWS = {"where is my order": np.ones(4, dtype=np.float16), "cancel": np.zeros(4, dtype=np.float16)}


def test_rows_are_found_again_and_no_text_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "embeddings.npz"
    EmbeddingStore(path, "m").save(ROWS)
    EmbeddingStore(path, "m").save({"third": np.full(4, 2, dtype=np.float16)})
    found = EmbeddingStore(path, "m").load(["where is my order", "third", "unknown"])
    assert {text: row.tolist() for text, row in found.items()} == {"where is my order": [1] * 4, "third": [2] * 4}
    assert b"where is" not in path.read_bytes()


def test_rows_of_another_model_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npz"
    EmbeddingStore(path, "old").save(ROWS)
    assert EmbeddingStore(path, "new").load(list(ROWS)) == {}


def test_a_damaged_or_unwritable_file_costs_nothing_but_time(tmp_path: Path) -> None:
    damaged = tmp_path / "embeddings.npz"
    damaged.write_bytes(b"PK\x03\x04 no archive")
    store = EmbeddingStore(damaged, "m")
    assert store.load(list(ROWS)) == {}
    store.save(ROWS)
    assert set(store.load(list(ROWS))) == set(ROWS)
    blocked = EmbeddingStore(damaged / "below_a_file.npz", "m")
    blocked.save(ROWS)
    assert blocked.load(list(ROWS)) == {}
