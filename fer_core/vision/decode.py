"""Decode a picture file's bytes to RGB pixels, with limits on memory and time.

The pixels are upright: the rotation in the file's metadata is applied.
"""

import io
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile, jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fer_core.child import ChildError
from fer_core.errors import InputError
from fer_core.jpeg_scans import MAX_JPEG_SCANS, has_too_many_scans
from fer_core.picture_header import heif_format, is_video
from fer_core.vision.decode_formats import open_avif, open_heic, without_large_texts
from fer_core.vision.decode_worker import decode_in_worker

#: Maximum number of pixels of a decoded picture. The width and height of a larger picture are
#: divided by 2, 4 or 8.
MAX_PIXELS = 100_000_000
#: Maximum number of pixels in a file. Larger pictures are rejected before they are decoded. Phones
#: take pictures of up to 200 million pixels.
MAX_SOURCE_PIXELS = 220_000_000
#: Maximum memory while decoding: Pillow's pixels and the result together. This is enough for 80
#: megapixels in color or with transparency, for 37 megapixels in WebP, and for ``MAX_PIXELS`` in
#: gray. Larger pictures are reduced.
MAX_DECODED_BYTES = 560_000_000
#: Maximum memory of the JPEG library for a progressive picture. The library keeps all coefficients
#: of such a picture in memory.
_MAX_COEFFICIENT_BYTES = 700_000_000
#: Bytes per pixel of these coefficients.
_COEFFICIENT_BYTES = 6
#: Numbers by which width and height of a picture may be divided.
_REDUCTIONS = (1, 2, 4, 8)
#: Bytes per pixel in Pillow's memory, by mode; all other modes take 4.
_PILLOW_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
#: Bytes per pixel of the result.
_RGB_BYTES = 3
#: Additional bytes per pixel for WebP: libwebp decodes to two canvases of its own, with alpha.
_WEBP_BYTES = 8
#: Pictures that take more memory than this are processed one at a time; see ``picture_slot``.
_LARGE_BYTES = 140_000_000
#: Pixels per strip. A picture is converted to RGB strip by strip, because converting all of it at
#: once would need a second copy.
_STRIP_PIXELS = 4_000_000

#: Time limit for decoding a picture.
MAX_DECODE_SECONDS = 60.0
#: WebP pictures with more pixels are decoded in a worker process. libwebp takes up to about 0.1 s
#: per million pixels.
_WEBP_WORKER_PIXELS = 4_000_000

#: The supported formats, for messages.
_FORMATS = "JPEG, PNG, WebP, HEIC, AVIF, BMP, TIFF or GIF"
_ORIENTATION_TAG = 0x0112
_Opener = Callable[[io.BytesIO], Image.Image]

#: First bytes of files, and Pillow's reader for their format; see ``_opener`` for other formats.
#: The readers are not called through ``Image.open``, because ``Image.open`` has a size limit that
#: warns or raises an error, depending on a setting of the whole process.
_OPENERS: tuple[tuple[bytes, _Opener], ...] = (
    (b"\xff\xd8\xff", jpeg_factory),  # Also opens MPO, the stereo pictures of some cameras.
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"BM", BmpImageFile),
    (b"GIF8", GifImageFile),
    (b"II*\x00", TiffImageFile),
    (b"MM\x00*", TiffImageFile),
    (b"II+\x00", TiffImageFile),  # BigTIFF.
    (b"MM\x00+", TiffImageFile),
)

