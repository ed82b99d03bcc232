"""Fit the temperature of a bundle on validation images and write it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fer_core.bundle import Bundle, load_bundle, write_calibration
from fer_core.errors import InputError
from fer_core.evaluation.calibration_analysis import FOLDS, MIN_IMAGES
from fer_core.evaluation.result import EvaluationResult
from fer_core.files import os_errors_as_input_errors
from fer_core.metrics import (
    apply_temperature,
    calibration_error_estimates,
    cross_validated_temperature,
    fit_temperature,
)


def calibrate_bundle(bundle: Bundle, result: EvaluationResult) -> Bundle:
    """Fit the temperature on validation images and write it to the bundle's ``calibration.json``.

    Afterwards analyze, live and every other user of the bundle apply it.

    Args:
        bundle: The model.
        result: Its evaluation on a validation split.

    Returns:
        The bundle with its new temperature.

    Raises:
        InputError: The evaluation belongs to another model or another split, uses drawn faces for a
            model of real faces, or has too few images; or the bundle folder cannot be written.
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
    temperature = fit_temperature(result.labels, result.raw_probabilities)
    calibrated = apply_temperature(result.raw_probabilities, temperature)
    cross_validated, _ = cross_validated_temperature(result.labels, result.raw_probabilities, FOLDS)
    error_before, error_after, error_cross_validated = calibration_error_estimates(
        result.labels, [result.raw_probabilities, calibrated, cross_validated]
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
    with os_errors_as_input_errors(f"The temperature cannot be written to {bundle.folder}"):
        write_calibration(bundle.folder, temperature, "validation", details)
    return load_bundle(bundle.folder, bundle.name)
