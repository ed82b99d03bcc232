"""Calibration: do the probabilities mean what they say, and what does a temperature mend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle, load_bundle, write_calibration
from fer_core.errors import InputError
from fer_core.evaluation.result import EvaluationResult
from fer_core.files import os_errors_as_input_errors
from fer_core.metrics import (
    Estimate,
    ReliabilityBin,
    apply_temperature,
    calibration_error_by_chance,
    calibration_error_estimates,
    cross_fitted,
    fit_temperature,
    log_loss,
    proportion_estimate,
    ratio,
    reliability_bins,
)

FOLDS = 5
#: With fewer images a temperature is a matter of luck.
FEWEST_IMAGES = 20


@dataclass(frozen=True)
class CalibrationState:
    """How well probabilities are calibrated at a temperature.

    Attributes:
        temperature: 1 for the network's own; None where each fold has one of its own.
        ece: Expected calibration error over 15 bins of equal count, with its interval.
        ece_by_chance: The mean error that perfect calibration would show at these confidences.
        log_loss: Mean cross-entropy, natural logarithm.
        bins: The reliability diagram, least sure first.
    """

    temperature: float | None
    ece: Estimate
    ece_by_chance: float | None
    log_loss: float | None
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class CalibrationAssessment:
    """Calibration before and after temperature scaling.

    Attributes:
        before: As the network gives them.
        in_force: At the bundle's temperature, as analyze and live show them.
        cross_fitted: Each image at a temperature fitted without it: the figure to publish. None
            with fewer than ``FEWEST_IMAGES`` images.
        fitted_temperature: What all of these images together would give; 1 where they are too few.
        folds: Into how many parts the images were cut for ``cross_fitted``.
    """

    before: CalibrationState
    in_force: CalibrationState
    cross_fitted: CalibrationState | None
    fitted_temperature: float
    folds: int


def assess_calibration(result: EvaluationResult) -> CalibrationAssessment:
    """Measure calibration before temperature scaling, in force, and cross-fitted."""
    labels, raw = result.labels, result.raw_probabilities
    cases = [raw, result.probabilities]
    enough = result.n >= FEWEST_IMAGES
    if enough:
        cases.append(cross_fitted(labels, raw, FOLDS)[0])
    temperatures = (1.0, result.temperature, None)
    states = [
        CalibrationState(
            temperature=temperature,
            ece=ece,
            ece_by_chance=calibration_error_by_chance(probabilities),
            log_loss=log_loss(labels, probabilities),
            bins=reliability_bins(labels, probabilities),
        )
        for probabilities, temperature, ece in zip(
            cases, temperatures, calibration_error_estimates(labels, cases), strict=False
        )
    ]
    return CalibrationAssessment(
        before=states[0],
        in_force=states[1],
        cross_fitted=states[2] if enough else None,
        fitted_temperature=fit_temperature(labels, raw) if enough else 1.0,
        folds=FOLDS,
    )


def calibrate_bundle(bundle: Bundle, result: EvaluationResult) -> Bundle:
    """Fit the temperature on validation images and write it to the bundle's ``calibration.json``.

    From then on analyze, live and every other user of the bundle apply it.

    Args:
        bundle: The model.
        result: Its evaluation on a validation split.

    Returns:
        The bundle with its new temperature.

    Raises:
        InputError: The evaluation is another model's, of another split, of drawn faces for a model
            of real ones, or of too few images; or the bundle's folder cannot be written.
    """
    if result.bundle_name != bundle.name:
        raise InputError(
            f"The evaluation is of the model {result.bundle_name!r}, not of {bundle.name!r}; "
            "evaluate that one."
        )
    if result.split != "validation":
        raise InputError(
            f"A temperature is fitted on validation images, not on {result.split}; evaluate the "
            "validation split."
        )
    if result.facts.is_demo and not bundle.record.is_demo:
        raise InputError(
            "These are drawn faces, which say nothing about how sure the model may be of real "
            "ones; evaluate it on photos."
        )
    if result.n < FEWEST_IMAGES:
        raise InputError(
            f"{result.n} images are too few to fit a temperature; give at least {FEWEST_IMAGES}."
        )
    temperature = fit_temperature(result.labels, result.raw_probabilities)
    after = apply_temperature(result.raw_probabilities, temperature)
    crossed, _ = cross_fitted(result.labels, result.raw_probabilities, FOLDS)
    before_error, after_error, crossed_error = calibration_error_estimates(
        result.labels, [result.raw_probabilities, after, crossed]
    )
    details: dict[str, Any] = {
        "dataset": result.dataset_name or bundle.record.dataset.get("name"),
        "fingerprint": result.data_fingerprint or None,
        "images": result.n,
        "ece_before": before_error.to_json(),
        "ece_after": after_error.to_json(),
        "ece_cross_fitted": crossed_error.to_json(),
        "folds": FOLDS,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with os_errors_as_input_errors(f"The temperature cannot be written to {bundle.folder}"):
        write_calibration(bundle.folder, temperature, "validation", details)
    return load_bundle(bundle.folder, bundle.name)


@dataclass(frozen=True, eq=False)
class CoverageCurve:
    """What remains, and how good it is, when the model may say "unsure".

    Attributes:
        thresholds: 0 to 1 in hundredths, float64 ``[101]``: it answers at or above.
        coverage: Share of the images that it answers, float64 ``[101]``.
        accuracy: On those, float64 ``[101]``, NaN where none is left.
    """

    thresholds: NDArray[np.float64]
    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True)
class CoveragePoint:
    """The same at one threshold.

    Attributes:
        threshold: It answers at or above.
        coverage: Share of the images that it answers.
        answered: How many that are.
        accuracy: On those, with Wilson's interval; undefined where none is left.
    """

    threshold: float
    coverage: float
    answered: int
    accuracy: Estimate


def coverage_curve(result: EvaluationResult) -> CoverageCurve:
    """Accuracy and coverage by the least confidence at which the model answers."""
    thresholds = np.linspace(0, 1, 101)
    # A threshold of 0.6 is to let through a confidence of 0.6, which float32 only nearly is.
    levels = thresholds - 1e-6
    answered = result.n - np.searchsorted(np.sort(result.confidence), levels)
    right = np.sort(result.confidence[result.is_correct])
    hits = len(right) - np.searchsorted(right, levels)
    return CoverageCurve(thresholds, answered / result.n, ratio(hits, answered))


def coverage_at(result: EvaluationResult, threshold: float) -> CoveragePoint:
    """Accuracy and coverage when the model is unsure below ``threshold`` (0 to 1)."""
    is_answered = result.confidence >= threshold - 1e-6
    answered = int(is_answered.sum())
    return CoveragePoint(
        threshold=threshold,
        coverage=answered / result.n,
        answered=answered,
        accuracy=proportion_estimate(int(result.is_correct[is_answered].sum()), answered),
    )
