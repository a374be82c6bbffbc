"""Measures the local models on public corpora: `python -m floodgate_nlu.measure --shared DIR [--task NAME …]`.

Every figure is on rows that the measured model was not trained on; for injection whole sources are left out.
"""

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from floodgate_nlu.corpora import read_jsonl
from floodgate_nlu.intents import IntentModel
from floodgate_nlu.language import identify
from floodgate_nlu.measure_catalogue import measure_categories, measure_latency, measure_urgency
from floodgate_nlu.measure_misuse import measure_families, measure_injection
from floodgate_nlu.opinions import feeling_words, opinion_of
from floodgate_nlu.sentiment import SENTIMENTS
from floodgate_nlu.train_opinions import public_posts, train_words

Figures = dict[str, float]
_SEED: Final = 7
_DRAWS: Final = (7, 8, 9)
_OUT_OF_SCOPE: Final = "oos"
_FALSE_ALARMS: Final = (0.05, 0.01)


def _by_label(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        grouped[row["intent"]].append(row["text"])
    return {label: grouped[label] for label in sorted(grouped)}


def few_shot(
    rows: Sequence[Mapping[str, str]], shots: int, tests: int, seed: int = _SEED
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Training and test pairs: so many rows a label, drawn by the seed."""
    chooser = random.Random(seed)  # noqa: S311 - a split, not a secret
    train: list[tuple[str, str]] = []
    test: list[tuple[str, str]] = []
    for label, texts in _by_label(rows).items():
        chooser.shuffle(texts)
        train += [(text, label) for text in texts[:shots]]
        test += [(text, label) for text in texts[shots : shots + tests]]
    return train, test


def measure_banking(corpora: Path) -> Figures:
    """Banking77 with ten and five examples an intent, three draws of them; nothing was tuned on it."""
    rows = read_jsonl(corpora / "banking77/train.jsonl")
    figures: Figures = {}
    for shots in (10, 5):
        hits: list[float] = []
        sure: list[float] = []
        for seed in _DRAWS:
            train, test = few_shot(rows, shots, 10, seed)
            model = IntentModel(train)
            found = [(model.predict(text), label) for text, label in test]
            right = [prediction.best()[0] == label for prediction, label in found]
            hits.append(float(np.mean(right)))
            sure.append(_calibration_error([prediction.best()[1] for prediction, _ in found], right))
        figures[f"accuracy_{shots}_shot"] = float(np.mean(hits))
        figures[f"accuracy_{shots}_shot_lowest_draw"] = min(hits)
        figures[f"calibration_error_{shots}_shot"] = float(np.mean(sure))
    figures["n"] = len(_DRAWS) * len(test)
    return figures


def _calibration_error(stated: Sequence[float], right: Sequence[bool]) -> float:
    """The mean distance of stated confidence and accuracy in ten equal bins of confidence, weighted by rows."""
    said, true = np.asarray(stated), np.asarray(right, dtype=float)
    bins = np.minimum((said * 10).astype(int), 9)
    return sum(abs(float((said - true)[bins == b].sum())) for b in np.unique(bins)) / len(said)


def measure_clinc(corpora: Path) -> Figures:
    """CLINC150 in scope and out of scope, trained on 40 rows an intent, tested on its validation rows."""
    rows = read_jsonl(corpora / "clinc150/train_val.jsonl")
    inside = [row for row in rows if row["intent"] != _OUT_OF_SCOPE]
    train, _ = few_shot([row for row in inside if row["split"] == "train"], 30, 0)
    model = IntentModel(train)
    test = [(row["text"], row["intent"]) for row in inside if row["split"] != "train"][::3]
    outside = [row["text"] for row in rows if row["intent"] == _OUT_OF_SCOPE]
    predictions = [(model.predict(text), label) for text, label in test]
    scope_in = np.array([prediction.in_scope for prediction, _ in predictions])
    scope_out = np.array([model.predict(text).in_scope for text in outside])
    hits = np.array([prediction.best()[0] == label for prediction, label in predictions])
    threshold = float(np.quantile(scope_in, 0.15))
    return {
        "accuracy": float(hits.mean()),
        "in_scope_accuracy_at_own_threshold": float((hits & (scope_in >= 0.5)).mean()),
        "oos_recall_at_own_threshold": float((scope_out < 0.5).mean()),
        "oos_recall_at_15pct_in_scope_rejected": float((scope_out < threshold).mean()),
        "auroc": _auroc(scope_out, scope_in),
        "n": len(test) + len(outside),
    }


def _auroc(low: Sequence[float] | np.ndarray, high: Sequence[float] | np.ndarray) -> float:
    """The probability that a value of `low` is below one of `high`."""
    values = np.concatenate([np.asarray(low), np.asarray(high)])
    ranks = values.argsort().argsort().astype(float) + 1
    count = len(low)
    below = ranks[:count].sum() - count * (count + 1) / 2
    return 1.0 - float(below / (count * (len(values) - count)))


def measure_match(corpora: Path) -> Figures:
    """Does the text match the chosen category: 20 examples a category of the same sets, pairs' texts left out."""
    pairs = read_jsonl(corpora / "firewall_match/pairs_banking_clinc.jsonl")
    tested = {pair["text"] for pair in pairs}
    figures: Figures = {}
    for source, name in (("banking77", "banking77/train.jsonl"), ("clinc150", "clinc150/train_val.jsonl")):
        rows = [row for row in read_jsonl(corpora / name) if row["intent"] != _OUT_OF_SCOPE]
        train, _ = few_shot([row for row in rows if row["text"] not in tested], 20, 0)
        model = IntentModel(train)
        chosen = [pair for pair in pairs if pair["source"].startswith(source[:5])]
        scores = np.array([_match_score(model, pair) for pair in chosen])
        truth = np.array([bool(pair["match"]) for pair in chosen])
        for rate in _FALSE_ALARMS:
            threshold = float(np.quantile(scores[truth], rate))
            key = f"{source}_mismatch_recall_at_{round(rate * 100)}pct_false_alarms"
            figures[key] = float((scores[~truth] < threshold).mean())
        figures[f"{source}_n"] = len(chosen)
    return figures


def _match_score(model: IntentModel, pair: Mapping[str, str]) -> float:
    prediction = model.predict(pair["text"])
    return prediction.probabilities.get(pair["chosen_category"], 0.0) * prediction.in_scope


def measure_sentiment(corpora: Path) -> Figures:
    """Macro-F1 on posts: those that took no part in training, and whole languages left out, by the words alone."""
    figures: Figures = {}
    learned, held_out = public_posts(corpora, held_out=False), public_posts(corpora, held_out=True)
    for code in sorted({row[1] for row in learned}):
        rows = [row for row in held_out if row[1] == code]
        found = [opinion_of(text, code) or {} for text, _, _, _ in rows]
        guesses = [max(shares, key=shares.__getitem__) for shares in found]
        figures[f"macro_f1_{code}"] = _macro_f1(guesses, [SENTIMENTS[label] for _, _, label, _ in rows])
        others = train_words([row for row in learned if row[1] != code])
        rows += [row for row in learned if row[1] == code]
        scores = [others.scores_of(feeling_words().features(text, code)) for text, _, _, _ in rows]
        guesses = [SENTIMENTS[int(score.argmax())] for score in scores]
        figures[f"macro_f1_{code}_left_out"] = _macro_f1(guesses, [SENTIMENTS[label] for _, _, label, _ in rows])
    return figures | {"n": len(held_out)}


def _macro_f1(guesses: Sequence[str], truth: Sequence[str]) -> float:
    scores = []
    for label in sorted(set(truth)):
        hits = sum(g == t == label for g, t in zip(guesses, truth, strict=True))
        scores.append(2 * hits / max(guesses.count(label) + truth.count(label), 1))
    return float(np.mean(scores))


def measure_language(corpora: Path) -> Figures:
    """Language identification on short assistant requests and on tweets."""
    rows = [row for code in ("en", "nl", "de") for row in read_jsonl(corpora / f"xsid/{code}_valid.jsonl")]
    for code in ("en", "fr", "de", "es"):
        rows += read_jsonl(corpora / f"sentiment_xlmt/{code}_train.jsonl")[:300]
    figures: Figures = {}
    for low, high in ((1, 3), (4, 6), (7, 12), (13, 99)):
        kept = [row for row in rows if low <= len(row["text"].split()) <= high]
        if kept:
            hits = [identify(row["text"]) == row["lang"] for row in kept]
            figures[f"accuracy_{low}_to_{high}_words"] = float(np.mean(hits))
    figures["n"] = len(rows)
    return figures


TASKS: Final[Mapping[str, Callable[[Path], Figures]]] = {
    "banking77": measure_banking,
    "clinc150": measure_clinc,
    "match": measure_match,
    "injection": measure_injection,
    "injection_families": measure_families,
    "sentiment": measure_sentiment,
    "language": measure_language,
    "category_by_language": measure_categories,
    "urgency": measure_urgency,
    "latency": measure_latency,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen tasks and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m floodgate_nlu.measure", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="directory that holds corpora/")
    parser.add_argument("--task", action="append", choices=sorted(TASKS), help="default: all")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    results: dict[str, Figures] = {}
    for name in options.task or list(TASKS):
        started = time.perf_counter()
        results[name] = {key: round(value, 4) for key, value in TASKS[name](options.shared / "corpora").items()}
        sys.stdout.write(f"{name} ({time.perf_counter() - started:.0f} s)\n")
        for key, value in results[name].items():
            sys.stdout.write(f"  {key:45} {value:g}\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
