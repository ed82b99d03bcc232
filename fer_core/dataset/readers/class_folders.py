"""Pictures in folders named after their emotion: Kaggle's FER2013 and whatever is laid out so."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet, Problem
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.splitting import SplitChoice, cut_missing_splits
from fer_core.emotions import EMOTIONS, emotion_from_name
from fer_core.errors import InputError

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm")

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}

#: Larger pictures are not faces of a dataset but photos; decoding them would only cost memory.
_MAX_SIDE = 4096
#: What a smaller file unpacks to is bearable whatever it is (deflate gives at most 1,032 to 1), so
#: that the usual face of a few kilobytes is decoded without a look at its header.
_UNSUSPICIOUS_BYTES = 16 * 2**10

_TOO_LARGE = f"has more than {_MAX_SIDE}x{_MAX_SIDE} pixels, too large for a face"

ProgressReport = Callable[[int, int], None]


def read_class_folders(
    source: Source, split_choice: SplitChoice, report: ProgressReport | None = None
) -> FaceSet:
    """Read ``<split>/<emotion>/picture`` or ``<emotion>/picture``, at any depth.

    FER2013's official splits are told apart by the file names' prefixes, also inside Kaggle's
    common ``test/`` folder, and then nothing is cut: a split that is absent stays so. Any other
    source gets the splits it lacks as stratified shares of its training images.

    Args:
        source: The files.
        split_choice: How missing splits are cut.
        report: Called now and then with the number of pictures read and their number in all.

    Raises:
        InputError: No picture in the source is usable.
    """
    problems: list[Problem] = []
    placed: dict[str, tuple[int, int]] = {}
    official_splits = False
    for name in source.names():
        place = _place(name)
        if isinstance(place, str):
            problems.append(Problem(_as_text(name), place))
        elif place is not None:
            label, split, is_official = place
            placed[name] = (label, split)
            official_splits |= is_official

    images: list[NDArray[np.uint8]] = []
    kept: list[str] = []
    for done, (name, content) in enumerate(source.read_all(list(placed)), start=1):
        picture = content if isinstance(content, str) else _decode_face(content)
        if isinstance(picture, str):
            problems.append(Problem(_as_text(name), picture))
        else:
            images.append(picture)
            kept.append(name)
        if report is not None and (done % 500 == 0 or done == len(placed)):
            report(done, len(placed))

    if not kept:
        raise InputError(
            f"{source.label} holds no usable picture in a folder named after an emotion "
            f"({', '.join(EMOTIONS)}); lay it out as train/<emotion>/… and test/<emotion>/…"
            + (f" (first problem: {problems[0].name} {problems[0].reason})." if problems else ".")
        )
    labels = np.array([placed[name][0] for name in kept], dtype=np.int8)
    splits = np.array([placed[name][1] for name in kept], dtype=np.int8)
    if not official_splits:
        splits = cut_missing_splits(labels, splits, split_choice)
    names = tuple(_as_text(name) for name in kept)
    return FaceSet(np.stack(images), labels, splits, names, tuple(problems))


def _as_text(name: str) -> str:
    """The name with line breaks and bytes of another encoding spelled out: one line of text."""
    if name.isprintable():
        return name
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in name
    )


def _place(name: str) -> tuple[int, int, bool] | str | None:
    """Label, split and whether the split is FER2013's own; or what is wrong; or None for not ours.

    Files that are no pictures (a readme, a licence) are nobody's loss and pass in silence.
    """
    *folders, file_name = name.split("/")
    if not file_name.lower().endswith(_PICTURE_SUFFIXES):
        return None
    if not folders:
        return "lies in no folder that names its emotion"
    emotion = emotion_from_name(folders[-1])
    if emotion is None:
        return f"is of class {folders[-1]!r}, none of the seven emotions"
    label = EMOTIONS.index(emotion)
    split = _SPLIT_FOLDERS.get(folders[-2].lower()) if len(folders) > 1 else None
    # Someone who has moved FER2013's files to other folders has meant it: the names count only
    # where the folder does not tell, as in Kaggle's common test/.
    official = _official_split(file_name) if split in (None, "test") else None
    if official is not None and official != "train":
        return label, SPLITS.index(official), True
    return label, SPLITS.index(split or official or "train"), False


def _official_split(file_name: str) -> str | None:
    """The split that a file name of FER2013 tells."""
    for prefix, split in (
        ("Training_", "train"),
        ("PublicTest_", "validation"),
        ("PrivateTest_", "test"),
    ):
        if file_name.startswith(prefix):
            return split
    return None


def _decode_face(content: bytes) -> NDArray[np.uint8] | str:
    """A picture as uint8 [48, 48] grey, or what is wrong with it."""
    if not content:
        return "is empty"
    if len(content) > _UNSUSPICIOUS_BYTES and _is_too_large(content):
        return _TOO_LARGE
    buffer = np.frombuffer(content, dtype=np.uint8)
    try:
        picture = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        picture = None
    if picture is None:
        return "is not a picture that can be read"
    if picture.size > _MAX_SIDE * _MAX_SIDE:
        return _TOO_LARGE
    if picture.shape != (FACE_SIZE, FACE_SIZE):
        interpolation = cv2.INTER_AREA if min(picture.shape) > FACE_SIZE else cv2.INTER_LINEAR
        picture = cv2.resize(picture, (FACE_SIZE, FACE_SIZE), interpolation=interpolation)
    return np.asarray(picture, dtype=np.uint8)


def _is_too_large(content: bytes) -> bool:
    """Whether a picture's header states too many pixels: OpenCV would decode it to find out."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                return picture.width * picture.height > _MAX_SIDE * _MAX_SIDE
    except Image.DecompressionBombError:
        return True
    except Exception:
        return False  # damaged or of a kind that only OpenCV knows: decoding will tell
