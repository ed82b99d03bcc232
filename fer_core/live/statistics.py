"""How quick a stream is: rates and durations over its last seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

_RATE_SECONDS = 2.0
_KEPT_DURATIONS = 90


class Rate:
    """Events per second over the last two seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moments: deque[float] = deque()

    def count(self) -> None:
        """Note an event, now."""
        now = self._clock()
        self._moments.append(now)
        self._drop_before(now - _RATE_SECONDS)

    @property
    def per_second(self) -> float | None:
        """None until two events have come in the last two seconds."""
        now = self._clock()
        self._drop_before(now - _RATE_SECONDS)
        if len(self._moments) < 2:
            return None
        # To now and not to the last event: a stream that stands still slows down.
        return len(self._moments) / max(now - self._moments[0], 1e-6)

    def _drop_before(self, moment: float) -> None:
        while self._moments and self._moments[0] < moment:
            self._moments.popleft()


@dataclass
class Durations:
    """The last durations of something, in milliseconds."""

    kept: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_DURATIONS))

    def add(self, milliseconds: float) -> None:
        """Note one."""
        self.kept.append(milliseconds)

    def percentile(self, percent: float) -> float | None:
        """The duration that ``percent`` of them do not exceed; None without any."""
        return float(np.percentile(tuple(self.kept), percent)) if self.kept else None
