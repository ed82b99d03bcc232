"""Start analyses, list them, and decide who may see them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from fer_core.access import Admission
from fer_core.errors import InputError, system_reason
from fer_core.files import is_disk_full
from fer_core.settings import Settings
from fer_core.video.analysis_folder import (
    ANNOTATED_FILE,
    SETTINGS_FILE,
    AnalysisFolder,
    AnalysisStatus,
    new_analysis_folder,
)
from fer_core.video.analysis_job import check_range
from fer_core.video.analysis_queue import enqueue_analysis, pending_analyses
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.reader import probe_video

#: The suffixes of the files that the page accepts. The content of a file decides how it is read.
VIDEO_TYPES = (
    *("mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "mts", "m2ts", "ts", "wmv"),
    *("flv", "3gp", "ogv", "gif", "webp"),
)
#: Space in bytes that must stay free on the disk when a video is stored.
_MIN_FREE_BYTES = 200 << 20

#: State of an analysis, determined from its process, the queue and ``status.json`` together.
ActualState = Literal["queued", "starting", "running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class AnalysisSummary:
    """An analysis with its actual state.

    Attributes:
        folder: Folder of the analysis.
        settings: Settings of the analysis.
        state: What the analysis is doing, or how it ended.
        message: A few words about the state; may be empty.
        status: The content of ``status.json``; None if the file is missing or damaged.
        queue_position: The position in the queue, from 1; None if the analysis is not queued.
    """

    folder: AnalysisFolder
    settings: AnalysisSettings
    state: ActualState
    message: str
    status: AnalysisStatus | None
    queue_position: int | None = None

    @property
    def is_queued_or_running(self) -> bool:
        """True if the analysis runs, or will run without a further request."""
        return self.state in ("queued", "starting", "running")


def start_analysis(
    analysis: AnalysisSettings,
    settings: Settings,
    *,
    upload: BinaryIO | None = None,
) -> AnalysisFolder:
    """Create an analysis and start it in the background, or add it to the queue.

    Args:
        analysis: Settings of the analysis. ``source`` is the path of the video; it is ignored if
            ``upload`` is given.
        settings: The program's settings, which contain the path of ``analyses/``.
        upload: The content of an uploaded video, which is stored in the analysis folder; None if
            the video is a file on this machine.

    Returns:
        The folder of the analysis.

    Raises:
        InputError: The file is not a video that can be analyzed, the range is outside the video or
            too long, or the video or the analysis cannot be stored. In these cases, nothing is
            stored.
    """
    folder = new_analysis_folder(analysis.video, settings.analyses_root)
    try:
        if upload is not None:
            path = folder.upload_path(_suffix(analysis.video))
            _store(upload, path, analysis.video)
            analysis = replace(analysis, source=path.name)
        info = probe_video(folder.source_path(analysis), analysis.video)
        check_range(info, analysis.start, analysis.end)
        folder.create(analysis)
        enqueue_analysis(folder, settings)
    except BaseException:
        # Without this, the incomplete analysis would stay in the list when the user tries again.
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder


def continue_analysis(folder: AnalysisFolder, settings: Settings) -> None:
    """Continue an analysis after its last finished segment, in the background.

    Raises:
        InputError: The analysis is already queued or running, or the queue cannot be written.
    """
    enqueue_analysis(folder, settings)


def make_annotated_video(folder: AnalysisFolder, settings: Settings, *, blurs: bool) -> None:
    """Make the annotated video in the background, and replace an existing one.

    The new video shows the names that users have given to persons since the analysis.

    Args:
        folder: Folder of a finished analysis.
        settings: The program's settings, which contain the path of ``analyses/``.
        blurs: True to blur the faces.

    Raises:
        InputError: The video file no longer exists, the analysis is queued or running, or the queue
            cannot be written.
    """
    analysis = folder.read_settings()
    if not folder.source_path(analysis).is_file():
        raise InputError(
            f"{analysis.video} is not stored any more, so its annotated video cannot be made; "
            "analyze it again."
        )
    if folder.is_active:
        raise InputError(f"{analysis.video} is being analyzed; wait until the analysis ends.")
    folder.change_settings(replace(analysis, annotates=True, blurs=blurs))
    (folder.path / ANNOTATED_FILE).unlink(missing_ok=True)
    enqueue_analysis(folder, settings)


def list_analyses(settings: Settings, visitor: Admission | None = None) -> list[AnalysisSummary]:
    """Return the analyses that a visitor may see, the newest first.

    On a server with a login, users see only their own analyses.

    Args:
        settings: The program's settings, which contain the path of ``analyses/``.
        visitor: The visitor; None for the user of this machine, who may see all analyses.
    """
    settings_files = settings.analyses_root.glob(f"[!.]*/{SETTINGS_FILE}")
    pending = pending_analyses(settings)
    summaries = []
    for path in sorted(settings_files, reverse=True):
        folder = AnalysisFolder(path.parent)
        try:
            summary = summarize_analysis(folder, pending)
        except InputError:
            continue  # the owner of a damaged analysis is unknown, so nobody may see it
        if visitor is None or may_see(summary.settings, visitor):
            summaries.append(summary)
    return summaries


def find_analysis(
    analysis_id: str, settings: Settings, visitor: Admission
) -> AnalysisSummary | None:
    """Return an analysis by its id; None if it does not exist or the visitor may not see it."""
    return next(
        (
            summary
            for summary in list_analyses(settings, visitor)
            if summary.folder.id == analysis_id
        ),
        None,
    )


def may_see(analysis: AnalysisSettings, visitor: Admission) -> bool:
    """Return True if a visitor may see, change and delete an analysis.

    On a shared server, only the person who started the analysis may do this, whatever the role of
    the visitor: videos of people are personal data.
    """
    if not visitor.requires_login:
        return True
    return bool(visitor.email) and visitor.email.lower() == analysis.owner.lower()


def summarize_analysis(folder: AnalysisFolder, pending: list[str]) -> AnalysisSummary:
    """Return an analysis with its actual state.

    ``status.json`` alone is not sufficient: it still says "running" after the process was killed.

    Args:
        folder: The folder of the analysis.
        pending: The ids of the queued analyses, the next one first.

    Raises:
        InputError: The settings are damaged.
    """
    analysis = folder.read_settings()
    # Read the status again if the process began or ended while it was read. Otherwise a process
    # that ended normally at this moment would look like a crash: its status would still be
    # "running".
    while True:
        was_active = folder.is_active
        status = folder.read_status()
        if folder.is_active == was_active:
            break
    position = pending.index(folder.id) + 1 if folder.id in pending else None

    def summary(state: ActualState, message: str) -> AnalysisSummary:
        return AnalysisSummary(folder, analysis, state, message, status, position)

    if was_active:
        if status is None or status.state != "running":
            return summary("starting", "starting")
        return summary("running", status.message)
    if position is not None:
        return summary("queued", f"waiting, number {position} in the queue")
    if status is None:
        return summary("stopped", "it was not started yet; continue it, or delete it")
    if status.state == "running":
        return summary(
            "failed",
            "its process ended unexpectedly; continue the analysis from the last finished part",
        )
    return summary(status.state, status.message)


def _suffix(name: str) -> str:
    """Return the suffix with which a file is stored; ".video" if ``name`` has no known suffix."""
    suffix = Path(name).suffix.lower().lstrip(".")
    return f".{suffix}" if suffix in VIDEO_TYPES else ".video"


def _store(upload: BinaryIO, path: Path, name: str) -> None:
    """Write an upload to disk.

    Raises:
        InputError: The disk has too little space, or the file cannot be written.
    """
    upload.seek(0, 2)
    size = upload.tell()
    upload.seek(0)
    available = shutil.disk_usage(path.parent).free
    if size + _MIN_FREE_BYTES > available:
        raise InputError(
            f"{name} has {size / 1e6:,.0f} MB and the disk of {path.parent.parent} has "
            f"{available / 1e6:,.0f} MB left; free some space, or delete analyses."
        )
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(upload, file, 1 << 20)
    except OSError as error:
        action = "free some space" if is_disk_full(error) else "check its permissions"
        raise InputError(
            f"{name} cannot be stored in {path.parent.parent} ({system_reason(error)}); {action}."
        ) from error
