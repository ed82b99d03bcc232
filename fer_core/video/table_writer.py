"""Write the table of an analysis from its segments, of which at most three are in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_core.files import atomic_write_file
from fer_core.video.analysis_folder import AnalysisFolder, Segment
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.face_table import FaceTable, empty_table, smoothed_over_time, to_arrow

#: Duration of the frame if only one frame was analyzed: that of a frame at 25 frames per second.
_SINGLE_FRAME_SECONDS = 0.04


def write_table(folder: AnalysisFolder, analysis: AnalysisSettings) -> None:
    """Write ``faces.parquet`` from the finished segments.

    A segment is much longer than the time constant of the smoothing. Therefore only the previous
    and the next segment are needed to smooth its probabilities.

    Args:
        folder: The folder of the analysis.
        analysis: Settings of the analysis.
    """
    import pyarrow.parquet as pq

    empty = empty_table(analysis.video, analysis.classes, analysis.minimum_confidence)
    schema = to_arrow(empty).schema
    with (
        atomic_write_file(folder.table_path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        # The segment that is written next, with the previous and the following one.
        window: list[Segment] = []
        number = 0
        while (segment := folder.read_segment(number)) is not None:
            number += 1
            window.append(segment)
            if len(window) > 1:
                writer.write_table(to_arrow(_smoothed_rows(window, -2, empty, analysis)))
            window = window[-2:]
        if window:
            writer.write_table(to_arrow(_smoothed_rows(window, -1, empty, analysis)))


def _smoothed_rows(
    window: list[Segment], index: int, empty: FaceTable, analysis: AnalysisSettings
) -> FaceTable:
    """Return the rows of the segment at an index of the window, with smoothed probabilities."""
    rows = _joined(window, empty)
    smoothed = np.zeros_like(rows.probabilities)
    for person in rows.persons:
        is_person = rows.person == person
        smoothed[is_person] = smoothed_over_time(
            rows.seconds[is_person], rows.probabilities[is_person], analysis.smoothing_seconds
        )
    segment = window[index]
    is_in_segment = (rows.seconds >= segment.start) & (rows.seconds < segment.end)
    return replace(rows, smoothed=smoothed).selected(is_in_segment)


def _joined(window: list[Segment], empty: FaceTable) -> FaceTable:
    """Return all rows of the window in the order of frames and persons, with their durations."""

    def joined(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(segment, name) for segment in window])

    frame = joined("row_frames").astype(np.int64)
    order = np.lexsort((joined("persons"), frame))
    frame = frame[order]
    all_frames = joined("frames").astype(np.int64)
    durations = _durations(joined("seconds").astype(np.float64), window[-1].end)
    probabilities = joined("probabilities").astype(np.float32)[order]
    return replace(
        empty,
        frame=frame,
        seconds=joined("row_seconds").astype(np.float64)[order],
        duration=durations[np.searchsorted(all_frames, frame)],
        person=joined("persons").astype(np.int32)[order],
        boxes=joined("boxes").astype(np.float32)[order],
        detection_score=joined("detection_scores").astype(np.float32)[order],
        probabilities=probabilities,
        smoothed=np.zeros_like(probabilities),
    )


def _durations(seconds: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    """Return the time from each analyzed frame to the next one.

    The last analyzed frame of a video lasts as long as the previous one.

    Args:
        seconds: Times of consecutive analyzed frames.
        end: The time of the analyzed frame that follows them; infinite if none follows.
    """
    steps = np.diff(seconds)
    if np.isfinite(end) and len(seconds):
        last = end - seconds[-1]
    else:
        last = float(steps[-1]) if len(steps) else _SINGLE_FRAME_SECONDS
    return np.append(steps, last)
