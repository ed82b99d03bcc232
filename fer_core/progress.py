"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called now and then with what is done and what there is in all, in a unit of the work's own. What
#: it raises ends the work.
ProgressReport = Callable[[int, int], None]
