"""Loaded by Python at the start of a server under test: SIGUSR1 writes what every thread does.

This is a Python function instead of ``faulthandler.register``, whose C function reads the stacks of
threads while they run. In rare cases, this ends the server.
"""

import os
import signal
import sys
import traceback
from types import FrameType

_path = os.environ.get("FER_STUDIO_TEST_STACKS")
if _path is not None:
    # Open as long as the process lives.
    _file = os.open(_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    #: The last line of what a signal writes.
    _end = os.environ["FER_STUDIO_TEST_STACKS_END"]

    def _write_stacks(_signal: int, _frame: FrameType | None) -> None:
        stacks = [
            f"Thread {thread}:\n{''.join(traceback.format_stack(frame))}"
            for thread, frame in sys._current_frames().items()
        ]
        os.write(_file, "\n".join([*stacks, _end, ""]).encode())

    signal.signal(signal.SIGUSR1, _write_stacks)
    # Not for the processes that the server starts.
    del os.environ["FER_STUDIO_TEST_STACKS"]
