"""Redirect to the log what Ray prints about the cluster."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_log = logging.getLogger(__name__)


class _LoggedLines(io.TextIOBase):
    """A text stream that writes each line as a message to the log."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                _log.info("%s", line.rstrip())
        return len(text)


@contextmanager
def logged_standard_output() -> Iterator[None]:
    """Redirect standard output to the log, with the level INFO, within a ``with`` block.

    Standard output is reserved for the results of a command, but Ray prints the last log lines of
    each lost node there. Commands do not show messages of the level INFO. The messages of the
    commands themselves say which files or trials the loss of a node affects.
    """
    with redirect_stdout(_LoggedLines()):
        yield
