"""A file that refuses to be read in large pieces."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class BoundedReader(io.RawIOBase):
    """A file whose reads are limited, for libraries that trust the sizes that an archive states.

    Args:
        file: The file; closing the reader does not close it.
        limit: Maximum number of bytes in one call.
        error: Raised for more.
    """

    def __init__(self, file: BinaryIO, limit: int, error: Exception) -> None:
        super().__init__()
        self._file = file
        self._limit = limit
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes, or all of them if there is no size."""
        if size is None or size < 0:
            # A file with more bytes than the limit is damaged.
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
