"""Subtitles with the dominant emotion of each person, as WebVTT."""

from __future__ import annotations

from collections.abc import Mapping

from fer_core.video.face_table import FaceTable
from fer_core.video.summary import dominant_periods


def to_webvtt(
    table: FaceTable, names: Mapping[int, str] | None = None, *, offset: float = 0.0
) -> str:
    """Return the text of a WebVTT file with a cue for each period of a dominant emotion.

    Args:
        table: The rows of an analysis.
        names: Names of persons by number.
        offset: Subtracted from all times, in seconds. If the subtitles are for an excerpt, it is
            the time in the analyzed video at which the excerpt starts.
    """
    cues = ["WEBVTT", ""]
    for period in dominant_periods(table):
        name = (names or {}).get(period.person) or f"Person {period.person}"
        start, end = period.start - offset, period.end - offset
        text = f"{name}: {period.label} {100 * period.mean:.0f} %"
        cues += [f"{_format_time(start)} --> {_format_time(end)}", _escaped(text), ""]
    return "\n".join(cues)


def _format_time(seconds: float) -> str:
    milliseconds = max(round(1000 * seconds), 0)
    minutes, remainder = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{remainder // 1000:02}.{remainder % 1000:03}"


def _escaped(text: str) -> str:
    # An empty line would end the cue, and "-->" would start another one.
    text = " ".join(text.split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
