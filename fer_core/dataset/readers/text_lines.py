"""Lines of a text file of any size and common encoding, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Protocol

#: A face's 2,304 values take at most 9,215 characters; a line far beyond that is no row.
MAX_LINE_BYTES = 128 * 2**10
_PIECE_BYTES = 256 * 2**10


class Readable(Protocol):
    """As much of a file as is needed here."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""


def text_lines(file: Readable) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file with their numbers, from 1.

    UTF-16, with its mark or without, becomes UTF-8; UTF-8's mark is dropped; any other encoding is
    passed on as it is, since all that tables of faces say is said in ASCII.

    Yields:
        A line without its end; None in place of one that is longer than ``MAX_LINE_BYTES``.
    """
    number, rest, is_overlong = 0, b"", False
    for piece in _pieces(file):
        lines = (rest + piece).splitlines(keepends=True)
        # The last line goes on in the next piece, and so may "\r" with its "\n".
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            number += 1
            yield (
                number,
                None if is_overlong or len(line) > MAX_LINE_BYTES else line.rstrip(b"\r\n"),
            )
            is_overlong = False
        if len(rest) > MAX_LINE_BYTES:
            rest, is_overlong = b"", True
    if rest or is_overlong:
        yield number + 1, None if is_overlong else rest.rstrip(b"\r\n")


def _pieces(file: Readable) -> Iterator[bytes]:
    piece = file.read(_PIECE_BYTES)
    encoding = _wide_encoding(piece)
    if encoding is None:
        piece = piece.removeprefix(codecs.BOM_UTF8)
        while piece:
            yield piece
            piece = file.read(_PIECE_BYTES)
        return
    # What is no character becomes one that is in no number: its row will be called faulty.
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while piece:
        yield decoder.decode(piece).removeprefix("\ufeff").encode()
        piece = file.read(_PIECE_BYTES)
    yield decoder.decode(b"", final=True).encode()


def _wide_encoding(beginning: bytes) -> str | None:
    """UTF-16 in either order, by its mark or by the zeros between ASCII's characters."""
    sample = beginning[:200]
    if sample.startswith(codecs.BOM_UTF16_LE) or _zero_share(sample[1::2]) > 0.9:
        return "utf-16-le"
    if sample.startswith(codecs.BOM_UTF16_BE) or _zero_share(sample[0::2]) > 0.9:
        return "utf-16-be"
    return None


def _zero_share(sample: bytes) -> float:
    return sample.count(0) / len(sample) if sample else 0.0
