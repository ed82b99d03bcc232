"""A limit on how long one process trains, for machines that are available for limited periods.

The limit does not affect the result: a run that is trained in several periods ends with the same
model as a run that is trained in one period.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from fer_core.errors import InputError

#: The expected duration of an epoch is multiplied by this factor, because epochs vary in duration.
_MARGIN = 1.1


class TimeBudget:
    """The time that a process may train, including pauses.

    When the time is over, another process can resume the run.
    """

    def __init__(self, minutes: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the budget.

        Args:
            minutes: Time from now to the end of the last epoch, without the time to write the
                bundle.
            clock: Returns seconds; replaced in tests.

        Raises:
            InputError: ``minutes`` is infinite or not above 0.
        """
        if not (math.isfinite(minutes) and minutes > 0):
            raise InputError(f"--minutes should be above 0. Received: {minutes:g}.")
        self.minutes = minutes
        self._clock = clock
        self._end = clock() + minutes * 60

    def is_used_up(self) -> bool:
        """Return True once the time is over."""
        return self._clock() >= self._end

    def is_enough_for(self, seconds: float) -> bool:
        """Return True if an epoch of about this duration would still finish in time."""
        return self._clock() + seconds * _MARGIN < self._end
