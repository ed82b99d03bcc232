"""The shipped model's figures: those in its record, from its own predictions and from FER2013."""

import time

import numpy as np
import pytest

from fer_core.bundle import Bundle, find_bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.evaluation.assessment import assess
from fer_core.evaluation.result import EvaluationResult, evaluate_split, own_predictions
from fer_core.settings import PROJECT_ROOT, Settings


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    roots = Settings(PROJECT_ROOT / "data", PROJECT_ROOT / "runs", PROJECT_ROOT / "models")
    return find_bundle(None, roots)


@pytest.fixture(scope="module")
def own(shipped: Bundle) -> EvaluationResult:
    return own_predictions(shipped)


def test_its_own_predictions_give_the_figures_of_its_record(
    shipped: Bundle, own: EvaluationResult
) -> None:
    recorded = shipped.record.metrics["validation"]
    found = assess(own)
    assert found.headline.n == recorded["n"] == 3589
    assert found.headline.accuracy.value == pytest.approx(recorded["accuracy"])
    assert found.headline.macro_f1.value == pytest.approx(recorded["macro_f1"])
    assert found.headline.log_loss.value == pytest.approx(recorded["loss"])
    assert found.calibration.in_force.ece.value == pytest.approx(recorded["ece"])
    assert found.confusion.tolist() == recorded["confusion"]
    assert found.headline.human_accuracy is not None
    assert found.headline.leak_free_accuracy is None


def test_all_figures_of_fer2013s_validation_are_there_at_once(own: EvaluationResult) -> None:
    assess(own)
    start = time.process_time()
    assess(own)
    # A fifth of a second when nothing else runs.
    assert time.process_time() - start < 3


def test_real_faces_give_the_predictions_that_it_brings(
    shipped: Bundle, own: EvaluationResult, real_faces: FaceSet, settings: Settings
) -> None:
    some = real_faces.rows("validation")[:200]
    with_train = np.concatenate([real_faces.rows("train")[:300], some])
    faces = real_faces.subset(with_train)
    result = evaluate_split(shipped, faces, "validation", settings, dataset_name="fer2013")
    np.testing.assert_allclose(result.raw_probabilities, own.raw_probabilities[:200], atol=1e-5)
    np.testing.assert_array_equal(result.labels, own.labels[:200])
