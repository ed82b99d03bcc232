"""Recognize pictures and videos by the first bytes of their files, not by their names."""

from __future__ import annotations

import re

#: Number of bytes that ``picture_format`` needs.
HEADER_BYTES = 64

#: HEIC and AVIF pictures use a container format of video files. In its header, brands of four bytes
#: state what the file contains.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_SIGNATURES = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)
#: The first bytes of MKV and WebM, FLV, MPEG (two kinds), WMV and Ogg files.
_VIDEO_SIGNATURES = (
    *(b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"),
    *(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"OggS"),
)
#: Netpbm: PBM, PGM and PPM as text or binary, PAM, and PFM.
_NETPBM = re.compile(rb"P(?:[1-6][ \t\r\n]+[\d#]|7\n|[Ff][ \t\r\n]+\d)")
#: Possible lengths of the second header of a BMP file. They are checked, because the signature of
#: the first header, "BM", may also begin a text.
_BMP_HEADER_LENGTHS = (12, 16, 40, 52, 56, 64, 108, 124)


def picture_format(beginning: bytes) -> str | None:
    """Return the format of a picture, such as ``"JPEG"``; None if it is not a picture.

    Args:
        beginning: The first ``HEADER_BYTES`` of the file, or all of it.
    """
    for signature, name in _SIGNATURES:
        if beginning.startswith(signature):
            return name
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "WebP"
    if beginning[:2] == b"BM" and beginning[14:18] in {
        length.to_bytes(4, "little") for length in _BMP_HEADER_LENGTHS
    }:
        return "BMP"
    if _NETPBM.match(beginning):
        return "Netpbm"
    return heif_format(beginning)


def heif_format(content: bytes) -> str | None:
    """Return ``"HEIC"`` or ``"AVIF"`` for a picture in one of these formats, otherwise None.

    Args:
        content: The whole file, or at least its first ``HEADER_BYTES``.
    """
    if content[4:8] != b"ftyp":
        return None
    # The brand at byte 8 may be a general one. From byte 16 on, the header lists the brands that
    # the file is compatible with. The limit keeps the loop short if the length is damaged.
    length = min(int.from_bytes(content[:4], "big"), 256)
    brands = [content[8:12], *(content[start : start + 4] for start in range(16, length, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else None


def is_video(content: bytes) -> bool:
    """Return True if content begins like a video.

    MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV and Ogg are recognized.
    """
    if content[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return heif_format(content) is None
    if content[:4] == b"RIFF":
        return content[8:12] == b"AVI "
    return content.startswith(_VIDEO_SIGNATURES)
