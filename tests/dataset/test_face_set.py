"""``FaceSet`` in memory: what it accepts, how it is cut, when two are equal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.face_set import FaceSet, Problem
from fer_core.dataset.statistics import class_counts, imbalance_ratio
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError


def test_rows_of_each_split_and_of_all(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0, 1, 2, 3], splits=["test", "train", "validation", "train"])
    assert len(faces) == 4
    assert faces.rows("train").tolist() == [1, 3]
    assert faces.rows("validation").tolist() == [2]
    assert faces.rows("test").tolist() == [0]
    assert faces.rows("all").tolist() == [0, 1, 2, 3]


def test_present_splits_and_counts_per_split(
    draw_faces: Callable[..., FaceSet],
) -> None:
    faces = draw_faces([0, 1, 2, 3], splits=["test", "train", "test", "train"])
    assert faces.present_splits == ("train", "test")
    assert faces.count_by_split(np.array([0, 1, 2])) == {"train": 1, "validation": 0, "test": 2}
    assert faces.count_by_split(faces.labels == 3) == {"train": 1, "validation": 0, "test": 0}
    assert faces.count_by_split(np.array([], dtype=np.intp)) == {
        "train": 0,
        "validation": 0,
        "test": 0,
    }


def test_another_split_is_refused_in_one_sentence(tiny_faces: FaceSet) -> None:
    with pytest.raises(InputError, match="no split 'PublicTest'; choose train, validation, test"):
        tiny_faces.rows("PublicTest")


def test_a_subset_keeps_the_requested_order(draw_faces: Callable[..., FaceSet]) -> None:
    faces = replace(draw_faces([0, 1, 2]), problems=(Problem("a", "is empty"),))
    part = faces.subset(np.array([2, 0]))
    assert part.labels.tolist() == [2, 0]
    assert part.names == (faces.names[2], faces.names[0])
    np.testing.assert_array_equal(part.images, faces.images[[2, 0]])
    assert part.problems == ()


@pytest.mark.parametrize("field", ["images", "labels", "splits"])
def test_the_fingerprint_changes_with_the_data(tiny_faces: FaceSet, field: str) -> None:
    values = getattr(tiny_faces, field).copy()
    values.flat[0] = (values.flat[0] + 1) % 3
    assert replace(tiny_faces, **{field: values}).fingerprint != tiny_faces.fingerprint


def test_the_fingerprint_does_not_depend_on_names_or_memory_order(tiny_faces: FaceSet) -> None:
    other = replace(
        tiny_faces,
        images=np.asfortranarray(tiny_faces.images),
        names=tuple(f"other/{name}" for name in tiny_faces.names),
    )
    assert other.fingerprint == tiny_faces.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((2, 48, 48), np.float32)}, "images should be uint8"),
        ({"images": np.zeros((2, 64, 64), np.uint8)}, r"images should be uint8 \[2, 48, 48\]"),
        ({"images": np.zeros((3, 48, 48), np.uint8)}, "images should be"),
        ({"labels": np.zeros(2, np.int64)}, "labels should be int8"),
        ({"labels": np.array([0, 7], np.int8)}, "labels should be in 0 to 6"),
        ({"labels": np.array([0, -1], np.int8)}, "labels should be in 0 to 6"),
        ({"splits": np.array([0, 3], np.int8)}, "splits should be in 0 to 2"),
        ({"splits": np.zeros(1, np.int8)}, "splits should be int8"),
    ],
)
def test_wrong_shapes_types_and_ranges_are_refused(
    draw_faces: Callable[..., FaceSet], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(draw_faces([0, 1]), **changes)


def test_counts_per_split_and_class(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([3, 3, 3, 1, 6], splits=["train", "train", "train", "train", "test"])
    counts = class_counts(faces)
    assert counts["train"] == dict.fromkeys(EMOTIONS, 0) | {"happy": 3, "disgust": 1}
    assert counts["validation"] == {}
    assert counts["test"]["neutral"] == 1
    assert list(counts["train"]) == list(EMOTIONS)


def test_imbalance_is_the_largest_class_over_the_smallest_of_train(
    draw_faces: Callable[..., FaceSet],
) -> None:
    faces = draw_faces([3, 3, 3, 1, 6, 6], splits=["train"] * 4 + ["test"] * 2)
    assert imbalance_ratio(faces) == 3.0
    assert imbalance_ratio(faces.subset(faces.rows("test"))) is None
