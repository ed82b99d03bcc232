"""Valid and invalid pictures of every supported kind, with hand-computed pixels."""

import io
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fer_core.child import ChildError
from fer_core.errors import InputError
from fer_core.jpeg_scans import MAX_JPEG_SCANS
from fer_core.settings import PROJECT_ROOT
from fer_core.vision import decode, decode_worker
from fer_core.vision.decode import MAX_SOURCE_PIXELS, decode_picture, full_size, picture_slot
from fer_core.vision.decode_worker import _Worker

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(width: int = 80, height: int = 60) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def png_header(width: int, height: int, color_type: int = 2) -> bytes:
    """Return a PNG whose header states a size that its data does not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def refusal(content: bytes, name: str = "holiday.jpg") -> str:
    with pytest.raises(InputError) as caught:
        decode_picture(content, name)
    message = str(caught.value)
    assert message.startswith(name)
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.fixture
def started_workers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process IDs of the workers that the test starts; there are none at its start."""
    decode_worker._close_idle_workers()
    started = []
    start = _Worker.__init__

    def recorded(worker: _Worker) -> None:
        start(worker)
        started.append(worker._process.pid)

    monkeypatch.setattr(_Worker, "__init__", recorded)
    return started


# --- supported ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    picture = photo()
    decoded = decode_picture(encoded(picture, kind), "a")
    assert decoded.dtype == np.uint8
    assert decoded.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(decoded, np.asarray(picture))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "MPO"])
def test_other_formats_keep_shape_and_color(kind: str) -> None:
    decoded = decode_picture(encoded(Image.new("RGB", (40, 20), (200, 40, 40)), kind), "a")
    assert decoded.shape == (20, 40, 3)
    assert np.abs(decoded.astype(int) - (200, 40, 40)).max() <= 6


