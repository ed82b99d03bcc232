"""``video``: analyze the emotions of every person in videos over time."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.bundle import find_bundle
from fer_core.commands import CommandResult
from fer_core.commands.arguments import ProgressLines, add_command, path_argument
from fer_core.commands.many_files import add_many_files_arguments, is_for_many_files
from fer_core.commands.many_videos import VIDEOS_PER_PART, analyze_many_videos
from fer_core.commands.model_arguments import add_model_arguments
from fer_core.commands.video_document import failed_video_entry, video_entry, video_text
from fer_core.errors import InputError
from fer_core.files import existing_path, write_text
from fer_core.predictor import load_predictor
from fer_core.scale.job_folder import is_job
from fer_core.scale.stores import is_address
from fer_core.settings import Settings

# The functions import these modules when they need them, because a machine that is used only for
# training may lack OpenCV and PyAV.
if TYPE_CHECKING:
    from fer_core.scale.portable_analyzer import PortableAnalyzer
    from fer_core.video.analysis_folder import AnalysisFolder
    from fer_core.video.analysis_job import AnalysisOutcome
    from fer_core.video.analysis_settings import AnalysisSettings
    from fer_core.vision.analyzer import Analyzer


@dataclass(frozen=True)
class _Video:
    """A video with the folder of its results."""

    path: Path
    folder: AnalysisFolder


@dataclass(frozen=True)
class _AnalyzerChoice:
    """The model and the detector for all videos.

    Attributes:
        model: The name of the model, or the path of its folder.
        detector: The name of the face detector.
        classes: The classes of the model.
        minimum_confidence: The minimum confidence of a prediction that is shown as certain, 0 to 1.
    """

    model: str
    detector: str
    classes: tuple[str, ...]
    minimum_confidence: float


@dataclass(frozen=True)
class _SharedObjects:
    """The objects that the analyses of all videos share."""

    arguments: argparse.Namespace
    analyzer: Analyzer
    analyzer_choice: _AnalyzerChoice
    settings: Settings


def add_parser(subparsers: Any) -> None:
    """Add ``video``."""
    parser = add_command(
        subparsers, "video", "analyze the emotions of every person in videos over time", _run
    )
    parser.add_argument(
        "videos",
        nargs="*",
        type=path_argument,
        metavar="VIDEO",
        help="a video, a folder of videos, a pattern such as 'videos/**/*.mp4', or an address "
        "such as s3://bucket/videos",
    )
    parser.add_argument(
        "--every",
        metavar="N/s",
        help="analyze N frames per second, such as 5/s (default: every frame)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="TIME",
        help="the time to start at, such as 75 (seconds) or 1:15 (default: 0)",
    )
    parser.add_argument(
        "--to", dest="end", metavar="TIME", help="the time to end at (default: end of the video)"
    )
    parser.add_argument(
        "--annotate", action="store_true", help="also write annotated.mp4 with boxes and labels"
    )
    parser.add_argument(
        "--blur", action="store_true", help="blur the faces in annotated.mp4 (implies --annotate)"
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--smoothing",
        type=float,
        default=0.2,
        metavar="SECONDS",
        help="time constant of the smoothed probabilities, 0 to 3 (default: 0.2)",
    )
    add_many_files_arguments(
        parser,
        out_help="the folder for the results, with a folder for each video. If you use a pattern, "
        "an address, or an option of this group other than --out, the folder contains parts in the "
        "Parquet format instead. Repeat the command to continue after an interruption",
        is_out_required=True,
        files_per_part=VIDEOS_PER_PART,
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.detect import make_detector
    from fer_core.vision.detector_files import detector_names

    if not arguments.videos and not arguments.files_from:
        raise InputError("video needs at least one VIDEO, or a list of files with --files-from.")
    if is_address(arguments.out) or is_for_many_files(arguments, arguments.videos):
        return analyze_many_videos(
            arguments, settings, lambda analyzer: _analysis_settings(None, arguments, analyzer)
        )
    out = Path(arguments.out)
    if is_job(out):
        raise InputError(
            f"{out} contains the results of a job with worker processes; choose another folder, or "
            "repeat the command that started that job to continue it."
        )
    files = _files([Path(text) for text in arguments.videos])
    videos = _with_folders(files, out)
    bundle = find_bundle(arguments.model, settings)
    detector = arguments.detector or detector_names(settings)[0]
    predictor = load_predictor(bundle, emphasis=arguments.emphasis)
    analyzer = Analyzer(predictor, make_detector(detector, settings))
    analyzer_choice = _AnalyzerChoice(
        _model_name(arguments, bundle.name),
        detector,
        predictor.classes,
        predictor.minimum_confidence,
    )
    shared = _SharedObjects(arguments, analyzer, analyzer_choice, settings)
    # This call only checks the options, so that invalid options are reported once, before the first
    # video is analyzed.
    _analysis_settings(files[0], arguments, analyzer_choice)
    entries, errors = [], []
    for number, video in enumerate(videos, start=1):
        entry = _entry(video, shared, f"{video.path.name} ({number}/{len(videos)})")
        entries.append(entry)
        if entry["error"] is not None:
            errors.append(entry["error"])
    if len(errors) == len(entries):
        raise InputError(errors[0] if len(errors) == 1 else f"No video was analyzed: {errors[0]}")
    return CommandResult({"videos": entries}, "\n".join(map(video_text, entries)))


def _model_name(arguments: argparse.Namespace, name: str) -> str:
    """Return the text that identifies the model in the stored settings of an analysis.

    Args:
        arguments: The arguments of the command.
        name: The name of the model.

    Returns:
        The absolute path of the folder if ``--model`` is a folder, otherwise ``name``.
    """
    path = existing_path(arguments.model or "")
    return str(path.resolve()) if path is not None and path.is_dir() else name


def _files(paths: list[Path]) -> list[Path]:
    """Return the paths, with each folder replaced by the videos in it.

    Raises:
        InputError: No path exists, or the folders contain no videos.
    """
    from fer_core.video.analyses import VIDEO_TYPES
    from fer_core.vision.picture_files import files_in

    files: list[Path] = []
    for path in paths:
        if not (existing_path(str(path)) and path.is_dir()):
            files.append(path)
            continue
        files += [
            entry for entry in files_in(path) if entry.suffix.lower().lstrip(".") in VIDEO_TYPES
        ]
    if not files:
        raise InputError(f"{paths[0]} contains no videos; give videos or folders of videos.")
    if not any(existing_path(str(path)) for path in files):
        raise InputError(f"{files[0]} does not exist; give videos or folders of videos.")
    return files


def _with_folders(files: list[Path], out: Path) -> list[_Video]:
    """Return each file with a separate folder for its results."""
    from fer_core.video.analysis_folder import AnalysisFolder

    videos: list[_Video] = []
    used_names: set[str] = set()
    for path in files:
        name = path.stem or "video"
        # Two files can have the same stem: "talk.mp4" and "talk.mov", or files of two folders.
        # Windows and macOS ignore the case of names.
        if name.casefold() in used_names:
            name = path.name
        number, base = 2, name
        while name.casefold() in used_names:
            name, number = f"{base}-{number}", number + 1
        used_names.add(name.casefold())
        videos.append(_Video(path, AnalysisFolder(out / name)))
    return videos


def _analysis_settings(
    path: Path | None,
    arguments: argparse.Namespace,
    analyzer_choice: _AnalyzerChoice | PortableAnalyzer,
) -> AnalysisSettings:
    """Return the settings of the analysis of one video.

    Args:
        path: The video; None for the settings that all videos of a job have in common.
        arguments: The arguments of the command.
        analyzer_choice: The model and the detector.

    Raises:
        InputError: An option is not valid.
    """
    from fer_core.video.analysis_settings import AnalysisSettings
    from fer_core.video.timecode import parse_time

    values = {
        "video": "" if path is None else path.name,
        "source": "" if path is None else str(path.resolve()),
        "model": analyzer_choice.model,
        "classes": analyzer_choice.classes,
        "detector": analyzer_choice.detector,
        "emphasis": arguments.emphasis,
        "per_second": _frames_per_second(arguments.every),
        "start": parse_time(arguments.start) if arguments.start else 0.0,
        "end": parse_time(arguments.end) if arguments.end else None,
        "smoothing_seconds": arguments.smoothing,
        "minimum_confidence": analyzer_choice.minimum_confidence,
        "annotates": arguments.annotate or arguments.blur,
        "blurs": arguments.blur,
    }
    try:
        return AnalysisSettings.from_json(values)
    except ValueError as error:
        raise InputError(f"The options are not valid: {error}.") from error


def _frames_per_second(text: str | None) -> float | None:
    # "--every frame" is the same as no option: every frame is analyzed.
    if text is None or text == "frame":
        return None
    try:
        return float(text.removesuffix("/s"))
    except ValueError:
        raise InputError(
            f"--every expects frames per second, such as 5/s. Received: {text!r}."
        ) from None


def _entry(video: _Video, shared: _SharedObjects, title: str) -> dict[str, Any]:
    """Analyze one video, and return its entry in the JSON document.

    If the analysis raises ``InputError``, the entry contains the message of the error.
    """
    try:
        outcome = _analyze(video, shared, title)
    except InputError as error:
        return failed_video_entry(str(video.path), str(video.folder.path), str(error))
    status = outcome.status
    return video_entry(
        str(video.path),
        str(video.folder.path),
        size=(status.width, status.height),
        seconds=status.seconds,
        frames=status.frames,
        state=status.state,
        notes=status.notes,
        table=outcome.table,
    )


def _analyze(video: _Video, shared: _SharedObjects, title: str) -> AnalysisOutcome:
    """Analyze one video, or continue its interrupted analysis, and write its tables.

    Raises:
        InputError: The video cannot be read, or the folder of its results contains an analysis of
            another video or with other settings.
    """
    from fer_core.video.analysis_folder import ANNOTATED_FILE, SETTINGS_FILE
    from fer_core.video.analysis_job import check_range, run_analysis
    from fer_core.video.reader import probe_video

    new_settings = _analysis_settings(video.path, shared.arguments, shared.analyzer_choice)
    folder = video.folder
    if (folder.path / SETTINGS_FILE).is_file():
        stored_settings = folder.read_settings()
        has_same_source = stored_settings.source == new_settings.source
        if not (has_same_source and stored_settings.gives_same_results_as(new_settings)):
            other = "with other settings" if has_same_source else "of another video"
            raise InputError(
                f"{folder.path} contains an analysis {other}; choose another --out, or delete this "
                "folder."
            )
        # The table is still valid; only the annotated video has to be written again.
        if new_settings.blurs != stored_settings.blurs:
            (folder.path / ANNOTATED_FILE).unlink(missing_ok=True)
        if (new_settings.annotates, new_settings.blurs) != (
            stored_settings.annotates,
            stored_settings.blurs,
        ):
            folder.change_settings(new_settings)
    else:
        # The video is checked first, so that no folder is created for an invalid file.
        check_range(probe_video(video.path), new_settings.start, new_settings.end)
        folder.create(new_settings)
    progress = ProgressLines(title)
    outcome = run_analysis(
        folder,
        shared.settings,
        analyzer=shared.analyzer,
        # done and total are seconds with fractions, but ProgressLines expects integers, so the
        # progress is reported in hundredths of a second.
        progress=lambda done, total: progress(round(100 * done), round(100 * total)),
    )
    _write_tables(outcome)
    return outcome


def _write_tables(outcome: AnalysisOutcome) -> None:
    """Write the table of faces as CSV, and the complete analysis as JSON, into the folder."""
    from fer_core.files import atomic_write_file, os_errors_as_input_errors
    from fer_core.video.documents import analysis_document
    from fer_core.video.edits import Edits
    from fer_core.video.face_table import to_csv
    from fer_core.video.summary import DEFAULT_THRESHOLD

    folder = outcome.folder
    document = analysis_document(
        outcome.table, folder.read_settings(), Edits(), threshold=DEFAULT_THRESHOLD
    )
    with os_errors_as_input_errors(f"The tables cannot be written to {folder.path}"):
        with atomic_write_file(folder.path / "faces.csv") as temporary:
            temporary.write_bytes(to_csv(outcome.table))
        write_text(
            folder.path / "analysis.json",
            json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n",
        )
