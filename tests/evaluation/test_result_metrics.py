"""Metrics, confusion matrix, mistakes, slices: compared with scikit-learn and computed by hand."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from sklearn import metrics as reference

from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.confusion import cell_positions, normalized_confusion
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.mistakes import ORDERS, find_mistakes
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.slices import image_slicings, slice_by_score
from fer_core.metrics import Estimate, proportion_estimate

MakeResult = Callable[..., EvaluationResult]


def rows_of(*pairs: tuple[int, float]) -> np.ndarray:
    """Rows with a given probability for one class, the rest shared equally by the others."""
    rows = np.zeros((len(pairs), 7))
    for row, (emotion, probability) in zip(rows, pairs, strict=True):
        row[:] = (1 - probability) / 6
        row[emotion] = probability
    return rows


def test_overall_metrics_equal_scikit_learn(random_result: MakeResult) -> None:
    result = random_result(500, temperature=1.4)
    labels, probabilities = result.labels, result.probabilities
    assert result.accuracy.value == pytest.approx(
        reference.accuracy_score(labels, result.predicted)
    )
    assert result.macro_f1.value == pytest.approx(
        reference.f1_score(labels, result.predicted, average="macro")
    )
    assert result.balanced_accuracy.value == pytest.approx(
        reference.balanced_accuracy_score(labels, result.predicted)
    )
    assert result.log_loss.value == pytest.approx(
        reference.log_loss(labels, probabilities.astype(float)), rel=1e-5
    )
    assert result.top2_accuracy.value == pytest.approx(
        reference.top_k_accuracy_score(labels, probabilities, k=2)
    )
    for estimate in (
        result.accuracy,
        result.macro_f1,
        result.balanced_accuracy,
        result.log_loss,
        result.top2_accuracy,
    ):
        assert estimate.low is not None and estimate.high is not None
        assert estimate.value is not None
        assert estimate.low < estimate.value < estimate.high
    counts = np.bincount(labels)
    assert result.majority_class == counts.argmax()
    assert result.baseline_accuracy == counts.max() / 500
    assert result.human_accuracy is None


def test_the_interval_of_accuracy_has_the_theoretical_width(random_result: MakeResult) -> None:
    result = random_result(2000)
    value = result.accuracy.value
    assert value is not None
    half = 1.96 * np.sqrt(value * (1 - value) / 2000)
    assert result.accuracy.low == pytest.approx(value - half, abs=0.1 * half)
    assert result.accuracy.high == pytest.approx(value + half, abs=0.1 * half)


def test_leak_free_accuracy_and_the_human_reference(make_result: MakeResult) -> None:
    rows = rows_of((0, 0.8), (1, 0.8), (2, 0.8), (2, 0.8))
    facts = ResultFacts(False, True, False, False, ())
    leaked = np.array([False, True, False, False])
    result = make_result([0, 1, 2, 3], rows, is_leaked=leaked, facts=facts)
    assert result.leak_free_n == 3
    assert result.leak_free_accuracy is not None
    assert result.leak_free_accuracy.value == pytest.approx(2 / 3)
    assert result.human_accuracy == (0.65, 0.60, 0.70)
    unknown = make_result([0, 1, 2, 3], rows, is_leaked=None)
    assert (unknown.leak_free_n, unknown.leak_free_accuracy) == (None, None)
    all_leaked = make_result([0, 1, 2, 3], rows, is_leaked=np.ones(4, bool))
    assert all_leaked.leak_free_accuracy == Estimate(None, None, None)


def test_one_image_has_metrics_without_intervals(make_result: MakeResult) -> None:
    result = make_result([3], rows_of((3, 0.9)))
    assert result.accuracy == Estimate(1.0, None, None)
    assert result.balanced_accuracy == Estimate(1.0, None, None)
    assert result.log_loss.value == pytest.approx(-np.log(0.9), rel=1e-5)
    classes = result.per_class
    assert classes[3].recall == Estimate(1.0, None, None)
    assert classes[3].roc is None and classes[3].average_precision == 1.0
    assert classes[0].recall == classes[0].f1 == Estimate(None, None, None)


def test_metrics_per_class_equal_scikit_learn(random_result: MakeResult) -> None:
    result = random_result(600)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        result.labels, result.predicted
    )
    for emotion, one in enumerate(result.per_class):
        assert one.name == EMOTIONS[emotion]
        assert one.precision.value == pytest.approx(precision[emotion])
        assert one.recall.value == pytest.approx(recall[emotion])
        assert one.f1.value == pytest.approx(f1[emotion])
        assert (one.support, one.predicted_count) == (
            support[emotion],
            (result.predicted == emotion).sum(),
        )
        is_class = result.labels == emotion
        scores = result.probabilities[:, emotion]
        assert one.auc == pytest.approx(reference.roc_auc_score(is_class, scores))
        assert one.average_precision == pytest.approx(
            reference.average_precision_score(is_class, scores)
        )
        assert one.f1.low is not None and one.f1.high is not None
        assert one.f1.low < f1[emotion] < one.f1.high
        curve = result.threshold_curve(emotion)
        at_half = reference.precision_score(is_class, scores >= 0.5)
        assert curve.precision[50] == pytest.approx(at_half)


def test_the_confusion_matrix_and_its_shares(make_result: MakeResult) -> None:
    rows = rows_of((0, 0.5), (1, 0.6), (1, 0.9), (1, 0.7))
    result = make_result([0, 0, 0, 1], rows)
    counts = result.confusion
    by_row, by_column = (normalized_confusion(counts, by) for by in ("row", "column"))
    assert by_row[0, :2].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert by_column[:2, 1].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(by_row[2]).all() and np.isnan(by_column[:, 2]).all()
    np.testing.assert_allclose(
        by_row[:2, :2], reference.confusion_matrix([0, 0, 0, 1], [0, 1, 1, 1], normalize="true")
    )
    # Highest confidence first.
    assert cell_positions(result, 0, 1).tolist() == [2, 1]
    assert cell_positions(result, 5, 5).tolist() == []


def test_mistakes_in_each_order(make_result: MakeResult) -> None:
    rows = np.array(
        [
            [0.50, 0.45, 0.05, 0, 0, 0, 0],  # true 1: close, low confidence
            [0.00, 0.90, 0.10, 0, 0, 0, 0],  # true 2: high confidence
            [0.60, 0.02, 0.38, 0, 0, 0, 0],  # true 1: true class improbable
            [0.99, 0.01, 0.00, 0, 0, 0, 0],  # correct
        ]
    )
    result = make_result([1, 2, 1, 0], rows)
    assert find_mistakes(result).tolist() == [1, 2, 0]
    assert find_mistakes(result, order="closest").tolist() == [0, 2, 1]
    assert find_mistakes(result, order="least_likely_truth").tolist() == [2, 1, 0]
    assert find_mistakes(result, true=1).tolist() == [2, 0]
    assert find_mistakes(result, predicted=0).tolist() == [2, 0]
    assert find_mistakes(result, confidence=(0.5, 0.6)).tolist() == [2, 0]
    assert find_mistakes(result, confidence=(0.9, 1.0)).tolist() == [1]
    among = np.array([True, False, False, True])
    assert find_mistakes(result, among=among).tolist() == [0]
    assert set(ORDERS) == {"most_confident", "closest", "least_likely_truth"}
    with pytest.raises(InputError, match="Unknown order 'best'"):
        find_mistakes(result, order="best")
    with pytest.raises(ValueError, match="among should be"):
        find_mistakes(result, among=among[:2])


def test_slices_have_nearly_equal_counts(make_result: MakeResult) -> None:
    labels = [0] * 10
    rows = rows_of(*[(0 if number < 4 else 1, 0.9) for number in range(10)])
    result = make_result(labels, rows)
    slicing = slice_by_score(result, np.arange(10.0), name="age", unit="years", count=2)
    assert [(one.low, one.high, one.n) for one in slicing.slices] == [(0, 4, 5), (5, 9, 5)]
    assert slicing.slices[0].accuracy == proportion_estimate(4, 5)
    assert slicing.slices[1].accuracy == proportion_estimate(0, 5)
    assert (slicing.title, slicing.undefined_n) == ("age", 0)


def test_equal_scores_stay_together_and_nan_is_left_out(make_result: MakeResult) -> None:
    result = make_result([0] * 8, rows_of(*[(0, 0.9)] * 8))
    scores = np.array([1, 1, 1, 1, 1, 2, np.nan, np.nan])
    slicing = slice_by_score(result, scores, name="votes", count=5)
    assert [(one.low, one.n) for one in slicing.slices] == [(1, 5), (2, 1)]
    assert slicing.undefined_n == 2
    nothing = slice_by_score(result, np.full(8, np.nan), name="votes")
    assert (nothing.slices, nothing.undefined_n) == ((), 8)
    with pytest.raises(ValueError, match="scores should be"):
        slice_by_score(result, scores[:3], name="votes")


def test_every_image_is_in_one_slice(random_result: MakeResult) -> None:
    result = random_result(203)
    for count in (1, 3, 7):
        scores = np.random.default_rng(count).integers(0, 20, 203).astype(float)
        slices = slice_by_score(result, scores, name="x", count=count).slices
        assert sum(one.n for one in slices) == 203
        assert all(one.high < other.low for one, other in pairwise(slices))


def test_image_slicings_use_the_rows_of_the_result(
    make_result: MakeResult, draw_faces: Callable[..., FaceSet]
) -> None:
    faces = draw_faces([0, 1, 2, 3])
    faces.images[:] = np.array([10, 200, 30, 220], np.uint8)[:, None, None]
    rows = rows_of((1, 0.9), (0, 0.9))
    result = make_result([1, 3], rows, rows=np.array([1, 3]))
    brightness, contrast, _ = image_slicings(result, faces)
    assert [one.low for one in brightness.slices] == [200, 220]
    assert [one.accuracy.value for one in brightness.slices] == [1, 0]
    assert [one.n for one in contrast.slices] == [2]
