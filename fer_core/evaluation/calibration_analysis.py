"""How well the predicted probabilities are calibrated, before and after temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics import (
    Estimate,
    ReliabilityBin,
    calibration_error_by_chance,
    calibration_error_estimates,
    cross_validated_temperature,
    fit_temperature,
    log_loss,
    reliability_bins,
)

#: Number of folds in which temperatures are cross-validated.
FOLDS = 5
#: Minimum number of images to fit a temperature. With fewer images, the result is mostly random.
MIN_IMAGES = 20


@dataclass(frozen=True)
class CalibrationState:
    """Calibration of one set of probabilities.

    Attributes:
        temperature: 1 for uncalibrated probabilities; None if each fold has its own temperature.
        ece: Expected calibration error over 15 bins of equal count, with its interval.
        ece_by_chance: Mean error that a perfectly calibrated model with the same confidences would
            show on this number of images; None without images.
        log_loss: Mean cross-entropy, natural logarithm; None without images.
        bins: The reliability diagram, by increasing confidence.
    """

    temperature: float | None
    ece: Estimate
    ece_by_chance: float | None
    log_loss: float | None
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class CalibrationAnalysis:
    """Calibration before and after temperature scaling.

    Attributes:
        uncalibrated: The calibration without temperature scaling, but after the logit adjustment
            of the bundle, if it has one.
        calibrated: The calibration at the temperature of the bundle. The analyze page and the live
            page show probabilities at this temperature.
        cross_validated: The calibration if the temperature for each fold is fitted on the other
            folds. Publish the metrics of this calibration, because metrics are too optimistic if
            the temperature was fitted on the same images. None with fewer than ``MIN_IMAGES``
            images.
        fitted_temperature: The temperature fitted on all images; 1 with fewer than ``MIN_IMAGES``
            images.
        folds: Number of folds of ``cross_validated``.
    """

    uncalibrated: CalibrationState
    calibrated: CalibrationState
    cross_validated: CalibrationState | None
    fitted_temperature: float
    folds: int


def analyze_calibration(
    labels: NDArray[np.integer[Any]],
    unscaled: NDArray[np.floating[Any]],
    calibrated: NDArray[np.floating[Any]],
    temperature: float,
) -> CalibrationAnalysis:
    """Measure the calibration of uncalibrated, calibrated and cross-validated probabilities.

    Args:
        labels: True labels, ``[n]``.
        unscaled: Probabilities after logit adjustment and before temperature scaling,
            ``[n, classes]``.
        calibrated: Probabilities at ``temperature``, ``[n, classes]``.
        temperature: The temperature of the bundle.
    """
    probability_sets = [unscaled, calibrated]
    state_temperatures: list[float | None] = [1.0, temperature]
    has_enough_images = len(labels) >= MIN_IMAGES
    if has_enough_images:
        probability_sets.append(cross_validated_temperature(labels, unscaled, FOLDS)[0])
        state_temperatures.append(None)
    errors = calibration_error_estimates(labels, probability_sets)
    states = [
        CalibrationState(
            temperature=state_temperature,
            ece=ece,
            ece_by_chance=calibration_error_by_chance(probabilities),
            log_loss=log_loss(labels, probabilities),
            bins=reliability_bins(labels, probabilities),
        )
        for probabilities, state_temperature, ece in zip(
            probability_sets, state_temperatures, errors, strict=True
        )
    ]
    return CalibrationAnalysis(
        uncalibrated=states[0],
        calibrated=states[1],
        cross_validated=states[2] if has_enough_images else None,
        fitted_temperature=fit_temperature(labels, unscaled) if has_enough_images else 1.0,
        folds=FOLDS,
    )