#: The lock is re-entrant, because code that holds the slot may call ``decode_picture``, which takes
#: the slot again.
_large_picture_lock = threading.RLock()


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture.

    The header is checked before any pixel is decoded. EXIF rotation is applied, transparency is
    composited over white, and 16-bit and float gray are scaled to 8 bits. If the file has several
    frames, the first one is decoded. A picture that is too large for the limits is reduced;
    ``full_size`` returns the size of the picture in the file.

    Args:
        content: The whole file.
        name: The file's name, for messages.

    Returns:
        Upright RGB, uint8 ``[height, width, 3]``, contiguous.

    Raises:
        InputError: The content is not a supported picture, is damaged, or exceeds a limit: it has
            more than ``MAX_SOURCE_PIXELS`` pixels or ``MAX_JPEG_SCANS`` scans, takes longer than
            ``MAX_DECODE_SECONDS``, or needs too much memory even if it is reduced.
    """
    with picture_slot(content):
        if not _needs_worker(content, name):
            return decode_directly(content, name)
        try:
            return decode_in_worker(content, name, MAX_DECODE_SECONDS)
        except ChildError as failure:
            cause = TimeoutError() if failure.cause == "time" else failure
            raise InputError(_damage_message(name, content, cause)) from failure


def decode_directly(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture like ``decode_picture``, but always in this process.

    There is no time limit for decoders that read the whole file in one call.

    Raises:
        InputError: As for ``decode_picture``.
    """
    image = _open(content, name)
    _check_size(image, name)
    if has_too_many_scans(content):
        raise InputError(
            f"{name} is a JPEG with more than {MAX_JPEG_SCANS} scans, which would take minutes "
            "to decode; open it in a picture editor and save it again."
        )
    # Decoders raise nearly any exception on damaged content.
    try:
        reduction = _start_reduction(image)
        image.load()
        # Read the orientation after the pixels for two reasons: Pillow's TIFF reader rotates the
        # picture itself and then removes the tag, and in PNG the tag may follow the pixels.
        orientation = _orientation(image)
        pixels = _to_rgb(image, reduction)
    except Exception as error:
        raise InputError(_damage_message(name, content, error)) from error
    # Release Pillow's pixels before the result is rotated, which copies it.
    del image
    return np.ascontiguousarray(_upright(pixels, orientation))


def _needs_worker(content: bytes, name: str) -> bool:
    """Return True if the decoder reads the whole file in one call and may take long.

    Raises:
        InputError: The picture is too large. This is checked here, so that no worker starts for it.
    """
    image = _open(content, name)
    _check_size(image, name)
    if heif_format(content) is not None:
        return True
    if isinstance(image, WebPImageFile):
        width, height = image.size
        return width * height > _WEBP_WORKER_PIXELS
    # libtiff decodes a compressed TIFF in one call. This may take long, because the strips of the
    # file can be JPEGs with many scans.
    return isinstance(image, TiffImageFile) and any(tile[0] == "libtiff" for tile in image.tile)


def full_size(content: bytes, name: str) -> tuple[int, int]:
    """Return width and height of the upright picture in the file, before any reduction.

    Args:
        content: The whole file.
        name: The file's name, for messages.

    Raises:
        InputError: The header cannot be read.
    """
    image = _open(content, name)
    width, height = image.size
    # The orientations 5 to 8 exchange width and height.
    return (height, width) if _orientation(image) >= 5 else (width, height)


@contextmanager
def picture_slot(content: bytes) -> Iterator[None]:
    """Hold the slot for a large picture: only one is processed at a time in this process.

    ``decode_picture`` holds the slot only while it decodes. A caller that uses the pixels
    afterwards should hold the slot until it has released them, so that two large pictures are never
    in memory at once. Small and invalid pictures need no slot and do not wait.

    Args:
        content: The whole file.
    """
    if decoding_memory(content) <= _LARGE_BYTES:
        yield
        return
    with _large_picture_lock:
        yield


def decoding_memory(content: bytes) -> int:
    """Return how many bytes of memory it takes to decode a file; 0 for an invalid file.

    The number is computed from the file's header.
    """
    try:
        return _needed_memory(_open(content, ""))
    except InputError:
        return 0


def _needed_memory(image: Image.Image) -> int:
    """Return the memory for decoding in bytes, including the reduction that the limits require."""
    return _needed_memory_at(image, _reduction(image) or 1)


def _needed_memory_at(image: Image.Image, reduction: int) -> int:
    """Return the memory for decoding in bytes if width and height are divided by ``reduction``."""
    width, height = image.size
    reduced = width * height // reduction**2
    # The JPEG library reduces while it decodes. For other formats, Pillow holds all pixels.
    decoded = reduced if isinstance(image, JpegImageFile) else width * height
    decoder_bytes = _WEBP_BYTES if isinstance(image, WebPImageFile) else 0
    return decoded * (_PILLOW_BYTES.get(image.mode, 4) + decoder_bytes) + reduced * _RGB_BYTES


