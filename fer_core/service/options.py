"""The configuration of the service: address, models, limits."""

from __future__ import annotations

import ipaddress
import os

from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_core.validation import FORBID_UNKNOWN, Integer, Number, Text


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ServiceLimits:
    """Upper bounds for requests of clients. The limit on pixels is in ``vision.decode``.

    Attributes:
        file_bytes: Size of one file.
        request_bytes: Size of one request with all its files.
        files: Number of files in one request.
        requests: Number of requests that are being received, are waiting or are being analyzed.
            Further requests are answered with 503. GET and HEAD requests are not counted.
        waiting_bytes: Total size of the requests that ``requests`` counts, in memory. Further
            requests are answered with 503.
        header_seconds: Time for a client to send the header of a request. After this time the
            connection is closed.
        upload_seconds: Time for a client to send the body of a request.
        analysis_seconds: Time from the end of the upload to the answer.
        shutdown_seconds: Time for requests to finish after a signal to terminate.
    """

    file_bytes: Integer = Field(default=200 * 2**20, ge=1)
    request_bytes: Integer = Field(default=200 * 2**20, ge=1)
    files: Integer = Field(default=100, ge=1, le=10_000)
    requests: Integer = Field(default=64, ge=1, le=10_000)
    waiting_bytes: Integer = Field(default=800 * 2**20, ge=1)
    header_seconds: Number = Field(default=10.0, gt=0)
    upload_seconds: Number = Field(default=60.0, gt=0)
    analysis_seconds: Number = Field(default=120.0, gt=0)
    shutdown_seconds: Number = Field(default=30.0, gt=0)


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class ServiceOptions:
    """The configuration of the service.

    Attributes:
        host: The address to listen on.
        port: The port; 0 lets the system choose a free one.
        models: Names or folders of the served models, the default first. Empty for the default
            model of this installation.
        detector: Name of the face detector; None for the best available one.
        workers: Number of pictures that are decoded and searched for faces at the same time.
        limits: Upper bounds for requests of clients.
    """

    host: Text = "127.0.0.1"
    port: Integer = Field(default=8600, ge=0, le=65535)
    models: tuple[Text, ...] = ()
    detector: Text | None = None
    workers: Integer = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    limits: ServiceLimits = ServiceLimits()

    @property
    def is_local(self) -> bool:
        """True if only programs on this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
