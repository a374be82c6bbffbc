"""Reciprocal rank fusion, by its properties."""

from __future__ import annotations

from floodgate.knowledge import reciprocal_rank_fusion
from floodgate.knowledge.fusion import spread
from hypothesis import given
from hypothesis import strategies as st

RANKINGS = st.lists(st.lists(st.integers(0, 12), unique=True, max_size=10), max_size=5)


@given(RANKINGS)
def test_nothing_is_lost_and_nothing_is_added(rankings: list[list[int]]) -> None:
    fused = [item for item, _ in reciprocal_rank_fusion(rankings)]

    assert sorted(fused) == sorted({item for ranking in rankings for item in ranking})


@given(st.lists(st.integers(), unique=True))
def test_one_list_keeps_its_order(ranking: list[int]) -> None:
    assert [item for item, _ in reciprocal_rank_fusion([ranking])] == ranking


@given(RANKINGS)
def test_the_order_of_the_lists_does_not_change_a_score(rankings: list[list[int]]) -> None:
    forward = dict(reciprocal_rank_fusion(rankings))
    backward = dict(reciprocal_rank_fusion(rankings[::-1]))

    assert forward.keys() == backward.keys()
    assert all(abs(forward[item] - backward[item]) < 1e-12 for item in forward)


@given(RANKINGS)
def test_scores_fall_and_are_bounded_by_the_number_of_lists(rankings: list[list[int]]) -> None:
    scores = [score for _, score in reciprocal_rank_fusion(rankings)]

    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= len(rankings) / 61 + 1e-12 for score in scores)


@given(RANKINGS, st.integers(0, 12))
def test_being_first_in_one_more_list_never_hurts(rankings: list[list[int]], item: int) -> None:
    before = dict(reciprocal_rank_fusion(rankings)).get(item, 0.0)

    assert dict(reciprocal_rank_fusion([*rankings, [item]]))[item] > before


def test_agreement_beats_a_single_first_place() -> None:
    assert reciprocal_rank_fusion([["a", "b"], ["c", "b"]])[0][0] == "b"


def test_an_item_that_stands_in_one_list_twice_counts_once() -> None:
    assert reciprocal_rank_fusion([["a", "a", "b"]]) == reciprocal_rank_fusion([["a", "b"]])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), unique=True), st.integers(0, 8))
def test_spreading_takes_the_best_of_each_kind_first_and_then_the_rest(
    found: list[tuple[str, int]], limit: int
) -> None:
    chosen = spread(found, limit, key=lambda item: item[0])

    kinds = list(dict.fromkeys(kind for kind, _ in found))
    assert [kind for kind, _ in chosen][: len(kinds)] == kinds[:limit]
    assert len(chosen) == min(limit, len(found))
    assert len(set(chosen)) == len(chosen)
