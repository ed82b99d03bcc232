"""Copies and images of one person stay on one side of the splits that an import creates."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_core.dataset.demo.shipped import load_demo_set
from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.near_duplicates import find_near_duplicates
from fer_core.dataset.persons import Person
from fer_core.dataset.readers import read_dataset
from fer_core.dataset.split_groups import create_grouped_splits
from fer_core.dataset.split_record import SplitGroups
from fer_core.dataset.splitting import SplitChoice, create_missing_splits
from fer_core.dataset.store import import_dataset, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings

TRAIN, VALIDATION, TEST = 0, 1, 2
Images = NDArray[np.uint8]


def png(image: Images) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def split(
    images: Images,
    labels: list[int],
    persons: list[str | None] | None = None,
    choice: SplitChoice | None = None,
    splits: list[int] | None = None,
) -> tuple[NDArray[np.int8], SplitGroups]:
    count = len(images)
    created, groups = create_grouped_splits(
        images,
        np.array(labels, np.int8),
        np.array(splits or [TRAIN] * count, np.int8),
        persons=[name and Person(name, "folders") for name in persons or [None] * count],
        classes=EMOTIONS,
        choice=choice or SplitChoice(0.2, 0.2),
    )
    assert groups is not None
    return created, groups


@pytest.fixture(scope="module")
def faces() -> Images:
    """Faces that are neither copies nor near-duplicates of each other."""
    demo = load_demo_set()
    near = find_near_duplicates(demo).groups
    copies = audit_duplicates(demo).groups
    repeated = np.concatenate([group[1:] for group in (*near, *copies)])
    return np.delete(demo.images, repeated, axis=0)


def test_persons_stay_together_and_classes_are_stratified(faces: Images) -> None:
    """Ten persons with the same images: the shares can be met exactly."""
    persons = [f"p{number % 10}" for number in range(100)]
    labels = [number // 20 for number in range(100)]
    created, groups = split(faces[:100], labels, list(persons))
    for person in set(persons):
        assert len(set(created[np.array(persons) == person])) == 1
    for part, count in ((TRAIN, 12), (VALIDATION, 4), (TEST, 4)):
        assert np.bincount(np.array(labels)[created == part]).tolist() == [count] * 5
    assert groups == SplitGroups(
        created=("validation", "test"),
        kept_together=("persons", "near-copies", "exact copies"),
        groups=10,
        grouped_images=100,
        largest_group=10,
        persons=10,
        images_with_person=100,
        person_sources=("folders",),
    )
    assert "10 persons, from folders" in groups.summary


def test_unequal_groups_come_close_to_the_shares() -> None:
    """As CK+: 118 persons with 1 to 6 expressions of 3 images each."""
    generator = np.random.default_rng(3)
    groups, labels = [], []
    for person in range(118):
        for label in generator.permutation(7)[: generator.integers(1, 7)]:
            groups += [person] * 3
            labels += [label] * 3
    group_of, label_of = np.array(groups), np.array(labels, np.int8)
    nothing = np.zeros(len(labels), np.int8)
    for seed in range(3):
        splits = create_missing_splits(label_of, nothing, SplitChoice(seed=seed), group_of)
        for part in (VALIDATION, TEST):
            wanted = np.bincount(label_of) * 0.1
            found = np.bincount(label_of[splits == part], minlength=7)
            assert np.abs(found - wanted).max() <= 3  # one person's images of an expression
        np.testing.assert_array_equal(
            splits, create_missing_splits(label_of, nothing, SplitChoice(seed=seed), group_of)
        )


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    members=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), min_size=1, max_size=80),
    seed=st.integers(0, 5),
    validation=st.floats(0.05, 0.45),
)
def test_any_groups_stay_whole_and_train_keeps_every_class(
    members: list[tuple[int, int]], seed: int, validation: float
) -> None:
    groups = np.array([group for group, _ in members])
    labels = np.array([label for _, label in members], np.int8)
    splits = create_missing_splits(
        labels, np.zeros(len(labels), np.int8), SplitChoice(validation, 0.1, seed), groups
    )
    for group in np.unique(groups):
        assert len(np.unique(splits[groups == group])) == 1
    assert set(labels[splits == TRAIN]) == set(labels)


def test_single_images_are_split_as_without_groups() -> None:
    labels = np.random.default_rng(0).integers(0, 5, 200).astype(np.int8)
    nothing, choice = np.zeros(200, np.int8), SplitChoice(0.15, 0.1, 4)
    np.testing.assert_array_equal(
        create_missing_splits(labels, nothing, choice, np.arange(200)),
        create_missing_splits(labels, nothing, choice),
    )


def test_near_copies_and_copies_stay_together(faces: Images) -> None:
    """Thirty faces three times: as they are, again, and brighter."""
    images = np.concatenate([faces[:30], faces[:30], np.minimum(faces[:30], 240) + np.uint8(12)])
    created, groups = split(images, [number % 30 // 10 for number in range(90)])
    np.testing.assert_array_equal(created[:30], created[30:60])
    np.testing.assert_array_equal(created[:30], created[60:])
    assert np.bincount(created).tolist() == [54, 18, 18]
    assert (groups.groups, groups.grouped_images, groups.largest_group) == (30, 90, 3)
    assert groups.kept_together == ("near-copies", "exact copies")
    assert groups.warnings == ()


def test_a_given_split_is_kept(faces: Images) -> None:
    splits = [TEST] * 10 + [TRAIN] * 50
    persons = [None] * 10 + [f"p{number % 10}" for number in range(50)]
    created, groups = split(faces[:60], [0] * 60, [*persons], splits=splits)
    assert (created[:10] == TEST).all() and not (created[10:] == TEST).any()
    assert groups.created == ("validation",)
    assert int((created == VALIDATION).sum()) == 10


def test_one_person_only(faces: Images) -> None:
    created, groups = split(faces[:50], [number % 5 for number in range(50)], ["anna"] * 50)
    assert np.bincount(created).tolist() == [30, 10, 10]
    assert groups.kept_together == ("near-copies", "exact copies")
    (warning,) = groups.warnings
    assert warning.startswith("The images show one person (from folders), too few for")


def test_fewer_persons_than_splits(faces: Images) -> None:
    _, groups = split(faces[:40], [0, 1] * 20, [f"p{number // 20}" for number in range(40)])
    assert groups.kept_together == ("near-copies", "exact copies")
    assert "2 persons" in groups.warnings[0]


def test_as_many_persons_as_splits(faces: Images) -> None:
    """Each split gets a person; the shares cannot be met, which is reported."""
    created, groups = split(faces[:60], [0, 1] * 30, [f"p{number // 20}" for number in range(60)])
    assert np.bincount(created).tolist() == [20, 20, 20]
    assert groups.warnings == (
        "Validation has 33.3 % of the images instead of 20.0 %, because groups stay together.",
        "Test has 33.3 % of the images instead of 20.0 %, because groups stay together.",
    )


def test_a_class_of_one_person_stays_in_train(faces: Images) -> None:
    persons = [f"p{number % 10}" for number in range(50)] + ["p0"] * 10
    created, groups = split(faces[:60], [0] * 50 + [3] * 10, [*persons])
    assert (created[50:] == TRAIN).all()
    assert [one for one in groups.warnings if "no images of happy" in one] == [
        f"{name} has no images of happy: all of them are in groups that stay in another split."
        for name in ("Validation", "Test")
    ]


def test_a_huge_group_stays_in_train(faces: Images) -> None:
    persons = ["huge"] * 60 + [f"p{number % 20}" for number in range(40)]
    created, _ = split(faces[:100], [0] * 100, [*persons])
    assert (created[:60] == TRAIN).all()
    assert np.bincount(created).tolist() == [60, 20, 20]


def test_pictures_of_one_moment(faces: Images) -> None:
    """All images are near-duplicates: they are split anyway, with a warning about the results."""
    images = np.stack([np.minimum(faces[0], 200) + np.uint8(step) for step in range(30)])
    created, groups = split(images, [number % 2 for number in range(30)])
    assert np.bincount(created).tolist() == [18, 6, 6]
    assert groups.kept_together == ("exact copies",)
    assert "results on validation and test will be far too optimistic" in groups.warnings[0]
    created, groups = split(np.stack([faces[0]] * 30), [number % 2 for number in range(30)])
    assert np.bincount(created).tolist() == [18, 6, 6]
    assert groups.kept_together == ()
    assert "assigned independently" in groups.summary


def test_recordings_of_persons_do_not_leak(
    write_files: Callable, faces: Images, settings: Settings
) -> None:
    """The set of the issue: each face five times with noise, in sequences of persons."""
    generator = np.random.default_rng(0)
    files = {}
    for number, face in enumerate(faces[:120]):
        emotion, person = EMOTIONS[number % 3], number // 6
        for frame in range(5):
            noisy = np.clip(face + generator.normal(0, 4, face.shape), 0, 255).astype(np.uint8)
            name = f"S{person:03}_{number % 6:03}_{frame + 1:08}.png"
            files[f"{emotion}/{name}"] = png(noisy)
    name, imported = import_dataset(write_files(files), settings, name="recordings")
    near = find_near_duplicates(imported)
    assert len(near.first) >= 120 * 4
    assert {part: len(rows) for part, rows in near.leaked_rows.items()} == {
        "validation": 0,
        "test": 0,
    }
    person_of = np.array([one.split("/")[1][:4] for one in imported.names])
    for part in (VALIDATION, TEST):
        assert int((imported.splits == part).sum()) == pytest.approx(60, abs=15)
        inside, outside = person_of[imported.splits == part], person_of[imported.splits != part]
        assert not set(inside) & set(outside)
    groups = load_dataset(name, settings).split_groups
    assert groups is not None and groups == imported.split_groups
    assert (groups.persons, groups.person_sources) == (20, ("file names of CK+",))


def test_folders_below_the_classes_name_persons(write_files: Callable, faces: Images) -> None:
    files = {
        f"{emotion}/{'ABCDEFGHIJ'[person]}/{number}.png": png(faces[10 * number + person])
        for emotion, start in (("happy", 0), ("sad", 3))
        for person in range(10)
        for number in range(start, start + 3)
    }
    found = read_dataset(write_files(files), SplitChoice(0.2, 0.2))
    assert len(found) == 60 and not found.problems
    groups = found.split_groups
    assert groups is not None
    assert (groups.persons, groups.groups) == (10, 10)
    assert groups.person_sources == ("folders below the classes",)


def test_a_column_names_persons(write_files: Callable, faces: Images) -> None:
    rows = [
        f"{number % 2},{' '.join(map(str, faces[number].ravel()))},Anna{number % 10 // 2}"
        for number in range(40)
    ]
    text = "\n".join(["emotion,pixels,Subject", *rows, f"0,{' '.join(['7'] * 2304)},"])
    found = read_dataset(write_files({"faces.csv": text.encode()}), SplitChoice(0.2, 0.2))
    groups = found.split_groups
    assert groups is not None
    assert (groups.persons, groups.images_with_person) == (5, 40)
    assert groups.person_sources == ("column 'subject'",)


def test_a_damaged_record_is_an_input_error(
    write_files: Callable, faces: Images, settings: Settings
) -> None:
    source = write_files({f"happy/{number}.png": png(faces[number]) for number in range(20)})
    import_dataset(source, settings, name="faces")
    path = settings.data_root / "faces" / "dataset.json"
    text = path.read_text()
    assert '"split_groups"' in text
    path.write_text(text.replace('"groups"', '"sets"', 1))
    with pytest.raises(InputError, match="damaged"):
        load_dataset("faces", settings)


def test_a_split_for_which_there_are_too_few_images_is_stated(faces: Images) -> None:
    created, groups = split(faces[:20], [number % 5 for number in range(20)], None, SplitChoice())
    assert (created == TRAIN).all()
    assert groups.created == ()
    assert groups.summary.startswith("Created no split from 20 groups")
    assert groups.warnings == tuple(
        f"There is no {name} split, because 10 % of the images of each class are less than one "
        "image; import more images, or choose a larger share."
        for name in ("validation", "test")
    )
