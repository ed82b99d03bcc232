"""A bound on how long one process trains, for machines that are lent by the quarter of an hour.

It decides when a process lets go and never what comes out: a run that is trained in slices is the
run that was trained in one go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from fer_core.errors import InputError

#: No two epochs take quite the same time.
_MARGIN = 1.1


class TimeSlice:
    """Minutes that a training may take, pauses included; then it is to be resumed."""

    def __init__(self, minutes: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count.

        Args:
            minutes: From now to the end of the last epoch; writing the bundle comes on top.
            clock: Seconds; exchanged in tests.

        Raises:
            InputError: That is no duration.
        """
        if not (math.isfinite(minutes) and minutes > 0):
            raise InputError(f"--minutes should be above 0. Received: {minutes:g}.")
        self.minutes = minutes
        self._clock = clock
        self._end = clock() + minutes * 60

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._end

    def has_room_for(self, seconds: float) -> bool:
        """Whether an epoch that takes about so long would still be finished."""
        return self._clock() + seconds * _MARGIN < self._end
