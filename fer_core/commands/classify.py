"""``classify``: classify the faces in pictures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.bundle import find_bundle
from fer_core.commands import CommandResult
from fer_core.commands.arguments import ProgressLines, add_command, path_argument, write_file
from fer_core.commands.many_files import (
    add_many_files_arguments,
    classify_many_files,
    is_for_many_files,
    no_file_error,
)
from fer_core.commands.model_arguments import add_model_arguments
from fer_core.errors import InputError
from fer_core.files import existing_path, os_errors_as_input_errors
from fer_core.phrases import counted
from fer_core.predictor import load_predictor
from fer_core.settings import Settings

# The functions import these modules when they need them, because a machine that is used only for
# training may lack OpenCV.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.face import Face
    from fer_core.vision.photo import PhotoResult

#: The path that stands for standard input.
_STANDARD_INPUT = Path("-")


def add_parser(subparsers: Any) -> None:
    """Add ``classify``."""
    parser = add_command(subparsers, "classify", "classify the faces in pictures", _run)
    parser.add_argument(
        "paths",
        nargs="*",
        type=path_argument,
        metavar="PATH",
        help="a picture, a folder of pictures, a pattern such as 'photos/**/*.jpg', an address "
        "such as s3://bucket/photos, or - for a picture on standard input",
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--whole", action="store_true", help="classify each picture as one face, without detection"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="also write one line per face as a CSV table"
    )
    parser.add_argument(
        "--annotate",
        action="store_true",
        help="write a copy of each picture, with boxes and labels on its faces, to the folder "
        "--out",
    )
    add_many_files_arguments(
        parser,
        out_help="write the results to this folder or address, in parts in the Parquet format; "
        "repeat the command to continue after an interruption",
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    if not arguments.paths and not arguments.files_from:
        raise InputError("classify needs at least one PATH, or a list of files with --files-from.")
    if arguments.annotate:
        _check_annotation(arguments)
    elif arguments.out is not None or is_for_many_files(arguments, arguments.paths):
        if arguments.csv is not None:
            raise InputError(
                "--csv cannot be combined with the options for many files (--out, --on, "
                "--files-from, --workers, --threads, --worker-memory, --files-per-part), patterns "
                "and addresses; omit --csv, or omit these."
            )
        return classify_many_files(arguments, settings, _text)
    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.detect import make_detector
    from fer_core.vision.detector_files import detector_names
    from fer_core.vision.photo import results_as_csv, results_document

    files = _files([Path(text) for text in arguments.paths])
    predictor = load_predictor(find_bundle(arguments.model, settings), emphasis=arguments.emphasis)
    detector = make_detector(arguments.detector or detector_names(settings)[0], settings)
    analyzer = Analyzer(predictor, detector)
    annotation_writer = _AnnotationWriter(Path(arguments.out)) if arguments.annotate else None
    results = []
    report = ProgressLines("classifying")
    # With None, the analyzer decides for each picture whether the picture is already a face crop.
    as_one_face = True if arguments.whole else None
    for number, path in enumerate(files, start=1):
        result, image = _classify(path, analyzer, as_one_face=as_one_face)
        results.append(result)
        if annotation_writer is not None and image is not None and result.error is None:
            annotation_writer.write(path, image, result.faces)
        del image  # frees the memory before the next picture is decoded
        report(number, len(files))
    if all(result.error is not None for result in results):
        raise no_file_error(len(results), results[0].error or "")
    if arguments.csv is not None:
        write_file(arguments.csv, results_as_csv(results, predictor.classes))
        print(f"written: {arguments.csv}", file=sys.stderr)
    if annotation_writer is not None:
        pictures = counted(annotation_writer.count, "picture")
        print(f"written: {pictures} in {arguments.out}", file=sys.stderr)
    return CommandResult(
        results_document(results), "\n".join(_text(result.to_json()) for result in results)
    )


def _check_annotation(arguments: argparse.Namespace) -> None:
    """Raise ``InputError`` if other options do not fit ``--annotate``."""
    if arguments.out is None:
        raise InputError("--annotate needs --out, the folder for the annotated pictures.")
    if is_for_many_files(arguments, arguments.paths) or "://" in arguments.out:
        raise InputError(
            "--annotate cannot be combined with patterns, addresses, --files-from, --on, "
            "--workers, --threads, --worker-memory and --files-per-part; omit these."
        )


def _files(paths: list[Path]) -> list[Path]:
    """Return the paths, with each folder replaced by the files in it.

    Raises:
        InputError: No path exists, or the folders contain no files.
    """
    from fer_core.vision.picture_files import files_in

    if not any(path == _STANDARD_INPUT or existing_path(str(path)) for path in paths):
        raise InputError(f"{paths[0]} does not exist; give pictures or folders of pictures.")
    files: list[Path] = []
    for path in paths:
        is_folder = path != _STANDARD_INPUT and existing_path(str(path)) and path.is_dir()
        files += files_in(path) if is_folder else [path]
    if not files:
        raise InputError(f"{paths[0]} contains no files; give pictures or folders of pictures.")
    return files


class _AnnotationWriter:
    """Writes pictures with boxes and labels into one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The names of the written files without their case, because Windows and macOS ignore it.
        self._written_names: set[str] = set()
        self.count = 0
        with os_errors_as_input_errors(f"The folder {folder} cannot be created"):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, image: NDArray[np.uint8], faces: Sequence[Face]) -> None:
        """Write one picture as JPEG; add a number if an earlier call wrote a file of this name."""
        from PIL import Image

        from fer_core.vision.draw import annotate

        stem = "standard-input" if path == _STANDARD_INPUT else path.stem
        target, number = self._folder / f"{stem}.annotated.jpg", 1
        while target.name.casefold() in self._written_names:
            number += 1
            target = self._folder / f"{stem}-{number}.annotated.jpg"
        with os_errors_as_input_errors(f"{target} cannot be written"):
            Image.fromarray(annotate(image, faces)).save(target, quality=92)
        self._written_names.add(target.name.casefold())
        self.count += 1


