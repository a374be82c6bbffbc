"""The fast search finds exactly what the services' search in memory finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from floodgate.catalogue import load_catalogue
from floodgate.knowledge import FakeRetriever
from floodgate_eval.rows import IntentRow, read_rows
from floodgate_eval.search import IndexedRetriever

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("language", ["en", "nl", "pl", "tr"])
async def test_it_finds_the_same_examples_in_the_same_order(language: str) -> None:
    catalogue = load_catalogue(ROOT / "catalogue")
    plain, fast = FakeRetriever(catalogue), IndexedRetriever(catalogue)
    for row in read_rows([ROOT / "eval/corpora/intent.jsonl"], IntentRow)[::9]:
        expected = await plain.examples(row.text, language=language, limit=8)
        assert await fast.examples(row.text, language=language, limit=8) == expected


async def test_what_shares_no_word_finds_nothing() -> None:
    fast = IndexedRetriever(load_catalogue(ROOT / "catalogue"))
    assert await fast.examples("qqqq", language="en") == []
