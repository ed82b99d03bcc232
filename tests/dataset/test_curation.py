"""Decisions about images: written, read, matched and applied."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fer_core.dataset.curation import (
    Curation,
    CurationEntry,
    apply_curation,
    entries_for,
    match_curation,
    relabel_entries,
    without_relabeled,
)
from fer_core.dataset.curation_csv import curation_csv, parse_curation
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError

HEADER = "name,key,split,action,label,reason,source,time\n"
LINE = "train/0.png,00112233445566aa,train,drop,,blurred,gallery,2026-01-01T00:00:00+00:00\n"


@pytest.fixture
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Rows 0 to 3 in train, 4 in validation, 5 in test; row 4 has the pixels of row 1."""
    drawn = draw_faces(
        [0, 1, 2, 3, 1, 5], splits=["train", "train", "train", "train", "validation", "test"]
    )
    images = drawn.images.copy()
    images[4] = images[1]
    return replace(drawn, images=images)


def decide(faces: FaceSet, rows: list[int], action: str, label: str | None = None) -> Curation:
    return Curation(entries_for(faces, rows, action, label=label, reason="because", source="test"))


def test_a_bulk_action_leaves_relabeled_images_alone(faces: FaceSet) -> None:
    earlier = Curation(
        (*decide(faces, [1], "relabel", "sad").entries, *decide(faces, [2], "keep").entries)
    )
    new = decide(faces, [0, 1, 2], "drop").entries
    assert without_relabeled(new, earlier, faces) == (new[0], new[2])
    assert without_relabeled(new, Curation(), faces) == new
    # The same data with other names: images are identified by their pixels.
    renamed = replace(faces, names=tuple(f"new {name}" for name in faces.names))
    new = decide(renamed, [0, 1, 2], "drop").entries
    assert without_relabeled(new, earlier, renamed) == (new[0], new[2])


def test_what_is_written_is_read_again(faces: FaceSet) -> None:
    entries = (
        *entries_for(faces, [0], "drop", reason='odd, "quoted"\nreason', source="gallery"),
        *entries_for(faces, [2], "relabel", label="happy", reason="", source="leaks"),
        *entries_for(faces, [4], "keep", reason="fine", source="gallery"),
    )
    assert entries[0].reason == 'odd, "quoted" reason'
    assert [entry.split for entry in entries] == ["train", "train", "validation"]
    curation = Curation(entries)
    assert parse_curation(curation_csv(curation).encode(), "file") == curation
    assert curation.counts() == {"drop": 1, "relabel": 1, "keep": 1}


def test_columns_may_be_in_any_order_and_the_last_line_of_an_image_applies() -> None:
    text = (
        "\ufeffACTION,label,key,name\n"
        "drop,,00112233445566AA,a.png\n"
        "relabel,Happiness,00112233445566aa,a.png\n"
    )
    (entry,) = parse_curation(text.encode(), "file", EMOTIONS).entries
    assert (entry.action, entry.label, entry.split) == ("relabel", "happy", "train")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.png,00112233445566aa,train,burn,,,,", "action should be one of drop"),
        ("a.png,0011,train,drop,,,,", "key should be 16 hexadecimal digits"),
        ("a.png,00112233445566aa,train,relabel,joyous,,,", "label should be one of angry"),
        ("a.png,00112233445566aa,train,relabel,,,,", "label should be the new class"),
        ("a.png,00112233445566aa,train,drop,happy,,,", "drop takes no label"),
        ("a.png,00112233445566aa,holdout,drop,,,,", "split should be one of train"),
        (",00112233445566aa,train,drop,,,,", "name is missing"),
        ("a.png", "key is missing"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number_and_the_others_apply(
    line: str, words: str
) -> None:
    curation = parse_curation((HEADER + LINE + line + "\n\n" + LINE).encode(), "mine.csv", EMOTIONS)
    assert len(curation) == 1
    (problem,) = curation.problems
    assert problem.startswith("mine.csv, line 3: ")
    assert words in problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "lacks name, key, action"),
        (b"image,label\n", "lacks name, key, action"),
        (b"n" * 200_000, "first line cannot be read"),
        (b"name,key,action\n\xff\xfe", "not text in UTF-8"),
    ],
)
def test_files_that_are_not_curations_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_curation(content, "mine.csv")