# How a picture with an upper row of red, green, blue and a black lower row is stored.
TOP_ROW_STORED_AS = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: np.rot90(upright, 2),
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0] = RED, GREEN, BLUE
    stored = np.ascontiguousarray(TOP_ROW_STORED_AS[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_picture(encoded(Image.fromarray(stored), kind, exif=exif), "turned")
    np.testing.assert_array_equal(decoded, upright)
    # Pillow's interpretation of the tag confirms the table above.
    turned = ImageOps.exif_transpose(
        Image.open(io.BytesIO(encoded(Image.fromarray(stored), exif=exif)))
    )
    np.testing.assert_array_equal(np.asarray(turned), upright)


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_turned_jpeg_swaps_width_and_height(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_picture(encoded(photo(80, 60), "JPEG", exif=exif), "a").shape == (80, 60, 3)


@pytest.mark.parametrize("orientation", [0, 9, 700])
def test_an_unknown_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_picture(encoded(photo(80, 60), "JPEG", exif=exif), "a").shape == (60, 80, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_ignored() -> None:
    content = encoded(photo(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert decode_picture(content, "a").shape == (60, 80, 3)


def test_alpha_is_composited_over_white() -> None:
    values = np.zeros((1, 3, 4), np.uint8)
    values[0] = (255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 51)
    decoded = decode_picture(encoded(Image.fromarray(values)), "a")
    np.testing.assert_array_equal(decoded, [[RED, WHITE, (204, 204, 204)]])


def test_gray_with_alpha_is_composited_over_white() -> None:
    values = np.array([[[0, 255], [0, 0], [100, 255]]], np.uint8)
    decoded = decode_picture(encoded(Image.fromarray(values, "LA")), "a")
    assert decoded[0, :, 0].tolist() == [0, 255, 100]


def test_palette_and_its_transparent_color() -> None:
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    picture.putdata([0, 1, 2])
    assert decode_picture(encoded(picture), "a").tolist() == [[list(RED), list(GREEN), list(BLUE)]]
    decoded = decode_picture(encoded(picture, transparency=1), "a")
    assert decoded.tolist() == [[list(RED), list(WHITE), list(BLUE)]]


def test_one_bit_and_gray() -> None:
    one_bit = Image.new("1", (2, 1))
    one_bit.putpixel((1, 0), 1)
    assert decode_picture(encoded(one_bit), "a")[0, :, 0].tolist() == [0, 255]
    gray = Image.fromarray(np.array([[7, 130]], np.uint8))
    np.testing.assert_array_equal(decode_picture(encoded(gray), "a"), [[[7] * 3, [130] * 3]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_and_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 256, 32896, 65535]], np.uint16)
    decoded = decode_picture(encoded(Image.fromarray(values), kind), "scan")
    assert decoded[0, :, 1].tolist() == [0, 1, 1, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_float_gray_is_scaled_by_its_range(values: list[float], expected: list[int]) -> None:
    picture = Image.fromarray(np.array([values], np.float32))
    decoded = decode_picture(encoded(picture, "TIFF"), "a")
    assert decoded[0, :, 0].tolist() == expected


def test_32_bit_gray() -> None:
    picture = Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    assert decode_picture(encoded(picture, "TIFF"), "a")[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    # No ink but yellow and magenta is red; no ink at all is white.
    picture = Image.new("CMYK", (32, 16), (0, 255, 255, 0))
    picture.paste((0, 0, 0, 0), (16, 0, 32, 16))
    decoded = decode_picture(encoded(picture, kind), "print").astype(int)
    assert np.abs(decoded[:, 2:14] - RED).max() <= 8
    assert np.abs(decoded[:, 18:] - WHITE).max() <= 8


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    decoded = decode_picture(content, "a")
    assert (decoded == RED).all()


def test_one_pixel() -> None:
    assert decode_picture(encoded(Image.new("RGB", (1, 1), BLUE)), "dot").tolist() == [[list(BLUE)]]


def test_60_megapixels() -> None:
    content = encoded(Image.new("RGB", (9000, 6700), (10, 20, 30)), "JPEG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_picture(content, "large.jpg").shape == (6700, 9000, 3)


def smooth_photo(width: int, height: int) -> Image.Image:
    """A picture without fine detail, which compression and reduction hardly change."""
    return photo(4, 3).resize((width, height), Image.Resampling.BILINEAR)


@pytest.mark.parametrize(
    ("kind", "size", "shape"),
    [
        ("JPEG", (200, 152), (76, 100)),
        ("JPEG", (500, 300), (75, 125)),
        ("PNG", (200, 152), (76, 100)),
        ("PNG", (201, 151), (76, 101)),
        ("WEBP", (200, 152), (76, 100)),
    ],
)
def test_too_large_pictures_are_reduced(
    monkeypatch: pytest.MonkeyPatch, kind: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 10_000)
    monkeypatch.setattr(decode, "_STRIP_PIXELS", 3_000)
    picture = smooth_photo(*size)
    content = encoded(picture, kind)
    decoded = decode_picture(content, "a")
    assert decoded.shape == (*shape, 3)
    assert full_size(content, "a") == size
    expected = np.asarray(picture.resize(shape[::-1], Image.Resampling.BOX)).astype(int)
    assert np.abs(decoded - expected).mean() < 6


def test_the_full_size_is_that_of_the_upright_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 10_000)
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(photo(200, 152), "JPEG", exif=exif)
    assert decode_picture(content, "a").shape == (100, 76, 3)
    assert full_size(content, "a") == (152, 200)


def test_the_coefficients_of_a_progressive_picture_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 10_000)
    monkeypatch.setattr(decode, "_MAX_COEFFICIENT_BYTES", 100_000)
    assert "shrink it" in refusal(encoded(photo(200, 152), "JPEG", progressive=True))
    assert decode_picture(encoded(photo(200, 152), "JPEG"), "a").shape == (76, 100, 3)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_pictures_of_phones(kind: str, orientation: int) -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()  # to write, not to read
    picture = smooth_photo(96, 64)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_picture(encoded(picture, kind, quality=95, exif=exif.tobytes()), "IMG_1")
    turned = picture if orientation == 1 else picture.transpose(Image.Transpose.ROTATE_270)
    assert decoded.shape == (turned.height, turned.width, 3)
    assert np.abs(decoded.astype(int) - np.asarray(turned)).mean() < 6


def test_a_damaged_picture_of_a_phone_is_refused() -> None:
    for brand in (b"heic", b"avif"):
        content = b"\x00\x00\x00\x18ftyp" + brand + bytes(50)
        assert "cannot be decoded" in refusal(content, "IMG_1.HEIC")


@pytest.mark.parametrize(
    "chunk", ["tEXt", "zTXt", "iTXt", "iTXt compressed", "iTXt with a translated keyword", "iCCP"]
)
def test_megabytes_of_text_in_a_png_are_skipped(chunk: str) -> None:
    picture = photo(40, 30)
    text = b"a" * 3_000_000
    data = {
        "tEXt": b"Comment\0" + text,
        "zTXt": b"Comment\0\0" + zlib.compress(text),
        "iTXt": b"Comment\0\0\0en\0\0" + text,
        "iTXt compressed": b"Comment\0\1\0en\0\0" + zlib.compress(text),
        "iTXt with a translated keyword": b"Comment\0\1\0de\0Text\0" + zlib.compress(text),
        "iCCP": b"Profile\0\0" + zlib.compress(text),
    }[chunk]
    kind = chunk[:4].encode()
    packed = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    content = encoded(picture)
    # Behind the header, of 8 + 25 bytes, and many of them.
    content = content[:33] + packed * (1 if chunk == "iCCP" else 30) + content[33:]
    np.testing.assert_array_equal(decode_picture(content, "a.png"), np.asarray(picture))


def test_many_threads_at_once() -> None:
    pictures = [photo(40 + i, 30 + i) for i in range(16)]
    contents = [encoded(picture) for picture in pictures]

    def decode(content: bytes) -> NDArray[np.uint8]:
        return decode_picture(content, "a")

    with ThreadPoolExecutor(8) as pool:
        for picture, decoded in zip(pictures, pool.map(decode, contents), strict=True):
            np.testing.assert_array_equal(decoded, np.asarray(picture))


# --- refused ------------------------------------------------------------------------------------


def test_empty() -> None:
    assert "is empty" in refusal(b"")


@pytest.mark.parametrize("content", [b"hello", b"%PDF-1.7\n", b"\x00" * 500, b"<svg></svg>"])
def test_not_a_picture(content: bytes) -> None:
    assert "is not a picture" in refusal(content)


def test_renamed_zip() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    assert "is a zip archive" in refusal(buffer.getvalue())


def test_a_video_names_the_video_command() -> None:
    for content in (b"\x00\x00\x00\x18ftypmp42" + bytes(50), b"\x1a\x45\xdf\xa3" + bytes(50)):
        message = refusal(content, "clip.mp4")
        assert "clip.mp4 is a video" in message
        assert "fer_core video" in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_file_that_ends_too_early(kind: str) -> None:
    content = encoded(photo(300, 200), kind)
    message = refusal(content[: len(content) // 2])
    if kind in ("JPEG", "PNG", "WEBP"):
        assert "is cut short" in message


def test_a_jpeg_that_ends_in_its_header() -> None:
    assert "is cut short" in refusal(encoded(photo(), "JPEG")[:20])


def test_damaged_content() -> None:
    content = bytearray(encoded(photo(300, 200)))
    content[2000:2200] = bytes(200)
    assert "is damaged" in refusal(bytes(content), "a.png")


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (16_000, 16_000), (9_000, 30_000)])
def test_too_many_pixels_are_refused_from_the_header(width: int, height: int) -> None:
    assert width * height > MAX_SOURCE_PIXELS
    with warnings.catch_warnings():
        # Pillow's own warning must not appear either.
        warnings.simplefilter("error")
        message = refusal(png_header(width, height), "bomb.png")
    assert f"{width:,} x {height:,} pixels" in message


@pytest.mark.parametrize(
    ("color_type", "kind"), [(2, "RGB"), (4, "gray with alpha"), (6, "RGB with alpha")]
)
def test_memory_is_limited_from_the_header(color_type: int, kind: str) -> None:
    message = refusal(png_header(14_000, 12_000, color_type), "large.png")
    assert "14,000 x 12,000 pixels in color or with transparency and needs 679 MB" in message


def test_the_memory_of_the_webp_decoder_counts(started_workers: list[int]) -> None:
    """A file of a few hundred bytes took 1.2 GB: libwebp decodes to canvases of its own."""
    assert "allowed; shrink it" in refusal(encoded(Image.new("RGB", (7000, 7000)), "WEBP"))
    assert started_workers == []


def test_gray_pictures_may_have_more_pixels() -> None:
    # Refused for its missing data, not for its size.
    assert "needs" not in refusal(png_header(9990, 10_000, 0), "large.png")


def test_a_picture_in_several_strips_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (61, 40, 4), np.uint8)
    pictures = [
        Image.fromarray(values),
        Image.fromarray(values[..., :2], "LA"),
        Image.fromarray(values[..., 0]).convert("P"),
        Image.fromarray(values[..., 0].astype(np.uint16) * 257),
    ]
    for content in [encoded(picture) for picture in pictures]:
        whole = decode_picture(content, "a")
        with monkeypatch.context() as patch:
            patch.setattr(decode, "_STRIP_PIXELS", 300)
            np.testing.assert_array_equal(decode_picture(content, "a"), whole)


def test_float_gray_in_several_strips_has_one_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_STRIP_PIXELS", 1)
    picture = Image.fromarray(np.array([[0.5], [100.0], [255.0]], np.float32))
    assert decode_picture(encoded(picture, "TIFF"), "a")[:, 0, 0].tolist() == [0, 100, 255]


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_LARGE_BYTES", 0)
    running, most = [0], [0]
    convert = decode._to_rgb

    def counted(image: Image.Image, reduction: int) -> NDArray[np.uint8]:
        running[0] += 1
        most[0] = max(most[0], running[0])
        pixels = convert(image, reduction)
        running[0] -= 1
        return pixels

    monkeypatch.setattr(decode, "_to_rgb", counted)
    content = encoded(photo(600, 400))
    with ThreadPoolExecutor(5) as pool:
        decoded = list(pool.map(lambda _: decode_picture(content, "a").shape, range(10)))
    assert decoded == [(400, 600, 3)] * 10
    assert most == [1]


def test_a_slot_is_reentrant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_LARGE_BYTES", 0)
    content = encoded(photo())
    with picture_slot(content), picture_slot(content):
        assert decode_picture(content, "a").shape == (60, 80, 3)


def test_a_progressive_jpeg_with_thousands_of_scans_is_refused() -> None:
    content = encoded(photo(), "JPEG", progressive=True)
    last_scan = content.rindex(b"\xff\xda")
    repeated = content[:last_scan] + content[last_scan:-2] * 3000 + content[-2:]
    assert "more than 100 scans" in refusal(repeated)
    assert decode_picture(content, "a").shape == (60, 80, 3)
    few = content[:last_scan] + content[last_scan:-2] * 50 + content[-2:]
    assert decode_picture(few, "a").shape == (60, 80, 3)


def test_scans_behind_a_marker_without_a_length_are_counted() -> None:
    """Decoders skip the two bytes of the marker 0x01; what follows is not its length."""
    content = encoded(photo(), "JPEG", progressive=True)
    last_scan = content.rindex(b"\xff\xda")
    scan = content[last_scan:-2]
    # Read as a length, the first bytes of the scan (FF DA) would hide that many bytes.
    hidden = int.from_bytes(b"\xff\xda", "big") // len(scan)
    fill = b"\xff" * (int.from_bytes(b"\xff\xda", "big") - hidden * len(scan))
    block = b"\xff\x01" + scan * hidden + fill
    blocks = block * (3 * MAX_JPEG_SCANS // hidden)
    assert "more than 100 scans" in refusal(content[:-2] + blocks + content[-2:])


def test_scan_markers_in_metadata_are_not_counted() -> None:
    content = encoded(photo(), "JPEG")
    comment = b"\xff\xda" * 500
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    assert decode_picture(content[:2] + segment + content[2:], "a").shape == (60, 80, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_decoding_has_a_time_limit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(photo(), kind)
    monkeypatch.setattr(decode, "MAX_DECODE_SECONDS", -1.0)
    assert "could not be decoded within" in refusal(content)


def slow_tiff(side: int) -> bytes:
    """Return a small TIFF whose strips are all the same progressive JPEG with 90 scans."""
    rows = 8
    strip = encoded(photo(side, rows).convert("L"), "JPEG", progressive=True)
    last_scan = strip.rindex(b"\xff\xda")
    strip = strip[:last_scan] + strip[last_scan:-2] * 80 + strip[-2:]
    count = side // rows
    fields = 10
    offsets = 8 + 2 + 12 * fields + 4
    sizes, start = offsets + 4 * count, offsets + 8 * count
    tags = {
        256: side,  # width
        257: side,  # height
        258: 8,  # bits per sample
        259: 7,  # JPEG
        262: 1,  # black is zero
        273: offsets,
        277: 1,  # samples per pixel
        278: rows,  # per strip
        279: sizes,
        284: 1,  # one plane
    }
    assert len(tags) == fields
    directory = b"".join(
        struct.pack("<HHII", tag, 4, count if tag in (273, 279) else 1, value)
        for tag, value in tags.items()
    )
    return (
        b"II*\x00"
        + struct.pack("<IH", 8, fields)
        + directory
        + struct.pack("<I", 0)
        + struct.pack(f"<{count}I", *[start] * count)
        + struct.pack(f"<{count}I", *[len(strip)] * count)
        + strip
    )


def test_a_decoder_that_cannot_be_interrupted_has_a_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert decode_picture(slow_tiff(64), "a").shape == (64, 64, 3)
    # Takes several seconds; with 100 megapixels, minutes.
    content = slow_tiff(4000)
    assert len(content) < 500_000
    monkeypatch.setattr(decode, "MAX_DECODE_SECONDS", 0.3)
    assert "could not be decoded within 0 s" in refusal(content)
    # A worker that is ended is replaced.
    monkeypatch.undo()
    assert decode_picture(slow_tiff(64), "a").shape == (64, 64, 3)


def test_a_decoder_that_crashes_ends_only_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Worker, "_kill_after_timeout", lambda worker: worker._process.kill())
    monkeypatch.setattr(decode, "MAX_DECODE_SECONDS", 0.3)
    assert "is damaged or of a rare kind" in refusal(slow_tiff(4000))


def test_a_worker_decodes_like_this_process(
    started_workers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = encoded(photo(300, 200), "WEBP")
    expected = decode_picture(large, "a")
    tiff = encoded(photo(), "TIFF", compression="tiff_lzw")
    assert started_workers == []
    monkeypatch.setattr(decode, "_WEBP_WORKER_PIXELS", 300 * 200 - 1)
    for _ in range(3):
        np.testing.assert_array_equal(decode_picture(large, "a"), expected)
        np.testing.assert_array_equal(decode_picture(tiff, "a"), np.asarray(photo()))
        assert "is cut short" in refusal(large[:-50], "\udce4.webp")
    assert len(started_workers) == 1


def test_small_webp_pictures_start_no_process(started_workers: list[int]) -> None:
    assert decode_picture(encoded(photo(), "WEBP"), "a").shape == (60, 80, 3)
    assert decode_picture(encoded(photo(), "TIFF"), "a").shape == (60, 80, 3)
    assert started_workers == []


def test_a_worker_that_ended_while_idle_is_replaced(
    started_workers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(decode_worker, "_IDLE_SECONDS", 0.0)
        ended = _Worker()
        assert ended._process.wait() == 0
        # It ends between the check and the request.
        patch.setattr(_Worker, "is_alive", lambda worker: True)
        patch.setattr(decode_worker, "_IDLE_SECONDS", 60.0)
        decode_worker._idle_workers.append(ended)
        content = encoded(photo(), "TIFF", compression="tiff_lzw")
        assert decode_picture(content, "a").shape == (60, 80, 3)
    assert len(started_workers) == 2
    assert ended._requests.closed and ended._answers.closed


def test_a_worker_that_cannot_start_is_reported(
    started_workers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(decode_worker, "module_command", lambda module: command)
    with pytest.raises(ChildError, match="exit code 3"):
        decode_worker.decode_in_worker(b"x", "a.tif", 5.0)
    assert "a.tif" in refusal(encoded(photo(), "TIFF", compression="tiff_lzw"), "a.tif")


_FIVE_TIMES = """
import resource, sys, threading
from pathlib import Path
from fer_core.child import ChildError
from fer_core.errors import InputError
from fer_core.vision.decode import decode_picture

content, results = Path(sys.argv[1]).read_bytes(), set()

def work():
    try:
        results.add(str(decode_picture(content, "a").shape))
    except InputError as error:
        results.add(str(error))

threads = [threading.Thread(target=work) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*results, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("width", "height", "expected"), [(9990, 10_000, "699 MB"), (8900, 8900, "(8900, 8900, 3)")]
)
def test_five_large_pictures_at_once_stay_under_a_gigabyte(
    width: int, height: int, expected: str, tmp_path: Path
) -> None:
    # A few hundred kB that decode to gray with alpha: 400 MB in Pillow.
    path = tmp_path / "large.png"
    Image.new("LA", (width, height), (90, 120)).save(path)
    done = subprocess.run(
        [sys.executable, "-c", _FIVE_TIMES, str(path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert expected in done.stdout
    assert int(done.stdout.split()[-1]) < 1000, done.stdout


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=12),
    keep=st.floats(0.0, 1.0),
)
def test_mutated_pictures_decode_or_are_refused(
    kind: str, changes: list[tuple[float, int]], keep: float
) -> None:
    content = bytearray(encoded(photo(24, 16), kind))
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoded = decode_picture(bytes(content[: int(keep * len(content))]), "fuzz")
    except InputError as error:
        assert str(error).startswith("fuzz")
    else:
        assert decoded.ndim == 3 and decoded.shape[2] == 3 and decoded.dtype == np.uint8
