"""An evaluation as JSON and CSV, for other programs."""

from __future__ import annotations

import math
from typing import Any

from fer_core.classes import class_columns
from fer_core.csv_text import csv_text
from fer_core.evaluation.calibration_analysis import CalibrationState
from fer_core.evaluation.per_class import ClassResult
from fer_core.evaluation.result import EvaluationResult


def evaluation_document(result: EvaluationResult) -> dict[str, Any]:
    """Return the complete evaluation as one JSON object.

    It contains the values of ``EvaluationResult.to_json``, which ``evaluate --json`` prints, and
    also metrics with intervals, calibration, coverage, slices and robustness. Undefined values are
    null.
    """
    calibration, coverage = result.calibration, result.coverage
    document = {
        "model": result.bundle_name,
        "dataset": result.dataset_name,
        "split": result.split,
        "data_fingerprint": result.data_fingerprint or None,
        "temperature": result.temperature,
        "warnings": list(result.warnings),
        **result.to_json(),
        "left_out": result.facts.left_out,
        "headline": _overall_document(result),
        "classes": {
            class_result.name: _class_document(class_result) for class_result in result.per_class
        },
        "calibration": {
            "before": _calibration_document(calibration.uncalibrated),
            # "in_force" means at the temperature of the bundle, as on all pages.
            "in_force": _calibration_document(calibration.calibrated),
            "cross_fitted": _calibration_document(calibration.cross_validated),
            "fitted_temperature": calibration.fitted_temperature,
            "folds": calibration.folds,
        },
        "coverage": {
            "thresholds": coverage.thresholds.tolist(),
            "coverage": coverage.coverage.tolist(),
            "accuracy": coverage.accuracy.tolist(),
        },
        "slices": {
            slicing.name: {
                "unit": slicing.unit,
                "undefined_n": slicing.undefined_n,
                "slices": [
                    {
                        "low": score_slice.low,
                        "high": score_slice.high,
                        "n": score_slice.n,
                        "accuracy": score_slice.accuracy.to_json(),
                    }
                    for score_slice in slicing.slices
                ],
            }
            for slicing in result.slicings
        },
        "robustness": {
            curve.name: {
                "unit": curve.unit,
                "n": curve.n,
                "points": [
                    {"strength": point.strength, "accuracy": point.accuracy.to_json()}
                    for point in curve.points
                ],
            }
            for curve in result.robustness
        },
    }
    cleaned: dict[str, Any] = _without_nan(document)
    return cleaned


def _overall_document(result: EvaluationResult) -> dict[str, Any]:
    human, leak_free = result.human_accuracy, result.leak_free_accuracy
    return {
        "n": result.n,
        "accuracy": result.accuracy.to_json(),
        "macro_f1": result.macro_f1.to_json(),
        "balanced_accuracy": result.balanced_accuracy.to_json(),
        "log_loss": result.log_loss.to_json(),
        "top2_accuracy": result.top2_accuracy.to_json(),
        "leak_free_n": result.leak_free_n,
        "leak_free_accuracy": None if leak_free is None else leak_free.to_json(),
        "near_copies": result.near_duplicate_count,
        "baseline": {
            "emotion": result.classes[result.majority_class],
            "accuracy": result.baseline_accuracy,
        },
        "human_accuracy": (
            None if human is None else dict(zip(("value", "low", "high"), human, strict=True))
        ),
    }


def _class_document(class_result: ClassResult) -> dict[str, Any]:
    return {
        "precision": class_result.precision.to_json(),
        "recall": class_result.recall.to_json(),
        "f1": class_result.f1.to_json(),
        "support": class_result.support,
        "predicted": class_result.predicted_count,
        "auc": class_result.auc,
        "average_precision": class_result.average_precision,
    }


def _calibration_document(state: CalibrationState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "temperature": state.temperature,
        "ece": state.ece.to_json(),
        "ece_by_chance": state.ece_by_chance,
        "log_loss": state.log_loss,
        "bins": [
            {
                "low": confidence_bin.low,
                "high": confidence_bin.high,
                "n": confidence_bin.count,
                "mean_confidence": confidence_bin.mean_confidence,
                "accuracy": confidence_bin.accuracy.to_json(),
            }
            for confidence_bin in state.bins
        ],
    }


def _without_nan(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not support, by None."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def predictions_csv(result: EvaluationResult) -> str:
    """Return CSV with one line per image: origin, true and predicted class, all probabilities.

    The column ``in_train`` says whether the image, an exact copy or a near-duplicate of it is in
    train. It is empty if this is unknown.
    """
    classes = result.classes
    first_columns = ("row", "name", "true", "predicted", "correct", "confidence")
    last_column = "in_train"
    probability_columns = class_columns(classes, (*first_columns, last_column))
    header = [*first_columns, *probability_columns, last_column]
    lines = []
    for position in range(result.n):
        in_train = "" if result.is_leaked is None else str(bool(result.is_leaked[position])).lower()
        lines.append(
            [
                int(result.rows[position]),
                result.names[position] if result.names else "",
                classes[result.labels[position]],
                classes[result.predicted[position]],
                str(bool(result.is_correct[position])).lower(),
                *[
                    f"{value:.6f}"
                    for value in (result.confidence[position], *result.probabilities[position])
                ],
                in_train,
            ]
        )
    return csv_text(header, lines)


def classes_csv(result: EvaluationResult) -> str:
    """Return CSV with the metrics of one class per line. Undefined values are empty."""
    metrics = ("precision", "recall", "f1")
    metric_columns = [f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high")]
    header = ["emotion", *metric_columns, "support", "predicted", "auc", "average_precision"]
    lines = []
    for class_result in result.per_class:
        numbers: list[float | None] = []
        for estimate in (class_result.precision, class_result.recall, class_result.f1):
            numbers += [estimate.value, estimate.low, estimate.high]
        lines.append(
            [
                class_result.name,
                *map(_cell, numbers),
                class_result.support,
                class_result.predicted_count,
                _cell(class_result.auc),
                _cell(class_result.average_precision),
            ]
        )
    return csv_text(header, lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
