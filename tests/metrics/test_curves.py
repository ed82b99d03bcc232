"""One-vs-rest curves of a class: by hand, and compared with scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from fer_core.metrics import precision_recall_curve, roc_curve, threshold_curve


@pytest.mark.parametrize("digits", [1, 8])
@pytest.mark.parametrize("count", [12, 2000])
def test_areas_equal_scikit_learn(count: int, digits: int) -> None:
    generator = np.random.default_rng(count)
    is_class = generator.random(count) < 0.3
    # With one digit, many images share a score.
    scores = np.round(np.clip(generator.random(count) * 0.7 + 0.3 * is_class, 0, 1), digits)
    roc = roc_curve(is_class, scores)
    precision_recall = precision_recall_curve(is_class, scores)
    assert roc is not None and precision_recall is not None
    assert roc[1] == pytest.approx(reference.roc_auc_score(is_class, scores))
    assert precision_recall[1] == pytest.approx(reference.average_precision_score(is_class, scores))


def test_the_points_equal_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    is_class = generator.random(60) < 0.4
    scores = np.round(generator.random(60), 1)
    found = roc_curve(is_class, scores)
    assert found is not None
    false_rate, true_rate, thresholds = reference.roc_curve(
        is_class, scores, drop_intermediate=False
    )
    np.testing.assert_allclose(found[0].false_positive_rate, false_rate)
    np.testing.assert_allclose(found[0].true_positive_rate, true_rate)
    np.testing.assert_allclose(found[0].thresholds, thresholds)
    precision, recall, levels = reference.precision_recall_curve(is_class, scores)
    curve = precision_recall_curve(is_class, scores)
    assert curve is not None
    # scikit-learn sorts by rising threshold and adds the point (recall 0, precision 1).
    np.testing.assert_allclose(curve[0].precision, precision[:-1][::-1])
    np.testing.assert_allclose(curve[0].recall, recall[:-1][::-1])
    np.testing.assert_allclose(curve[0].thresholds, levels[::-1])


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    generator = np.random.default_rng(0)
    found = roc_curve(generator.random(5000) < 0.5, generator.random(5000))
    assert found is not None
    curve, _ = found
    assert len(curve.thresholds) <= 300
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)


def test_a_curve_is_undefined_without_the_class_or_the_rest() -> None:
    scores = np.array([0.2, 0.9])
    assert roc_curve(np.array([True, True]), scores) is None
    assert roc_curve(np.array([False, False]), scores) is None
    assert precision_recall_curve(np.array([False, False]), scores) is None
    everything = precision_recall_curve(np.array([True, True]), scores)
    assert everything is not None and everything[1] == 1


def test_curves_by_hand() -> None:
    is_class = np.array([True, False, True, False])
    scores = np.array([0.9, 0.6, 0.4, 0.1])
    roc = roc_curve(is_class, scores)
    assert roc is not None
    curve, area = roc
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.6, 0.4, 0.1]
    assert curve.true_positive_rate.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.false_positive_rate.tolist() == [0, 0, 0.5, 0.5, 1]
    assert area == 0.75
    precision_recall = precision_recall_curve(is_class, scores)
    assert precision_recall is not None
    steps, average = precision_recall
    assert steps.thresholds.tolist() == [0.9, 0.6, 0.4, 0.1]
    assert steps.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert steps.recall.tolist() == [0.5, 0.5, 1, 1]
    assert average == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_a_threshold_by_hand() -> None:
    is_class = np.array([True, True, False, False])
    curve = threshold_curve(is_class, np.array([0.9, 0.4, 0.6, 0.1]))
    # At 0.5: one true positive, one false positive.
    assert (curve.precision[50], curve.recall[50], curve.f1[50]) == (0.5, 0.5, 0.5)
    # At 0.4 the score 0.4 is a positive prediction.
    assert curve.recall[40] == 1 and curve.precision[40] == pytest.approx(2 / 3)
    assert np.isnan(curve.precision[95]) and curve.recall[95] == 0 and curve.f1[95] == 0
    # F1 at 0.9: 2/3, at 0.6: 1/2, at 0.4: 4/5, at 0.1: 2/3.
    assert curve.best_f1_threshold == pytest.approx(0.4)


def test_thresholds_of_a_class_that_does_not_occur() -> None:
    curve = threshold_curve(np.array([False, False]), np.array([0.3, 0.6]))
    assert curve.best_f1_threshold is None
    assert np.isnan(curve.recall).all()
    assert curve.precision[50] == 0 and np.isnan(curve.precision[99]) and np.isnan(curve.f1[99])
