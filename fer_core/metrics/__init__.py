"""Compute the metrics of a classifier from arrays.

``labels`` are true labels, int ``[n]``. ``probabilities`` are float ``[n, classes]``, each row
summing to 1. An undefined metric, such as the recall of a class that does not occur, is None or, in
an array, NaN. It is never replaced by 0 or 1.
"""

from fer_core.metrics.classification import (
    SMALLEST_PROBABILITY,
    ClassMetrics,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    cross_entropies,
    cross_entropy,
    is_among_top,
    log_loss,
    log_losses,
    macro_f1,
    per_class_metrics,
    ratio,
    top_k_accuracy,
)
from fer_core.metrics.curves import (
    PrecisionRecallCurve,
    RocCurve,
    ThresholdCurve,
    precision_recall_curve,
    roc_curve,
    threshold_curve,
)
from fer_core.metrics.intervals import (
    RESAMPLE_COUNT,
    UNDEFINED_ESTIMATE,
    Estimate,
    estimates_from_counts,
    mean_estimate,
    percentile_estimate,
    proportion_estimate,
    resampled_counts,
)
from fer_core.metrics.mcnemar import mcnemar_test
from fer_core.metrics.prior_adjustment import (
    EXPONENTS,
    adjust_for_prior,
    confidence_thresholds,
    fit_prior_exponent,
)
from fer_core.metrics.probability_calibration import (
    ReliabilityBin,
    apply_temperature,
    calibration_error_by_chance,
    calibration_error_estimates,
    cross_validated_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)

__all__ = [
    "EXPONENTS",
    "RESAMPLE_COUNT",
    "SMALLEST_PROBABILITY",
    "UNDEFINED_ESTIMATE",
    "ClassMetrics",
    "Estimate",
    "PrecisionRecallCurve",
    "ReliabilityBin",
    "RocCurve",
    "ThresholdCurve",
    "accuracy",
    "adjust_for_prior",
    "apply_temperature",
    "balanced_accuracy",
    "calibration_error_by_chance",
    "calibration_error_estimates",
    "confidence_thresholds",
    "confusion_matrix",
    "cross_entropies",
    "cross_entropy",
    "cross_validated_temperature",
    "estimates_from_counts",
    "expected_calibration_error",
    "fit_prior_exponent",
    "fit_temperature",
    "is_among_top",
    "log_loss",
    "log_losses",
    "macro_f1",
    "mcnemar_test",
    "mean_estimate",
    "per_class_metrics",
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
