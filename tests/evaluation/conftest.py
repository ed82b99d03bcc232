"""Shared fixtures: evaluation results made from labels and probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.result import EvaluationResult


def _result(labels: Any, probabilities: Any, **changes: Any) -> EvaluationResult:
    labels = np.asarray(labels, np.int8)
    values: dict[str, Any] = {
        "bundle_name": "small",
        "dataset_name": "tiny",
        "split": "validation",
        "labels": labels,
        "unscaled_probabilities": np.asarray(probabilities, np.float32),
        "temperature": 1.0,
        "rows": np.arange(len(labels)),
        "names": tuple(f"face {number}" for number in range(len(labels))),
        "is_leaked": np.zeros(len(labels), bool),
        "data_fingerprint": "f" * 64,
        "facts": ResultFacts(False, False, False, False, ()),
    }
    return EvaluationResult(**values | changes)


@pytest.fixture(scope="session")
def make_result() -> Callable[..., EvaluationResult]:
    """``make_result(labels, probabilities, temperature=2.0)`` returns an evaluation result."""
    return _result


@pytest.fixture(scope="session")
def random_result() -> Callable[..., EvaluationResult]:
    """``random_result(300, seed=0, skill=1.5)`` returns a result of a model better than chance."""

    def make(count: int = 300, *, seed: int = 0, skill: float = 1.5, **changes: Any) -> Any:
        labels = np.random.default_rng(99).integers(0, 7, count)
        logits = np.random.default_rng(seed).normal(size=(count, 7))
        logits[np.arange(count), labels] += skill
        exponentials = np.exp(logits)
        return _result(labels, exponentials / exponentials.sum(axis=1, keepdims=True), **changes)

    return make
