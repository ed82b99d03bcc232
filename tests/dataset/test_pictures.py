"""One picture file to gray values, or the reason why it cannot be read."""

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_core.dataset.readers.pictures import decode_gray
from fer_core.dataset.readers.problems import SkipReason

Png = Callable[[Any], bytes]


def test_a_chunk_that_states_half_a_gigabyte_is_refused_before_opencv_reads_it(
    png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV reserves the stated size before it looks at the content."""
    picture = png(np.zeros((48, 48), dtype=np.uint8))
    start = picture.index(b"IDAT") - 4
    decoded: list[int] = []

    def decode(content: Any, flags: int) -> Any:
        decoded.append(len(content))
        return imdecode(content, flags)

    imdecode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", decode)
    assert not isinstance(decode_gray(picture), SkipReason)
    assert decoded == [len(picture)]
    damaged = picture[:start] + b"\x20" + picture[start + 1 :]
    assert isinstance(decode_gray(damaged), SkipReason)
    assert decoded == [len(picture)]


def test_a_jpeg_with_thousands_of_scans_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scan is a pass over all pixels, and OpenCV cannot be interrupted."""
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last_scan = content.rindex(b"\xff\xda")
    assert not isinstance(decode_gray(content), SkipReason)
    monkeypatch.setattr(cv2, "imdecode", None)
    repeated = content[:last_scan] + content[last_scan:-2] * 3000 + content[-2:]
    skipped = decode_gray(repeated)
    assert isinstance(skipped, SkipReason)
    assert "more than 100 scans" in str(skipped)
