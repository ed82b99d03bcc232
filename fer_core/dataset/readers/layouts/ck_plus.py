"""Read CK+ in its original layout: sequences of frames, and files with the sequences' emotions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from fer_core.dataset.class_numbers import CLASS_ORDERS
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Layout, SourceFiles, folders_of
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.errors import InputError
from fer_core.phrases import counted

#: Number of frames at the end of a sequence that get its emotion. Most papers use three.
PEAK_FRAMES = 3

#: Subject, sequence and frame: S005_001_00000011.png
_FRAME = re.compile(r"(S\d{3}_\d{3})_(\d{8})\.\w+", re.IGNORECASE | re.ASCII)
#: Subject, sequence and frame of the peak: S005_001_00000011_emotion.txt
_LABEL = re.compile(r"(S\d{3}_\d{3})_(\d{8})_emotion\.txt", re.IGNORECASE | re.ASCII)
#: A source contains CK+ if at least this share of its pictures has the name of a frame of CK+.
_MIN_SHARE = 0.5

_BAD_LABEL = SkipReason("does not contain a number of CK+'s emotions, 0 to 7")
_NO_FRAMES = SkipReason("names a sequence without pictures")
_NO_FRAME_NAME = SkipReason("is not named as a frame of CK+, such as S005_001_00000011.png")


def read_ck_plus(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read CK+'s sequences and the files ``…_emotion.txt`` with their emotions.

    A sequence begins with a neutral face and ends with the peak of an emotion. The peak frame and
    the frames directly before it get the emotion; their number is ``PEAK_FRAMES``. If frame 1 is
    not one of them, it is neutral. All other frames are not read. Sequences without a file of their
    emotion are not read.

    Args:
        files: The files of the source.
        problems: Collects the sequences and files that cannot be used.

    Returns:
        The layout; None if there are no files with emotions.
    """
    label_files = [name for name in files.names if _LABEL.fullmatch(name.rpartition("/")[2])]
    if not label_files:
        return None
    sequences: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for picture in files.pictures:
        match = _FRAME.fullmatch(picture.rpartition("/")[2])
        if match is None:
            problems.add(picture, _NO_FRAME_NAME, class_name="")
        else:
            sequences[match[1].upper()][int(match[2])].append(picture)
    labels = _labels(files, label_files, sequences.keys(), problems)
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    unused_count = 0
    for sequence, frames in sorted(sequences.items()):
        pictures = [picture for group in frames.values() for picture in group]
        if sequence not in labels:
            folder = "/".join(folders_of(pictures[0])) or sequence
            problems.add_folder(
                folder, "is a sequence without a file of its emotion", len(pictures)
            )
            continue
        emotion, peak = labels[sequence]
        emotions = _emotions_of_frames(frames, emotion, peak)
        faces |= {
            picture: (AnnotatedFace(emotions[frame], folders_of(picture)),)
            for frame in emotions
            for picture in frames[frame]
        }
        unused_count += sum(len(group) for frame, group in frames.items() if frame not in emotions)
    note = (
        f"{len(labels):,} of {counted(len(sequences), 'sequence')} of CK+ have a file that "
        f"states their emotion. In each of these sequences, the {PEAK_FRAMES} frames up to the "
        "peak of the emotion get this emotion, and frame 1, if it is not one of these, gets the "
        "class neutral (leave out this class if you do not want it); "
        f"{counted(unused_count, 'other frame')} were not read."
    )
    return Layout(faces, asks_user_about_all_folders=False, notes=[note])


def check_ck_plus_labels(files: SourceFiles) -> None:
    """Raise an error if the source contains frames of CK+ without the files of their emotions.

    Call this only if nothing in the source names the classes of the pictures: it checks only
    whether most pictures are named as frames of CK+.

    Raises:
        InputError: Most pictures are named as frames of CK+.
    """
    names = [picture.rpartition("/")[2] for picture in files.pictures]
    count = sum(_FRAME.fullmatch(name) is not None for name in names)
    if count and count >= _MIN_SHARE * len(names):
        raise InputError(
            f"{files.source.label} contains the frames of CK+ without the files of their emotions "
            "(S005_001_00000011_emotion.txt); import a folder or archive that contains both "
            "cohn-kanade-images and Emotion."
        )


def _labels(
    files: SourceFiles, label_files: Sequence[str], sequences: Collection[str], problems: ProblemLog
) -> dict[str, tuple[str, int]]:
    """Return the emotion and the number of the peak frame of each sequence."""
    labels: dict[str, tuple[str, int]] = {}
    for name, content in files.source.read_all(list(label_files)):
        match = _LABEL.fullmatch(name.rpartition("/")[2])
        emotion = None if isinstance(content, SkipReason) else _emotion(content)
        if match is None:
            continue
        if isinstance(content, SkipReason):
            problems.add(name, content)
        elif emotion is None:
            problems.add(name, _BAD_LABEL)
        elif match[1].upper() not in sequences:
            problems.add(name, _NO_FRAMES)
        else:
            labels[match[1].upper()] = emotion, int(match[2])
    return labels


def _emotion(content: bytes) -> str | None:
    """Return the emotion whose number a file contains (``   3.0000000e+00``); None if invalid."""
    try:
        number = float(content[:100].decode("ascii"))
    except ValueError:
        return None
    names = CLASS_ORDERS["ck+"].names
    return names[int(number)] if number in range(len(names)) else None


def _emotions_of_frames(frames: Mapping[int, object], emotion: str, peak: int) -> dict[int, str]:
    """Return the emotion of each frame that is read: the frames at the peak, and frame 1.

    If frame 1 is not one of the frames at the peak, it is neutral.
    """
    emotions = {frame: emotion for frame in frames if peak - PEAK_FRAMES < frame <= peak}
    first = min(frames)
    # A sequence that does not begin with frame 1 was shortened, and may begin with an expression.
    if first <= 1 and first not in emotions:
        emotions[first] = "neutral"
    return emotions
