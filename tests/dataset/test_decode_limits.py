"""Every decode of an import has a time limit, and small pictures do not pay for it."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_core.dataset.readers import picture_reading, pictures, read_dataset
from fer_core.dataset.readers.pictures import decode_gray
from fer_core.dataset.readers.problems import SkipReason
from fer_core.vision import decode_worker


def encoded(side: int, kind: str, **options: Any) -> bytes:
    column = np.linspace(0, 255, side).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.tile(column, (side, 1))).save(buffer, kind, **options)
    return buffer.getvalue()


def with_scans(content: bytes, more: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated: a pass over all pixels for each."""
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * (1 + more) + content[-2:]


@pytest.fixture
def in_worker(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the files that are decoded in a worker process."""
    sizes: list[int] = []
    decode = pictures.decode_in_worker

    def counted(content: bytes, *arguments: Any, **options: Any) -> NDArray[np.uint8]:
        sizes.append(len(content))
        return decode(content, *arguments, **options)

    monkeypatch.setattr(pictures, "decode_in_worker", counted)
    return sizes


@pytest.fixture(autouse=True, scope="module")
def _no_worker_is_left() -> Iterator[None]:
    yield
    decode_worker._close_idle_workers()


def test_a_picture_that_takes_too_long_is_skipped_and_the_others_are_read(
    write_files: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 90 passes over 16 million pixels take seconds, and the file has 73 kB.
    slow = with_scans(encoded(4000, "JPEG", progressive=True, quality=20), 80)
    assert len(slow) < 100_000
    small = encoded(48, "PNG")
    monkeypatch.setattr(pictures, "MAX_DECODE_SECONDS", 0.2)
    faces = read_dataset(
        write_files({"happy/1.png": small, "happy/2.jpg": slow, "sad/3.png": small})
    )
    assert faces.names == ("happy/1.png", "sad/3.png")
    assert [(one.name, one.reason) for one in faces.problems] == [
        ("happy/2.jpg", "takes more than 0 s to decode")
    ]


@pytest.mark.parametrize(
    ("content", "is_direct"),
    [
        (encoded(48, "JPEG"), True),
        (encoded(48, "PNG"), True),
        (encoded(48, "BMP"), True),
        (encoded(48, "GIF"), True),
        (encoded(48, "WEBP"), True),
        (encoded(48, "PPM"), True),
        (encoded(1024, "JPEG"), True),
        (encoded(1024, "JPEG", progressive=True), False),  # ten passes
        (encoded(3000, "JPEG"), False),
        (encoded(3000, "PNG"), False),
        (encoded(48, "PNG") + bytes(2**20), False),
        (encoded(48, "TIFF"), True),
        (encoded(48, "TIFF", compression="tiff_lzw"), True),
        (encoded(48, "TIFF", compression="tiff_deflate"), True),
        (encoded(48, "TIFF", compression="jpeg"), False),
        (encoded(48, "JPEG2000"), False),
        (encoded(48, "AVIF"), False),
    ],
)
def test_only_pictures_that_may_take_long_are_decoded_in_a_worker(
    content: bytes, is_direct: bool, in_worker: list[int]
) -> None:
    picture = decode_gray(content)
    assert not isinstance(picture, SkipReason)
    assert bool(in_worker) is not is_direct
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert expected is not None
    # OpenCV and Pillow round the gray of an AVIF picture differently.
    np.testing.assert_allclose(picture, expected, atol=1 if b"avif" in content[:16] else 0)


def test_progress_is_reported_while_pictures_take_long(
    write_files: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import is stopped through its progress reports."""
    monkeypatch.setattr(picture_reading, "_REPORT_SECONDS", -1.0)
    reports: list[tuple[int, int]] = []
    small = encoded(48, "PNG")
    read_dataset(
        write_files({"happy/1.png": small, "happy/2.png": small, "sad/3.png": small}),
        report=lambda done, total: reports.append((done, total)),
    )
    assert [done for done, total in reports if total == 3][:3] == [1, 2, 3]


def test_a_decoder_that_crashes_skips_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = decode_worker._Worker
    monkeypatch.setattr(worker, "_kill_after_timeout", lambda worker: worker._process.kill())
    monkeypatch.setattr(pictures, "MAX_DECODE_SECONDS", 0.2)
    slow = with_scans(encoded(4000, "JPEG", progressive=True, quality=20), 80)
    assert decode_gray(slow) == SkipReason("is a damaged JPEG picture")
