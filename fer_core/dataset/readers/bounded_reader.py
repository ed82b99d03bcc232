"""A file that limits the size of each read."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class BoundedReader(io.RawIOBase):
    """A file that limits each read, for libraries that read as much as an archive tells them to.

    Args:
        file: The file; closing the reader does not close it.
        limit: Maximum number of bytes in one call of ``read``.
        error: The error that ``read`` raises if more bytes are requested.
    """

    def __init__(self, file: BinaryIO, limit: int, error: Exception) -> None:
        super().__init__()
        self._file = file
        self._limit = limit
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes; without a size, up to the limit."""
        if size is None or size < 0:
            # Libraries omit the size only to read the rest of a file. In a valid file, the rest is
            # short.
            size = self._limit
        if size > self._limit:
            raise self._error
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True
