"""Everything that is said about a model on a split, in one object: for reports and downloads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FaceSet
from fer_core.evaluation.calibration import (
    CalibrationAssessment,
    CoverageCurve,
    assess_calibration,
    coverage_curve,
)
from fer_core.evaluation.confusion import confusion_counts
from fer_core.evaluation.headline import Headline, headline
from fer_core.evaluation.per_class import ClassAssessment, assess_classes
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.robustness import RobustnessCurve
from fer_core.evaluation.slices import Slicing, image_slicings


@dataclass(frozen=True, eq=False)
class Assessment:
    """An evaluation with all its figures.

    Attributes:
        result: The evaluation.
        headline: Five figures and what to compare them with.
        classes: In the emotions' order.
        confusion: int64 ``[7, 7]``, rows true, columns predicted.
        calibration: Before and after temperature.
        coverage: Accuracy when the model may say "unsure".
        slicings: By brightness and so on; empty without pictures.
        robustness: Curves under corruptions; empty unless measured.
    """

    result: EvaluationResult
    headline: Headline
    classes: tuple[ClassAssessment, ...]
    confusion: NDArray[np.int64]
    calibration: CalibrationAssessment
    coverage: CoverageCurve
    slicings: tuple[Slicing, ...]
    robustness: tuple[RobustnessCurve, ...]


def assess(
    result: EvaluationResult,
    face_set: FaceSet | None = None,
    robustness: tuple[RobustnessCurve, ...] = (),
) -> Assessment:
    """Compute all figures of an evaluation.

    Args:
        result: The evaluation.
        face_set: The data that it was made on; None where there are no pictures.
        robustness: Curves that were measured before, because they take long.
    """
    return Assessment(
        result=result,
        headline=headline(result),
        classes=assess_classes(result),
        confusion=confusion_counts(result),
        calibration=assess_calibration(result),
        coverage=coverage_curve(result),
        slicings=() if face_set is None else image_slicings(result, face_set),
        robustness=robustness,
    )
