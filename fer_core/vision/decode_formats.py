"""Readers for the pictures of phones (HEIC, AVIF), and PNG files with megabytes of text."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile

from fer_core.picture_header import heif_format

_VIDEO_SIGNATURES = (
    *(b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"),
    *(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"OggS"),
)

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
#: Larger text is removed. EXIF data, with the orientation, may be stored as a text and is smaller.
_MAX_TEXT_BYTES = 200_000
_MAX_TEXTS_BYTES = 2_000_000


def is_video(content: bytes) -> bool:
    """Return True if content begins like a video: MP4, MOV, MKV, WebM, AVI, MPEG, FLV or WMV."""
    if content[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return heif_format(content) is None
    if content[:4] == b"RIFF":
        return content[8:12] == b"AVI "
    return content.startswith(_VIDEO_SIGNATURES)


def open_heic(file: io.BytesIO) -> Image.Image:
    """Open a HEIC picture; its rotation is applied when it is loaded.

    Raises:
        ImportError: ``pillow-heif`` is not installed.
        Exception: The picture is damaged.
    """
    # Imported here: it loads a video decoder that only these pictures need.
    from pillow_heif import HeifImageFile

    return HeifImageFile(file)  # type: ignore[no-untyped-call]


def open_avif(file: io.BytesIO) -> Image.Image:
    """Open an AVIF picture.

    Raises:
        Exception: The picture is damaged.
    """
    return AvifImageFile(file)


def without_large_texts(content: bytes) -> bytes:
    """Return a PNG file without large texts and color profiles, which Pillow refuses to read.

    Other files, and PNG files without such content, are returned as they are.
    """
    if not content.startswith(_PNG_SIGNATURE):
        return content
    kept = [content[: len(_PNG_SIGNATURE)]]
    total = 0
    for kind, start, end in _chunks(content):
        if kind in _TEXT_CHUNKS:
            size = _text_bytes(kind, content[start + 8 : end - 4])
            total += size
            if size > _MAX_TEXT_BYTES or total > _MAX_TEXTS_BYTES:
                continue
        kept.append(content[start:end])
    # Nothing is copied in the usual case: the parts are then the whole file.
    return b"".join(kept) if total > _MAX_TEXT_BYTES else content


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk; the last chunk may be incomplete."""
    start = len(_PNG_SIGNATURE)
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], start, min(end, len(content))
        start = end


def _text_bytes(kind: bytes, data: bytes) -> int:
    """Return the size of a decompressed text; decompression stops when it is too large."""
    if kind == b"tEXt":
        return len(data)
    # Keyword, a zero byte, and one or more further fields before the compressed data.
    _, _, packed = data.partition(b"\0")
    if kind == b"iTXt":
        if packed[:1] != b"\1":
            return len(data)
        packed = packed[1:].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(packed[1:], _MAX_TEXT_BYTES + 1)) + len(data)
    except zlib.error:
        return len(data)
