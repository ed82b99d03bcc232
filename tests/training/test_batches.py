"""The images of each step of an epoch."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from fer_core.dataset.face_set import FaceSet
from fer_core.recipes import TrainingConfig
from fer_core.training.batches import Batch, TrainingBatches, class_weights, epoch_order


@pytest.fixture
def numbered(draw_faces: Callable[..., FaceSet]) -> Callable[[list[int]], FaceSet]:
    """Faces whose first pixel is their row number, so that a batch shows which faces it holds."""

    def make(labels: list[int]) -> FaceSet:
        faces = draw_faces(labels)
        images = faces.images.copy()
        images[:, 0, 0] = np.arange(len(labels))
        return FaceSet(images, faces.labels, faces.splits, faces.names)

    return make


def rows_of(batch: Batch) -> list[int]:
    return [round(float(value) * 255) for value in batch.pixels[:, 0, 0, 0]]


def epoch_of(faces: FaceSet, number: int, **values: Any) -> list[Batch]:
    config = TrainingConfig(**({"batch_size": 4} | values))
    return list(TrainingBatches(faces, config).epoch(number))


@pytest.mark.parametrize("counts", [[5, 1, 9, 30, 2, 4, 6], [3, 0, 0, 7, 0, 0, 1]])
def test_class_weights_are_scikit_learns_balanced_ones(counts: list[int]) -> None:
    labels = np.repeat(np.arange(7), counts).astype(np.int8)
    weights = class_weights(labels, 7)
    present = np.unique(labels)
    np.testing.assert_allclose(
        weights[present],
        compute_class_weight("balanced", classes=present, y=labels),
        rtol=1e-6,
    )
    assert all(weights[index] == 0 for index in range(7) if index not in present)
    # Every class counts the same in all, and the mean weight of an image is 1.
    assert weights[labels].mean() == pytest.approx(1)


def test_an_epoch_sees_every_row_once(numbered: Callable[[list[int]], FaceSet]) -> None:
    batches = epoch_of(numbered([0, 1, 2, 3] * 5), 0)
    assert [len(batch.pixels) for batch in batches] == [4] * 5
    assert sorted(row for batch in batches for row in rows_of(batch)) == list(range(20))


def test_the_last_batch_is_filled_up_from_the_beginning(
    numbered: Callable[[list[int]], FaceSet],
) -> None:
    batches = epoch_of(numbered([0] * 10), 0)
    seen = [row for batch in batches for row in rows_of(batch)]
    assert len(seen) == 12
    assert sorted(seen[:10]) == list(range(10))
    assert seen[10:] == seen[:2]


@pytest.mark.parametrize("workers", [2, 3, 20])
def test_batches_are_the_same_with_any_number_of_workers(
    draw_faces: Callable[..., FaceSet], workers: int
) -> None:
    faces = draw_faces([0, 1, 2, 3, 4, 5, 6] * 5)
    config = TrainingConfig(batch_size=4, flip=True, noise_share=0.1, mixup_alpha=0.5, seed=3)
    alone = list(TrainingBatches(faces, config, workers=1).epoch(2))
    together = list(TrainingBatches(faces, config, workers=workers).epoch(2))
    assert len(alone) == len(together) == 9
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.targets, other.targets)


def test_an_epoch_that_is_left_early_leaves_no_thread(
    draw_faces: Callable[..., FaceSet],
) -> None:
    # Threads of other tests may end meanwhile, so all threads together are not counted.
    before = set(threading.enumerate())
    batches = TrainingBatches(draw_faces([0, 1, 2, 3] * 10), TrainingConfig(batch_size=2), 3)
    epoch = batches.epoch(0)
    next(epoch)
    workers = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("ThreadPoolExecutor")
    ]
    assert workers
    epoch.close()
    assert not any(thread.is_alive() for thread in workers)


def test_a_batch_is_never_larger_than_the_data(
    numbered: Callable[[list[int]], FaceSet],
) -> None:
    faces = numbered([0, 1, 2])
    batches = TrainingBatches(faces, TrainingConfig(batch_size=64))
    assert (batches.steps_per_epoch, batches.images_per_step) == (1, 3)
    (batch,) = batches.epoch(0)
    assert sorted(rows_of(batch)) == [0, 1, 2]


def test_labels_stay_with_their_images(numbered: Callable[[list[int]], FaceSet]) -> None:
    faces = numbered([0, 1, 2, 3, 4, 5, 6, 3])
    for batch in epoch_of(faces, 0):
        np.testing.assert_array_equal(batch.targets.argmax(axis=1), faces.labels[rows_of(batch)])
        assert batch.targets.dtype == np.float32
        assert batch.weights is None
    for batch in epoch_of(faces, 0, label_encoding="integer"):
        np.testing.assert_array_equal(batch.targets, faces.labels[rows_of(batch)])
        assert batch.targets.dtype == np.int32


def test_an_epoch_depends_only_on_seed_and_number(
    numbered: Callable[[list[int]], FaceSet],
) -> None:
    faces = numbered(list(range(7)) * 3)
    values = {"rotation_degrees": 20, "noise_share": 0.1, "mixup_alpha": 0.3}

    def pixels(number: int, seed: int) -> NDArray[np.float32]:
        return np.stack([batch.pixels for batch in epoch_of(faces, number, seed=seed, **values)])

    first = pixels(3, 1)
    np.testing.assert_array_equal(first, pixels(3, 1))
    assert (first != pixels(4, 1)).any()
    assert (first != pixels(3, 2)).any()


def test_images_seen_twice_in_an_epoch_are_changed_differently(
    draw_faces: Callable[..., FaceSet],
) -> None:
    batches = epoch_of(draw_faces([0]), 0, batch_size=1, noise_share=0.2)
    later = epoch_of(draw_faces([0]), 1, batch_size=1, noise_share=0.2)
    assert (batches[0].pixels != later[0].pixels).any()


@hypothesis_settings(max_examples=60)
@given(
    counts=st.lists(st.integers(0, 25), min_size=7, max_size=7).filter(any),
    seed=st.integers(0, 1000),
)
def test_oversampling_shows_all_classes_equally_often(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(7), counts).astype(np.int8)
    config = TrainingConfig(imbalance="oversampling", seed=seed)
    order = epoch_order(labels, config, epoch=0)
    assert len(order) == len(labels)
    shown = Counter(labels[order].tolist())
    per_class = [shown[index] for index in range(7) if counts[index]]
    assert max(per_class) - min(per_class) <= 1
    assert set(shown) <= {index for index in range(7) if counts[index]}
    times = Counter(order.tolist())
    for index in set(labels.tolist()):
        of_class = [times[row] for row in np.flatnonzero(labels == index)]
        assert max(of_class) - min(of_class) <= 1


def test_oversampling_draws_other_images_of_a_large_class_each_epoch() -> None:
    labels = np.array([0] * 100 + [1] * 4, np.int8)
    config = TrainingConfig(imbalance="oversampling")
    seen = {row for epoch in range(12) for row in epoch_order(labels, config, epoch)}
    assert len(seen) > 95


def test_class_weights_go_with_their_images(numbered: Callable[[list[int]], FaceSet]) -> None:
    faces = numbered([0, 0, 0, 1])
    expected = class_weights(faces.labels, 7)
    for batch in epoch_of(faces, 0, imbalance="class_weights", batch_size=2):
        assert batch.weights is not None
        np.testing.assert_allclose(batch.weights, expected[faces.labels[rows_of(batch)]])


def test_mixup_blends_pictures_labels_and_weights_by_one_share(
    draw_faces: Callable[..., FaceSet],
) -> None:
    # All images of a class have one gray value, so that a blend shows its shares.
    faces = draw_faces([0] * 6 + [3] * 2)
    images = np.zeros_like(faces.images)
    images[faces.labels == 3] = 255
    faces = FaceSet(images, faces.labels, faces.splits, faces.names)
    weights = class_weights(faces.labels, 7)
    blended = 0
    for epoch in range(4):
        (batch,) = epoch_of(faces, epoch, mixup_alpha=1.0, imbalance="class_weights", batch_size=8)
        np.testing.assert_allclose(batch.targets.sum(axis=1), 1, atol=1e-6)
        happy = batch.pixels[:, 5, 5, 0]
        np.testing.assert_allclose(batch.targets[:, 3], happy, atol=1e-6)
        assert batch.weights is not None
        np.testing.assert_allclose(
            batch.weights, happy * weights[3] + (1 - happy) * weights[0], rtol=1e-5
        )
        blended += int(((happy > 0.01) & (happy < 0.99)).sum())
    assert blended > 3


def test_an_epoch_left_early_can_be_begun_again(
    numbered: Callable[[list[int]], FaceSet],
) -> None:
    batches = TrainingBatches(numbered([0] * 12), TrainingConfig(batch_size=4))
    first = next(batches.epoch(0))
    np.testing.assert_array_equal(next(batches.epoch(0)).pixels, first.pixels)
