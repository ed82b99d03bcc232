"""A picture file's bytes to upright RGB pixels, or one sentence saying why not."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fer_core.errors import InputError

#: Pictures with more pixels are refused from their header. A 60-megapixel photo passes; decoded,
#: the largest that does takes 300 MB.
MAX_PIXELS = 100_000_000

_READABLE = "JPEG, PNG, WebP, BMP, TIFF or GIF"
_ORIENTATION_TAG = 0x0112
_Opener = Callable[[io.BytesIO], Image.Image]

#: The first bytes of each format that is read. The readers are called directly and not through
#: ``Image.open``, whose own size limit warns or raises by a process-wide setting.
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

#: Brands of the container format that HEIC and AVIF pictures share with video.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif")


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture.

    The header is checked before any pixel is decoded. EXIF rotation is applied, transparency laid
    over white, 16-bit and float grey scaled to 8 bits; of several frames the first is taken.

    Args:
        content: The whole file.
        name: What the person calls it, for the message.

    Returns:
        Upright RGB, uint8 ``[height, width, 3]``, contiguous.

    Raises:
        InputError: The content is not a picture that can be read, is damaged, or has more than
            ``MAX_PIXELS`` pixels.
    """
    image = _open(content, name)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width:,} x {height:,} pixels, more than the {MAX_PIXELS // 1_000_000} "
            "million that are read; shrink it and try again."
        )
    # Decoders raise nearly anything on damaged content; whatever it is, the content is at fault.
    try:
        image.load()
        # After loading, because Pillow's TIFF reader turns the picture itself and then forgets
        # the tag, and because in PNG the tag may follow the pixels.
        orientation = _orientation(image)
        pixels = _to_rgb(image)
    except Exception as error:
        raise InputError(_damage(name, content, error)) from error
    return np.ascontiguousarray(_upright(pixels, orientation))


def _open(content: bytes, name: str) -> Image.Image:
    """Read the header with the reader that the first bytes ask for."""
    if not content:
        raise InputError(f"{name} is empty, a file of 0 bytes; copy or export it again.")
    opener = _opener(content)
    if opener is None:
        raise InputError(_not_readable(name, content))
    try:
        return opener(io.BytesIO(content))
    except Exception as error:
        raise InputError(_damage(name, content, error)) from error


def _opener(content: bytes) -> _Opener | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WebPImageFile
    for signature, opener in _OPENERS:
        if content.startswith(signature):
            return opener
    return None


def _not_readable(name: str, content: bytes) -> str:
    """The sentence for content that none of the readers is meant for."""
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        return (
            f"{name} is a HEIC or AVIF picture, which is not read here; export it as JPEG and try "
            "again."
        )
    if content.startswith(b"PK"):
        return (
            f"{name} is a zip archive and not a picture, whatever its name says; unpack it and "
            "choose the pictures in it."
        )
    return f"{name} is not a picture that can be read; choose a {_READABLE} file."


def _damage(name: str, content: bytes, error: Exception) -> str:
    """The sentence for a picture whose decoding failed with ``error``."""
    if isinstance(error, MemoryError):
        return f"{name} needs more memory than there is free; shrink it and try again."
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
    # Pillow has other words for these when the cut lies in the header or in a chunk's frame.
    if content.startswith(b"\xff\xd8"):
        return not content.rstrip(b"\x00\r\n").endswith(b"\xff\xd9")
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-64:]
    if content.startswith(b"RIFF"):
        return len(content) < int.from_bytes(content[4:8], "little") + 8
    return False


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none or it is unusable."""
    # A picture with good pixels is not refused because its camera's notes are broken.
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo the turn and mirroring that an EXIF orientation stands for (a view)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Any of Pillow's modes to uint8 ``[height, width, 3]``."""
    if image.mode.startswith("I;16"):
        # In whole rows of 16-bit numbers; 65535 becomes 255 and 257 becomes 1.
        values = np.asarray(image).astype(np.uint32)
        return _grey_to_rgb(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("I", "F"):
        return _grey_to_rgb(_scale_unbounded(np.asarray(image, np.float32)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    if image.mode != "RGB":
        image = image.convert("RGB")
    pixels: NDArray[np.uint8] = np.asarray(image)
    return pixels


def _scale_unbounded(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale 32-bit grey, which carries no agreed range, to 0..255.

    The smallest customary range that holds all values is taken to be the one meant: 0..1, 0..255
    or 0..65535; anything else is stretched from its own lowest to its own highest value.
    """
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        top = max(high - low, 1e-12)
        values = values - low
    else:
        top = next(limit for limit in (1.0, 255.0, 65535.0) if high <= limit)
    return np.asarray(np.clip(np.rint(values * (255 / top)), 0, 255), np.uint8)


def _grey_to_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)
