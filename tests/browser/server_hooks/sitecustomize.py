"""Loaded by Python at the start of a server under test: SIGUSR1 writes what every thread does."""

import faulthandler
import os
import signal

_path = os.environ.get("FER_STUDIO_TEST_STACKS")
if _path is not None:
    # Open as long as the process lives.
    _file = os.open(_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    faulthandler.register(signal.SIGUSR1, _file, all_threads=True)
    # Not for the processes that the server starts.
    del os.environ["FER_STUDIO_TEST_STACKS"]
