"""Samples and splits are seeded, and nothing that was learned is tested."""

from __future__ import annotations

from floodgate_eval.cli import spread
from floodgate_eval.rows import IntentRow
from floodgate_eval.sampling import held_out, sample, shots

ROWS = [IntentRow(text=f"text {number}", intent=f"label {number % 3}") for number in range(30)]


def test_a_sample_keeps_the_order_and_is_the_same_again() -> None:
    chosen = sample(ROWS, 10)
    assert len(chosen) == 10
    assert chosen == sample(ROWS, 10)
    assert [ROWS.index(row) for row in chosen] == sorted(ROWS.index(row) for row in chosen)
    assert sample(ROWS, 10, seed=1) != chosen
    assert sample(ROWS, None) == sample(ROWS, 99) == ROWS


def test_shots_take_as_many_of_each_label() -> None:
    chosen = shots(ROWS, 2)
    assert sorted(row.intent for row in chosen) == ["label 0"] * 2 + ["label 1"] * 2 + ["label 2"] * 2
    assert shots(ROWS, None) == ROWS


def test_examples_are_not_tested_whatever_their_case_and_spaces() -> None:
    kept, left_out = held_out(ROWS, [IntentRow(text="  TEXT 1", intent="x")])
    assert left_out == 1
    assert all(row.text != "text 1" for row in kept)


def test_several_files_may_follow_one_option() -> None:
    given = ["--test", "a", "b", "c", "--json", "out", "--examples=d", "--test", "e"]
    assert spread(given) == [
        "--test",
        "a",
        "--test",
        "b",
        "--test",
        "c",
        "--json",
        "out",
        "--examples=d",
        "--test",
        "e",
    ]
