"""Reads the public corpora beside the repository, for training and measuring only."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from floodgate_nlu.catalogue import load_catalogue

EVERY_NTH_DOMAIN_TURN: Final = 4
CATALOGUE: Final = Path(__file__).parents[4] / "catalogue"
# What people ask a voice assistant for its own sake; asked of a support team, it is what attacks look like.
_ASSISTANT_INTENTS: Final = frozenset(
    {
        *("oos", "translate", "definition", "fun_fact", "tell_joke", "calculator", "spelling", "meaning_of_life"),
        *("are_you_a_bot", "who_made_you", "who_do_you_work_for", "what_is_your_name", "how_old_are_you"),
        *("what_are_your_hobbies", "do_you_have_pets", "where_are_you_from", "change_ai_name", "change_accent"),
        *("whisper_mode", "change_speed", "roll_dice", "flip_coin", "measurement_conversion", "recipe"),
    }
)
_SOURCE_NAMES: Final = {"deepset": "deepset", "bipia": "BIPIA"}


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def ordinary_messages(
    corpora: Path, sources: Sequence[str], every_nth: int = EVERY_NTH_DOMAIN_TURN, *, to_support: bool = False
) -> list[str]:
    """Ordinary messages of the named sources.

    Args:
        corpora: Where the sources lie.
        sources: Their names.
        every_nth: How many of the many turns of MultiDoGO.
        to_support: Leave out what only a voice assistant is asked.
    """
    texts: list[str] = []
    if "banking77" in sources:
        texts += [row["text"] for row in read_jsonl(corpora / "banking77/train.jsonl")]
    if "clinc150" in sources:
        rows = read_jsonl(corpora / "clinc150/train_val.jsonl")
        texts += [row["text"] for row in rows if not (to_support and row["intent"] in _ASSISTANT_INTENTS)]
    if "multidogo" in sources:
        for path in sorted((corpora / "multidogo").glob("*.jsonl")):
            texts += [row["text"] for row in read_jsonl(path)][::every_nth]
    return texts


def public_attacks(corpora: Path, sources: Sequence[str]) -> list[str]:
    """The attacks of the named sources ("deepset", "bipia")."""
    names = tuple(_SOURCE_NAMES[source] for source in sources)
    rows = read_jsonl(corpora / "injection/attacks.jsonl")
    return [row["text"] for row in rows if names and row["source"].startswith(names)]


def benign_hard(corpora: Path) -> list[str]:
    """Harmless questions full of the words of attacks."""
    return [row["text"] for row in read_jsonl(corpora / "injection/benign_hard.jsonl")]


def catalogue_examples(catalogue: Path = CATALOGUE) -> list[str]:
    """What customers say in ten languages, as the project's catalogue words it."""
    return [text for category in load_catalogue(catalogue).categories.values() for text in category.examples]
