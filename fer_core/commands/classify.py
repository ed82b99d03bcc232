"""``classify``: classify the faces in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.bundle import find_bundle
from fer_core.calibration import EMPHASES
from fer_core.commands import Answer
from fer_core.commands.arguments import ProgressLines, add_command
from fer_core.errors import InputError
from fer_core.files import existing_path
from fer_core.predictor import load_predictor
from fer_core.settings import Settings

# Imported inside the functions: a machine that only trains may lack OpenCV.
if TYPE_CHECKING:
    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.photo import PhotoResult

#: Maximum size of a file; no supported picture is larger.
_MAX_FILE_BYTES = 200 * 2**20


def add_parser(subparsers: Any) -> None:
    """Add ``classify``."""
    parser = add_command(subparsers, "classify", "classify the faces in pictures", _run)
    parser.add_argument(
        "paths", nargs="+", type=_path, metavar="PATH", help="a picture, or a folder of pictures"
    )
    parser.add_argument("--model", metavar="BUNDLE", help="a model's name or folder")
    parser.add_argument(
        "--emphasis",
        choices=EMPHASES,
        default="default",
        help="the adjustment in favor of rare classes: as calibrated (default), none, or stronger "
        "than calibrated",
    )
    parser.add_argument(
        "--detector", metavar="NAME", help="yunet or haar (default: yunet if its file is present)"
    )
    parser.add_argument(
        "--whole", action="store_true", help="classify each picture as one face, without detection"
    )


def _path(text: str) -> Path:
    if not text:
        # Path("") would be the current folder.
        raise argparse.ArgumentTypeError("a path must not be empty")
    return Path(text)


def _run(arguments: argparse.Namespace, settings: Settings) -> Answer:
    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.detect import detector_names, make_detector
    from fer_core.vision.photo import results_document

    files = _files(arguments.paths)
    predictor = load_predictor(find_bundle(arguments.model, settings), emphasis=arguments.emphasis)
    detector = make_detector(arguments.detector or detector_names(settings)[0], settings)
    analyzer = Analyzer(predictor, detector)
    results = []
    report = ProgressLines("classifying")
    for number, path in enumerate(files, start=1):
        results.append(_classify(path, analyzer, whole=True if arguments.whole else None))
        report(number, len(files))
    return Answer(results_document(results), "\n".join(_text(result) for result in results))


def _files(paths: list[Path]) -> list[Path]:
    """Return the given files, and every file in the given folders."""
    if not any(existing_path(str(path)) for path in paths):
        raise InputError(f"{paths[0]} does not exist; give pictures or folders of pictures.")
    files: list[Path] = []
    for path in paths:
        if existing_path(str(path)) and path.is_dir():
            files += sorted(
                entry
                for entry in path.rglob("*")
                if entry.is_file() and not entry.name.startswith(".")
            )
        else:
            files.append(path)
    if not files:
        raise InputError(f"{paths[0]} contains no files; give pictures or folders of pictures.")
    return files


def _classify(path: Path, analyzer: Analyzer, *, whole: bool | None) -> PhotoResult:
    from fer_core.vision.photo import PhotoResult, analyze_photo

    try:
        if not path.is_file():
            # Reading a device or a pipe might never end.
            reason = "is not a file" if path.exists() else "does not exist"
            return PhotoResult(str(path), error=f"{path.name} {reason}; check the path.")
        if path.stat().st_size > _MAX_FILE_BYTES:
            return PhotoResult(
                str(path),
                error=f"{path.name} is larger than {_MAX_FILE_BYTES >> 20} MB; give a picture.",
            )
        content = path.read_bytes()
    except OSError as error:
        return PhotoResult(
            str(path), error=f"{path.name} cannot be read ({error.strerror}); check the path."
        )
    result, _ = analyze_photo(content, str(path), analyzer, whole=whole)
    return result


def _text(result: PhotoResult) -> str:
    if result.error is not None:
        is_named = result.error.startswith(result.file)
        return result.error if is_named else f"{result.file}: {result.error}"
    if not result.faces:
        return f"{result.file}: no face found"
    lines = [f"{result.file}: {len(result.faces)} face(s)"]
    for face in result.faces:
        x, y, width, height = face.box.rounded()
        lines.append(f"    {face.label} {face.score:.0%} at {x},{y} {width}x{height}")
    return "\n".join(lines)
