"""Read and decode the pictures of a source, one after the other, with progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fer_core.dataset.readers.problems import SkipReason
from fer_core.dataset.readers.sources import Source
from fer_core.progress import ProgressReport

Decoded = TypeVar("Decoded")

#: Progress is reported after this number of pictures, and after this time if they take longer: an
#: import can be stopped only when it reports.
_REPORT_EACH = 500
_REPORT_SECONDS = 1.0


def read_pictures(
    source: Source,
    names: Sequence[str],
    decode: Callable[[bytes], Decoded | SkipReason],
    report: ProgressReport | None = None,
) -> Iterator[tuple[str, Decoded | SkipReason]]:
    """Yield each picture, or why it is skipped.

    Args:
        source: Contains the pictures.
        names: Their paths in the source.
        decode: Decodes the content of a file, or returns why it is skipped.
        report: Called repeatedly with the number of pictures read and of all pictures.

    Raises:
        InputError: The total size of the pictures exceeds the limit.
    """
    reported = time.monotonic()
    for done, (name, content) in enumerate(source.read_all(list(names)), start=1):
        yield name, content if isinstance(content, SkipReason) else decode(content)
        if report is None:
            continue
        is_due = done % _REPORT_EACH == 0 or time.monotonic() - reported > _REPORT_SECONDS
        if is_due or done == len(names):
            report(done, len(names))
            reported = time.monotonic()
