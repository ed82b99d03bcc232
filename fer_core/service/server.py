"""Run the service with uvicorn until it is terminated."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fer_core.errors import InputError, system_reason
from fer_core.service.application import create_application
from fer_core.service.engine import ClassifyEngine
from fer_core.service.keys import KEYS_VARIABLE, ApiKeys
from fer_core.service.monitoring import Metrics
from fer_core.service.options import ServiceOptions
from fer_core.settings import Settings


def serve(
    options: ServiceOptions,
    keys: ApiKeys,
    settings: Settings,
    *,
    on_start: Callable[[str], object] | None = None,
) -> None:
    """Load the models and answer requests until SIGINT or SIGTERM.

    After the signal no new connection is accepted, and requests in progress are finished within
    ``shutdown_seconds``.

    Args:
        options: Address, models and limits.
        keys: The valid API keys.
        settings: Settings with the location of the models.
        on_start: Called with the address of the service when it accepts connections.

    Raises:
        InputError: The address needs API keys, is not valid, or is in use; or a model or the
            detector cannot be used.
    """
    if not options.is_local and not keys:
        raise InputError(
            f"The service at {options.host} can be reached from other machines and needs API keys; "
            f"set {KEYS_VARIABLE} or give a file with --keys, or listen on 127.0.0.1."
        )
    listener = _listen(options)
    with listener:
        metrics = Metrics()
        engine = ClassifyEngine(options, settings, on_batch=metrics.count_batch)
        application = create_application(
            engine, options.limits, keys, metrics, only_local=options.is_local
        )
        config = uvicorn.Config(
            application,
            http=_time_limited_protocol(options.limits.header_seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(options.limits.shutdown_seconds)),
        )
        _Server(config, on_start).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A uvicorn server that reports its address as soon as it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[str], object] | None) -> None:
        super().__init__(config)
        self._on_start = on_start

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End the service at SIGINT or SIGTERM.

        uvicorn's own method would raise the signal a second time when the server has ended, and
        ``serve`` would not return.
        """
        # Only the main thread may set signal handlers.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_start is not None and self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            self._on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def _listen(options: ServiceOptions) -> socket.socket:
    """Open the socket of the service.

    This happens before the models are loaded, so that an unusable address is reported at once.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except (OSError, UnicodeError, OverflowError) as error:
        reason = system_reason(error)
        raise InputError(
            f"The service cannot listen on {options.host}, port {options.port} ({reason}); choose "
            "another --host or --port."
        ) from error
    return listener


def _time_limited_protocol(header_seconds: float) -> type[H11Protocol]:
    """Return uvicorn's protocol with a time limit until the header of a request is complete.

    uvicorn itself waits forever for a client that sends the header byte by byte.
    """

    class TimeLimitedProtocol(H11Protocol):
        """Closes a connection on which no complete header of a request arrives in time."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_request(None)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait_for_request(self.cycle)

        def _wait_for_request(self, previous_cycle: Any) -> None:
            self.loop.call_later(header_seconds, self._close_if_idle, previous_cycle)

        def _close_if_idle(self, previous_cycle: Any) -> None:
            # ``cycle`` is uvicorn's object for a request and its response. uvicorn replaces it when
            # it has received the header of the next request.
            if self.cycle is previous_cycle and not self.transport.is_closing():
                self.transport.close()

    return TimeLimitedProtocol
