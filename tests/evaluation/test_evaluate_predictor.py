"""Evaluation of a predictor without a bundle, and the document of ``evaluate --json``."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.bundle import BundleRecord
from fer_core.calibration import Calibration
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.evaluate import evaluate_predictor
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import expected_calibration_error, log_loss
from fer_core.predictor import Predictor


def rows_for(labels: list[int], sure: float = 0.7) -> NDArray[np.float32]:
    rows = np.full((len(labels), 7), (1 - sure) / 6, np.float32)
    rows[np.arange(len(labels)), labels] = sure
    return rows


def by_brightness(make_record: Callable[..., BundleRecord]) -> Predictor:
    """Predicts the class whose index is the gray value of the first pixel."""
    return Predictor(
        make_record(),
        lambda pixels: rows_for(np.rint(pixels[:, 0, 0, 0] * 255).astype(int).tolist()),
    )


@pytest.fixture
def marked(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Nine faces whose first pixel is the class that ``by_brightness`` predicts.

    The second of the three validation images is misclassified, and the third also appears in train;
    the first of the two test images appears in train.
    """
    splits = ["train"] * 4 + ["validation"] * 3 + ["test"] * 2
    faces = draw_faces([0, 1, 2, 3, 4, 4, 3, 0, 6], splits=splits)
    images = faces.images.copy()
    images[:, 0, 0] = faces.labels
    images[5, 0, 0] = 6
    images[6], images[7] = images[3], images[0]
    return replace(faces, images=images)


def test_only_the_requested_split_is_evaluated(
    marked: FaceSet, make_record: Callable[..., BundleRecord]
) -> None:
    result = evaluate_predictor(by_brightness(make_record), marked, "validation")
    assert result.n == 3
    assert result.accuracy.value == pytest.approx(2 / 3)
    assert result.confusion.sum() == 3
    assert result.confusion[4, 6] == result.confusion[4, 4] == result.confusion[3, 3] == 1


def test_leak_free_accuracy(marked: FaceSet, make_record: Callable[..., BundleRecord]) -> None:
    predictor = by_brightness(make_record)
    validation = evaluate_predictor(predictor, marked, "validation")
    assert validation.to_json()["leak_free"] == {"n": 2, "accuracy": 0.5, "near_copies": 0}
    test = evaluate_predictor(predictor, marked, "test")
    assert test.n == 2
    assert test.to_json()["leak_free"] == {"n": 1, "accuracy": 1.0, "near_copies": 0}
    train = evaluate_predictor(predictor, marked, "train")
    assert (train.n, train.leak_free_n) == (4, 0)
    assert train.to_json()["leak_free"] == {"n": 0, "accuracy": None, "near_copies": 0}
    everything = evaluate_predictor(predictor, marked, "all")
    assert (everything.n, everything.leak_free_n) == (9, 3)


def test_loss_and_calibration_error_are_after_temperature(
    marked: FaceSet, make_record: Callable[..., BundleRecord]
) -> None:
    predictor = by_brightness(make_record)
    predictor.calibration = Calibration(3.0)
    rows = marked.rows("validation")
    softened = predictor.probabilities(marked.images[rows])
    document = evaluate_predictor(predictor, marked, "validation").to_json()
    assert document["loss"] == pytest.approx(log_loss(marked.labels[rows], softened))
    assert document["ece"] == pytest.approx(
        expected_calibration_error(marked.labels[rows], softened, bin_count=15)
    )
    predictor.calibration = Calibration()
    uncalibrated = evaluate_predictor(predictor, marked, "validation").to_json()
    assert uncalibrated["loss"] != pytest.approx(document["loss"])


def test_the_json_document(make_result: Callable[..., EvaluationResult]) -> None:
    document = make_result([0, 0, 1, 3], rows_for([0, 3, 1, 3])).to_json()
    assert set(document) >= {
        "n",
        "accuracy",
        "macro_f1",
        "loss",
        "ece",
        "per_class",
        "confusion",
    }
    assert document["n"] == 4
    assert document["accuracy"] == 0.75
    assert list(document["per_class"]) == list(EMOTIONS)
    assert document["per_class"]["angry"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "support": 2,
    }
    assert document["per_class"]["fear"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
    }
    assert document["confusion"][0] == [1, 0, 0, 1, 0, 0, 0]
    # Three correct at 0.7 and one wrong; each is one bin.
    assert document["ece"] == pytest.approx((3 * 0.3 + 0.7) / 4)
    assert document["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize("split", ["test", "all"])
def test_a_split_without_images_is_an_input_error(
    draw_faces: Callable[..., FaceSet], make_record: Callable[..., BundleRecord], split: str
) -> None:
    faces = draw_faces([0, 1])
    rows = np.arange(0) if split == "all" else np.arange(2)
    with pytest.raises(InputError, match=f"The dataset has no {split} images"):
        evaluate_predictor(by_brightness(make_record), faces.subset(rows), split)


def test_an_unknown_split_is_an_input_error(
    marked: FaceSet, make_record: Callable[..., BundleRecord]
) -> None:
    with pytest.raises(InputError, match="no split 'val'"):
        evaluate_predictor(by_brightness(make_record), marked, "val")
