"""Count the bytes that a reader reads, to report progress and to limit their number."""

from __future__ import annotations

from typing import IO

from fer_core.dataset.readers import sources
from fer_core.errors import InputError
from fer_core.progress import ProgressReport


class ReadMeter:
    """Counts the bytes that are read from the files of a source.

    Args:
        label: The name of the source in messages.
        total: Total number of bytes, as the source states it.
        report: Called after each read with the number of bytes read and the total.
    """

    def __init__(self, label: str, total: int, report: ProgressReport | None) -> None:
        self._label = label
        self._total = total
        self._report = report
        self._done = 0

    def metered(self, file: IO[bytes]) -> MeteredFile:
        """Return a file that counts each read."""
        return MeteredFile(file, self)

    def count(self, size: int) -> None:
        """Add the number of bytes that were read, and report progress.

        Raises:
            InputError: More bytes than ``MAX_TOTAL_BYTES`` were read.
        """
        self._done += size
        if self._done > sources.MAX_TOTAL_BYTES:
            raise InputError(
                f"{self._label} contains more than {sources.MAX_TOTAL_BYTES >> 30} GB; "
                "provide a smaller part of it."
            )
        if self._report is not None and size:
            self._report(self._done, max(self._total, self._done))


class MeteredFile:
    """A file that counts what is read from it."""

    def __init__(self, file: IO[bytes], meter: ReadMeter) -> None:
        self._file = file
        self._meter = meter

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; an empty result at the end."""
        content = self._file.read(size)
        self._meter.count(len(content))
        return content
