"""Find files among the pictures that are not pictures, and say what they are instead."""

from __future__ import annotations

from collections.abc import Mapping

from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.readers.archive_names import is_archive
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Folders, SourceFiles, folders_of
from fer_core.dataset.readers.picture_names import DATA_SUFFIXES
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, reading_failed
from fer_core.picture_header import HEADER_BYTES, is_video

_NOT_READABLE = SkipReason("is not a picture that can be read")
_SVG = SkipReason("is an SVG drawing and not a picture; export it as PNG")
_WEB_PAGE = SkipReason("is a web page and not a picture; download it again")
#: The first bytes of files that are not pictures or cannot be read, and why they are skipped.
_BINARY_KINDS: tuple[tuple[bytes, SkipReason], ...] = (
    (b"%PDF", SkipReason("is a PDF document and not a picture; save its pages as PNG")),
    (b"8BPS", SkipReason("is a Photoshop file and not a picture; export it as PNG")),
    (b"\xff\x0a", SkipReason("is a JPEG XL picture, which cannot be read; export it as PNG")),
    (
        b"\x00\x00\x00\x0cJXL ",
        SkipReason("is a JPEG XL picture, which cannot be read; export it as PNG"),
    ),
)
#: The first characters of text files, in lower case, and why the files are skipped.
_TEXT_KINDS: tuple[tuple[bytes, SkipReason], ...] = (
    (b"<svg", _SVG),
    (b"<!doctype html", _WEB_PAGE),
    (b"<html", _WEB_PAGE),
    (
        b"version https://git-lfs",
        SkipReason("is a Git LFS pointer and not the picture; run 'git lfs pull'"),
    ),
)


def reason_for_skipping(beginning: bytes) -> SkipReason:
    """Return the reason for skipping a file that is not a picture, by its first bytes."""
    if not beginning:
        return SkipReason("is empty")
    if is_video(beginning):
        return SkipReason("is a video and not a picture")
    text = beginning.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return _SVG
    return next(
        (
            reason
            for content, kinds in ((beginning, _BINARY_KINDS), (text, _TEXT_KINDS))
            for start, reason in kinds
            if content.startswith(start)
        ),
        _NOT_READABLE,
    )


def report_other_files(
    files: SourceFiles, faces: Mapping[str, tuple[AnnotatedFace, ...]], problems: ProblemLog
) -> None:
    """Add the files that are in folders of pictures, but are not pictures, to the problems.

    Archives and files with one of ``DATA_SUFFIXES`` are not added.

    Args:
        files: The files of the source.
        faces: The faces of each picture, by its path.
        problems: Collects the files, with the class of their folder.
    """
    classes = _class_by_folder(faces)
    # The folders that contain class folders. All folders directly inside them count as classes.
    class_parents = {path[:-1] for path, name in classes.items() if path and path[-1] == name}
    pictures = set(files.pictures)
    for path in files.names:
        if path in pictures or path.lower().endswith(DATA_SUFFIXES) or is_archive(path):
            continue
        class_name = _class_of(folders_of(path), classes, class_parents)
        if class_name is not None:
            problems.add(path, _reason(files, path), class_name)


def _reason(files: SourceFiles, path: str) -> SkipReason:
    try:
        with files.source.open(path) as stream:
            return reason_for_skipping(stream.file.read(HEADER_BYTES))
    except Exception as error:  # a damaged archive raises many types of errors
        return reading_failed(error)


def _class_by_folder(
    faces_by_picture: Mapping[str, tuple[AnnotatedFace, ...]],
) -> dict[Folders, str]:
    """Return the class of the pictures in each folder; an empty string for several classes."""
    classes: dict[Folders, str] = {}
    for name, faces in faces_by_picture.items():
        folder = folders_of(name)
        for face in faces:
            if classes.setdefault(folder, face.class_name) != face.class_name:
                classes[folder] = ""
    return classes


def _class_of(
    folder: Folders, classes: Mapping[Folders, str], class_parents: set[Folders]
) -> str | None:
    """Return the class of the files in a folder; None if the folder belongs to no class.

    Args:
        folder: The folder.
        classes: The result of ``_class_by_folder``.
        class_parents: The folders that contain class folders.
    """
    if folder in classes:
        return classes[folder]
    emotion_folder = next((part for part in reversed(folder) if emotion_of_folder(part)), None)
    if emotion_folder is not None:
        return emotion_folder
    return next(
        (folder[level] for level in range(len(folder)) if folder[:level] in class_parents), None
    )
