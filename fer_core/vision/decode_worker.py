"""Decode pictures in worker processes, which can be ended if a decoder takes too long.

A decoder that reads a whole file in one call cannot be interrupted in a thread. A worker has limits
for time and memory. It decodes many pictures, one after the other, because starting a process takes
longer than decoding a photo. A worker that gets no request for a minute ends.
"""

from __future__ import annotations

import atexit
import math
import signal
import struct
import subprocess
import threading
from contextlib import suppress
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fer_core.child import ChildError, child_environment
from fer_core.errors import InputError
from fer_core.settings import PROJECT_ROOT, module_command

#: Maximum address space of a worker in bytes: for Python and NumPy, copies of the file, and the
#: decoded picture.
MAX_MEMORY = 3 * 1024**3
#: A worker that gets no request for this time ends.
_IDLE_SECONDS = 60.0
#: Maximum number of workers. When all of them are busy, further pictures wait.
_MAX_WORKERS = 4

#: Header of a request: the length of the file's name in bytes, the size of the file in bytes, the
#: limit of the CPU time in seconds, and whether to decode to gray.
REQUEST = struct.Struct("<IQI?")
#: Header of an answer. If a picture follows: its height and width. If an error message follows: 0
#: and the length of the message in bytes.
ANSWER = struct.Struct("<II")


def decode_in_worker(
    content: bytes, name: str, seconds: float, *, gray: bool = False
) -> NDArray[np.uint8]:
    """Decode a picture in a worker process.

    Args:
        content: The whole file.
        name: The file's name, for messages.
        seconds: The time limit, which does not include the start of a worker.
        gray: True to use ``decode_gray_directly``, False to use ``decode_directly``.

    Returns:
        The decoded picture: uint8 ``[height, width]`` or ``[height, width, 3]``.

    Raises:
        InputError: The picture cannot be decoded; see ``decode_directly``.
        ChildError: The time limit was exceeded, the decoder crashed, or no worker could be started.
    """
    with _free_slots:
        answer = None
        while answer is None:
            worker = _take_worker()
            try:
                answer = worker.decode(content, name, seconds, gray=gray)
            except BaseException:
                worker.close()
                raise
            if answer is None:  # the idle worker has just ended itself, so take another one
                worker.close()
        _idle_workers.append(worker)
    if isinstance(answer, str):
        raise InputError(answer)
    return answer


class _Worker:
    """A worker process, used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [*module_command("fer_core.vision.decode_process"), str(_IDLE_SECONDS)],
            cwd=PROJECT_ROOT,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        self._has_timed_out = False
        # The worker sends an empty answer when it is ready.
        try:
            self._receive(ANSWER.size)
        except EOFError as error:
            failure = self._failure(0.0)
            self.close()
            raise failure from error

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def decode(
        self, content: bytes, name: str, seconds: float, *, gray: bool
    ) -> NDArray[np.uint8] | str | None:
        """Return the pixels, or the message of an ``InputError``.

        Return None if the worker got no request for too long and had already ended itself.

        Raises:
            ChildError: The time limit was exceeded, or the decoder crashed.
        """
        timer = threading.Timer(seconds, self._kill_after_timeout)
        timer.daemon = True
        timer.start()
        try:
            name_bytes = name.encode("utf-8", "surrogateescape")
            # If this process dies during the decoding, the limit of the CPU time ends the worker.
            cpu_seconds = math.ceil(seconds) + 5
            self._requests.write(REQUEST.pack(len(name_bytes), len(content), cpu_seconds, gray))
            self._requests.write(name_bytes)
            self._requests.write(content)
            self._requests.flush()
            height, width = ANSWER.unpack(self._receive(ANSWER.size))
            if height == 0:  # the second number is the length of a message
                return self._receive(width).decode("utf-8", "surrogateescape")
            shape = (height, width) if gray else (height, width, 3)
            pixels = self._receive(math.prod(shape))
        except (OSError, EOFError) as error:
            if self._ended_itself():
                return None
            raise self._failure(seconds) from error
        finally:
            timer.cancel()
        return np.frombuffer(pixels, np.uint8).reshape(shape)

    def close(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()

    def _kill_after_timeout(self) -> None:
        self._has_timed_out = True
        self._process.kill()

    def _receive(self, size: int) -> bytearray:
        """Wait for ``size`` bytes of an answer; raise ``EOFError`` if the worker ends earlier."""
        received = bytearray(size)
        if self._answers.readinto(received) < size:  # type: ignore[attr-defined]
            raise EOFError
        return received

    def _ended_itself(self) -> bool:
        """Wait until the process ends; return True if it ended itself, because it was idle."""
        return self._process.wait() == 0

    def _failure(self, seconds: float) -> ChildError:
        """Return the error for a process that ended before its answer was complete."""
        code = self._process.wait()
        # SIGXCPU ends a process that has exceeded its CPU time.
        if self._has_timed_out or -code == getattr(signal, "SIGXCPU", None):
            return ChildError("time", f"{seconds:g} s")
        return ChildError("crash" if code < 0 else "error", f"exit code {code}")


#: Each thread that uses a worker holds one of these slots.
_free_slots = threading.BoundedSemaphore(_MAX_WORKERS)
#: Workers without a request. The list needs no lock, because appending and popping are atomic.
_idle_workers: list[_Worker] = []


def _take_worker() -> _Worker:
    while True:
        try:
            worker = _idle_workers.pop()
        except IndexError:
            return _Worker()
        if worker.is_alive():
            return worker
        worker.close()


@atexit.register
def _close_idle_workers() -> None:
    while _idle_workers:
        _idle_workers.pop().close()
