"""What the engine's benchmark judges by: its data, its ideal, its verdict, its tables."""

from __future__ import annotations

import json
from collections import Counter
from statistics import median

import pytest

from bench.engine.__main__ import chosen_peers, faults_of_ours
from bench.engine.codec import SCHEMA, decode, encode
from bench.engine.data import Data
from bench.engine.environments import CONTENDERS, versions
from bench.engine.judge import Judge, Verdict
from bench.engine.measure import Limits, cut_off
from bench.engine.plot import svg
from bench.engine.report import Table, figures
from bench.engine.roster import OURS, ROSTER
from bench.engine.workloads import FIGURES, not_run


def test_the_data_are_what_the_workload_says() -> None:
    data = Data.made(20_000)
    latencies = sorted(latency for _, _, latency in data.rows)
    counts = Counter(key for _, key, _ in data.rows)
    assert median(latencies) == pytest.approx(0.12, rel=0.03)
    assert latencies[int(len(latencies) * 0.95)] == pytest.approx(0.28, rel=0.03)
    assert max(counts.values()) / len(data) == pytest.approx(0.003, abs=0.001)
    assert len(encode(next(data.records()))) == pytest.approx(700, abs=40)
    assert Data.made(100).rows == Data.made(100).rows


def test_the_ideal_is_bound_by_the_slots_or_by_the_longest_key() -> None:
    data = Data([(0, "a", 1.0), (1, "a", 1.0), (2, "b", 1.0), (3, "c", 1.0)])
    assert data.ideal_seconds(1) == 4.0
    assert data.ideal_seconds(2) == 2.0
    assert data.ideal_seconds(100) == 2.0


def test_a_record_survives_the_codec_that_java_reads_by_the_same_schema() -> None:
    record = {"number": 7, "sent_at": 1.5, "key": "key-1", "latency_seconds": 0.1, "text": "x"}
    assert decode(encode(record)) == record
    assert json.loads(json.dumps(SCHEMA))["fields"][3]["name"] == "latency_seconds"


@pytest.mark.parametrize(
    ("outputs", "verdict"),
    [
        ([(0, "a"), (1, "b"), (2, "a")], Verdict(0, 0, 0)),
        ([(1, "b"), (0, "a"), (2, "a")], Verdict(0, 0, 0)),
        ([(2, "a"), (0, "a"), (1, "b")], Verdict(0, 0, 1)),
        ([(0, "a"), (2, "a"), (0, "a")], Verdict(1, 1, 0)),
        ([], Verdict(3, 0, 0)),
    ],
)
def test_the_judge_counts_what_is_lost_double_or_out_of_order(outputs: list[tuple[int, str]], verdict: Verdict) -> None:
    judge = Judge(3)
    for number, key in outputs:
        judge.saw(number, key)
    assert judge.verdict() == verdict
    assert verdict.clean == (verdict == Verdict(0, 0, 0))


def test_of_a_run_that_was_cut_off_nobody_can_say_what_is_lost() -> None:
    assert Judge(3).verdict(whole=False).lost is None


def test_a_slow_contender_is_cut_off_and_one_that_will_be_done_in_time_is_not() -> None:
    limits = Limits(seconds=20, most_seconds=60)
    assert not cut_off(19, 0.0, limits)
    assert cut_off(21, 0.0, limits)
    assert cut_off(21, 0.01, limits)
    assert not cut_off(21, 0.5, limits)
    assert cut_off(61, 0.99, limits)


def test_a_contender_that_cannot_run_has_a_row_with_the_reason_and_no_bar() -> None:
    table = Table("overhead", "Overhead", [not_run(ROSTER[-1], "needs Python 3.12")])
    assert "- pyrallel: not run: needs Python 3.12" in table.markdown()
    row = figures([table], {})["workloads"]["overhead"]["contenders"]["pyrallel"]
    assert all(row[name] is None and "needs Python 3.12" in row["reasons"][name] for name in FIGURES)
    assert "pyrallel" not in svg([table])


def test_the_picture_shows_who_is_out_of_order() -> None:
    row = {"records_per_second": 100.0, "ratio_to_ideal": 0.5, "duplicates": 0, "lost": None}
    rows = [{**row, "contender": OURS, "order_violations": 0}, {**row, "contender": "faust", "order_violations": 3}]
    picture = svg([Table("model_bound_256", "Model <256>", rows)])
    assert "3 out of order" in picture
    assert "Model &lt;256&gt;" in picture


def test_every_contender_has_a_name_of_its_own_and_a_workload() -> None:
    assert len({peer.name for peer in ROSTER}) == len(ROSTER)
    assert all(peer.workloads and peer.settings for peer in ROSTER)


def test_a_name_chooses_its_variants_too_and_quick_runs_ours_and_the_limit_alone() -> None:
    assert [peer.name for peer in chosen_peers([], quick=True)] == ["keyflow", "limit"]
    assert chosen_peers([], quick=False) == list(ROSTER)
    assert [peer.name for peer in chosen_peers(["keyflow", "quix-eos"], quick=False)] == [
        "keyflow",
        "keyflow-uvloop",
        "quix-eos",
        "quix-eos-100ms",
        "quix-eos-default",
    ]
    assert chosen_peers(["quix-e"], quick=False) == []


def test_the_run_fails_when_ours_does_wrong_or_does_not_run_and_not_when_a_peer_does() -> None:
    clean = {"order_violations": 0, "duplicates": 0, "lost": None}
    ours, peer = {"contender": OURS, **clean}, {"contender": "asyncio", **clean, "order_violations": 7}
    assert faults_of_ours([Table("overhead", "Overhead", [ours, peer])]) == []
    assert faults_of_ours([Table("overhead", "Overhead", [{**ours, "lost": 2}, peer])]) == ["overhead: 2 lost"]
    assert faults_of_ours([Table("overhead", "Overhead", [not_run(ROSTER[0], "it broke")])])


def test_every_python_environment_is_pinned_exactly() -> None:
    for name, pins in versions().items():
        assert pins, name
    for file in (CONTENDERS / "requirements").glob("*.txt"):
        assert all("==" in line for line in file.read_text(encoding="utf-8").splitlines())
