"""Metrics against annotator votes, computed by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.vote_metrics import metrics_against_votes, plurality_result


@pytest.fixture
def result(make_result: Callable[..., EvaluationResult]) -> EvaluationResult:
    """Four images labeled and predicted as angry, with 70 %."""
    probabilities = np.full((4, 7), 0.05)
    probabilities[:, 0] = 0.7
    return make_result([0, 0, 0, 0], probabilities, rows=np.array([3, 5, 7, 9]))


@pytest.fixture
def targets() -> np.ndarray:
    """Votes for angry, for disgust, a tie of both, and no usable votes."""
    rows = np.zeros((4, 7), np.float32)
    rows[0, :2] = 0.8, 0.2
    rows[1, 1] = 1
    rows[2, :2] = 0.5
    return rows


def test_the_plurality_replaces_the_labels(result: EvaluationResult, targets: np.ndarray) -> None:
    against = plurality_result(result, targets)
    assert against.labels.tolist() == [0, 1]
    assert against.rows.tolist() == [3, 5]
    assert against.names == ("face 0", "face 1")
    assert against.is_leaked is not None and len(against.is_leaked) == 2
    assert against.accuracy.value == 0.5


def test_metrics_against_votes(result: EvaluationResult, targets: np.ndarray) -> None:
    document = metrics_against_votes(result, targets)
    assert (document["n"], document["accuracy"], document["ties"]) == (2, 0.5, 1)
    assert "leak_free" not in document
    high, low = -np.log(0.7), -np.log(0.05)
    losses = [0.8 * high + 0.2 * low, low, 0.5 * high + 0.5 * low]
    assert document["loss"] == pytest.approx(np.mean(losses), rel=1e-6)
