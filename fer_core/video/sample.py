"""The sample video of the video page: drawn people, from ``tools/draw_sample_video.py``."""

from pathlib import Path

SAMPLE_NAME = "sample.mp4"


def sample_path() -> Path:
    """Return the path of the shipped video."""
    return Path(__file__).with_name(SAMPLE_NAME)
