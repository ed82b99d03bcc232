"""``RequestGuard``: API keys, limits and metrics, in front of all routes.

The guard is an ASGI application (https://asgi.readthedocs.io). It wraps another ASGI application,
which contains the routes. A request is rejected before its body is read if its host or key is not
valid, if its declared length exceeds a limit, or if the service is overloaded. The received length
and the time limit are checked while the body is received.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from fer_core.service.keys import ApiKeys
from fer_core.service.monitoring import Metrics
from fer_core.service.options import ServiceLimits
from fer_core.service.responses import error_response, size_text

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Paths that are counted by name; all others are counted as "other".
COUNTED_PATHS = ("/v1/classify", "/v1/models", "/health", "/ready", "/metrics", "/docs")
#: Beginnings of the paths that require an API key.
_PROTECTED = ("/v1/", "/metrics")
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class RequestGuard:
    """Checks every request before its body is received, and while the body is received."""

    def __init__(
        self,
        application: Application,
        limits: ServiceLimits,
        keys: ApiKeys,
        metrics: Metrics,
        *,
        only_local: bool = False,
    ) -> None:
        """Wrap an application.

        Args:
            application: The routes.
            limits: Upper bounds for clients.
            keys: The valid API keys; if there are none, no key is required.
            metrics: Counts the requests.
            only_local: True to accept only requests whose ``Host`` header names this machine.
                Without API keys, this keeps websites from reaching the service through the user's
                browser (DNS rebinding).
        """
        self._only_local = only_local
        self._application = application
        self._limits = limits
        self._keys = keys
        self._metrics = metrics
        #: Number of requests with a body that are in progress.
        self._request_count = 0
        #: Number of bytes in the bodies of these requests: the declared or the received number,
        #: whichever is larger.
        self._byte_count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        start = time.monotonic()
        status = 500  # counted if the application raises an error before it answers

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._answer(scope, receive, send_and_note_status)
        finally:
            path = scope["path"] if scope["path"] in COUNTED_PATHS else "other"
            self._metrics.count_request(path, status, time.monotonic() - start)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and pass it on or reject it."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        try:
            if self._only_local:
                _check_host(headers)
            if scope["path"].startswith(_PROTECTED):
                self._check_key(headers)
            if scope["method"] in ("GET", "HEAD"):
                await self._application(scope, receive, send)
                return
            body = _RequestBody(self, receive, self._declared_length(headers))
            with body:
                await self._application(scope, body.receive, send)
        except HTTPException as error:
            response = error_response(error.status_code, error.detail, error.headers)
            await response(scope, receive, send)

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        if not self._keys:
            return
        kind, _, token = headers.get(b"authorization", b"").partition(b" ")
        key = token.strip() if kind.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        if not self._keys.accepts(key.decode("latin-1")):
            raise _rejection(401, "A valid API key is required.", {"WWW-Authenticate": "Bearer"})

    def _declared_length(self, headers: dict[bytes, bytes]) -> int:
        """Check and return the length of the body in bytes; 0 if the client does not declare it."""
        text = headers.get(b"content-length", b"0")
        length = int(text) if text.isdigit() else 0
        self._check_length(length)
        return length

    def _check_length(self, length: int) -> None:
        if length > self._limits.request_bytes:
            raise _rejection(
                413,
                f"The request is larger than {size_text(self._limits.request_bytes)}; send "
                "fewer or smaller files.",
            )

    def admit(self, length: int) -> None:
        """Count a request and the declared length of its body.

        Raises:
            HTTPException: The service is overloaded.
        """
        if self._request_count >= self._limits.requests:
            raise _overload_rejection()
        self._request_count += 1
        self._metrics.active.inc()
        try:
            self.reserve(length)
        except HTTPException:
            self.release(0)
            raise

    def reserve(self, length: int) -> None:
        """Count bytes of a body that is stored in memory.

        Raises:
            HTTPException: The service is overloaded.
        """
        if self._byte_count + length > self._limits.waiting_bytes:
            raise _overload_rejection()
        self._byte_count += length

    def release(self, length: int) -> None:
        """Stop counting a request and the bytes of its body."""
        self._byte_count -= length
        self._request_count -= 1
        self._metrics.active.dec()

    def check_received(self, total: int) -> None:
        """Check the number of bytes that were received, which may exceed the declared length.

        Raises:
            HTTPException: The request is too large.
        """
        self._check_length(total)

    @property
    def upload_seconds(self) -> float:
        """Maximum time for a client to send a body, in seconds."""
        return self._limits.upload_seconds


class _RequestBody:
    """Receives the body of one request, counts its bytes and enforces the limits."""

    def __init__(self, guard: RequestGuard, receive: Receive, declared_length: int) -> None:
        self._guard = guard
        self._receive = receive
        self._reserved = declared_length
        self._received = 0
        self._is_complete = False
        self._deadline = time.monotonic() + guard.upload_seconds

    def __enter__(self) -> None:
        self._guard.admit(self._reserved)

    def __exit__(self, *_: object) -> None:
        self._guard.release(self._reserved)

    async def receive(self) -> Message:
        """Return the next ASGI message; raise ``HTTPException`` if a limit is exceeded."""
        if self._is_complete:
            return await self._receive()  # waits until the client disconnects
        try:
            async with asyncio.timeout(max(self._deadline - time.monotonic(), 0)):
                message = await self._receive()
        except TimeoutError as error:
            raise _rejection(
                408,
                f"The request was not received within {self._guard.upload_seconds:.0f} seconds; "
                "send smaller files, or fewer at a time.",
            ) from error
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._guard.check_received(self._received)
            if self._received > self._reserved:
                self._guard.reserve(self._received - self._reserved)
                self._reserved = self._received
            self._is_complete = not message.get("more_body", False)
        return message


def _check_host(headers: dict[bytes, bytes]) -> None:
    host = headers.get(b"host", b"").decode("latin-1")
    # The name without the port. An IPv6 address is in brackets.
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _LOCAL_HOSTS:
        raise _rejection(
            400,
            "The header 'Host' should be localhost; without API keys the service accepts requests "
            "from this machine only.",
        )


def _overload_rejection() -> HTTPException:
    return _rejection(503, "The service is busy; try again in a few seconds.", {"Retry-After": "2"})


def _rejection(status: int, message: str, headers: dict[str, str] | None = None) -> HTTPException:
    """Return the exception that rejects a request."""
    # The rest of the body is not read, so the connection cannot be used again.
    return HTTPException(status, message, {"Connection": "close"} | (headers or {}))
