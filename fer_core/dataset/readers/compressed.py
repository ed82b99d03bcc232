"""Decompress gzip, bzip2, xz and lzma files, within a limit."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.problems import error_text
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

_PIECE_BYTES = 2**20
#: Maximum memory for decompressing an xz or lzma file; the highest preset level (9) needs 65 MB.
_XZ_MEMORY = 128 * 2**20
_SIGNATURES = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "lzma"}


def compression(beginning: bytes) -> str | None:
    """Return the compression format of a file by its first bytes; None if it is not compressed."""
    return next((kind for start, kind in _SIGNATURES.items() if beginning.startswith(start)), None)


def decompress_to_temporary_file(
    file: BinaryIO | IO[bytes],
    label: str,
    report: ProgressReport | None = None,
    *,
    limit: int | None = None,
) -> BinaryIO:
    """Decompress a file to a temporary file without a name, which is deleted when it is closed.

    A compressed tar archive is a single compressed stream. The whole archive must be decompressed
    before its members can be read in any order.

    Args:
        file: The compressed file, at its start.
        label: The name of the file in messages.
        report: Called repeatedly with the number of compressed bytes read and the total.
        limit: Maximum decompressed size in bytes; by default ``MAX_TOTAL_BYTES``.

    Raises:
        InputError: The file is damaged or cut short, decompresses to more than the limit, or the
            disk is full.
    """
    kind = compression(file.read(6))
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    unpacked = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        total = 0
        for piece in _pieces(file, kind):
            total += len(piece)
            if total > (sources.MAX_TOTAL_BYTES if limit is None else limit):
                raise InputError(
                    f"{label} unpacks to more than {_limit_text(limit)}; pack a smaller part of it."
                )
            unpacked.write(piece)
            if report is not None:
                report(min(file.tell(), size), size)
        unpacked.seek(0)
    except (EOFError, zlib.error, lzma.LZMAError, ValueError, OSError) as error:
        unpacked.close()
        # Errors of the disk have an error number, errors of decompressors do not.
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(
                f"{label} cannot be unpacked ({error_text(error)}); free some space for temporary "
                "files and try again."
            ) from error
        raise InputError(
            f"{label} is not a complete {kind} file ({error_text(error)}); download or pack it "
            "again."
        ) from error
    except BaseException:
        unpacked.close()
        raise
    return unpacked


def _limit_text(limit: int | None) -> str:
    """Return the text of a limit for a message.

    Args:
        limit: What remains of ``MAX_TOTAL_BYTES`` after the other files of the source, in bytes.
            None if there are no other files.
    """
    total = f"{sources.MAX_TOTAL_BYTES >> 30} GB"
    if limit is None:
        return total
    return f"the {max(limit, 0) >> 20:,} MB that are left of the limit of {total}"


def _pieces(file: BinaryIO | IO[bytes], kind: str | None) -> Iterator[bytes]:
    """Yield the decompressed content in pieces; ``kind`` is the result of ``compression``."""
    if kind in ("xz", "lzma"):
        yield from _xz_pieces(file)
        return
    opened = gzip.GzipFile(fileobj=file) if kind == "gzip" else bz2.BZ2File(file)
    with opened as stream:
        while piece := stream.read(_PIECE_BYTES):
            yield piece


def _xz_pieces(file: BinaryIO | IO[bytes]) -> Iterator[bytes]:
    """Decompress xz or lzma streams with a memory limit, which ``LZMAFile`` does not have."""
    compressed = file.read(_PIECE_BYTES)
    while compressed:
        decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
        while not decoder.eof:
            needs_more = decoder.needs_input and not compressed
            if needs_more and not (compressed := file.read(_PIECE_BYTES)):
                raise EOFError("it ends before its end marker")
            piece = decoder.decompress(compressed, _PIECE_BYTES)
            compressed = b""
            if piece:
                yield piece
        # Another stream may follow, after padding with zeros.
        compressed = decoder.unused_data.lstrip(b"\0")
        while not compressed and (piece := file.read(_PIECE_BYTES)):
            compressed = piece.lstrip(b"\0")
