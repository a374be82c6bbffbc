"""The small network over embeddings learns what no line can, is the same every time, and survives being written."""

import numpy as np
import pytest
from floodgate_nlu.injection import shipped
from floodgate_nlu.network import load_network, train_network
from floodgate_nlu.resources import read_bytes
from floodgate_nlu.urgency_model import KINDS, NETWORK_ARTEFACT

_WIDTH = 8


def _corners(count: int) -> tuple[np.ndarray, list[int]]:
    """Points whose class is whether their first two numbers have the same sign."""
    chooser = np.random.default_rng(5)
    rows = chooser.normal(0.0, 0.1, (count, _WIDTH)).astype(np.float32)
    signs = chooser.choice([-1.0, 1.0], (count, 2))
    rows[:, :2] += signs
    return rows, [int(first == second) for first, second in signs]


def test_it_tells_apart_what_a_line_cannot() -> None:
    rows, labels = _corners(600)
    network = train_network(rows, labels, ("differ", "same"), origin="test", epochs=30, example_weights=[1.0] * 600)
    unseen, truth = rows[::7] * np.float32(1.1), np.array(labels)[::7]
    assert (network.probabilities(unseen).argmax(axis=1) == truth).mean() > 0.95


def test_training_twice_gives_the_same_and_writing_loses_next_to_nothing() -> None:
    rows, labels = _corners(100)
    first, second = (
        train_network(rows, labels, ("differ", "same"), origin="test", epochs=2, example_weights=[1.0] * 100)
        for _ in range(2)
    )
    assert first.to_bytes() == second.to_bytes()
    again = load_network(first.to_bytes())
    assert (again.classes, again.origin) == (first.classes, "test")
    assert again.probabilities(rows) == pytest.approx(first.probabilities(rows), abs=0.01)


def test_the_shipped_networks_name_their_command_and_their_classes() -> None:
    network = shipped().network
    assert network is not None
    assert set(network.classes) == {"ordinary", "attack"}
    raw = read_bytes(NETWORK_ARTEFACT)
    assert raw is not None
    urgency = load_network(raw)
    assert urgency.classes == KINDS
    assert all("floodgate_nlu.train" in origin for origin in (network.origin, urgency.origin))
