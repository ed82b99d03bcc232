"""Convert pictures of any format, size and color to grayscale faces of 48x48 pixels."""

from __future__ import annotations

import io
import struct
import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.child import ChildError
from fer_core.dataset.face_set import FACE_SIZE
from fer_core.dataset.readers.other_files import reason_for_skipping
from fer_core.dataset.readers.problems import SkipReason
from fer_core.errors import InputError
from fer_core.jpeg_scans import MAX_JPEG_SCANS, count_scans
from fer_core.picture_header import HEADER_BYTES, heif_format, picture_format
from fer_core.vision.decode_worker import decode_in_worker

#: Maximum number of pixels. Larger pictures are photos, not face crops, and decoding them would
#: only use memory.
_MAX_PIXELS = 4096 * 4096
#: Maximum time for decoding one picture, in seconds.
MAX_DECODE_SECONDS = 20.0
#: Pictures up to these limits take less than a second to decode. Larger pictures are decoded in a
#: worker process, which is ended after ``MAX_DECODE_SECONDS``. The pixels of a JPEG are counted
#: once for each scan.
_DIRECT_BYTES = 2**20
_DIRECT_PIXELS = 4_000_000
#: Formats whose decoding time depends only on the number of bytes and pixels. All other formats,
#: except TIFF with some compression methods, are decoded in a worker process.
_DIRECT_FORMATS = frozenset(("JPEG", "PNG", "BMP", "GIF", "WebP", "Netpbm"))
#: Compression methods of TIFF whose decoding time also depends only on the number of bytes and
#: pixels: none (1), LZW (5), deflate (8 and 32946) and PackBits (32773). A TIFF with another method
#: can contain JPEGs with many scans.
_DIRECT_TIFF_METHODS = frozenset((1, 5, 8, 32946, 32773))

# OpenCV would print an error for each damaged picture, although the import reports it already.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

#: Tags in the directory of a TIFF.
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_COMPRESSION = 256, 257, 259
#: Maximum number of tags in the directory of a valid TIFF.
_MAX_TIFF_TAGS = 256

_EMPTY = SkipReason("is empty")
_TOO_MANY_SCANS = SkipReason(
    f"is a JPEG with more than {MAX_JPEG_SCANS} scans, which would take minutes to decode"
)
_TOO_LARGE = SkipReason("has more than 4096x4096 pixels, too large for a face")


def decode_gray(content: bytes) -> NDArray[np.uint8] | SkipReason:
    """Decode a picture to grayscale, uint8 ``[height, width]``, or return why it is skipped."""
    if heif_format(content) is not None:
        return _decode_in_worker(content)
    pixel_count = _pixel_count_of_all_scans(content)
    if isinstance(pixel_count, SkipReason):
        return pixel_count
    is_fast = len(content) <= _DIRECT_BYTES and pixel_count <= _DIRECT_PIXELS
    if not is_fast or not _has_direct_format(content):
        return _decode_in_worker(content)
    try:
        picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        picture = None
    return _damage_reason(content) if picture is None else np.asarray(picture, dtype=np.uint8)


def _has_direct_format(content: bytes) -> bool:
    kind = picture_format(content)
    if kind == "TIFF":
        tags = _tiff_tags(content)
        return tags is not None and tags.get(_TIFF_COMPRESSION, 1) in _DIRECT_TIFF_METHODS
    return kind in _DIRECT_FORMATS


def _pixel_count_of_all_scans(content: bytes) -> int | SkipReason:
    """Return the number of pixels in all scans, or why the file must not be decoded.

    Only a JPEG may have several scans; each of them may contain all pixels.
    """
    if not content:
        return _EMPTY
    # Check the header first: before OpenCV reads the rest of the file, it allocates as much memory
    # as the header states.
    pixel_count = _stated_pixel_count(content)
    if pixel_count is None:
        return _damage_reason(content)
    if pixel_count > _MAX_PIXELS:
        return _TOO_LARGE
    scan_count = count_scans(content)
    return _TOO_MANY_SCANS if scan_count > MAX_JPEG_SCANS else pixel_count * max(scan_count, 1)


