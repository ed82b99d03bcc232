"""Metrics of the shipped model, compared with its record and with predictions on FER2013."""

import numpy as np
import pytest

from fer_core.bundle import Bundle, find_bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.evaluation.evaluate import evaluate_split, evaluate_stored_predictions
from fer_core.evaluation.result import EvaluationResult
from fer_core.settings import PROJECT_ROOT, Settings


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    roots = Settings(PROJECT_ROOT / "data", PROJECT_ROOT / "runs", PROJECT_ROOT / "models")
    return find_bundle(None, roots)


@pytest.fixture(scope="module")
def own(shipped: Bundle) -> EvaluationResult:
    return evaluate_stored_predictions(shipped)


def test_the_stored_predictions_give_the_recorded_metrics(
    shipped: Bundle, own: EvaluationResult
) -> None:
    recorded = shipped.record.metrics["validation"]
    assert own.n == recorded["n"] == 3589
    assert own.accuracy.value == pytest.approx(recorded["accuracy"])
    assert own.macro_f1.value == pytest.approx(recorded["macro_f1"])
    assert own.log_loss.value == pytest.approx(recorded["loss"])
    assert own.calibration.calibrated.ece.value == pytest.approx(recorded["ece"])
    assert own.confusion.tolist() == recorded["confusion"]
    assert own.human_accuracy is not None
    assert own.leak_free_accuracy is None


@pytest.mark.soak
def test_predictions_on_fer2013_equal_the_stored_predictions(
    shipped: Bundle, own: EvaluationResult, real_faces: FaceSet, settings: Settings
) -> None:
    some = real_faces.rows("validation")[:200]
    with_train = np.concatenate([real_faces.rows("train")[:300], some])
    faces = real_faces.subset(with_train)
    result = evaluate_split(shipped, faces, "validation", settings, dataset_name="fer2013")
    np.testing.assert_allclose(
        result.unscaled_probabilities, own.unscaled_probabilities[:200], atol=1e-5
    )
    np.testing.assert_array_equal(result.labels, own.labels[:200])
