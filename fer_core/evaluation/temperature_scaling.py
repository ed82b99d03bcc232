"""Fit the temperature of a bundle on validation images and write it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import (
    Bundle,
    load_bundle,
    write_calibration,
)
from fer_core.calibration import Calibration
from fer_core.errors import InputError
from fer_core.evaluation.calibration_analysis import FOLDS, MIN_IMAGES
from fer_core.evaluation.result import EvaluationResult
from fer_core.files import os_errors_as_input_errors
from fer_core.metrics import (
    adjust_for_prior,
    apply_temperature,
    calibration_error_estimates,
    confidence_thresholds,
    cross_validated_temperature,
    fit_prior_exponent,
    fit_temperature,
)


def calibrate_bundle(
    bundle: Bundle, result: EvaluationResult, class_prior: NDArray[np.float64] | None = None
) -> Bundle:
    """Fit the temperature and confidence thresholds of a bundle on validation images.

    They are written to the bundle's ``calibration.json``. When the bundle is loaded again, such as
    on the analyze page and the live page, its predictions use this temperature.

    Args:
        bundle: The model.
        result: Evaluation of the bundle on a validation split.
        class_prior: Share of each class in the training targets, ``[classes]``. With this value, a
            new logit adjustment is fitted, so ``result`` must be an evaluation without the logit
            adjustment of the bundle. With None, ``result`` is an evaluation with the logit
            adjustment of the bundle, which is kept.

    Returns:
        The bundle with its new calibration.

    Raises:
        InputError: The evaluation belongs to another model or another split, uses drawn faces for a
            model of real faces, has too few images, or uses labels although the model was trained
            on votes; or the folder of the bundle cannot be written.
    """
    if result.bundle_name != bundle.name:
        raise InputError(
            f"The evaluation belongs to the model {result.bundle_name!r}, not to {bundle.name!r}; "
            f"evaluate {bundle.name!r} first."
        )
    if result.split != "validation":
        raise InputError(
            f"A temperature is fitted on validation images, not on {result.split}; evaluate the "
            "validation split."
        )
    if result.facts.is_demo and not bundle.record.is_demo:
        raise InputError(
            "These are drawn faces, and the model was trained on photos; fit the temperature on "
            "photos."
        )
    if result.n < MIN_IMAGES:
        raise InputError(
            f"{result.n} images are too few to fit a temperature; use at least {MIN_IMAGES}."
        )
    if bundle.record.learned_votes and not result.has_vote_labels:
        raise InputError(
            f"{bundle.name!r} learned annotator votes, and a temperature fitted to labels would "
            "not be valid for it; evaluate it against votes."
        )
    labels = result.labels
    if class_prior is not None:
        calibration = calibration_for_votes(
            labels, result.unscaled_probabilities, class_prior, result.classes
        )
        adjusted = calibration.adjusted(result.unscaled_probabilities)
    else:
        # The evaluation has already applied the logit adjustment of the bundle.
        adjusted = result.unscaled_probabilities
        calibration = replace(
            bundle.calibration,
            temperature=fit_temperature(labels, adjusted),
            thresholds=confidence_thresholds(labels, adjusted),
        )
    scaled = apply_temperature(adjusted, calibration.temperature)
    cross_validated, _ = cross_validated_temperature(labels, adjusted, FOLDS)
    error_before, error_after, error_cross_validated = calibration_error_estimates(
        labels, [adjusted, scaled, cross_validated]
    )
    details: dict[str, Any] = {
        "dataset": result.dataset_name or bundle.record.dataset.get("name"),
        "fingerprint": result.data_fingerprint or None,
        "images": result.n,
        "ece_before": error_before.to_json(),
        "ece_after": error_after.to_json(),
        "ece_cross_fitted": error_cross_validated.to_json(),
        "folds": FOLDS,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    fitted_on = "validation, plurality of votes" if result.has_vote_labels else "validation"
    with os_errors_as_input_errors(f"The temperature cannot be written to {bundle.folder}"):
        write_calibration(bundle.folder, calibration, fitted_on, details)
    return load_bundle(bundle.folder, bundle.name)


def calibration_for_votes(
    plurality: NDArray[np.integer[Any]],
    probabilities: NDArray[np.float32],
    class_prior: NDArray[np.float64],
    classes: tuple[str, ...],
) -> Calibration:
    """Fit logit adjustment, temperature and thresholds to the plurality of votes.

    Args:
        plurality: True classes of validation images, ``[n]``.
        probabilities: Probabilities of the network, before logit adjustment and temperature
            scaling, float32 ``[n, classes]``.
        class_prior: Share of each class in the training targets, ``[classes]``.
        classes: The names of the classes.
    """
    prior = tuple(class_prior.tolist())
    exponent = fit_prior_exponent(plurality, probabilities, prior)
    adjusted = adjust_for_prior(probabilities, prior, exponent)
    return Calibration(
        fit_temperature(plurality, adjusted),
        prior,
        exponent,
        thresholds_for(plurality, adjusted),
        classes,
    )


def thresholds_for(
    labels: NDArray[np.integer[Any]], adjusted: NDArray[np.float32]
) -> dict[str, float | None]:
    """Return the confidence thresholds of a model; empty with fewer than ``MIN_IMAGES`` images.

    Args:
        labels: True classes of validation images, ``[n]``.
        adjusted: Probabilities after logit adjustment and before temperature scaling, float32
            ``[n, classes]``.
    """
    return confidence_thresholds(labels, adjusted) if len(labels) >= MIN_IMAGES else {}
