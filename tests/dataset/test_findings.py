"""Findings: which images they name, how they are filtered, and what is done about them."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fer_core.dataset.curation import Curation, entries_for
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.findings import (
    Finding,
    blank_finding,
    exact_findings,
    near_findings,
    ranked_finding,
)
from fer_core.dataset.image_quality import image_quality
from fer_core.dataset.near_duplicates import find_near_duplicates
from fer_core.dataset.quick_fixes import QUICK_FIXES, quick_fix_entries
from fer_core.errors import InputError


@pytest.fixture
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Copies: 1 = 0 (both train), 5 (validation) = 2 (train), 6 (test) = 3 (train, other label);
    7 is blank; 4 (train) and 8 (validation) differ by a little light."""
    splits = ["train"] * 5 + ["validation", "test", "train", "validation"]
    drawn = draw_faces([0, 0, 1, 2, 3, 1, 4, 0, 3], splits=splits)
    images = drawn.images.copy()
    images[1], images[5], images[6] = images[0], images[2], images[3]
    images[7] = 9
    images[8] = images[4] + np.uint8(3)
    return replace(drawn, images=images)


def dropped(name: str, faces: FaceSet, curation: Curation | None = None) -> list[int]:
    near = find_near_duplicates(faces)
    entries = quick_fix_entries(name, faces, curation or Curation(), near=near)
    assert {entry.action for entry in entries} <= {"drop"}
    return [faces.names.index(entry.name) for entry in entries]


def groups(finding: Finding) -> list[list[int]]:
    return [group.tolist() for group in finding.groups]


def test_exact_findings_by_kind(faces: FaceSet) -> None:
    found = exact_findings(faces)
    assert groups(found["duplicates"]) == [[0, 1], [2, 5], [3, 6]]
    assert groups(found["conflicts"]) == [[3, 6]]
    assert groups(found["leaks"]) == [[5, 2], [6, 3]]  # the held-out image first
    assert groups(found["repeats"]) == [[0, 1]]
    assert found["conflicts"].reasons[0] == "1 in train, 1 in test; fear, sad"
    assert found["leaks"].counts(faces) == {"train": 2, "validation": 1, "test": 1}
    assert found["duplicates"].to_json(faces)["groups"] == 3


def test_near_findings_by_kind(faces: FaceSet) -> None:
    found = near_findings(faces, find_near_duplicates(faces))
    assert groups(found["near_duplicates"]) == [[4, 8]]
    assert groups(found["near_leaks"]) == [[8, 4]]
    assert len(found["near_conflicts"]) == 0
    assert found["near_duplicates"].scores[0] > 0.99


def test_the_blank_finding_gives_the_reason(faces: FaceSet) -> None:
    finding = blank_finding(faces, image_quality(faces.images))
    assert finding.rows.tolist() == [7]
    assert finding.reasons == ("the intensities hardly vary",)
    assert not finding.is_grouped


def test_groups_stay_whole_when_filtered(faces: FaceSet) -> None:
    duplicates = exact_findings(faces)["duplicates"]
    assert groups(duplicates.of_split(faces, "validation")) == [[2, 5]]
    assert groups(duplicates.of_label(faces, "sad")) == [[3, 6]]
    assert duplicates.of_split(faces, "all") is duplicates
    assert groups(duplicates.without([5, 3])) == [[0, 1]]
    with pytest.raises(InputError, match="no split"):
        duplicates.of_split(faces, "holdout")
    with pytest.raises(InputError, match="no class"):
        duplicates.of_label(faces, "joy")


def test_a_ranking_is_filtered_image_by_image(faces: FaceSet) -> None:
    finding = ranked_finding(
        "kind",
        "Title",
        "Explanation.",
        score_name="score",
        rows=np.array([5, 0, 6]),
        scores=np.array([3, 2, 1], np.float32),
        reasons=["a", "b", "c"],
        suggested=np.array([4, -1, 0], np.int8),
    )
    assert finding.of_split(faces, "train").rows.tolist() == [0]
    left = finding.without([5])
    assert (left.rows.tolist(), left.reasons) == ([0, 6], ("b", "c"))
    rows = list(csv.reader(io.StringIO(finding.to_csv(faces))))
    assert rows[0][:4] == ["finding", "group", "name", "split"]
    assert rows[1] == [
        "kind",
        "",
        "validation/5.png",
        "validation",
        "disgust",
        "sad",
        "3.0000",
        "a",
    ]
    assert rows[2][5] == ""
    with pytest.raises(ValueError, match="reasons should have 3"):
        replace(finding, reasons=("a",))


def test_a_dataset_without_errors_has_empty_findings(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0, 1, 2])
    for finding in exact_findings(faces).values():
        assert (len(finding), finding.groups) == (0, ())
        assert len(list(csv.reader(io.StringIO(finding.to_csv(faces))))) == 1


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("drop-train-copies", [2, 3]),
        ("drop-train-near-copies", [4]),
        ("drop-repeats", [1]),
        ("drop-conflicts", [3]),
        ("drop-blanks", [7]),
    ],
)
def test_what_a_quick_fix_drops(faces: FaceSet, name: str, rows: list[int]) -> None:
    assert dropped(name, faces) == rows
    # Not again, and never an image that was kept or relabeled by hand.
    for action, label in (("drop", None), ("keep", None), ("relabel", "sad")):
        settled = Curation(entries_for(faces, rows, action, label=label, reason="", source=""))
        assert dropped(name, faces, settled) == []


def test_the_last_of_repeated_images_stays(faces: FaceSet) -> None:
    gone = Curation(entries_for(faces, [0], "drop", reason="", source=""))
    assert dropped("drop-repeats", faces, gone) == []


def test_quick_fixes_have_names(faces: FaceSet) -> None:
    assert len({fix.name for fix in QUICK_FIXES}) == len(QUICK_FIXES)
    with pytest.raises(InputError, match="no quick fix 'burn'; choose from drop-train-copies"):
        quick_fix_entries("burn", faces, Curation())
    with pytest.raises(ValueError, match="needs the near-duplicates"):
        quick_fix_entries("drop-train-near-copies", faces, Curation())
