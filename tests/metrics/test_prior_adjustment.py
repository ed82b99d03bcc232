"""Logit adjustment and confidence thresholds, against values computed by hand."""

import numpy as np
import pytest

from fer_core.metrics import (
    EXPONENTS,
    adjust_for_prior,
    confidence_thresholds,
    fit_prior_exponent,
)

PRIOR = (0.64, 0.16, 0.04, 0.04, 0.04, 0.04, 0.04)


def test_probabilities_are_divided_by_a_power_of_the_prior() -> None:
    probabilities = np.array([[0.8, 0.2, 0, 0, 0, 0, 0]], np.float32)
    # Half the exponent: 0.8 / 0.8 = 1 and 0.2 / 0.4 = 0.5.
    adjusted = adjust_for_prior(probabilities, PRIOR, 0.5)
    np.testing.assert_allclose(adjusted[0, :2], [2 / 3, 1 / 3], rtol=1e-6)
    assert adjusted.dtype == np.float32
    # All of it: 0.8 / 0.64 = 0.2 / 0.16.
    np.testing.assert_allclose(
        adjust_for_prior(probabilities, PRIOR, 1.0)[0, :2], [0.5, 0.5], rtol=1e-6
    )


def test_without_an_exponent_nothing_changes() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), 5).astype(np.float32)
    np.testing.assert_array_equal(adjust_for_prior(probabilities, PRIOR, 0), probabilities)


def test_the_exponent_with_the_best_macro_f1_is_found() -> None:
    # Class 1 is always given 0.35 and class 0 0.65: from (0.65 / 0.35) = 4^exponent on, an
    # exponent of 0.4466, class 1 wins. The smallest one that is right is taken.
    probabilities = np.zeros((10, 7), np.float32)
    probabilities[:, 0], probabilities[:, 1] = 0.65, 0.35
    labels = np.ones(10, np.int64)
    assert fit_prior_exponent(labels, probabilities, PRIOR) == 0.45
    assert fit_prior_exponent(np.zeros(10, np.int64), probabilities, PRIOR) == 0.0
    assert EXPONENTS[0] == 0 and EXPONENTS[-1] == 1


def test_thresholds_of_a_calibrated_model() -> None:
    # The confidence is spread evenly from 0.5 to 1 and means what it says: above t the accuracy
    # is (t + 1) / 2, so that 80 % are right from 0.6 on and 90 % from 0.8 on.
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 40_000)
    probabilities = np.repeat(((1 - confidence) / 6)[:, None], 7, axis=1)
    probabilities[:, 0] = confidence
    labels = np.where(generator.random(40_000) < confidence, 0, 1)
    found = confidence_thresholds(labels, probabilities.astype(np.float32))
    assert set(found) == {"80", "90"}
    assert found["80"] == pytest.approx(0.6, abs=0.03)
    assert found["90"] == pytest.approx(0.8, abs=0.03)


def test_a_threshold_that_no_confidence_reaches_is_none_and_one_that_all_reach_is_0() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), 200).astype(np.float32)
    right = probabilities.argmax(axis=1)
    assert confidence_thresholds(right, probabilities) == {"80": 0.0, "90": 0.0}
    assert confidence_thresholds((right + 1) % 7, probabilities) == {"80": None, "90": None}
