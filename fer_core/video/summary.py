"""Summarize an analysis: shares, episodes and transitions of each person."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.video.face_table import FaceTable

#: Default for the minimum smoothed probability of the class in an episode.
DEFAULT_THRESHOLD = 0.5
#: Minimum duration of an episode. Shorter ones, of one or a few frames, are mostly noise.
MIN_EPISODE_SECONDS = 0.2
#: Maximum time for which a person may be absent within an episode, or between the two periods of a
#: transition.
_MAX_GAP_SECONDS = 0.5


@dataclass(frozen=True)
class Episode:
    """A period in which a class was probable or dominant.

    ``find_episodes`` returns the periods of probable classes. ``dominant_periods`` returns the
    periods of dominant classes. A class is probable if its smoothed probability reaches a
    threshold, and dominant if its smoothed probability is the largest.

    Attributes:
        person: The person's number.
        label: The class.
        start: Start time in seconds.
        end: End time in seconds.
        peak: The largest smoothed probability of the class.
        mean: The mean smoothed probability of the class, weighted by time.
    """

    person: int
    label: str
    start: float
    end: float
    peak: float
    mean: float

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.end - self.start

    def to_json(self) -> dict[str, Any]:
        """Return the episode as values for JSON."""
        return {
            "person": self.person,
            "label": self.label,
            "start_s": round(self.start, 3),
            "end_s": round(self.end, 3),
            "peak": round(self.peak, 4),
            "mean": round(self.mean, 4),
        }


@dataclass(frozen=True)
class PersonSummary:
    """One person over the whole analysis.

    Attributes:
        person: The person's number.
        seconds_seen: The time in which the person was tracked.
        first_seen: Start of the first row, in seconds.
        last_seen: End of the last row, in seconds.
        shares: For each class, the share of ``seconds_seen`` in which it was the most probable
            class, 0 to 1.
        means: For each class, the mean probability, weighted by time.
        episode_counts: For each class, the number of episodes.
        mean_episode_seconds: For each class, the mean duration of its episodes; None if there are
            none.
        transition_counts: For each pair of classes, how often the dominant class changed from the
            first to the second.
    """

    person: int
    seconds_seen: float
    first_seen: float
    last_seen: float
    shares: dict[str, float]
    means: dict[str, float]
    episode_counts: dict[str, int]
    mean_episode_seconds: dict[str, float | None]
    transition_counts: dict[tuple[str, str], int]

    def to_json(self, name: str = "") -> dict[str, Any]:
        """Return the summary as values for JSON."""
        return {
            "person": self.person,
            "name": name,
            "seconds_seen": round(self.seconds_seen, 3),
            "first_seen_s": round(self.first_seen, 3),
            "last_seen_s": round(self.last_seen, 3),
            "shares": {label: round(share, 4) for label, share in self.shares.items()},
            "mean_probabilities": {label: round(mean, 4) for label, mean in self.means.items()},
            "episodes": {
                label: {
                    "count": count,
                    "mean_seconds": _rounded(self.mean_episode_seconds[label]),
                }
                for label, count in self.episode_counts.items()
            },
            "transitions": [
                {"from": before, "to": after, "count": count}
                for (before, after), count in sorted(self.transition_counts.items())
            ],
        }


def summarize(table: FaceTable, threshold: float = DEFAULT_THRESHOLD) -> list[PersonSummary]:
    """Return a summary of every person, in the order of their numbers.

    Args:
        table: The rows of an analysis.
        threshold: The minimum smoothed probability of the class in an episode, 0 to 1.
    """
    return [_summary(table.of_person(person), threshold) for person in table.persons]


def find_episodes(
    table: FaceTable,
    threshold: float = DEFAULT_THRESHOLD,
    min_seconds: float = MIN_EPISODE_SECONDS,
) -> list[Episode]:
    """Return the periods in which a class was probable, in the order of their start.

    Args:
        table: The rows of an analysis.
        threshold: The minimum smoothed probability of the class in an episode, 0 to 1.
        min_seconds: Shorter episodes are left out.
    """
    return _episodes(table, lambda rows: rows.smoothed >= threshold, min_seconds)


def dominant_periods(table: FaceTable, min_seconds: float = MIN_EPISODE_SECONDS) -> list[Episode]:
    """Return the periods in which a class was dominant, in the order of their start.

    Args:
        table: The rows of an analysis.
        min_seconds: Shorter periods are left out.
    """
    return _episodes(table, _is_dominant, min_seconds)


def _is_dominant(rows: FaceTable) -> NDArray[np.bool_]:
    dominant = rows.smoothed.argmax(axis=1)
    return np.asarray(dominant[:, None] == np.arange(len(rows.classes)))


def _episodes(
    table: FaceTable,
    is_inside: Callable[[FaceTable], NDArray[np.bool_]],
    min_seconds: float,
) -> list[Episode]:
    """Return the episodes of all persons and classes in the order of their start.

    Args:
        table: The rows of an analysis.
        is_inside: Takes the rows of one person. Returns bool ``[n, classes]``: True if the row
            belongs to an episode of the class.
        min_seconds: Shorter episodes are left out.
    """
    episodes: list[Episode] = []
    for person in table.persons:
        rows = table.of_person(person)
        inside = is_inside(rows)
        for index, label in enumerate(rows.classes):
            probabilities = rows.smoothed[:, index]
            episodes += [
                Episode(
                    person,
                    label,
                    start=float(rows.seconds[first]),
                    end=_end_of_row(rows, last),
                    peak=float(probabilities[first : last + 1].max()),
                    mean=_weighted_mean(probabilities, rows.duration, first, last),
                )
                for first, last in _unbroken_ranges(inside[:, index], rows)
                if _end_of_row(rows, last) - rows.seconds[first] >= min_seconds - 1e-6
            ]
    return sorted(episodes, key=lambda episode: (episode.start, episode.person, episode.label))


def _summary(rows: FaceTable, threshold: float) -> PersonSummary:
    weights = rows.duration
    total = float(weights.sum())
    seconds_by_label = np.bincount(rows.label_indices, weights=weights, minlength=len(rows.classes))
    means = (rows.probabilities * weights[:, None]).sum(axis=0) / max(total, 1e-9)
    episodes = find_episodes(rows, threshold)
    episode_seconds = {
        label: [episode.seconds for episode in episodes if episode.label == label]
        for label in rows.classes
    }
    return PersonSummary(
        person=int(rows.person[0]),
        seconds_seen=total,
        first_seen=float(rows.seconds[0]),
        last_seen=_end_of_row(rows, len(rows) - 1),
        shares={
            label: float(seconds_by_label[index]) / max(total, 1e-9)
            for index, label in enumerate(rows.classes)
        },
        means={label: float(means[index]) for index, label in enumerate(rows.classes)},
        episode_counts={label: len(seconds) for label, seconds in episode_seconds.items()},
        mean_episode_seconds={
            label: float(np.mean(seconds)) if seconds else None
            for label, seconds in episode_seconds.items()
        },
        transition_counts=dict(_transition_counts(rows)),
    )


def _transition_counts(rows: FaceTable) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    periods = dominant_periods(rows)
    for before, after in itertools.pairwise(periods):
        is_adjacent = after.start - before.end <= _MAX_GAP_SECONDS
        if is_adjacent and before.label != after.label:
            counts[before.label, after.label] += 1
    return counts


def _unbroken_ranges(is_inside: NDArray[np.bool_], rows: FaceTable) -> list[tuple[int, int]]:
    """Return the first and the last row of each unbroken range of True values.

    A range also ends where the person is absent for more than ``_MAX_GAP_SECONDS``.
    """
    if not len(is_inside):
        return []
    gaps = rows.seconds[1:] - (rows.seconds[:-1] + rows.duration[:-1]) > _MAX_GAP_SECONDS
    begins = is_inside & np.concatenate([[True], ~is_inside[:-1] | gaps])
    ends = is_inside & np.concatenate([~is_inside[1:] | gaps, [True]])
    return list(
        zip(
            (int(row) for row in np.flatnonzero(begins)),
            (int(row) for row in np.flatnonzero(ends)),
            strict=True,
        )
    )


def _end_of_row(rows: FaceTable, row: int) -> float:
    return float(rows.seconds[row] + rows.duration[row])


def _weighted_mean(
    values: NDArray[np.float32], durations: NDArray[np.float64], first: int, last: int
) -> float:
    """Return the mean of the values of a range of rows, weighted by their durations."""
    weights = durations[first : last + 1]
    return float((values[first : last + 1] * weights).sum() / max(float(weights.sum()), 1e-9))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
