"""CK+ in its original layout: sequences of frames, and files with their emotions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers import examine_source, read_dataset
from fer_core.dataset.source_path import checked_source
from fer_core.errors import InputError

WriteFiles = Callable[..., Path]

#: Number of frames and label by sequence. A number above 7 does not exist.
SEQUENCES: dict[str, tuple[int, str | None]] = {
    "S005_001": (11, "   3.0000000e+00\n"),
    "S010_001": (14, "7"),
    "S010_002": (4, "2.0"),
    "S011_004": (5, None),
    "S014_005": (3, "6"),
    "S022_002": (1, "5"),
    "S022_003": (2, "9"),
}


def ck_plus(root: str = "", images: str = "cohn-kanade-images") -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    files = {}
    for sequence, (count, label) in SEQUENCES.items():
        subject, number = sequence.split("_")
        for frame in range(1, count + 1):
            picture = generator.integers(0, 256, (48, 48)).astype(np.uint8)
            name = f"{root}{images}/{subject}/{number}/{sequence}_{frame:08}.png"
            files[name] = cv2.imencode(".png", picture)[1].tobytes()
        stem = f"{subject}/{number}/{sequence}_{count:08}"
        files[f"{root}Landmarks/{stem}_landmarks.txt"] = b"1.0 2.0\n" * 68
        if label is not None:
            files[f"{root}Emotion/{stem}_emotion.txt"] = label.encode()
    return files


def emotions(faces: FaceSet) -> dict[str, str]:
    """The emotion by sequence and frame: ``{"S005_001_9": "disgust"}``."""
    found = {}
    for name, label in zip(faces.names, faces.labels.tolist(), strict=True):
        sequence, _, frame = name.rpartition("/")[2].removesuffix(".png").rpartition("_")
        found[f"{sequence}_{int(frame)}"] = faces.classes[label]
    return found


EXPECTED = {
    **{f"S005_001_{frame}": "disgust" for frame in (9, 10, 11)},
    **{f"S010_001_{frame}": "surprise" for frame in (12, 13, 14)},
    **{f"S010_002_{frame}": "contempt" for frame in (2, 3, 4)},
    **{f"S014_005_{frame}": "sad" for frame in (1, 2, 3)},
    **{f"{sequence}_1": "neutral" for sequence in ("S005_001", "S010_001", "S010_002")},
    "S022_002_1": "happy",
}


@pytest.mark.parametrize("root", ["", "CK+/", "extended-cohn-kanade/data/"])
def test_the_last_frames_get_the_emotion_and_the_first_is_neutral(
    write_files: WriteFiles, root: str
) -> None:
    faces = read_dataset(write_files(ck_plus(root)), class_choice=ClassChoice("emotions8"))
    assert emotions(faces) == EXPECTED
    # S005_001 has 11 - 4 further frames, S010_001 14 - 4, S010_002 none.
    assert "5 of 7 sequences" in faces.notes[0]
    assert "17 other frames were not read" in faces.notes[0]
    assert faces.split_groups is not None
    assert faces.split_groups.persons == 4
    problems = {p.name.replace(root, ""): (p.reason, p.count) for p in faces.problems}
    without = "is a sequence without a file of its emotion"
    assert problems == {
        f"folder {'cohn-kanade-images/S011/004'!r}": (without, 5),
        f"folder {'cohn-kanade-images/S022/003'!r}": (without, 2),
        "Emotion/S022/003/S022_003_00000002_emotion.txt": (
            "does not contain a number of CK+'s emotions, 0 to 7",
            1,
        ),
    }


def test_two_archives_in_a_folder(
    write_files: WriteFiles, zip_bytes: Callable[[dict[str, bytes]], bytes]
) -> None:
    files = ck_plus()
    parts = {
        f"{name}.zip": zip_bytes({k: v for k, v in files.items() if k.startswith(folder)})
        for name, folder in (("extended-cohn-kanade-images", "cohn"), ("Emotion_labels", "Emotion"))
    }
    faces = read_dataset(write_files(parts), class_choice=ClassChoice("emotions8"))
    assert emotions(faces) == EXPECTED


def test_the_neutral_frames_can_be_left_out(write_files: WriteFiles) -> None:
    choice = ClassChoice(changes=(("neutral", None), ("contempt", "disgust")))
    faces = read_dataset(write_files(ck_plus()), class_choice=choice)
    assert "neutral" not in emotions(faces).values()
    assert emotions(faces)["S010_002_4"] == "disgust"


@pytest.mark.parametrize("given", ["", "cohn-kanade-images"])
def test_frames_without_their_emotions_are_not_asked_about_as_numbers(
    write_files: WriteFiles, given: str
) -> None:
    files = {name: content for name, content in ck_plus().items() if "emotion" not in name}
    for read in (read_dataset, examine_source):
        with pytest.raises(InputError, match="without the files of their emotions") as raised:
            read(write_files(files) / given)
        assert "number" not in str(raised.value)


def test_the_folder_of_the_frames_names_the_one_above(write_files: WriteFiles) -> None:
    source = write_files(ck_plus())
    with pytest.raises(InputError, match=f"import {source} instead"):
        checked_source(str(source / "cohn-kanade-images"))


def test_frames_in_folders_of_emotions_are_read_by_their_folders(write_files: WriteFiles) -> None:
    files: dict[str, Any] = {}
    for number, content in enumerate(list(ck_plus().values())[:6]):
        files[f"{'happy' if number % 2 else 'anger'}/S005_001_{number:08}.png"] = content
    faces = read_dataset(write_files(files))
    assert sorted(emotions(faces).values()) == ["angry"] * 3 + ["happy"] * 3
