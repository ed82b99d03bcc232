"""How far a reader has come, in bytes, and how far it may go."""

from __future__ import annotations

from typing import IO

from fer_core.dataset.readers import sources
from fer_core.errors import InputError
from fer_core.progress import ProgressReport


class ReadMeter:
    """Counts the bytes that are read from files, reports them and holds them to the bound.

    Args:
        label: What messages call the source.
        total: Bytes that there are in all, as the source states it.
        report: Takes the bytes read and their number in all.
    """

    def __init__(self, label: str, total: int, report: ProgressReport | None) -> None:
        self._label = label
        self._total = total
        self._report = report
        self._done = 0

    def metered(self, file: IO[bytes]) -> MeteredFile:
        """The file, whose reading this meter counts."""
        return MeteredFile(file, self)

    def count(self, size: int) -> None:
        """Count bytes that were read.

        Raises:
            InputError: They are more than the bound, whatever the source states.
        """
        self._done += size
        if self._done > sources.MAX_TOTAL_BYTES:
            raise InputError(
                f"{self._label} holds more than {sources.MAX_TOTAL_BYTES >> 30} GB; give less."
            )
        if self._report is not None and size:
            self._report(self._done, max(self._total, self._done))


class MeteredFile:
    """A file of which only reading is known."""

    def __init__(self, file: IO[bytes], meter: ReadMeter) -> None:
        self._file = file
        self._meter = meter

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        content = self._file.read(size)
        self._meter.count(len(content))
        return content
