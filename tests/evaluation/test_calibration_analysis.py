"""Calibration of an evaluation, and the temperature written to the bundle."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fer_core.bundle import Bundle, load_bundle
from fer_core.errors import InputError
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.temperature_scaling import calibrate_bundle
from fer_core.metrics import (
    apply_temperature,
    cross_validated_temperature,
    expected_calibration_error,
    fit_temperature,
    log_loss,
)
from fer_core.predictor import load_predictor

MakeResult = Callable[..., EvaluationResult]


@pytest.fixture
def overconfident(random_result: MakeResult) -> EvaluationResult:
    honest = random_result(800)
    sharpened = apply_temperature(honest.unscaled_probabilities, 0.4)
    return replace(honest, unscaled_probabilities=sharpened, temperature=1.5)


def test_uncalibrated_calibrated_and_cross_validated(overconfident: EvaluationResult) -> None:
    result = overconfident
    found = result.calibration
    labels, unscaled = result.labels, result.unscaled_probabilities
    assert found.cross_validated is not None
    crossed, _ = cross_validated_temperature(labels, unscaled, found.folds)
    for state, probabilities in (
        (found.uncalibrated, unscaled),
        (found.calibrated, result.probabilities),
        (found.cross_validated, crossed),
    ):
        assert state.ece.value == pytest.approx(expected_calibration_error(labels, probabilities))
        assert state.log_loss == pytest.approx(log_loss(labels, probabilities))
        assert sum(one.count for one in state.bins) == 800
    assert (found.uncalibrated.temperature, found.calibrated.temperature) == (1.0, 1.5)
    assert found.cross_validated.temperature is None
    assert found.fitted_temperature == pytest.approx(fit_temperature(labels, unscaled))
    before, after = found.uncalibrated.ece, found.cross_validated.ece
    assert after.high is not None and before.low is not None
    assert after.high < before.low


def test_few_images_are_not_cross_validated(random_result: MakeResult) -> None:
    found = random_result(19).calibration
    assert found.cross_validated is None and found.fitted_temperature == 1.0
    assert found.uncalibrated.ece.value is not None
    assert random_result(1).calibration.uncalibrated.ece.low is None


def test_the_fitted_temperature_is_written_and_used(
    bundle: Bundle, overconfident: EvaluationResult
) -> None:
    key = bundle.content_key
    calibrated = calibrate_bundle(bundle, overconfident)
    expected = fit_temperature(overconfident.labels, overconfident.unscaled_probabilities)
    assert calibrated.temperature == pytest.approx(expected)
    assert load_bundle(bundle.folder).temperature == calibrated.temperature
    assert load_predictor(calibrated).temperature == calibrated.temperature
    assert calibrated.content_key != key
    document = json.loads((bundle.folder / "calibration.json").read_text())
    assert document["fitted_on"] == "validation"
    assert (document["dataset"], document["images"]) == ("tiny", 800)
    assert document["ece_after"]["value"] < document["ece_before"]["value"]
    assert document["ece_cross_fitted"]["low"] is not None


@pytest.mark.parametrize("wrong", ["split", "model", "few", "drawn"])
def test_invalid_data_for_a_temperature_is_an_input_error(
    bundle: Bundle, overconfident: EvaluationResult, random_result: MakeResult, wrong: str
) -> None:
    result = {
        "split": replace(overconfident, split="test"),
        "model": replace(overconfident, bundle_name="another"),
        "few": random_result(19),
        "drawn": replace(overconfident, facts=ResultFacts(True, False, False, False, ())),
    }[wrong]
    sentence = {
        "split": "fitted on validation images, not on test",
        "model": "not to 'small'",
        "few": "19 images are too few",
        "drawn": "drawn faces",
    }[wrong]
    with pytest.raises(InputError, match=sentence):
        calibrate_bundle(bundle, result)
    assert not (bundle.folder / "calibration.json").exists()


def test_coverage_by_hand(make_result: MakeResult) -> None:
    rows = np.zeros((4, 7))
    rows[:, 0] = [0.9, 0.8, 0.6, 0.6]
    rows[:, 1] = 1 - rows[:, 0]
    result = make_result([0, 1, 0, 1], rows)
    curve = result.coverage
    assert (curve.coverage[0], curve.accuracy[0]) == (1, 0.5)
    assert (curve.coverage[60], curve.accuracy[60]) == (1, 0.5)
    assert (curve.coverage[61], curve.accuracy[61]) == (0.5, 0.5)
    assert (curve.coverage[90], curve.accuracy[90]) == (0.25, 1)
    assert curve.coverage[91] == 0 and np.isnan(curve.accuracy[91])
    for threshold in (0.0, 0.6, 0.61, 0.9, 0.91):
        point = result.coverage_at(threshold)
        column = round(threshold * 100)
        assert point.coverage == curve.coverage[column]
        assert (
            point.accuracy.value == pytest.approx(curve.accuracy[column])
            or point.accepted_count == 0
        )
    assert result.coverage_at(0.95).accuracy.value is None
