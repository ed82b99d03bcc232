"""Ports for the servers that tests start."""

import itertools
import os
import socket

_attempts = itertools.count()


def free_port() -> int:
    """Return a port of localhost that nothing uses.

    Below the ports that the system assigns to connections: one of those could be assigned to
    another process before the server starts. Each test process starts elsewhere.
    """
    while True:
        port = 20_000 + (37 * os.getpid() + next(_attempts)) % 12_000
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
