"""What a model has seen of the evaluated images, compared image by image."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import Bundle, load_bundle
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError
from fer_core.evaluation.evaluate import evaluate_split, has_cached_predictions
from fer_core.evaluation.seen_images import SeenImages, seen_images
from fer_core.evaluation.tables import evaluation_document
from fer_core.image_hashes import (
    IMAGE_HASHES_FILE,
    ImageHashes,
    read_image_hashes,
    write_image_hashes,
)
from fer_core.model_card import write_evaluation_card
from fer_core.settings import Settings


@pytest.fixture
def photos(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Six training, four validation and two test images with coarse patterns, all different."""
    splits = ["train"] * 6 + ["validation"] * 4 + ["test"] * 2
    faces = draw_faces([0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4], splits=splits)
    coarse = np.random.default_rng(1).integers(40, 200, (len(splits), 6, 6))
    images = np.repeat(np.repeat(coarse, 8, 1), 8, 2).astype(np.uint8)
    return replace(faces, images=images)


@pytest.fixture
def trained(bundle: Bundle) -> Callable[..., Bundle]:
    """``trained(train=faces, validation=faces)`` returns a bundle with these images' hashes."""

    def make(
        train: FaceSet | None = None, validation: FaceSet | None = None, **more: Any
    ) -> Bundle:
        def keys(faces: FaceSet | None) -> Any:
            return np.zeros(0, np.int64) if faces is None else content_keys(faces.images)

        hashes = ImageHashes(keys(train), keys(validation), **more)
        write_image_hashes(bundle.folder / IMAGE_HASHES_FILE, hashes)
        return load_bundle(bundle.folder)

    return make


def part(faces: FaceSet, split: str) -> FaceSet:
    return faces.subset(faces.rows(split))


def counts(seen: SeenImages | None) -> dict[str, int]:
    assert seen is not None
    return {name: count for name, count in seen.counts.items() if count}


def seen_of(bundle: Bundle, faces: FaceSet, split: str, settings: Settings) -> SeenImages | None:
    return evaluate_split(bundle, faces, split, settings, dataset_name="photos").seen


def test_the_file_holds_sorted_distinct_hashes(tmp_path: Path) -> None:
    path = tmp_path / IMAGE_HASHES_FILE
    assert read_image_hashes(path) is None
    write_image_hashes(path, ImageHashes(np.array([5, -2, 5]), np.array([7])))
    found = read_image_hashes(path)
    assert found is not None and found.is_complete
    assert (found.train.tolist(), found.validation.tolist(), found.start.tolist()) == (
        [-2, 5],
        [7],
        [],
    )


@pytest.mark.parametrize("damage", ["garbage", "shape", "missing array"])
def test_a_damaged_file_is_an_input_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / IMAGE_HASHES_FILE
    keys = np.zeros(3, np.int64)
    if damage == "garbage":
        path.write_bytes(b"PK\x03\x04 nothing")
    elif damage == "shape":
        np.savez(path, train=keys[None], validation=keys, start=keys, is_complete=np.array(True))
    else:
        np.savez(path, train=keys, validation=keys, is_complete=np.array(True))
    with pytest.raises(InputError, match=r"image_hashes\.npz is not valid"):
        read_image_hashes(path)


def test_the_same_images_in_a_dataset_with_more_images(
    trained: Callable[..., Bundle], photos: FaceSet, settings: Settings
) -> None:
    # Trained on a copy of the dataset without its test images: the fingerprints differ.
    bundle = trained(part(photos, "train"), part(photos, "validation"))
    assert counts(seen_of(bundle, photos, "train", settings)) == {"training": 6}
    assert counts(seen_of(bundle, photos, "validation", settings)) == {"validation": 4}
    assert counts(seen_of(bundle, photos, "test", settings)) == {"unseen": 2}
    everything = evaluate_split(bundle, photos, "all", settings, dataset_name="photos")
    assert counts(everything.seen) == {"training": 6, "validation": 4, "unseen": 2}
    assert everything.seen is not None and everything.seen.summary == (
        "Of the 12 images: 6 of its training images, 4 of its validation images, 2 unseen."
    )
    assert everything.warnings[0].startswith("6 of the 12 images are training images of the model")
    assert everything.to_json()["seen"]["unseen"] == 2


