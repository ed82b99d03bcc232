"""``video`` for many files. Worker processes write the results as parts in Parquet format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import ProgressLines
from fer_core.commands.many_files import job_inputs, scale_options
from fer_core.commands.video_document import failed_video_entry, video_entry
from fer_core.errors import InputError
from fer_core.phrases import counted
from fer_core.scale.inputs import list_items
from fer_core.scale.job_folder import JobFolder, JobRecord
from fer_core.scale.pool import Pool
from fer_core.scale.portable_analyzer import PortableAnalyzer, portable_analyzer
from fer_core.scale.runner import run_job
from fer_core.scale.videos import VideoWork, stored_videos
from fer_core.settings import Settings

if TYPE_CHECKING:
    from fer_core.video.analysis_settings import AnalysisSettings

#: Number of videos per part. After an interruption, an unfinished part is analyzed from its start,
#: and a single video may take an hour.
VIDEOS_PER_PART = 1


def analyze_many_videos(
    arguments: argparse.Namespace,
    settings: Settings,
    analysis_settings_for: Callable[[PortableAnalyzer], AnalysisSettings],
) -> CommandResult:
    """Analyze the videos of a command in worker processes.

    Args:
        arguments: The parsed arguments of ``video``.
        settings: Contains the path of the models.
        analysis_settings_for: Returns the settings that all videos have in common, for an analyzer.

    Raises:
        InputError: The job cannot be run, or not a single video could be analyzed.
    """
    from fer_core.video.analyses import VIDEO_TYPES

    if arguments.annotate or arguments.blur:
        raise InputError(
            "--annotate and --blur cannot be combined with patterns, addresses, --files-from, "
            "--on, --workers, --threads, --worker-memory and --files-per-part; omit --annotate and "
            "--blur, or all of the others."
        )
    options = scale_options(arguments, files_per_part=VIDEOS_PER_PART, files_per_task=1)
    analyzer = portable_analyzer(
        settings,
        model=arguments.model,
        detector=arguments.detector,
        emphasis=arguments.emphasis,
    )
    work = VideoWork(analyzer, analysis_settings_for(analyzer))
    items = list_items(arguments.videos, arguments.files_from, extensions=VIDEO_TYPES)
    folder = JobFolder(arguments.out)
    result = run_job(
        work,
        job_inputs(arguments.videos, arguments.files_from),
        items,
        folder,
        options,
        report=ProgressLines("analyzing"),
        on_start=_announce,
    )
    summary = result.summary
    if summary["errors"] == summary["files"]:
        error = next(iter(LazyVideoEntries(folder, result.record, work)))["error"]
        raise InputError(error if summary["files"] == 1 else f"No video was analyzed: {error}")
    text = (
        f"{counted(summary['files'], 'video')} with {counted(summary['faces'], 'detected face')}; "
        f"{summary['errors']:,} could not be analyzed\n"
        f"{counted(summary['parts'], 'part')} in {folder}"
    )
    skipped = summary["files"] - result.processed
    if skipped:
        verb = "was" if skipped == 1 else "were"
        text += f"\n{counted(skipped, 'video')} {verb} already processed"
    videos = LazyVideoEntries(folder, result.record, work) if arguments.json else []
    return CommandResult({"videos": videos, "out": str(folder), "summary": summary}, text)


def _announce(pool: Pool) -> None:
    """Print that the analysis has begun, because the first video may take long."""
    workers = counted(pool.size, "worker")
    print(f"analyzing with {workers}; progress is shown per video", file=sys.stderr, flush=True)


class LazyVideoEntries(list[dict[str, Any]]):
    """The list of the entries of all videos, for the JSON document of a job.

    The entries are read part by part while the document is printed. The class is a subclass of
    ``list``, because ``json.dump`` accepts no other iterables.
    """

    def __init__(self, folder: JobFolder, record: JobRecord, work: VideoWork) -> None:
        super().__init__()
        self._folder = folder
        self._record = record
        self._work = work

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for part in range(self._record.part_count):
            out = self._folder.part_location(part)
            for video in stored_videos(self._folder.read_part(part), self._work):
                if video.error is not None:
                    yield failed_video_entry(video.file, out, video.error)
                    continue
                yield video_entry(
                    video.file,
                    out,
                    size=(video.width, video.height),
                    seconds=video.seconds,
                    frames=video.frames,
                    state="finished",
                    notes=video.notes,
                    table=video.table,
                )

    def __len__(self) -> int:
        return self._record.file_count
