"""Read YOLO's format: ``images/a.jpg`` with ``labels/a.txt``, one line per box, the class first."""

from __future__ import annotations

import math
from pathlib import PurePosixPath

from fer_core.dataset.readers.layouts.layout import (
    AnnotatedFace,
    Box,
    Folders,
    Layout,
    SourceFiles,
    folders_of,
)
from fer_core.dataset.readers.layouts.yolo_config import read_yolo_config
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, printable_text
from fer_core.dataset.readers.split_names import split_from_name

#: A box that covers at least this share of a picture counts as the whole picture: the boxes of face
#: crops often miss a few pixels at the edges.
WHOLE_PICTURE_SHARE = 0.9
_MAX_LABEL_BYTES = 2**20
#: Number of text files next to pictures that are read to check whether such files contain labels.
_CHECKED_FILES = 5

_NO_LABELS = SkipReason("has no label file")
_NO_BOX = SkipReason("has no box in its label file")
_BAD_LINE = SkipReason("is not a class number followed by a box of values from 0 to 1")


def read_yolo(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read pictures in ``images/`` with label files in ``labels/``, in YOLO's format.

    Both orders of the folders are read: ``images/train/`` and ``train/images/``. The label files
    may also be in the folders of the pictures. Each line of a label file is the box of a face. If a
    box covers nearly the whole picture, the picture is used as a whole.

    The names of the classes come from ``names`` in ``data.yaml``, or from ``classes.txt``. Without
    these files, the classes are numbers. The splits come from ``train``, ``val`` and ``test`` in
    ``data.yaml``, or from the folders.

    Args:
        files: The files of the source.
        problems: Collects the pictures and lines that cannot be used.

    Returns:
        The layout; None if no picture has a label file.
    """
    labels = _label_files(files)
    if not labels:
        return None
    config = read_yolo_config(files)
    faces: dict[str, tuple[AnnotatedFace, ...]] = {}
    crop_count = whole_picture_count = 0
    uses_config = False
    for picture in files.pictures:
        if picture not in labels:
            problems.add(picture, _NO_LABELS, class_name="")
    contents = files.source.read_all(list(labels.values()))
    for picture, (label_path, content) in zip(labels, contents, strict=True):
        if isinstance(content, SkipReason):
            problems.add(label_path, content)
            continue
        # The folder "images" belongs to the format, and is neither a split nor a class.
        parent_folders = tuple(part for part in folders_of(picture) if part.lower() != "images")
        split = config.split_of(picture)
        if split == _split_of_folders(parent_folders):
            # The folders state the same split. It is not stored with the face, because it would
            # then override the split that the user chooses for a folder.
            split = None
        uses_config |= split is not None
        picture_faces = []
        for number, line in enumerate(content[:_MAX_LABEL_BYTES].splitlines(), start=1):
            if not line.strip():
                continue
            parsed = _parse_line(line)
            if parsed is None:
                problems.add(f"{label_path}:{number}", _BAD_LINE)
                continue
            class_number, box = parsed
            name = config.class_names.get(class_number, str(class_number))
            picture_faces.append(AnnotatedFace(name, parent_folders, split=split, box=box))
            crop_count += box is not None
            whole_picture_count += box is None
        if picture_faces:
            faces[picture] = tuple(picture_faces)
        else:
            problems.add(picture, _NO_BOX, class_name="")
    note = (
        "The classes and boxes were read from YOLO's labels. Faces that were cut out: "
        f"{crop_count:,}. Pictures used as a whole, because the box covers at least "
        f"{100 * WHOLE_PICTURE_SHARE:.0f} % of them: {whole_picture_count:,}."
    )
    notes = [note]
    if uses_config:
        notes.append(f"The splits were read from {printable_text(config.splits_file)}.")
    notes += [
        f"{printable_text(config.splits_file)} names the folder {printable_text(folder)} for "
        "several splits, so this folder does not determine the split of its pictures."
        for folder in config.ambiguous_folders
    ]
    return Layout(faces, notes=notes)


def _split_of_folders(folders: Folders) -> int | None:
    """Return the split of the innermost folder that names a split; None without such a folder."""
    splits = [split[0] for folder in folders if (split := split_from_name(folder)) is not None]
    return splits[-1] if splits else None


def _label_files(files: SourceFiles) -> dict[str, str]:
    """Return the paths of the label files, by the paths of their pictures.

    The files are in ``labels/``, or else next to the pictures.
    """
    names = set(files.names)
    paths = {picture: _label_path(picture) for picture in files.pictures}
    in_labels_folder = {picture: path for picture, path in paths.items() if path in names}
    if in_labels_folder:
        return in_labels_folder
    next_to_pictures = {
        picture: path
        for picture in files.pictures
        if (path := str(PurePosixPath(picture).with_suffix(".txt"))) in names
    }
    # Other datasets may also have text files next to their pictures, with other content.
    for _, content in files.source.read_all(list(next_to_pictures.values())[:_CHECKED_FILES]):
        if isinstance(content, SkipReason):
            return {}
        if not all(_parse_line(line) for line in content.splitlines() if line.strip()):
            return {}
    return next_to_pictures


def _label_path(picture: str) -> str | None:
    """Return the path of the label file for a picture, by the rule of YOLO's programs."""
    parts = picture.split("/")
    for position in range(len(parts) - 2, -1, -1):
        if parts[position].lower() == "images":
            labels = "LABELS" if parts[position].isupper() else "labels"
            file_name = str(PurePosixPath(parts[-1]).with_suffix(".txt"))
            return "/".join((*parts[:position], labels, *parts[position + 1 : -1], file_name))
    return None


def _parse_line(line: bytes) -> tuple[int, Box | None] | None:
    """Return the class number and the box of a line; None if the line is invalid.

    The box is None if it counts as the whole picture. Four values after the class number are the
    center, the width and the height of a box; six or more values are the corners of a polygon.
    """
    try:
        first, *values = (float(word) for word in line.split())
    except ValueError:
        return None
    is_valid = first.is_integer() and 0 <= first <= 99 and len(values) >= 4
    if not is_valid or not all(math.isfinite(value) and -0.01 <= value <= 1.01 for value in values):
        return None
    # After the four values of a box, there may be a fifth value: the confidence of a prediction.
    if len(values) <= 5:
        x, y, width, height = values[:4]
        edges = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        # A value without a partner is the confidence of a prediction, too.
        points = values[: len(values) // 2 * 2]
        edges = min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
    left, top, right, bottom = (min(max(value, 0.0), 1.0) for value in edges)
    area = (right - left) * (bottom - top)
    if area <= 0:
        return None
    is_whole = area >= WHOLE_PICTURE_SHARE
    return int(first), None if is_whole else Box(left, top, right, bottom, is_relative=True)
