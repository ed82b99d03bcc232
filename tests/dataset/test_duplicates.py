"""Planted copies are found, with their labels and splits."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fer_core.dataset.duplicates import (
    audit_duplicates,
    content_keys,
    leaked_rows,
    leaking_training_rows,
)
from fer_core.dataset.face_set import FaceSet


def planted(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Ten different images, then copies: of row 0 into validation, of 1 into test with another
    label, of 2 within train twice, of 3 from validation into test."""
    splits = ["train", "train", "train", "validation", *["train"] * 6]
    splits += ["validation", "test", "train", "train", "test"]
    faces = draw_faces([0] * 15, splits=splits)
    images, labels = faces.images.copy(), faces.labels.copy()
    images[10:] = images[[0, 1, 2, 2, 3]]
    labels[11] = 5
    return replace(faces, images=images, labels=labels)


def test_groups_hold_all_copies(draw_faces: Callable[..., FaceSet]) -> None:
    audit = audit_duplicates(planted(draw_faces))
    assert sorted(sorted(group.tolist()) for group in audit.groups) == [
        [0, 10],
        [1, 11],
        [2, 12, 13],
        [3, 14],
    ]
    assert [sorted(group.tolist()) for group in audit.conflicting_groups] == [[1, 11]]


def test_a_leak_is_an_image_that_also_appears_in_train(draw_faces: Callable[..., FaceSet]) -> None:
    faces = planted(draw_faces)
    audit = audit_duplicates(faces)
    assert audit.leaked_rows["validation"].tolist() == [10]
    assert audit.leaked_rows["test"].tolist() == [11]  # the copy out of validation is none
    assert leaked_rows(faces, "test").tolist() == [11]
    assert leaking_training_rows(faces).tolist() == [0, 1]


def test_blank_images_are_found(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0, 1, 2])
    images = faces.images.copy()
    images[1] = 17
    images[2] = 17
    images[2, 0, 0] = 18
    audit = audit_duplicates(replace(faces, images=images))
    assert audit.blank_rows.tolist() == [1, 2]
    assert audit.groups == ()


def test_the_contracts_document(draw_faces: Callable[..., FaceSet]) -> None:
    assert audit_duplicates(planted(draw_faces)).to_json() == {
        "duplicate_groups": 4,
        "duplicate_images": 9,
        "conflicting_groups": 1,
        "leaks": {"validation": 1, "test": 1},
        "blank_images": 0,
    }


def test_keys_are_equal_exactly_where_the_pixels_are(draw_faces: Callable[..., FaceSet]) -> None:
    images = draw_faces([0, 0, 0]).images.copy()
    images[1] = images[0]
    images[2] = images[0]
    images[2, 47, 47] ^= 1
    keys = content_keys(images)
    assert keys[0] == keys[1] != keys[2]
    assert content_keys(images, np.array([2, 0])).tolist() == [keys[2], keys[0]]


def test_keys_of_many_rows_do_not_copy_the_images() -> None:
    images = np.zeros((2000, 48, 48), np.uint8)
    tracemalloc.start()
    try:
        content_keys(images, np.arange(len(images)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < images.nbytes / 4


def test_without_images_there_is_nothing_to_find(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0])
    audit = audit_duplicates(faces.subset(np.array([], dtype=np.intp)))
    assert audit.groups == ()
    assert audit.to_json()["blank_images"] == 0