def test_dropping_and_relabelling(faces: FaceSet) -> None:
    curation = Curation(
        decide(faces, [1, 5], "drop").entries
        + decide(faces, [2], "relabel", "sad").entries
        + decide(faces, [3], "relabel", "happy").entries  # which it is already
    )
    curated = apply_curation(faces, curation)
    assert curated.rows.tolist() == [0, 2, 3, 4]
    assert curated.faces.labels.tolist() == [0, 4, 3, 1]
    assert curated.faces.names == tuple(faces.names[row] for row in (0, 2, 3, 4))
    np.testing.assert_array_equal(curated.faces.images, faces.images[curated.rows])
    assert curated.dropped == {"train": 1, "validation": 0, "test": 1}
    assert curated.relabeled == {"train": 1, "validation": 0, "test": 0}
    assert curated.summary == (
        "1 training image dropped (a copy of a validation or test image), "
        "1 training image relabeled, 1 test image dropped"
    )
    assert faces.labels.tolist() == [0, 1, 2, 3, 1, 5]  # the import stays as it is


def test_curation_can_be_limited_to_training_images(faces: FaceSet) -> None:
    curated = apply_curation(faces, decide(faces, [0, 4, 5], "drop"), ("train",))
    assert curated.rows.tolist() == [1, 2, 3, 4, 5]
    assert curated.summary == "1 training image dropped"


def test_without_decisions_nothing_changes(faces: FaceSet) -> None:
    for curation in (Curation(), decide(faces, [0, 4], "keep")):
        curated = apply_curation(faces, curation)
        assert curated.faces.fingerprint == faces.fingerprint
        assert curated.summary is None
        assert curated.fingerprint == Curation().fingerprint


def test_the_fingerprint_depends_on_decisions_that_change_the_data(faces: FaceSet) -> None:
    one = decide(faces, [0], "drop")
    assert one.fingerprint != Curation().fingerprint
    assert one.fingerprint != decide(faces, [1], "drop").fingerprint
    assert one.fingerprint != decide(faces, [0], "relabel", "sad").fingerprint
    other = replace(one.entries[0], reason="another", time="later")
    assert Curation((other,)).fingerprint == one.fingerprint


def test_missing_images_are_reported_and_the_other_decisions_apply(faces: FaceSet) -> None:
    gone = tuple(
        CurationEntry(f"{n}.png", f"{n:016x}", "train", "drop", None, "", "", "") for n in range(5)
    )
    curated = apply_curation(faces, Curation(gone + decide(faces, [0], "drop").entries))
    assert curated.rows.tolist() == [1, 2, 3, 4, 5]
    assert curated.unknown == gone
    assert curated.warning is not None
    assert "names 5 images" in curated.warning
    assert "0.png, 1.png, 2.png and 2 more" in curated.warning


def test_a_matching_name_is_not_sufficient(faces: FaceSet) -> None:
    curation = decide(faces, [0], "drop")
    images = faces.images.copy()
    images[0, 0, 0] ^= 1
    assert match_curation(curation, replace(faces, images=images)).by_row == {}


def test_decisions_survive_an_import_under_other_names(faces: FaceSet) -> None:
    curation = Curation(
        decide(faces, [1], "drop").entries + decide(faces, [4], "relabel", "sad").entries
    )
    table = replace(faces, names=tuple(f"faces.csv:{row + 2}" for row in range(6)))
    by_row = match_curation(curation, table).by_row
    # Both have the same pixels and differ by their split.
    assert {row: entry.action for row, entry in by_row.items()} == {1: "drop", 4: "relabel"}


def test_of_equal_images_under_other_names_none_is_guessed(faces: FaceSet) -> None:
    images = faces.images.copy()
    images[2] = images[1]
    twins = replace(faces, images=images)
    table = replace(twins, names=tuple(f"faces.csv:{row + 2}" for row in range(6)))
    match = match_curation(decide(twins, [1], "drop"), table)
    assert match.by_row == {}
    assert len(match.unknown) == 1
    both = match_curation(decide(twins, [1, 2], "drop"), table)
    assert sorted(both.by_row) == [1, 2]


def test_new_labels_one_by_one(faces: FaceSet) -> None:
    entries = relabel_entries(
        faces, [0, 1, 2], np.array([4, 1, -1], np.int8), reason="annotators", source="votes"
    )
    assert [(entry.name, entry.label) for entry in entries] == [("train/0.png", "sad")]


def test_a_missing_row_is_reported(faces: FaceSet) -> None:
    with pytest.raises(ValueError, match="0 to 5"):
        entries_for(faces, [6], "drop", reason="", source="")
