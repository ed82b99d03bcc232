"""Figures of a classifier: arrays in, numbers out.

Throughout, ``labels`` are int ``[n]`` (true, indices into ``EMOTIONS``) and ``probabilities`` are
float ``[n, 7]``, each row summing to 1. A figure that is undefined, such as the recall of a class
that does not occur, is None and never 0 or 1.
"""

from fer_core.metrics.calibration import (
    ReliabilityBin,
    apply_temperature,
    calibration_error_by_chance,
    calibration_error_estimates,
    cross_fitted,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from fer_core.metrics.classification import (
    SMALLEST_PROBABILITY,
    ClassFigures,
    accuracy,
    balanced_accuracy,
    class_figures,
    confusion_matrix,
    cross_entropy,
    is_among_top,
    log_loss,
    log_losses,
    macro_f1,
    ratio,
    top_k_accuracy,
)
from fer_core.metrics.comparison import mcnemar_test
from fer_core.metrics.curves import (
    PrecisionRecallCurve,
    RocCurve,
    ThresholdCurve,
    precision_recall_curve,
    roc_curve,
    threshold_curve,
)
from fer_core.metrics.intervals import (
    RESAMPLES,
    UNDEFINED,
    Estimate,
    estimates_from_counts,
    mean_estimate,
    percentile_estimate,
    proportion_estimate,
    resampled_counts,
)

__all__ = [
    "RESAMPLES",
    "SMALLEST_PROBABILITY",
    "UNDEFINED",
    "ClassFigures",
    "Estimate",
    "PrecisionRecallCurve",
    "ReliabilityBin",
    "RocCurve",
    "ThresholdCurve",
    "accuracy",
    "apply_temperature",
    "balanced_accuracy",
    "calibration_error_by_chance",
    "calibration_error_estimates",
    "class_figures",
    "confusion_matrix",
    "cross_entropy",
    "cross_fitted",
    "estimates_from_counts",
    "expected_calibration_error",
    "fit_temperature",
    "is_among_top",
    "log_loss",
    "log_losses",
    "macro_f1",
    "mcnemar_test",
    "mean_estimate",
    "percentile_estimate",
    "precision_recall_curve",
    "proportion_estimate",
    "ratio",
    "reliability_bins",
    "resampled_counts",
    "roc_curve",
    "threshold_curve",
    "top_k_accuracy",
]