def _decode_in_worker(content: bytes) -> NDArray[np.uint8] | SkipReason:
    """Decode a picture in another process, with limits for its time and memory."""
    try:
        picture = decode_in_worker(content, "it", MAX_DECODE_SECONDS, gray=True)
    except InputError as error:
        # The message begins with "it ". Only the message about a missing package is used, because
        # all other messages give advice for a single photo.
        needs_package = "pip install" in str(error)
        return SkipReason(str(error)[3:].rstrip(".")) if needs_package else _damage_reason(content)
    except ChildError as error:
        if error.cause == "time":
            return SkipReason(f"takes more than {MAX_DECODE_SECONDS:.0f} s to decode")
        return _damage_reason(content)
    return _TOO_LARGE if picture.size > _MAX_PIXELS else picture


def _damage_reason(content: bytes) -> SkipReason:
    """Return the reason for skipping a file that cannot be decoded."""
    kind = picture_format(content)
    return (
        reason_for_skipping(content[:HEADER_BYTES])
        if kind is None
        else SkipReason(f"is a damaged {kind} picture")
    )


def to_face(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize a grayscale picture to uint8 ``[48, 48]``, without keeping its aspect ratio."""
    if picture.shape == (FACE_SIZE, FACE_SIZE):
        return picture
    interpolation = cv2.INTER_AREA if min(picture.shape) > FACE_SIZE else cv2.INTER_LINEAR
    face = cv2.resize(picture, (FACE_SIZE, FACE_SIZE), interpolation=interpolation)
    return np.asarray(face, dtype=np.uint8)


def _stated_pixel_count(content: bytes) -> int | None:
    """Return the number of pixels that the header of a picture states.

    The result is None if the file is not a picture, or is visibly damaged.
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        if _has_oversized_chunk(content):
            return None
        return int.from_bytes(content[16:20], "big") * int.from_bytes(content[20:24], "big")
    if content.startswith(b"\xff\xd8"):
        return _jpeg_pixel_count(content)
    tags = _tiff_tags(content)
    if tags is not None and tags.get(_TIFF_WIDTH) and tags.get(_TIFF_HEIGHT):
        return tags[_TIFF_WIDTH] * tags[_TIFF_HEIGHT]
    return _pixel_count_by_pillow(content)


def _has_oversized_chunk(content: bytes) -> bool:
    """Return True if a chunk of a PNG states more bytes than the file has.

    OpenCV would allocate the memory that the chunk states.
    """
    position = 8  # after the signature
    while position + 8 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        if length > len(content):
            return True
        position += 12 + length  # length, type and checksum have 4 bytes each
    return False


def _jpeg_pixel_count(content: bytes) -> int | None:
    """Return the number of pixels that the frame header of a JPEG states; None without a header.

    This function is faster than a library.
    """
    position = 2
    while (position := content.find(b"\xff", position)) >= 0 and position + 9 <= len(content):
        marker = content[position + 1]
        # Start of frame: C0 to CF, except C4, C8 and CC, which are other markers.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (
                content[position + 5 : position + 7],
                content[position + 7 : position + 9],
            )
            return int.from_bytes(height, "big") * int.from_bytes(width, "big")
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            position += 1  # padding, or a marker without a segment
        else:
            position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return None


def _tiff_tags(content: bytes) -> dict[int, int] | None:
    """Return the value of each tag in the first directory of a TIFF.

    The result is None for other files, and for a TIFF whose directory is damaged. Only tags with
    one integer of two or four bytes are read correctly, such as width, height and compression.
    Values of other types are 0. This function is faster than a library.
    """
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(content[:4])
    if order is None:
        return None
    try:
        (position,) = struct.unpack_from(f"{order}I", content, 4)
        (count,) = struct.unpack_from(f"{order}H", content, position)
        tags: dict[int, int] = {}
        if count > _MAX_TIFF_TAGS:
            return None
        for number in range(count):
            start = position + 2 + 12 * number
            tag, value_type = struct.unpack_from(f"{order}HH", content, start)
            code = {3: "H", 4: "I"}.get(value_type)  # a short or a long integer
            value = (
                0 if code is None else struct.unpack_from(f"{order}{code}", content, start + 8)[0]
            )
            # As in libtiff, the first entry counts if a tag has several entries.
            tags.setdefault(tag, value)
    except struct.error:
        return None
    return tags


def _pixel_count_by_pillow(content: bytes) -> int | None:
    """Return the number of pixels that a header states; None if Pillow cannot read it.

    If Pillow rejects the picture as too large, the result is ``_MAX_PIXELS + 1``.
    """
    # Imported here: a machine that only trains may lack Pillow.
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                return picture.width * picture.height
    except Image.DecompressionBombError:
        return _MAX_PIXELS + 1
    except Exception:
        return None  # damaged files raise many types of errors
