"""The timeline of a video analysis: a curve per person and class, each in its own lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fer_core.csv_text import csv_text
from fer_core.video.face_table import FaceTable
from fer_core.video.timecode import format_time

#: Maximum number of points of a curve. More points cannot be distinguished on a screen.
_MAX_POINTS = 600
#: A person is absent between two points if the time between them is more than this multiple of the
#: usual time between points.
_ABSENCE_STEPS = 4
#: Minimum time in seconds that a point of a lane covers, so that a single point is visible.
_MIN_STEP = 0.02
#: Possible distances between labels on the time axis, in seconds.
_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
#: Maximum number of these distances on an axis. Only an axis of more than eight hours has more,
#: because no distance is longer than one hour.
_MAX_TICK_STEPS = 8


@dataclass(frozen=True, eq=False)
class PersonLanes:
    """The curves of a person, one for each class, each drawn in its own lane.

    Attributes:
        title: The person's name.
        seconds: Increasing times, float64 ``[points]``.
        values: Smoothed probabilities, float64 ``[points, classes]``, 0 to 1. NaN where the person
            is absent.
        step: Time that a point covers, in seconds.
    """

    title: str
    seconds: NDArray[np.float64] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    step: float


def emotion_lanes(
    table: FaceTable,
    titles: Mapping[int, str],
    classes: Sequence[str],
    limits: tuple[float, float],
) -> list[PersonLanes]:
    """Return the curves of a timeline.

    Each curve has at most 600 points, and an additional NaN for each time in which the person is
    absent.

    Args:
        table: The faces of the video.
        titles: The name of each person to draw, by the person's number. The first person is at the
            top.
        classes: The classes to draw.
        limits: First and last time to draw, in seconds.
    """
    columns = [table.classes.index(name) for name in classes]
    lanes = []
    for person, title in titles.items():
        rows = table.of_person(person)
        seconds, values = downsampled(rows.seconds, rows.smoothed[:, columns], *limits)
        step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
        seconds, values = _with_absences(seconds, values, step)
        lanes.append(PersonLanes(title, seconds, values, max(step, _MIN_STEP)))
    return lanes


def downsampled(
    seconds: NDArray[np.float64], values: NDArray[np.float32], start: float, end: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce curves to at most 600 points, and keep their peaks.

    If at most 600 points lie between ``start`` and ``end``, these points are returned unchanged.
    Otherwise the range from ``start`` to ``end`` is divided into 600 equal parts. Each part becomes
    one point at its middle, with the largest value of each curve in the part, or NaN if no point
    lies in it.

    Args:
        seconds: Increasing times, float64 ``[n]``.
        values: The values of the curves at these times, 0 to 1, float32 ``[n, curves]``.
        start: The first time that is shown.
        end: The last time that is shown.

    Returns:
        The times, float64 ``[points]``, and the values, float64 ``[points, curves]``.
    """
    is_shown = (seconds >= start) & (seconds <= end)
    seconds, values = seconds[is_shown], values[is_shown]
    if len(seconds) <= _MAX_POINTS:
        return seconds, values.astype(np.float64)
    width = max(end - start, 1e-9) / _MAX_POINTS
    part_indices = np.minimum(((seconds - start) / width).astype(int), _MAX_POINTS - 1)
    is_filled = np.bincount(part_indices, minlength=_MAX_POINTS) > 0
    peaks = np.full((_MAX_POINTS, values.shape[1]), np.nan)
    # The times increase, so all values of a part are next to each other.
    part_starts = np.flatnonzero(np.diff(part_indices, prepend=-1))
    peaks[is_filled] = np.fmax.reduceat(values, part_starts, axis=0)
    middles = start + (np.arange(_MAX_POINTS, dtype=np.float64) + 0.5) * width
    return np.asarray(middles, np.float64), peaks


def lanes_csv(lanes: Sequence[PersonLanes], classes: Sequence[str]) -> str:
    """Return the curves as the text of a CSV file, with a row per person and point.

    Points at which the person is absent (NaN) have no row.

    Args:
        lanes: The curves of each person.
        classes: The classes of the curves, in the order of ``PersonLanes.values``.
    """
    rows = [
        [person.title, f"{time:.3f}", *(f"{100 * value:.1f}" for value in point)]
        for person in lanes
        for time, point in zip(person.seconds, person.values, strict=True)
        if not np.isnan(point).any()
    ]
    return csv_text(["person", "time (s)", *(f"{name} (%)" for name in classes)], rows)


def time_ticks(start: float, end: float) -> list[tuple[float, str]]:
    """Return the labels of a time axis: round times from ``start`` to ``end``, with their texts."""
    span = max(end - start, 0.5)
    steps = (step for step in _TICK_STEPS if span / step <= _MAX_TICK_STEPS)
    step = next(steps, _TICK_STEPS[-1])
    digits = 1 if step < 1 else 0
    times = np.arange(np.ceil(start / step) * step, end + 1e-9, step)
    return [(round(float(time), 3), format_time(float(time), digits)) for time in times]


def _with_absences(
    seconds: NDArray[np.float64], values: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Insert a point of NaN where the person is absent, so that no line is drawn there."""
    last_before_gap = np.flatnonzero(np.diff(seconds) > _ABSENCE_STEPS * step + 1e-6)
    middles = (seconds[last_before_gap] + seconds[last_before_gap + 1]) / 2
    return (
        np.insert(seconds, last_before_gap + 1, middles),
        np.insert(values, last_before_gap + 1, np.nan, axis=0),
    )
