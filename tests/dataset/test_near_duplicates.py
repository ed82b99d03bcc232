"""The same photo with other pixels is found; other photos are not."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset import near_duplicates, near_search
from fer_core.dataset.demo.shipped import injected_errors
from fer_core.dataset.disjoint_sets import DisjointSets
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.near_duplicates import cached_near_duplicates, find_near_duplicates
from fer_core.dataset.near_search import (
    copies_of_train,
    join_near_duplicates,
    perceptual_hashes,
    pixel_correlation,
)
from fer_core.dataset.store import load_dataset
from fer_core.settings import Settings

Picture = NDArray[np.uint8]


def photo(seed: int) -> Picture:
    """A smooth picture that resembles no other."""
    coarse = np.random.default_rng(seed).integers(40, 200, (7, 7)).astype(np.uint8)
    smooth = cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.uint8)


def face_set(
    images: list[Picture], labels: list[int] | None = None, splits: list[str] | None = None
) -> FaceSet:
    count = len(images)
    return FaceSet(
        images=np.stack(images),
        labels=np.array(labels or [0] * count, np.int8),
        splits=np.array([SPLITS.index(name) for name in splits or ["train"] * count], np.int8),
        names=tuple(str(number) for number in range(count)),
    )


def jpeg(image: Picture) -> Picture:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image + np.uint8(25),
        lambda image: (image * 0.6).astype(np.uint8),
        lambda image: np.roll(image, (1, -1), (0, 1)),
        jpeg,
        lambda image: np.ascontiguousarray(image[:, ::-1]),
    ],
    ids=["brighter", "flatter", "moved", "compressed", "mirrored"],
)
def test_a_changed_copy_is_found_among_others(change: Callable[[Picture], Picture]) -> None:
    originals = [photo(seed) for seed in range(40)]
    near = find_near_duplicates(face_set([*originals, change(originals[7])]))
    assert [group.tolist() for group in near.groups] == [[7, 40]]
    assert near.is_complete


def test_mirrored_pairs_are_marked() -> None:
    original = photo(1)
    near = find_near_duplicates(face_set([original, np.ascontiguousarray(original[:, ::-1])]))
    assert near.is_mirrored.tolist() == [True]
    near = find_near_duplicates(face_set([original, original + np.uint8(9)]))
    assert near.is_mirrored.tolist() == [False]
    assert near.correlation[0] == pytest.approx(1, abs=1e-3)


def test_exact_copies_are_not_near_duplicates() -> None:
    near = find_near_duplicates(face_set([photo(1), photo(1), photo(2)]))
    assert near.groups == ()
    assert near.to_json() == {
        "near_duplicate_groups": 0,
        "near_duplicate_images": 0,
        "near_duplicate_conflicting_groups": 0,
        "near_leaks": {"validation": 0, "test": 0},
    }


def test_groups_contain_exact_copies_conflicts_and_leaks() -> None:
    one, two = photo(1), photo(2)
    images = [one, one, one + np.uint8(9), two, two + np.uint8(9), photo(3), two]
    splits = ["train", "train", "validation", "train", "test", "test", "test"]
    near = find_near_duplicates(face_set(images, [0, 0, 0, 1, 2, 3, 1], splits))
    assert [group.tolist() for group in near.groups] == [[0, 1, 2], [3, 4, 6]]
    assert [group.tolist() for group in near.conflicting_groups] == [[3, 4, 6]]
    # Row 6 is an exact copy, and so a leak of the other kind.
    assert {split: rows.tolist() for split, rows in near.leaked_rows.items()} == {
        "validation": [2],
        "test": [4],
    }


def test_blank_pictures_are_not_near_duplicates() -> None:
    images = [np.full((48, 48), gray, np.uint8) for gray in range(0, 200, 20)]
    assert find_near_duplicates(face_set(images)).groups == ()
    assert not perceptual_hashes(np.stack(images)).any()


def test_too_many_candidates_make_the_result_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_search, "_MAX_CANDIDATES", 20)
    base = photo(1)
    near = find_near_duplicates(face_set([base + np.uint8(step) for step in range(12)]))
    assert not near.is_complete


def test_more_parts_than_expected_do_not_exceed_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_search, "_MAX_CANDIDATES", 100)
    budget = near_search._Budget(part_count=2)
    assert [budget.begin_part_and_take(60) for _ in range(4)] == [60, 40, 0, 0]
    assert budget.was_exceeded


def test_progress_rises_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_search, "_TILE_ROWS", 4)
    seen: list[tuple[int, int]] = []
    find_near_duplicates(face_set([photo(n) for n in range(10)]), lambda *part: seen.append(part))
    assert seen == [(64, 100), (96, 100), (100, 100)]


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [photo(n) for n in range(12)]
    images += [images[0] + np.uint8(5), images[11] + np.uint8(5)]
    for size in (1024, 5):
        monkeypatch.setattr(near_search, "_TILE_ROWS", size)
        monkeypatch.setattr(near_search, "_TILE_COLUMNS", size + 1)
        near = find_near_duplicates(face_set(images))
        assert [group.tolist() for group in near.groups] == [[0, 12], [11, 13]]


def test_copies_of_train_are_the_leaks_of_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_search, "_TILE_ROWS", 3)
    monkeypatch.setattr(near_search, "_TILE_COLUMNS", 2)
    one, two, mirrored = photo(1), photo(2), np.ascontiguousarray(photo(4)[:, ::-1])
    images = [one, two, photo(3), photo(4), one + np.uint8(9), two, mirrored, photo(5), photo(6)]
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 3
    faces = face_set([*images, mirrored], splits=[*splits, "validation"])
    rows = np.array([9, 8, 7, 6, 5, 4])
    is_exact, is_near, _ = copies_of_train(faces.images, rows, faces.rows("train"))
    assert is_exact.tolist() == [False, False, False, False, True, False]
    assert is_near.tolist() == [True, False, False, True, False, True]
    leaks = find_near_duplicates(faces).leaked_rows
    assert sorted(rows[is_near]) == sorted([*leaks["validation"], *leaks["test"]])


def test_copies_of_nothing() -> None:
    images = np.stack([photo(1), photo(2)])
    none, all_rows = np.array([], np.intp), np.array([0, 1])
    for rows, train in ((none, all_rows), (all_rows, none)):
        is_exact, is_near, _ = copies_of_train(images, rows, train)
        assert len(is_exact) == len(is_near) == len(rows)
        assert not is_exact.any() and not is_near.any()


def test_near_copies_join_groups_and_connected_pairs_are_not_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = [photo(1) + np.uint8(step) for step in range(30)]
    images = np.stack([photo(2), *recording, photo(3), photo(2) + np.uint8(7)])
    # A recording of 30 pictures has 435 pairs, but 29 of them connect it.
    monkeypatch.setattr(near_search, "_MAX_CANDIDATES", 40)
    groups = DisjointSets(len(images))
    assert join_near_duplicates(images, np.arange(len(images)), groups)
    assert groups.roots().tolist() == [0, *[1] * 30, 31, 0]
    monkeypatch.setattr(near_search, "_MAX_CANDIDATES", 10)
    assert not join_near_duplicates(images, np.arange(len(images)), DisjointSets(len(images)))


def test_correlation_is_that_of_the_best_shift() -> None:
    image = photo(4)
    assert pixel_correlation(image, image) == pytest.approx(1, abs=1e-5)
    assert pixel_correlation(image, 255 - image) < 0.5
    assert pixel_correlation(image, np.roll(image, 3, 0)) == pytest.approx(1, abs=1e-5)


def test_a_result_is_stored_with_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    (folder / "dataset.json").write_text("{}")
    faces = face_set([photo(1), photo(1) + np.uint8(9)])
    first = cached_near_duplicates(faces, folder)
    (kept,) = (folder / "findings").iterdir()

    def refuse(*arguments: object) -> None:
        raise AssertionError("made again")

    with monkeypatch.context() as patched:
        patched.setattr(near_duplicates, "_pairs", refuse)
        again = cached_near_duplicates(faces, folder)
        assert again.groups[0].tolist() == first.groups[0].tolist() == [0, 1]
        with pytest.raises(AssertionError, match="made again"):
            cached_near_duplicates(face_set([photo(3)]), folder)
    kept.write_bytes(b"torn")
    assert len(cached_near_duplicates(faces, folder).groups) == 1


def test_all_injected_copies_of_the_demo_set_are_found(settings: Settings) -> None:
    errors = injected_errors()
    near = find_near_duplicates(load_dataset("demo", settings))
    group_of = {int(row): number for number, group in enumerate(near.groups) for row in group}
    for copy in errors.near_duplicates:
        assert group_of[copy.row] == group_of[copy.source]
    # Drawn faces may by chance be much alike, but rarely.
    assert len(near.groups) < 2 * len(errors.near_duplicates)
