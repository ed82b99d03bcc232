"""Ray's messages about the cluster, which it prints to standard output."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_log = logging.getLogger(__name__)


class _LoggedLines(io.TextIOBase):
    """A text stream whose lines become messages of the log."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                _log.info("%s", line.rstrip())
        return len(text)


@contextmanager
def logged_standard_output() -> Iterator[None]:
    """Turn standard output into messages of the log with the level INFO, which commands hide.

    Standard output is for the document of a command. Ray prints the last lines of the log of each
    lost node there; what its loss means for the files or trials is reported by this program.
    """
    with redirect_stdout(_LoggedLines()):
        yield
