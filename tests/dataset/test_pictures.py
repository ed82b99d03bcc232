"""One picture file to gray values, or what is wrong with it."""

import resource
from collections.abc import Callable
from typing import Any

import numpy as np

from fer_core.dataset.readers.pictures import decode_gray
from fer_core.dataset.readers.problems import SkipReason

Png = Callable[[Any], bytes]


def test_a_chunk_that_states_half_a_gigabyte_takes_no_memory(png: Png) -> None:
    """OpenCV would take what the chunk says before it looks at what follows."""
    picture = bytearray(png(np.zeros((48, 48), dtype=np.uint8)))
    start = picture.index(b"IDAT") - 4
    picture[start] = 0x20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(decode_gray(bytes(picture)), SkipReason)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