def _classify(
    path: Path, analyzer: Analyzer, *, as_one_face: bool | None
) -> tuple[PhotoResult, NDArray[np.uint8] | None]:
    """Return the result of one file, and its pixels, which are None if it cannot be decoded.

    Args:
        path: The file, or ``_STANDARD_INPUT``.
        analyzer: Detects and classifies the faces.
        as_one_face: See ``Analyzer.analyze``.
    """
    from fer_core.vision.photo import PhotoResult, analyze_photo
    from fer_core.vision.picture_files import MAX_PICTURE_BYTES, read_picture, too_large_text

    if path == _STANDARD_INPUT:
        content = sys.stdin.buffer.read(MAX_PICTURE_BYTES + 1)
        if len(content) > MAX_PICTURE_BYTES:
            return PhotoResult("-", error=too_large_text("standard input")), None
        result, image = analyze_photo(content, "standard input", analyzer, as_one_face=as_one_face)
        return replace(result, file="-"), image
    try:
        content = read_picture(path)
    except InputError as error:
        return PhotoResult(str(path), error=str(error)), None
    return analyze_photo(content, str(path), analyzer, as_one_face=as_one_face)


def _text(entry: dict[str, Any]) -> str:
    """Format the entry of one file in the JSON document as text for the terminal."""
    file, error = entry["file"], entry["error"]
    if error is not None:
        # Most messages begin with the name of the file.
        return str(error) if error.startswith(file) else f"{file}: {error}"
    count = len(entry["faces"])
    lines = [f"{file}: {counted(count, 'face') if count else 'no face found'}"]
    if entry.get("note") is not None:
        lines.append(f"    {entry['note']}")
    for face in entry["faces"]:
        x, y, width, height = face["box"]
        lines.append(f"    {_label(face)} at {x},{y} {width}x{height}")
    return "\n".join(lines)


def _label(face: dict[str, Any]) -> str:
    """Return the text for a face.

    An annotated picture shows the same text, but a dot instead of ``TOO_SMALL``.
    """
    from fer_core.vision.face import NOT_SURE, TOO_SMALL

    if face["is_too_small"]:
        return TOO_SMALL
    if face["is_confident"]:
        return f"{face['label']} {100 * face['score']:.0f} %"
    probabilities = face["probabilities"]
    first, second = sorted(probabilities, key=lambda name: -probabilities[name])[:2]
    return f"{NOT_SURE}: {first} or {second}"