def test_unseen_images_need_no_warning(
    trained: Callable[..., Bundle], photos: FaceSet, settings: Settings
) -> None:
    other = replace(photos, images=255 - photos.images)
    seen = seen_of(trained(part(photos, "train")), other, "train", settings)
    assert seen is not None and seen.is_unseen.all() and seen.warnings == ()
    assert seen.summary == "The model has seen none of these images."


def test_copies_are_told_from_images_that_another_split_holds_out(
    trained: Callable[..., Bundle], photos: FaceSet, settings: Settings
) -> None:
    images = photos.images.copy()
    images[6], images[7] = images[0], images[1] + 9  # an exact copy and a near-duplicate
    leaking = replace(photos, images=images)
    seen = seen_of(trained(part(leaking, "train")), leaking, "validation", settings)
    assert counts(seen) == {"copies_of_training": 2, "unseen": 2}
    # The image of the near-duplicate in train was not trained on. Hashes and network of a bundle
    # are written together, so the cache does not know that only the hashes have changed.
    shutil.rmtree(settings.cache_root)
    without = leaking.subset(np.array([0, 2, 3, 4, 5]))
    seen = seen_of(trained(without), leaking, "validation", settings)
    assert counts(seen) == {"copies_of_training": 1, "unseen": 3}
    # A held-out image that was trained on, and appears only once, is a training image.
    seen = seen_of(trained(part(photos, "test")), photos, "test", settings)
    assert counts(seen) == {"training": 2}


def test_a_cached_prediction_of_an_earlier_version_is_completed(
    bundle: Bundle, trained: Callable[..., Bundle], photos: FaceSet, settings: Settings
) -> None:
    images = photos.images.copy()
    images[7] = images[1] + 9
    leaking = replace(photos, images=images)
    # Predicted and cached when the bundle had no hashes.
    assert seen_of(bundle, leaking, "validation", settings) is None
    assert has_cached_predictions(bundle, leaking, "validation", settings)
    known = trained(part(leaking, "train"))
    assert not has_cached_predictions(known, leaking, "validation", settings)
    seen = seen_of(known, leaking, "validation", settings)
    assert counts(seen) == {"copies_of_training": 1, "unseen": 3}
    assert has_cached_predictions(known, leaking, "validation", settings)


def test_the_images_of_a_starting_model(
    trained: Callable[..., Bundle], photos: FaceSet, settings: Settings
) -> None:
    start = content_keys(part(photos, "test").images)
    bundle = trained(part(photos, "train"), start=start)
    bundle = replace(bundle, record=replace(bundle.record, start={"model": "first"}))
    seen = seen_of(bundle, photos, "test", settings)
    assert counts(seen) == {"starting_model": 2}
    assert seen is not None and seen.includes_training_images
    assert seen.warnings[0].startswith("All 2 images are training images of first, from which")
    unknown = replace(trained(is_complete=False), record=bundle.record)
    seen = seen_of(unknown, photos, "test", settings)
    assert seen is not None and "whose training images are not recorded" in seen.warnings[0]


def test_leak_exclusion_of_a_bundle_without_hashes(
    bundle: Bundle, photos: FaceSet, make_record: Callable[..., Any]
) -> None:
    images = photos.images.copy()
    images[6] = images[0]
    leaking = replace(photos, images=images)
    recorded = {"name": "photos", "fingerprint": leaking.fingerprint}

    def seen(split: str, **config: Any) -> SeenImages | None:
        rows = leaking.rows(split)
        leaked = rows == 6
        own = replace(bundle, record=make_record(dataset=recorded, config=config))
        return seen_images(
            own, leaking, rows, is_leaked=leaked, is_near_duplicate=np.zeros(len(rows), bool)
        )

    assert counts(seen("train")) == {"training": 6}
    assert counts(seen("train", exclude_leaks=True)) == {"training": 5, "unseen": 1}
    assert counts(seen("validation")) == {"validation": 4, "copies_of_training": 1}
    assert counts(seen("validation", exclude_leaks=True)) == {"validation": 4}


def test_the_card_counts_unseen_images(
    trained: Callable[..., Bundle], photos: FaceSet, settings: Settings
) -> None:
    bundle = trained(part(photos, "train"), part(photos, "validation"))
    result = evaluate_split(bundle, photos, "all", settings, dataset_name="photos")
    card = write_evaluation_card(bundle, evaluation_document(result)).read_text(encoding="utf-8")
    assert "12 images; 95 % intervals in parentheses. The model has not seen 2 of them" in card
    assert "6 of the 12 images are training images of the model" in card
