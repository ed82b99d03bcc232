"""Read one frame of a stored video, for a click on the timeline."""

from __future__ import annotations

from pathlib import Path

from fer_core.video.reader import VideoFrame, read_frames

#: Maximum area of the picture, in pixels. The page does not show a larger picture.
_STILL_PIXELS = 1280 * 720
#: A frame may be this many seconds before the requested time: tables round times to microseconds,
#: and some containers to milliseconds.
_TOLERANCE = 0.002


def read_still(path: Path, seconds: float, name: str | None = None) -> VideoFrame | None:
    """Return the first frame at or after a time; None if there is none.

    Args:
        path: The video.
        seconds: The time.
        name: Name of the video in messages; by default the file name.

    Raises:
        InputError: The video cannot be read.
    """
    frames = read_frames(
        path,
        name=name,
        start=max(seconds - _TOLERANCE, 0.0),
        max_pixels=_STILL_PIXELS,
        needs_exact_index=False,
    )
    return next(frames, None)
