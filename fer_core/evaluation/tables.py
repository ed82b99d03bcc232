"""An evaluation as JSON and CSV, for other programs."""

from __future__ import annotations

import math
from typing import Any

from fer_core.csv_text import csv_text
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.assessment import Assessment
from fer_core.evaluation.calibration import CalibrationState
from fer_core.evaluation.headline import Headline
from fer_core.evaluation.per_class import ClassAssessment
from fer_core.evaluation.report import report_on
from fer_core.evaluation.result import EvaluationResult


def assessment_document(assessment: Assessment) -> dict[str, Any]:
    """Everything as one JSON document.

    It holds the document of ``evaluate`` and, beside it, intervals, curves, calibration, slices and
    robustness. What is undefined is null.
    """
    result = assessment.result
    contract = report_on(result.labels, result.probabilities, result.is_leaked).to_json()
    if result.is_leaked is None:
        contract["leak_free"] = None
    document = {
        "model": result.bundle_name,
        "dataset": result.dataset_name,
        "split": result.split,
        "data_fingerprint": result.data_fingerprint or None,
        "temperature": result.temperature,
        "warnings": list(result.facts.warnings),
        **contract,
        "headline": _headline(assessment.headline),
        "classes": {EMOTIONS[one.emotion]: _class(one) for one in assessment.classes},
        "calibration": {
            "before": _state(assessment.calibration.before),
            "in_force": _state(assessment.calibration.in_force),
            "cross_fitted": _state(assessment.calibration.cross_fitted),
            "fitted_temperature": assessment.calibration.fitted_temperature,
            "folds": assessment.calibration.folds,
        },
        "coverage": {
            "thresholds": assessment.coverage.thresholds.tolist(),
            "coverage": assessment.coverage.coverage.tolist(),
            "accuracy": assessment.coverage.accuracy.tolist(),
        },
        "slices": {
            slicing.name: {
                "unit": slicing.unit,
                "undefined_n": slicing.undefined_n,
                "slices": [
                    {
                        "low": one.low,
                        "high": one.high,
                        "n": one.n,
                        "accuracy": one.accuracy.to_json(),
                    }
                    for one in slicing.slices
                ],
            }
            for slicing in assessment.slicings
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
            for curve in assessment.robustness
        },
    }
    cleaned: dict[str, Any] = _without_nan(document)
    return cleaned


def _headline(figures: Headline) -> dict[str, Any]:
    human = figures.human_accuracy
    leak_free = figures.leak_free_accuracy
    return {
        "n": figures.n,
        "accuracy": figures.accuracy.to_json(),
        "macro_f1": figures.macro_f1.to_json(),
        "balanced_accuracy": figures.balanced_accuracy.to_json(),
        "log_loss": figures.log_loss.to_json(),
        "top2_accuracy": figures.top2_accuracy.to_json(),
        "leak_free_n": figures.leak_free_n,
        "leak_free_accuracy": None if leak_free is None else leak_free.to_json(),
        "baseline": {
            "emotion": EMOTIONS[figures.baseline_emotion],
            "accuracy": figures.baseline_accuracy,
        },
        "human_accuracy": None if human is None else dict(zip(_ESTIMATE, human, strict=True)),
    }


_ESTIMATE = ("value", "low", "high")


def _class(one: ClassAssessment) -> dict[str, Any]:
    return {
        "precision": one.precision.to_json(),
        "recall": one.recall.to_json(),
        "f1": one.f1.to_json(),
        "support": one.support,
        "predicted": one.predicted_count,
        "auc": one.auc,
        "average_precision": one.average_precision,
    }


def _state(state: CalibrationState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "temperature": state.temperature,
        "ece": state.ece.to_json(),
        "ece_by_chance": state.ece_by_chance,
        "log_loss": state.log_loss,
        "bins": [
            {
                "low": one.low,
                "high": one.high,
                "n": one.count,
                "mean_confidence": one.mean_confidence,
                "accuracy": one.accuracy.to_json(),
            }
            for one in state.bins
        ],
    }


def _without_nan(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def predictions_csv(result: EvaluationResult) -> str:
    """One line per image: where it came from, the truth, what the model says."""
    header = ["row", "name", "true", "predicted", "correct", "confidence", *EMOTIONS, "in_train"]
    lines = []
    for position in range(result.n):
        leaked = "" if result.is_leaked is None else str(bool(result.is_leaked[position])).lower()
        lines.append(
            [
                int(result.rows[position]),
                result.names[position] if result.names else "",
                EMOTIONS[result.labels[position]],
                EMOTIONS[result.predicted[position]],
                str(bool(result.is_correct[position])).lower(),
                *[
                    f"{value:.6f}"
                    for value in (result.confidence[position], *result.probabilities[position])
                ],
                leaked,
            ]
        )
    return csv_text(header, lines)


def classes_csv(assessment: Assessment) -> str:
    """One line per emotion; what is undefined is empty."""
    figures = ("precision", "recall", "f1")
    bounds = [f"{figure}{end}" for figure in figures for end in ("", "_low", "_high")]
    header = ["emotion", *bounds, "support", "predicted", "auc", "average_precision"]
    lines = []
    for one in assessment.classes:
        numbers: list[float | None] = []
        for estimate in (one.precision, one.recall, one.f1):
            numbers += [estimate.value, estimate.low, estimate.high]
        lines.append(
            [
                EMOTIONS[one.emotion],
                *map(_cell, numbers),
                one.support,
                one.predicted_count,
                _cell(one.auc),
                _cell(one.average_precision),
            ]
        )
    return csv_text(header, lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
