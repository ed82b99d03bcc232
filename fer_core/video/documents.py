"""The JSON document of an analysis."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.edits import Edits
from fer_core.video.face_table import FaceTable, to_columns
from fer_core.video.summary import find_episodes, summarize


def analysis_document(
    table: FaceTable, analysis: AnalysisSettings, edits: Edits, *, threshold: float
) -> dict[str, Any]:
    """Return settings, results and edits of an analysis as one JSON document.

    Args:
        table: The rows, with the edits applied.
        analysis: Settings of the analysis; the owner and the path of the file are left out.
        edits: Names and markers.
        threshold: The minimum smoothed probability of the class in an episode, 0 to 1.

    Returns:
        ``{"settings", "threshold", "persons", "episodes", "markers", "columns"}``, with the table
        as one list per column.
    """
    settings = analysis.to_json()
    for private in ("owner", "source"):
        settings.pop(private)
    names = edits.name_by_person
    return {
        "settings": settings,
        "threshold": threshold,
        "persons": [
            summary.to_json(names.get(summary.person, ""))
            for summary in summarize(table, threshold)
        ],
        "episodes": [episode.to_json() for episode in find_episodes(table, threshold)],
        "markers": [
            {"time_s": marker["seconds"], "name": marker["name"]}
            for marker in map(asdict, edits.markers)
        ],
        "columns": to_columns(table, names),
    }
