"""The callback through which long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called regularly with the finished and the total amount, in any unit. An exception it raises
#: ends the work.
ProgressReport = Callable[[int, int], None]
