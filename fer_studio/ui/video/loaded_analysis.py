"""The results of a video analysis, which are loaded once for all reruns and sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.charts.video import PersonLanes, emotion_lanes
from fer_core.errors import InputError
from fer_core.video.analyses import AnalysisSummary
from fer_core.video.analysis_folder import ANNOTATED_FILE, PLAYER_FILE, AnalysisFolder
from fer_core.video.analysis_job import MAX_PLAYER_BYTES
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.edits import EditHistory, Edits
from fer_core.video.face_table import FaceTable, read_table
from fer_core.video.reader import probe_video
from fer_core.video.summary import Episode, PersonSummary, find_episodes, summarize
from fer_core.video.webvtt import to_webvtt


@dataclass(frozen=True, eq=False)
class LoadedAnalysis:
    """The results of one analysis with the user's edits.

    Attributes:
        summary: The analysis: its folder, settings and state.
        edits: The user's names, merges, exclusions and markers.
        table: The rows after merges, without excluded persons.
        all_persons: The persons after merges, including excluded ones.
        limits: Start and end of the analyzed range in seconds.
        rows_key: Identifies the rows of ``table`` in caches; changes with the stored table, merges
            and exclusions.
    """

    summary: AnalysisSummary
    edits: Edits
    table: FaceTable
    all_persons: list[int]
    limits: tuple[float, float]
    rows_key: tuple[str, int, str]

    @property
    def folder(self) -> AnalysisFolder:
        """The folder of the analysis."""
        return self.summary.folder

    @property
    def settings(self) -> AnalysisSettings:
        """The settings of the analysis."""
        return self.summary.settings

    @property
    def key(self) -> str:
        """The ID of the analysis; widget keys contain it to distinguish analyses."""
        return self.folder.id

    @property
    def titles(self) -> dict[int, str]:
        """The names of the persons in the table."""
        return {person: self.edits.title(person) for person in self.table.persons}

    @property
    def source(self) -> Path | None:
        """The path of the video; None if the file no longer exists."""
        path = self.folder.source_path(self.settings)
        return path if path.is_file() else None


def load_analysis(summary: AnalysisSummary) -> LoadedAnalysis:
    """Return the results of an analysis.

    Raises:
        InputError: The table is missing or damaged, or the edits are damaged.
    """
    edits = EditHistory(summary.folder.path).current
    path = summary.folder.table_path
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(
            "The results of this analysis no longer exist; reload the page."
        ) from error
    rows_key = str(path), modified, repr((edits.merged, edits.excluded))
    table, persons = _edited_table(*rows_key, edits)
    return LoadedAnalysis(summary, edits, table, persons, _limits(summary, table), rows_key)


@st.cache_resource(max_entries=8, show_spinner=False)
def _edited_table(
    path: str, modified: int, edits_key: str, _edits: Edits
) -> tuple[FaceTable, list[int]]:
    """Return the stored table after merges and exclusions, and all persons after merges.

    ``modified`` and ``edits_key`` are only part of the cache key: the version of the file, and the
    merges and exclusions in ``_edits``.
    """
    stored_table = read_table(Path(path))
    persons = sorted({_edits.merged_person(person) for person in stored_table.persons})
    return _edits.apply(stored_table), persons


#: Tells caches to identify an analysis by its rows, because each rerun creates a new object.
_BY_ROWS: dict[str | type[Any], Callable[[Any], Any]] = {
    LoadedAnalysis: lambda analysis: analysis.rows_key
}


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_ROWS)
def episodes_of(analysis: LoadedAnalysis, threshold: float) -> list[Episode]:
    """Return the episodes of all persons; see ``find_episodes``."""
    return find_episodes(analysis.table, threshold)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_ROWS)
def summaries_of(analysis: LoadedAnalysis, threshold: float) -> list[PersonSummary]:
    """Return the summary of every person; see ``summarize``."""
    return summarize(analysis.table, threshold)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_ROWS)
def lanes_of(
    analysis: LoadedAnalysis,
    titles: dict[int, str],
    classes: tuple[str, ...],
    limits: tuple[float, float],
) -> list[PersonLanes]:
    """Return the curves of the timeline; see ``emotion_lanes``."""
    return emotion_lanes(analysis.table, titles, classes, limits)


def subtitles_of(analysis: LoadedAnalysis) -> str:
    """Return subtitles with the dominant class of each person, as the text of a WebVTT file."""
    return _subtitles(analysis, analysis.edits.name_by_person)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_BY_ROWS)
def _subtitles(analysis: LoadedAnalysis, names: dict[int, str]) -> str:
    return to_webvtt(analysis.table, names)


def player_file(analysis: LoadedAnalysis) -> Path | None:
    """Return a file that browsers can play and whose times are those of the table.

    Returns:
        The copy that the analysis job made for the player, the video itself, or the annotated
        video; None if no file is suitable.

    Raises:
        InputError: The video cannot be read.
    """
    copy = analysis.folder.path / PLAYER_FILE
    if copy.is_file():
        return copy
    source = analysis.source
    if source is not None and source.stat().st_size <= MAX_PLAYER_BYTES:
        status = source.stat()
        if _is_playable(str(source), status.st_mtime_ns, status.st_size, analysis.settings.video):
            return source
    annotated = analysis.folder.path / ANNOTATED_FILE
    # The annotated video has the times of the table only if the range begins at 0.
    return annotated if annotated.is_file() and not analysis.settings.start else None


@st.cache_data(max_entries=64, show_spinner=False)
def _is_playable(path: str, modified: int, size: int, name: str) -> bool:
    """Return True if browsers can play a file; its time and size are only part of the cache key."""
    return probe_video(Path(path), name).plays_in_browsers


def _limits(summary: AnalysisSummary, table: FaceTable) -> tuple[float, float]:
    """Return start and end of the analyzed range in seconds, at least 0.1 s apart."""
    status, settings = summary.status, summary.settings
    start = settings.start
    end = settings.end or float("inf")
    if status is not None and status.seconds is not None:
        end = min(end, status.seconds)
    if end == float("inf"):
        end = float(table.seconds[-1] + table.duration[-1]) if len(table) else start + 1.0
    return start, max(end, start + 0.1)
