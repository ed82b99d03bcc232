"""Read the lines of a text file of any size and common encoding, in limited memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Protocol

#: Maximum length of a line. The 2,304 values of a face take at most 9,215 characters, and the
#: 50,176 values of a picture with 224x224 pixels take at most 200,703.
MAX_LINE_BYTES = 2**20
_EXCEL_SEPARATOR = re.compile(rb'"?sep=.?"?')
_PIECE_BYTES = 256 * 2**10


class Readable(Protocol):
    """The part of a file's interface that is needed here."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; an empty result at the end."""


def text_lines(file: Readable) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines of a file with their numbers, from 1.

    UTF-16, with or without a byte order mark, is converted to UTF-8, and the byte order mark of
    UTF-8 is removed. Other encodings are passed on unchanged: tables of faces only need ASCII. A
    first line such as ``sep=;``, which is a note for Excel, is left out.

    Yields:
        The number of a line, and the line without its line break. None replaces a line that is
        longer than ``MAX_LINE_BYTES``.
    """
    number, unfinished, is_overlong = 0, b"", False
    for piece in _pieces(file):
        lines = (unfinished + piece).splitlines(keepends=True)
        # The last line may continue in the next piece; after "\r" the next piece may begin with
        # the "\n" of the same line break.
        unfinished = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            number += 1
            if number == 1 and _EXCEL_SEPARATOR.fullmatch(line.strip()):
                continue
            yield (
                number,
                None if is_overlong or len(line) > MAX_LINE_BYTES else line.rstrip(b"\r\n"),
            )
            is_overlong = False
        if len(unfinished) > MAX_LINE_BYTES:
            unfinished, is_overlong = b"", True
    if unfinished or is_overlong:
        yield number + 1, None if is_overlong else unfinished.rstrip(b"\r\n")


def table_lines(file: Readable) -> Iterator[tuple[int, bytes | None]]:
    """Yield the rows of a text table, each with the number of its first line.

    The lines of a quoted array that NumPy printed over several lines are joined to one row. A quote
    that does not begin such an array affects only its own row, even if it is not closed.

    Yields:
        The number of a row's first line, and the row without its line break. None replaces a line
        that is longer than ``MAX_LINE_BYTES``.
    """
    # The lines of an array whose closing quote was not found yet.
    open_lines: list[tuple[int, bytes | None]] = []
    size = 0
    for number, line in text_lines(file):
        if not open_lines:
            if line is not None and b'"[' in line and line.count(b'"') % 2:
                open_lines, size = [(number, line)], len(line)
            else:
                yield number, line
            continue
        open_lines.append((number, line))
        size += MAX_LINE_BYTES + 1 if line is None else len(line) + 1
        if size > MAX_LINE_BYTES:
            yield from open_lines
            open_lines = []
        elif line is not None and line.count(b'"') % 2:
            yield open_lines[0][0], b" ".join(content or b"" for _, content in open_lines)
            open_lines = []
    yield from open_lines


def _pieces(file: Readable) -> Iterator[bytes]:
    """Yield the content in pieces, without a byte order mark. UTF-16 is converted to UTF-8."""
    piece = file.read(_PIECE_BYTES)
    encoding = _utf16_encoding(piece)
    if encoding is None:
        piece = piece.removeprefix(codecs.BOM_UTF8)
        while piece:
            yield piece
            piece = file.read(_PIECE_BYTES)
        return
    # An invalid character is replaced by a character that no number contains, so that the row with
    # this character is skipped.
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while piece:
        yield decoder.decode(piece).removeprefix("\ufeff").encode()
        piece = file.read(_PIECE_BYTES)
    yield decoder.decode(b"", final=True).encode()


def _utf16_encoding(beginning: bytes) -> str | None:
    """Return the kind of UTF-16, detected by a byte order mark or by zeros between characters.

    The result is None for other encodings.
    """
    sample = beginning[:200]
    if sample.startswith(codecs.BOM_UTF16_LE) or _zero_share(sample[1::2]) > 0.9:
        return "utf-16-le"
    if sample.startswith(codecs.BOM_UTF16_BE) or _zero_share(sample[0::2]) > 0.9:
        return "utf-16-be"
    return None


def _zero_share(sample: bytes) -> float:
    return sample.count(0) / len(sample) if sample else 0.0
