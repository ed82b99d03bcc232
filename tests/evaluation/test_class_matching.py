"""Models and data with different classes: evaluated by name, on the classes that both have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.bundle import BundleRecord
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.errors import InputError
from fer_core.evaluation.class_matching import match_rows
from fer_core.evaluation.evaluate import evaluate_predictor
from fer_core.predictor import Predictor

MakeRecord = Callable[..., BundleRecord]


def predictor_of(record: BundleRecord) -> Predictor:
    """Its output with the number of the first pixel is the largest."""

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        chosen = np.rint(pixels[:, 0, 0, 0] * 255).astype(int)
        rows = np.full((len(pixels), len(record.labels)), 0.3, np.float32)
        rows /= len(record.labels)
        rows[np.arange(len(pixels)), chosen] += 0.7
        return rows

    return Predictor(record, run)


def faces_of(draw_faces: Callable[..., FaceSet], labels: list[int], chosen: list[int]) -> FaceSet:
    """Validation images with these labels, on which these outputs of the network are largest."""
    faces = draw_faces(labels, splits=["validation"] * len(labels))
    images = faces.images.copy()
    images[:, 0, 0] = chosen
    return replace(faces, images=images)


def test_a_model_with_more_classes_is_evaluated_by_name(
    draw_faces: Callable[..., FaceSet], make_record: MakeRecord
) -> None:
    # The network's first output is contempt; the second image is wrongly called that.
    faces = faces_of(draw_faces, [0, 3, 6], [1, 0, 7])
    result = evaluate_predictor(
        predictor_of(make_record(labels=("contempt", *EMOTIONS))), faces, "validation"
    )
    assert result.classes == EMOTIONS8
    assert result.labels.tolist() == [0, 3, 6]
    assert result.predicted.tolist() == [0, 7, 6]
    assert result.accuracy.value == pytest.approx(2 / 3)
    assert result.confusion.shape == (8, 8)


def test_labels_that_differ_in_order_only_give_equal_metrics(
    draw_faces: Callable[..., FaceSet], make_record: MakeRecord
) -> None:
    faces = replace(faces_of(draw_faces, [0, 1, 2, 2], [0, 1, 2, 1]), classes=("cat", "cow", "dog"))
    other = replace(faces_of(draw_faces, [0, 1, 2, 2], [2, 1, 0, 1]), classes=("cat", "cow", "dog"))
    one = evaluate_predictor(
        predictor_of(make_record(labels=("cat", "cow", "dog"))), faces, "validation"
    )
    two = evaluate_predictor(
        predictor_of(make_record(labels=("DOG", "cow", "cat"))), other, "validation"
    )
    first, second = one.to_json(), two.to_json()
    assert first["accuracy"] == second["accuracy"] == 0.75
    assert first["per_class"]["dog"] == second["per_class"]["DOG"]
    assert two.classes == ("DOG", "cow", "cat")


def test_images_of_classes_that_the_model_lacks_are_left_out(
    draw_faces: Callable[..., FaceSet], make_record: MakeRecord
) -> None:
    faces = replace(
        faces_of(draw_faces, [0, 1, 1, 2, 3], [3, 0, 0, 4, 0]),
        classes=("joy", "ahegao", "Sadness", "smug"),
    )
    rows = faces.rows("validation")
    matched = match_rows(faces, rows, EMOTIONS, "small")
    assert matched.rows.tolist() == [0, 3]
    assert matched.labels.tolist() == [EMOTIONS.index("happy"), EMOTIONS.index("sad")]
    assert matched.left_out == {"ahegao": 2, "smug": 1}
    assert matched.warning is not None
    assert matched.warning.startswith("3 images are left out, because the model does not have")
    assert "ahegao 2, smug 1" in matched.warning
    result = evaluate_predictor(predictor_of(make_record()), faces, "validation")
    assert result.n == 2
    assert result.rows.tolist() == [0, 3]
    assert result.accuracy.value == 1


def test_no_common_class_is_one_sentence(
    draw_faces: Callable[..., FaceSet], make_record: MakeRecord
) -> None:
    faces = replace(faces_of(draw_faces, [0, 1], [0, 1]), classes=("cat", "dog"))
    with pytest.raises(InputError, match="has none of the classes of these images") as raised:
        evaluate_predictor(predictor_of(make_record()), faces, "validation")
    assert "\n" not in str(raised.value)
