"""What the command ``video`` prints about one file: an entry of its JSON document, or text."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.phrases import counted

if TYPE_CHECKING:
    from fer_core.video.face_table import FaceTable


def failed_video_entry(file: str, out: str, error: str) -> dict[str, Any]:
    """Return the entry of a video that could not be analyzed.

    Args:
        file: The path or address of the video.
        out: The folder or address for the results of the video.
        error: The reason, in one sentence.
    """
    return {
        "file": file,
        "out": out,
        "width": None,
        "height": None,
        "seconds": None,
        "frames": 0,
        "state": None,
        "persons": [],
        "episodes": [],
        "notes": [],
        "error": error,
    }


def video_entry(
    file: str,
    out: str,
    *,
    size: tuple[int | None, int | None],
    seconds: float | None,
    frames: int,
    state: str,
    notes: Sequence[str],
    table: FaceTable,
) -> dict[str, Any]:
    """Return the entry of an analyzed video.

    Args:
        file: The path or address of the video.
        out: The folder or address of the results of the video.
        size: Width and height in pixels, after the rotation in the file's metadata was applied;
            None if unknown.
        seconds: Duration of the video; None if unknown.
        frames: The number of analyzed frames.
        state: How the analysis ended.
        notes: Sentences about the video file.
        table: The detected faces.
    """
    from fer_core.video.summary import find_episodes, summarize

    width, height = size
    return {
        "file": file,
        "out": out,
        "width": width,
        "height": height,
        "seconds": seconds,
        "frames": frames,
        "state": state,
        "persons": [person.to_json() for person in summarize(table)],
        "episodes": [episode.to_json() for episode in find_episodes(table)],
        "notes": list(notes),
        "error": None,
    }


def video_text(entry: dict[str, Any]) -> str:
    """Format the entry of a video for the terminal."""
    from fer_core.video.timecode import format_time

    if entry["error"] is not None:
        has_file_name = entry["error"].startswith(Path(entry["file"]).name)
        return str(entry["error"]) if has_file_name else f"{entry['file']}: {entry['error']}"
    # The line of a person is cut to the width of the terminal, or to 60 characters in a narrower
    # terminal.
    max_length = max(shutil.get_terminal_size().columns, 60)
    lines = [
        f"{entry['file']}: {counted(entry['frames'], 'frame')}, {entry['state']}; "
        f"results in {entry['out']}"
    ]
    lines += [f"    {note}" for note in entry["notes"]]
    if not entry["persons"]:
        lines.append("    no face found")
    for person in entry["persons"]:
        shares = sorted(person["shares"].items(), key=lambda pair: -pair[1])
        # Shares below 0.5 % would be shown as 0 %.
        share_text = ", ".join(
            f"{label} {100 * share:.0f} %" for label, share in shares if share >= 0.005
        )
        time_text = format_time(person["seconds_seen"], 1)
        line = f"    person {person['person']}, seen {time_text}: {share_text}"
        lines.append(line[:max_length])
    return "\n".join(lines)
