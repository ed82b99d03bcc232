"""Measure the speed of a stream: rates over the last two seconds, and the latest durations."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

#: Length of the period in which events are counted.
_RATE_SECONDS = 2.0
#: Number of durations from which percentiles are computed.
_MAX_DURATIONS = 90


class Rate:
    """Events per second over the last two seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moments: deque[float] = deque()

    def count(self) -> None:
        """Count an event at the current time."""
        now = self._clock()
        self._moments.append(now)
        self._drop_before(now - _RATE_SECONDS)

    @property
    def per_second(self) -> float | None:
        """Events per second; None with fewer than two events in the last two seconds."""
        now = self._clock()
        self._drop_before(now - _RATE_SECONDS)
        if len(self._moments) < 2:
            return None
        # The period ends now and not at the last event, so that a stalled stream's rate falls.
        return len(self._moments) / max(now - self._moments[0], 1e-6)

    def _drop_before(self, moment: float) -> None:
        while self._moments and self._moments[0] < moment:
            self._moments.popleft()


@dataclass
class Durations:
    """The latest durations of an operation, in milliseconds."""

    values: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_DURATIONS))

    def add(self, milliseconds: float) -> None:
        """Add a duration."""
        self.values.append(milliseconds)

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the durations; None if there are none."""
        return float(np.percentile(tuple(self.values), percent)) if self.values else None
