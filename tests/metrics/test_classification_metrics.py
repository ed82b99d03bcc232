"""Classification metrics and temperature: by hand, and compared with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize
from sklearn import metrics as reference

from fer_core.metrics import (
    accuracy,
    apply_temperature,
    confusion_matrix,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    macro_f1,
    per_class_metrics,
)

ALL = list(range(7))


def random_case(
    seed: int, count: int = 300, classes: tuple[int, ...] = tuple(ALL)
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Labels of some classes, and probabilities that often favor the true class."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(classes, count).astype(np.int8)
    logits = generator.normal(size=(count, 7))
    logits[np.arange(count), labels] += 1.5
    absent = [index for index in ALL if index not in classes]
    logits[:, absent] = -20
    exponentials = np.exp(logits)
    return labels, (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("classes", [tuple(ALL), (0, 2, 3, 6), (4,)])
@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_equal_scikit_learn(seed: int, classes: tuple[int, ...]) -> None:
    labels, probabilities = random_case(seed, classes=classes)
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, 7)
    np.testing.assert_array_equal(
        confusion, reference.confusion_matrix(labels, predicted, labels=ALL)
    )
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        labels, predicted, labels=ALL, zero_division=np.nan
    )
    per_class = per_class_metrics(confusion)
    assert [one.support for one in per_class] == support.tolist()
    for ours, theirs in (
        ([one.precision for one in per_class], precision),
        ([one.recall for one in per_class], recall),
        ([one.f1 for one in per_class], f1),
    ):
        np.testing.assert_allclose(np.array(ours, dtype=float), theirs)
    assert accuracy(labels, probabilities) == pytest.approx(
        reference.accuracy_score(labels, predicted)
    )
    # scikit-learn's default is also the mean over the classes that occur or are predicted.
    assert macro_f1(per_class) == pytest.approx(
        reference.f1_score(labels, predicted, average="macro")
    )
    assert log_loss(labels, probabilities) == pytest.approx(
        reference.log_loss(labels, probabilities.astype(np.float64), labels=ALL), rel=1e-5
    )


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    confusion = confusion_matrix(np.array([3, 3, 3], np.int8), np.array([3, 6, 6]), 7)
    assert confusion[3].tolist() == [0, 0, 0, 1, 0, 0, 2]
    assert confusion.sum() == 3


def test_recall_and_precision_are_undefined_for_absent_and_unpredicted_classes() -> None:
    per_class = per_class_metrics(confusion_matrix(np.array([0, 0], np.int8), np.array([0, 1]), 7))
    assert (per_class[1].precision, per_class[1].recall, per_class[1].f1) == (0.0, None, 0.0)
    assert (per_class[2].precision, per_class[2].recall, per_class[2].f1) == (None, None, None)
    assert per_class[0].recall == 0.5
    assert macro_f1(per_class) == pytest.approx((2 / 3 + 0) / 2)


def test_without_images_all_metrics_are_undefined() -> None:
    labels, probabilities = np.empty(0, np.int8), np.empty((0, 7), np.float32)
    assert accuracy(labels, probabilities) is None
    assert log_loss(labels, probabilities) is None
    assert expected_calibration_error(labels, probabilities) is None
    assert macro_f1(per_class_metrics(confusion_matrix(labels, labels, 7))) is None
    assert fit_temperature(labels, probabilities) == 1.0
    assert apply_temperature(probabilities, 2.0).shape == (0, 7)


def test_the_loss_of_a_zero_probability_is_finite() -> None:
    certain = np.array([[1, 0, 0, 0, 0, 0, 0]], np.float32)
    assert log_loss(np.array([1], np.int8), certain) == pytest.approx(-np.log(1e-12))


def two_class_rows(*confidences: float) -> NDArray[np.float32]:
    rows = np.zeros((len(confidences), 7), np.float32)
    rows[:, 0] = confidences
    rows[:, 1] = 1 - rows[:, 0]
    return rows


def test_calibration_error_by_hand() -> None:
    # Sorted by confidence and cut in two bins of two: (0.6 correct, 0.7 wrong), (0.8 correct,
    # 0.9 correct). Gaps: |0.5 - 0.65| and |1 - 0.85|.
    probabilities = two_class_rows(0.9, 0.6, 0.8, 0.7)
    labels = np.array([0, 0, 0, 1], np.int8)
    assert expected_calibration_error(labels, probabilities, bin_count=2) == pytest.approx(0.15)


def test_bins_are_weighted_by_their_size() -> None:
    # Five images in two bins: the three with the lowest confidence, then two.
    probabilities = two_class_rows(0.6, 0.6, 0.6, 0.9, 0.9)
    labels = np.array([0, 0, 1, 0, 1], np.int8)
    expected = 3 / 5 * abs(2 / 3 - 0.6) + 2 / 5 * abs(1 / 2 - 0.9)
    assert expected_calibration_error(labels, probabilities, bin_count=2) == pytest.approx(expected)


def test_with_fewer_images_than_bins_each_image_is_a_bin() -> None:
    probabilities = two_class_rows(0.7, 0.9)
    labels = np.array([0, 1], np.int8)
    expected = (abs(1 - 0.7) + abs(0 - 0.9)) / 2
    assert expected_calibration_error(labels, probabilities) == pytest.approx(expected)


def test_a_calibrated_model_has_a_small_calibration_error() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(7, 0.5), 20_000).astype(np.float32)
    labels = np.array(
        [generator.choice(7, p=row / row.sum()) for row in probabilities.astype(float)]
    )
    error = expected_calibration_error(labels.astype(np.int8), probabilities)
    assert error is not None and error < 0.015
    sharpened = expected_calibration_error(
        labels.astype(np.int8), apply_temperature(probabilities, 0.5)
    )
    assert sharpened is not None and sharpened > 0.1


def test_temperature_is_softmax_of_logits_over_it() -> None:
    logits = np.random.default_rng(0).normal(scale=3, size=(50, 7))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(apply_temperature(probabilities, 1.7), expected, atol=1e-6)


@hypothesis_settings(max_examples=50)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.01, 100), sharpness=st.floats(0.01, 50))
def test_any_temperature_keeps_the_ranking(seed: int, temperature: float, sharpness: float) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(20, 7)) * sharpness
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    result = apply_temperature(probabilities, temperature)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result.sum(axis=1), 1, atol=1e-5)
    rows = np.arange(20)
    favorite = probabilities.argmax(axis=1)
    np.testing.assert_array_equal(result[rows, favorite], result.max(axis=1))


def test_temperature_one_changes_nothing() -> None:
    _, probabilities = random_case(5)
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities, atol=1e-7)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_of_zero_or_less_is_a_value_error(temperature: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        apply_temperature(two_class_rows(0.6), temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_fitted_temperature_recovers_the_applied_one(
    temperature: float,
) -> None:
    generator = np.random.default_rng(1)
    honest = generator.dirichlet(np.full(7, 0.6), 6000)
    labels = (honest.cumsum(axis=1) > generator.random((6000, 1))).argmax(axis=1).astype(np.int8)
    # Raised to the power of T, they are overconfident by the factor T.
    overconfident = apply_temperature(honest, 1 / temperature)
    assert fit_temperature(labels, overconfident) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("temperature", [0.5, 1.7])
def test_the_fitted_temperature_equals_that_of_scipy(temperature: float) -> None:
    labels, probabilities = random_case(9)
    probabilities = apply_temperature(probabilities, temperature)

    def loss_at(logarithm: float) -> float:
        loss = log_loss(labels, apply_temperature(probabilities, float(np.exp(logarithm))))
        assert loss is not None
        return loss

    expected = optimize.minimize_scalar(
        loss_at, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-8}
    )
    assert fit_temperature(labels, probabilities) == pytest.approx(np.exp(expected.x), rel=1e-3)


@pytest.mark.parametrize(("label", "bound"), [(0, 0.05), (2, 20.0)])
def test_the_fitted_temperature_stays_within_its_bounds(label: int, bound: float) -> None:
    labels = np.full(5, label, np.int8)  # all are correct, or all have a probability of 0
    assert fit_temperature(labels, two_class_rows(*[0.6] * 5)) == pytest.approx(bound)


def test_the_fitted_temperature_has_the_lowest_loss() -> None:
    labels, probabilities = random_case(7)
    best = fit_temperature(labels, probabilities)
    losses = [
        log_loss(labels, apply_temperature(probabilities, best * factor))
        for factor in (0.9, 1.0, 1.1)
    ]
    assert losses[1] == min(loss for loss in losses if loss is not None)
