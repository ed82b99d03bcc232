"""Confidence intervals: by hand, and compared with scikit-learn and SciPy."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from fer_core.evaluation.confusion_tables import f1s_of, macro_f1_of, precisions_of, recalls_of
from fer_core.metrics import (
    UNDEFINED_ESTIMATE,
    Estimate,
    balanced_accuracy,
    confusion_matrix,
    estimates_from_counts,
    mean_estimate,
    per_class_metrics,
    percentile_estimate,
    proportion_estimate,
    resampled_counts,
    top_k_accuracy,
)


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (3, 5), (47, 100), (999, 1000)])
def test_wilsons_interval_equals_scipy(hits: int, count: int) -> None:
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    found = proportion_estimate(hits, count)
    assert found.value == hits / count
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.low is not None and found.high is not None
    assert found.low <= found.value <= found.high
    # Wilson's formula with the 97.5th percentile of the normal distribution.
    share, square = hits / count, 1.959963984540054**2
    center = (share + square / (2 * count)) / (1 + square / count)
    spread = np.sqrt(square * (share * (1 - share) / count + square / (4 * count**2)))
    half_width = spread / (1 + square / count)
    assert found.low == pytest.approx(center - half_width, abs=1e-12)
    assert found.high == pytest.approx(center + half_width, abs=1e-12)


def test_a_proportion_without_trials_is_undefined() -> None:
    assert proportion_estimate(0, 0) == UNDEFINED_ESTIMATE


def test_the_bootstrap_of_a_mean_is_close_to_the_normal_interval() -> None:
    values = np.random.default_rng(3).exponential(2.0, 4000)
    found = mean_estimate(values)
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(5).random(300)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    found = mean_estimate(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_drawing_counts_is_equivalent_to_drawing_images() -> None:
    """The interval from counts equals the interval from drawing images."""
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 7, 400)
    predicted = np.where(generator.random(400) < 0.6, labels, generator.integers(0, 7, 400))
    draws = generator.integers(0, 400, (1500, 400))
    by_hand = [
        reference.f1_score(labels[draw], predicted[draw], average="macro") for draw in draws[:600]
    ]
    confusion = confusion_matrix(labels, predicted, 7)
    (found,) = estimates_from_counts(confusion, lambda tables: {"": macro_f1_of(tables)})[""]
    assert found.value == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert found.low == pytest.approx(np.percentile(by_hand, 2.5), abs=0.012)
    assert found.high == pytest.approx(np.percentile(by_hand, 97.5), abs=0.012)


def test_resampled_tables_keep_the_number_of_images() -> None:
    counts = np.array([[5, 0], [3, 2]])
    tables = resampled_counts(counts, resample_count=50)
    assert tables.shape == (50, 2, 2)
    assert (tables.sum(axis=(1, 2)) == 10).all()
    assert (tables[:, 0, 1] == 0).all()
    np.testing.assert_array_equal(tables, resampled_counts(counts, resample_count=50))
    assert not np.array_equal(tables, resampled_counts(counts, resample_count=50, seed=1))


def test_the_interval_of_one_image_is_undefined() -> None:
    assert mean_estimate(np.array([0.25])) == Estimate(0.25, None, None)
    assert mean_estimate(np.empty(0)) == UNDEFINED_ESTIMATE
    counts = np.zeros((7, 7), int)
    counts[2, 3] = 1
    estimates = estimates_from_counts(counts, lambda tables: {"recall": recalls_of(tables)})
    assert estimates["recall"][2] == Estimate(0.0, None, None)
    assert estimates["recall"][3] == UNDEFINED_ESTIMATE


def test_undefined_resamples_are_ignored() -> None:
    assert percentile_estimate(0.5, np.array([np.nan, 0.5, 0.5])) == Estimate(0.5, 0.5, 0.5)
    assert percentile_estimate(0.5, np.array([np.nan])) == Estimate(0.5, None, None)
    assert percentile_estimate(None, np.array([0.5])) == UNDEFINED_ESTIMATE


def test_metrics_of_many_tables_equal_those_of_each_table() -> None:
    tables = resampled_counts(np.random.default_rng(0).integers(0, 4, (7, 7)), resample_count=20)
    tables[0, 3] = 0
    for number, table in enumerate(tables):
        per_class = per_class_metrics(table)
        for ours, name in ((precisions_of, "precision"), (recalls_of, "recall"), (f1s_of, "f1")):
            expected = [getattr(one, name) for one in per_class]
            np.testing.assert_allclose(ours(tables)[number], np.array(expected, float))


@pytest.mark.parametrize("classes", [range(7), (0, 2, 5)])
def test_balanced_and_top_2_accuracy_equal_scikit_learn(classes: range) -> None:
    generator = np.random.default_rng(2)
    labels = generator.choice(list(classes), 200).astype(np.int8)
    probabilities = generator.dirichlet(np.ones(7), 200)
    probabilities[np.arange(200), labels] += 0.2
    predicted = probabilities.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about predicted but absent classes
        expected = reference.balanced_accuracy_score(labels, predicted)
    per_class = per_class_metrics(confusion_matrix(labels, predicted, 7))
    assert balanced_accuracy(per_class) == pytest.approx(expected)
    assert top_k_accuracy(labels, probabilities) == pytest.approx(
        reference.top_k_accuracy_score(labels, probabilities, k=2, labels=range(7))
    )
    assert top_k_accuracy(labels[:0], probabilities[:0]) is None


def test_ties_are_resolved_in_favor_of_the_lower_index() -> None:
    even = np.full((3, 7), 1 / 7)
    assert top_k_accuracy(np.array([0, 1, 2]), even) == pytest.approx(2 / 3)
