"""Read and decode the pictures of a source, one after the other, with progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fer_core.dataset.readers.problems import SkipReason
from fer_core.dataset.readers.sources import Source
from fer_core.progress import ProgressReport

Decoded = TypeVar("Decoded")

#: Progress is reported after this number of pictures, or after this number of seconds, whichever
#: comes first. The reports must be frequent, because an import can be cancelled only at a report.
_REPORT_PICTURES = 500
_REPORT_SECONDS = 1.0


def read_pictures(
    source: Source,
    names: Sequence[str],
    decode: Callable[[bytes], Decoded | SkipReason],
    report: ProgressReport | None = None,
) -> Iterator[tuple[str, Decoded | SkipReason]]:
    """Yield the path of each picture with its pixels, or with the reason why it is skipped.

    Args:
        source: Contains the pictures.
        names: The paths of the pictures in the source.
        decode: Decodes the content of a file, or returns why it is skipped.
        report: Called repeatedly with the number of pictures read and the total.

    Raises:
        InputError: The total size of the pictures exceeds the limit.
    """
    last_report = time.monotonic()
    for done, (name, content) in enumerate(source.read_all(list(names)), start=1):
        yield name, content if isinstance(content, SkipReason) else decode(content)
        if report is None:
            continue
        is_due = done % _REPORT_PICTURES == 0 or time.monotonic() - last_report > _REPORT_SECONDS
        if is_due or done == len(names):
            report(done, len(names))
            last_report = time.monotonic()
