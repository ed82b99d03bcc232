"""The worker process of ``decode_worker``: ``python -m fer_core.vision.decode_process SECONDS``."""

from __future__ import annotations

import os
import select
import signal
import sys
import warnings
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from fer_core.child import limit_cpu_time, limit_memory
from fer_core.errors import InputError
from fer_core.vision.decode_worker import ANSWER, MAX_MEMORY, REQUEST


def _serve() -> None:
    """Answer requests; end if none arrives for SECONDS, the argument on the command line."""
    idle_seconds = float(sys.argv[1])
    # Ctrl-C reaches all processes of a terminal. Ignore it, because this worker ends with its
    # parent process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = sys.stdin.buffer
    # Output printed by libraries must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Imported before the first request, because each request has a time limit. A machine that only
    # trains may lack Pillow: a training needs it only for the picture formats of phones.
    with suppress(ImportError):
        import fer_core.vision.decode  # noqa: F401
    limit_memory(MAX_MEMORY)
    answers.write(ANSWER.pack(0, 0))  # tells the parent process that this worker is ready
    answers.flush()
    while _has_request(idle_seconds):
        header = requests.read(REQUEST.size)
        if len(header) < REQUEST.size:
            return  # the parent process ended
        name_size, content_size, cpu_seconds, gray = REQUEST.unpack(header)
        limit_cpu_time(cpu_seconds)
        name = requests.read(name_size).decode("utf-8", "surrogateescape")
        content = requests.read(content_size)
        try:
            pixels = _decode(content, name, gray=gray)
        except InputError as error:
            message = str(error).encode("utf-8", "surrogateescape")
            answers.write(ANSWER.pack(0, len(message)) + message)
        else:
            answers.write(ANSWER.pack(*pixels.shape[:2]))
            answers.write(pixels.data)
            del pixels
        answers.flush()
        # Content and pixels need not stay in memory while the worker waits for the next request.
        del content


def _decode(content: bytes, name: str, *, gray: bool) -> NDArray[np.uint8]:
    # Imported here, because a machine that only trains may lack Pillow, which only some formats of
    # gray pictures need.
    if gray:
        from fer_core.vision.decode_gray import decode_gray_directly

        return decode_gray_directly(content, name)
    from PIL import Image

    from fer_core.vision.decode import decode_directly

    # Pillow's warning about large pictures is not needed: decode_directly limits the size.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return decode_directly(content, name)


def _has_request(seconds: float) -> bool:
    """Wait for a request or the end of the parent process; return False after the timeout."""
    if sys.platform == "win32":
        return True  # pipes have no timeout here, so the worker ends only with its parent process
    return bool(select.select([sys.stdin.fileno()], [], [], seconds)[0])


if __name__ == "__main__":
    _serve()
