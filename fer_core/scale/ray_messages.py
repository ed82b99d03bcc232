"""Turn Ray's messages about the cluster, which Ray prints, into messages of the log."""

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
    """Turn standard output into messages of the log with the level INFO, which commands hide.

    Standard output is reserved for the document of a command, but Ray prints the last log lines of
    each lost node to it. The commands themselves report what the loss of a node means for the files
    or trials.
    """
    with redirect_stdout(_LoggedLines()):
        yield
