"""Files among the pictures that are not pictures, and what they are instead."""

from __future__ import annotations

from collections.abc import Mapping

from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers.archive_names import archive_stem, unsupported_archive
from fer_core.dataset.readers.layouts.places import Folders, Place, SourceFiles, folders_of
from fer_core.dataset.readers.picture_names import DATA_SUFFIXES
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, error_text
from fer_core.picture_header import HEADER_BYTES, phone_format

_NOT_READABLE = SkipReason("is not a picture that can be read")
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "is a PDF document and not a picture; save its pages as PNG"),
    (b"8BPS", "is a Photoshop file and not a picture; export it as PNG"),
    (b"<svg", "is an SVG drawing and not a picture; export it as PNG"),
    (b"version https://git-lfs", "is a Git LFS pointer and not the picture; run 'git lfs pull'"),
    (b"<!doctype html", "is a web page and not a picture; download it again"),
    (b"<html", "is a web page and not a picture; download it again"),
    *((start, "is a video and not a picture") for start in (b"\x1a\x45\xdf\xa3", b"FLV\x01")),
)


def reason_of(beginning: bytes) -> SkipReason:
    """Return why a file that is not a picture is skipped, by its first bytes."""
    if not beginning:
        return SkipReason("is empty")
    is_container = beginning[4:8] in (b"ftyp", b"moov", b"mdat", b"wide")
    is_avi = beginning[:4] == b"RIFF" and beginning[8:12] == b"AVI "
    if is_avi or (is_container and phone_format(beginning) is None):
        return SkipReason("is a video and not a picture")
    text = beginning.lstrip(b"\xef\xbb\xbf \r\n\t")
    for start, reason in _KINDS:
        # Signatures that are text may be in upper case.
        if beginning.startswith(start) or (start[:1] in b"<v" and text.lower().startswith(start)):
            return SkipReason(reason)
    if text.startswith(b"<?xml") and b"<svg" in beginning:
        return SkipReason(_KINDS[2][1])
    return _NOT_READABLE


def report_other_files(
    files: SourceFiles, places: Mapping[str, tuple[Place, ...]], problems: ProblemLog
) -> None:
    """Report the files in folders of pictures that are not pictures.

    Args:
        files: The files of the source.
        places: The faces of each picture.
        problems: Collects the files, with the class of their folder.
    """
    classes = _class_of_folder(places)
    # The folders that contain the folders of classes. Any other folder in them is that of a class.
    parents = {path[:-1] for path, name in classes.items() if path and path[-1] == name}
    known = set(files.pictures)
    for path in files.names:
        if path in known or path.lower().endswith(DATA_SUFFIXES) or _is_archive(path):
            continue
        class_name = _class_of(folders_of(path), classes, parents)
        if class_name is not None:
            problems.add(path, _reason(files, path), class_name)


def _is_archive(path: str) -> bool:
    return archive_stem(path) is not None or unsupported_archive(path) is not None


def _reason(files: SourceFiles, path: str) -> SkipReason:
    try:
        with files.source.open(path) as stream:
            return reason_of(stream.file.read(HEADER_BYTES))
    except Exception as error:  # a damaged archive raises many types of errors
        return SkipReason(f"cannot be read ({error_text(error)})", "cannot be read")


def _class_of_folder(places: Mapping[str, tuple[Place, ...]]) -> dict[Folders, str]:
    """Return the class of the pictures in each folder; an empty text for several classes."""
    classes: dict[Folders, str] = {}
    for name, faces in places.items():
        folder = folders_of(name)
        for place in faces:
            if classes.setdefault(folder, place.class_name) != place.class_name:
                classes[folder] = ""
    return classes


def _class_of(folder: Folders, classes: Mapping[Folders, str], parents: set[Folders]) -> str | None:
    if folder in classes:
        return classes[folder]
    emotion = next((part for part in reversed(folder) if emotion_of_folder(part)), None)
    if emotion is not None:
        return emotion
    return next((folder[level] for level in range(len(folder)) if folder[:level] in parents), None)
