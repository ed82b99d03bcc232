"""Reliability, intervals of the calibration error, cross-validated temperature."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.metrics import (
    apply_temperature,
    calibration_error_by_chance,
    calibration_error_estimates,
    cross_validated_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)


def calibrated_case(count: int, seed: int = 0) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Labels drawn from the given probabilities: a perfectly calibrated model."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(7, 0.5), count)
    labels = (probabilities.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    return labels.astype(np.int8), probabilities.astype(np.float32)


def test_bins_by_hand() -> None:
    probabilities = np.zeros((4, 7), np.float32)
    probabilities[:, 0] = [0.9, 0.6, 0.8, 0.7]
    probabilities[:, 1] = 1 - probabilities[:, 0]
    low, high = reliability_bins(np.array([0, 0, 0, 1], np.int8), probabilities, bin_count=2)
    assert (low.low, low.high, low.count) == (pytest.approx(0.6), pytest.approx(0.7), 2)
    assert low.mean_confidence == pytest.approx(0.65) and low.accuracy.value == 0.5
    assert high.mean_confidence == pytest.approx(0.85) and high.accuracy.value == 1


def test_the_error_is_the_weighted_gap_of_the_bins() -> None:
    labels, probabilities = calibrated_case(1000)
    bins = reliability_bins(labels, probabilities)
    assert len(bins) == 15 and sum(one.count for one in bins) == 1000
    gaps = [abs((one.accuracy.value or 0) - one.mean_confidence) * one.count for one in bins]
    assert sum(gaps) / 1000 == pytest.approx(expected_calibration_error(labels, probabilities))


def test_without_images_there_are_no_bins() -> None:
    nothing = np.empty((0, 7), np.float32)
    assert reliability_bins(np.empty(0, np.int8), nothing) == ()
    assert calibration_error_by_chance(nothing) is None
    (found,) = calibration_error_estimates(np.empty(0, np.int8), [nothing])
    assert found.value is None


def test_the_interval_covers_the_true_error_of_a_overconfident_model() -> None:
    # The true error of an overconfident model, from many images.
    labels, calibrated = calibrated_case(200_000)
    truth = expected_calibration_error(labels, apply_temperature(calibrated, 0.5))
    assert truth is not None
    covered = 0
    for seed in range(1, 21):
        labels, calibrated = calibrated_case(1000, seed)
        (found,) = calibration_error_estimates(labels, [apply_temperature(calibrated, 0.5)])
        assert found.low is not None and found.high is not None and found.value is not None
        assert found.low <= found.value <= found.high
        covered += found.low <= truth <= found.high
    assert covered >= 17


def test_all_cases_use_the_same_resamples() -> None:
    labels, probabilities = calibrated_case(300)
    first, second = calibration_error_estimates(labels, [probabilities, probabilities])
    assert first == second == calibration_error_estimates(labels, [probabilities])[0]


def test_perfect_calibration_shows_the_error_by_chance() -> None:
    errors = []
    for seed in range(30):
        labels, probabilities = calibrated_case(800, seed)
        errors.append(expected_calibration_error(labels, probabilities))
    _, probabilities = calibrated_case(800)
    assert calibration_error_by_chance(probabilities) == pytest.approx(np.mean(errors), rel=0.1)


def test_each_image_gets_a_temperature_fitted_without_it() -> None:
    labels, calibrated = calibrated_case(400)
    overconfident = apply_temperature(calibrated, 0.5)
    scaled, temperatures = cross_validated_temperature(labels, overconfident, fold_count=4, seed=2)
    assert len(temperatures) == 4 and len(set(temperatures)) == 4
    order = np.random.default_rng(2).permutation(400)
    for held_out, temperature in zip(np.array_split(order, 4), temperatures, strict=True):
        rest = np.setdiff1d(np.arange(400), held_out)
        assert temperature == pytest.approx(fit_temperature(labels[rest], overconfident[rest]))
        np.testing.assert_allclose(
            scaled[held_out], apply_temperature(overconfident[held_out], temperature)
        )


def test_fewer_images_than_folds_are_a_value_error() -> None:
    labels, probabilities = calibrated_case(3)
    with pytest.raises(ValueError, match="at least 5"):
        cross_validated_temperature(labels, probabilities)