def _reduction(image: Image.Image) -> int | None:
    """Return the smallest divisor of width and height that meets the limits; None if none does."""
    pixels = image.width * image.height
    if pixels > MAX_SOURCE_PIXELS:
        return None
    for reduction in _REDUCTIONS:
        fits = _needed_memory_at(image, reduction) <= MAX_DECODED_BYTES
        if not fits or pixels // reduction**2 > MAX_PIXELS:
            continue
        # The JPEG library keeps the coefficients of the full size, even if it reduces the picture.
        # Without a reduction, MAX_PIXELS limits their memory.
        is_progressive = bool(image.info.get("progressive"))
        if reduction > 1 and is_progressive:
            return reduction if pixels * _COEFFICIENT_BYTES <= _MAX_COEFFICIENT_BYTES else None
        return reduction
    return None


def _start_reduction(image: Image.Image) -> int:
    """Let the JPEG library reduce the picture if possible, and return the remaining divisor.

    The divisor is 1 if the JPEG library reduces the picture, or if no reduction is needed.
    """
    reduction = _reduction(image) or 1
    if reduction > 1 and isinstance(image, JpegImageFile):
        image.draft(image.mode, (image.width // reduction, image.height // reduction))
        return 1
    return reduction


def _check_size(image: Image.Image, name: str) -> None:
    """Raise ``InputError`` if the picture has too many pixels or needs too much memory."""
    width, height = image.size
    if width * height > MAX_SOURCE_PIXELS:
        raise InputError(
            f"{name} has {width:,} x {height:,} pixels, more than the "
            f"{MAX_SOURCE_PIXELS // 1_000_000} million that are supported; shrink it and try again."
        )
    if _reduction(image) is None:
        needed = _needed_memory_at(image, _REDUCTIONS[-1])
        if image.info.get("progressive"):
            needed += width * height * _COEFFICIENT_BYTES
        raise InputError(
            f"{name} has {width:,} x {height:,} pixels in color or with transparency and needs "
            f"{needed // 1_000_000} MB of memory, more than the "
            f"{MAX_DECODED_BYTES // 1_000_000} MB that are allowed; shrink it and try again."
        )


def _open(content: bytes, name: str) -> Image.Image:
    """Read the header of a picture with Pillow's reader for its format."""
    if not content:
        raise InputError(f"{name} is empty, a file of 0 bytes; copy or export it again.")
    opener = _opener(content)
    if opener is None:
        raise InputError(_unsupported_message(name, content))
    try:
        return opener(_TimeLimitedFile(without_large_texts(content)))
    except ImportError as error:
        raise InputError(
            f"{name} is a HEIC picture, which needs the package pillow-heif; run 'pip install "
            "pillow-heif', or export the picture as JPEG."
        ) from error
    except Exception as error:
        raise InputError(_damage_message(name, content, error)) from error


class _TimeLimitedFile(io.BytesIO):
    """A file in memory whose reads raise ``TimeoutError`` after ``MAX_DECODE_SECONDS``.

    Pillow's decoders read in blocks of 64 KB or less, so the error ends them soon after the
    deadline. It cannot end the decoders that read the whole file in one call. If such a decoder may
    take long, ``_needs_worker`` returns True for the picture.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._deadline = time.monotonic() + MAX_DECODE_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super().read(size)


def _opener(content: bytes) -> _Opener | None:
    """Return the reader for the format of a file by its first bytes; None if it is unsupported."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WebPImageFile
    file_format = heif_format(content)
    if file_format is not None:
        return open_heic if file_format == "HEIC" else open_avif
    for signature, opener in _OPENERS:
        if content.startswith(signature):
            return opener
    return None


def _unsupported_message(name: str, content: bytes) -> str:
    """Return the message for content of an unsupported format."""
    if is_video(content):
        return (
            f"{name} is a video and not a picture; analyze it on the video page or with "
            "'python -m fer_core video'."
        )
    if content.startswith(b"PK"):
        return (
            f"{name} is a zip archive and not a picture; unpack it and choose the pictures in it."
        )
    return f"{name} is not a picture of a supported format; choose a {_FORMATS} file."


def _damage_message(name: str, content: bytes, error: Exception) -> str:
    """Return the message for a picture whose decoding raised ``error``."""
    if isinstance(error, MemoryError):
        return f"{name} needs more memory than is free; shrink it and try again."
    if isinstance(error, TimeoutError):
        return (
            f"{name} could not be decoded within {MAX_DECODE_SECONDS:.0f} s; shrink it, or save it "
            "again in a picture editor."
        )
    if _is_cut_short(content, error):
        return (
            f"{name} is cut short: the file ends before the picture does; copy or export it again."
        )
    return (
        f"{name} is damaged or of a rare kind and cannot be decoded; open it in a picture editor "
        "and save it as JPEG or PNG."
    )


def _is_cut_short(content: bytes, error: Exception) -> bool:
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return True
    # If the file ends in its header or in the header of a chunk, Pillow's message does not say
    # "truncated". Therefore check the end of the file: a complete JPEG ends with the marker FFD9,
    # and a PNG with a chunk IEND. A WebP file states its size.
    if content.startswith(b"\xff\xd8"):
        return not content.rstrip(b"\x00\r\n").endswith(b"\xff\xd9")
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-64:]
    if content.startswith(b"RIFF"):
        return len(content) < int.from_bytes(content[4:8], "little") + 8
    return False


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if it is missing or invalid."""
    # A picture with valid pixels is accepted even if its metadata is damaged.
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo the rotation and mirroring of an EXIF orientation (returns a view)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _to_rgb(image: Image.Image, reduction: int = 1) -> NDArray[np.uint8]:
    """Convert a picture of any of Pillow's modes to uint8 ``[height, width, 3]``, in strips.

    Args:
        image: The picture.
        reduction: The number by which width and height are divided. Each pixel of the result is the
            mean of a square of pixels.
    """
    width, height = image.size
    pixels = np.empty((math.ceil(height / reduction), math.ceil(width / reduction), 3), np.uint8)
    value_range = _value_range(image) if image.mode in ("I", "F") else (0.0, 1.0)
    for top, strip in _strips(image):
        rows = _strip_to_rgb(strip, value_range)
        if reduction > 1:
            rows = np.asarray(Image.fromarray(rows).reduce(reduction))
        first_row = top // reduction
        pixels[first_row : first_row + len(rows)] = rows
    return pixels


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield strips of whole rows, each with the index of its first row in the picture."""
    width, height = image.size
    # The number of rows per strip is a multiple of each reduction, so that no averaged square
    # crosses the edge of a strip.
    rows = max(1, _STRIP_PIXELS // width // _REDUCTIONS[-1]) * _REDUCTIONS[-1]
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _strip_to_rgb(strip: Image.Image, value_range: tuple[float, float]) -> NDArray[np.uint8]:
    if strip.mode.startswith("I;16"):
        # Integer division with rounding: 65535 becomes 255, and 257 becomes 1.
        values = np.asarray(strip).astype(np.uint32)
        return _gray_to_rgb(((values * 255 + 32767) // 65535).astype(np.uint8))
    if strip.mode in ("I", "F"):
        low, range_width = value_range
        scaled = np.rint((_finite(strip) - np.float32(low)) * np.float32(255 / range_width))
        return _gray_to_rgb(np.asarray(np.clip(scaled, 0, 255), np.uint8))
    if strip.has_transparency_data:
        strip = strip.convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        white.alpha_composite(strip)
        strip = white
    return np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"), np.uint8)


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Return the lowest value and the width of the value range of a picture in 32-bit gray.

    The format does not define the range, so it is guessed: the smallest of 0..1, 0..255 and
    0..65535 that contains all values. If none of them does, the range goes from the lowest to the
    highest value.
    """
    values = (_finite(strip) for _, strip in _strips(image))
    extremes = [(strip.min(), strip.max()) for strip in values]
    low = float(min(minimum for minimum, _ in extremes))
    high = float(max(maximum for _, maximum in extremes))
    if low < 0 or high > 65535:
        return low, max(high - low, 1e-12)
    return 0.0, next(limit for limit in (1.0, 255.0, 65535.0) if high <= limit)


def _finite(image: Image.Image) -> NDArray[np.float32]:
    """Return float values with 0 instead of NaN and infinity."""
    values = np.asarray(image, np.float32)
    return np.asarray(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), np.float32)


def _gray_to_rgb(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(gray[:, :, None], 3, axis=2)
