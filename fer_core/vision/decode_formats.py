"""Open HEIC and AVIF pictures, and remove large text chunks from PNG files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Kinds of chunks that contain a text, or a color profile, which Pillow limits like a text.
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
#: Maximum size of one text in bytes; larger texts are removed. Smaller texts are kept, because one
#: of them may contain the EXIF data with the orientation of the picture.
_MAX_BYTES_PER_TEXT = 200_000
#: Maximum size of all texts of a file together in bytes. When it is exceeded, all further texts are
#: removed.
_MAX_BYTES_OF_ALL_TEXTS = 2_000_000


def open_heic(file: io.BytesIO) -> Image.Image:
    """Open a HEIC picture. Its rotation is applied when its pixels are loaded.

    Raises:
        ImportError: ``pillow-heif`` is not installed.
        Exception: The picture is damaged.
    """
    # Imported here, because it loads a video decoder that only HEIC pictures need.
    from pillow_heif import HeifImageFile

    return HeifImageFile(file)  # type: ignore[no-untyped-call]


def open_avif(file: io.BytesIO) -> Image.Image:
    """Open an AVIF picture.

    Raises:
        Exception: The picture is damaged.
    """
    return AvifImageFile(file)


def without_large_texts(content: bytes) -> bytes:
    """Return a PNG file without the texts and color profiles that are too large for Pillow.

    Other files, and PNG files without such content, are returned as they are.
    """
    if not content.startswith(_PNG_SIGNATURE):
        return content
    parts = [content[: len(_PNG_SIGNATURE)]]
    total = 0
    for kind, start, end in _chunks(content):
        if kind in _TEXT_CHUNKS:
            size = _text_bytes(kind, content[start + 8 : end - 4])
            total += size
            if size > _MAX_BYTES_PER_TEXT or total > _MAX_BYTES_OF_ALL_TEXTS:
                continue
        parts.append(content[start:end])
    # If all texts together are small, no chunk was removed, and the file need not be copied.
    return b"".join(parts) if total > _MAX_BYTES_PER_TEXT else content


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk; the last chunk may be incomplete.

    A chunk consists of the length of its data and its kind (4 bytes each), the data, and a checksum
    (4 bytes).
    """
    start = len(_PNG_SIGNATURE)
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], start, min(end, len(content))
        start = end


def _text_bytes(kind: bytes, data: bytes) -> int:
    """Return the size of a chunk's data in bytes, plus that of its decompressed text, if any.

    The decompression stops as soon as the text is too large.

    Args:
        kind: The kind of the chunk.
        data: The data of the chunk.
    """
    if kind == b"tEXt":
        return len(data)
    # A chunk begins with a keyword and a zero byte. In zTXt and iCCP, the method of the compression
    # (one byte) follows. In iTXt, there are a flag and the method (one byte each), then a language
    # and a translated keyword, each with a zero byte at its end.
    _, _, fields = data.partition(b"\0")
    compressed = fields[1:]
    if kind == b"iTXt":
        if fields[:1] != b"\1":  # the flag of a compressed text
            return len(data)
        compressed = fields[2:].split(b"\0", 2)[-1]
    try:
        text = zlib.decompressobj().decompress(compressed, _MAX_BYTES_PER_TEXT + 1)
        return len(text) + len(data)
    except zlib.error:
        return len(data)
