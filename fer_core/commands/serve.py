"""``serve``: the HTTP service that classifies pictures."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import add_command
from fer_core.commands.model_arguments import add_detector_argument
from fer_core.errors import InputError
from fer_core.extras import require_packages
from fer_core.service.keys import load_keys
from fer_core.service.options import ServiceLimits, ServiceOptions
from fer_core.settings import Settings
from fer_core.validation import from_dict

#: The help text for each field of ``ServiceLimits``.
_LIMIT_HELP = {
    "file_bytes": "size of one file",
    "request_bytes": "size of one request with all its files",
    "files": "files in one request",
    "requests": "concurrent requests; further requests are answered with 503",
    "waiting_bytes": "total size of all concurrent requests; further requests are answered "
    "with 503",
    "header_seconds": "seconds for a client to send the header of a request",
    "upload_seconds": "seconds for a client to send the body of a request",
    "analysis_seconds": "seconds from the end of an upload to the answer",
    "shutdown_seconds": "seconds for requests to finish after a signal to terminate",
}


def add_parser(subparsers: Any) -> None:
    """Add ``serve``."""
    parser = add_command(subparsers, "serve", "classify pictures over HTTP", _run)
    defaults = ServiceOptions()
    parser.add_argument(
        "--host", default=defaults.host, help=f"the address to listen on (default: {defaults.host})"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=defaults.port,
        help=f"the port to listen on (default: {defaults.port})",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        dest="models",
        metavar="BUNDLE",
        help="a model's name or folder; may be repeated, the first model is the default",
    )
    add_detector_argument(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=defaults.workers,
        help="pictures that are analyzed at the same time (default: one per core)",
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", help="the API keys, one per line")
    limits = parser.add_argument_group("limits")
    for field in fields(ServiceLimits):
        default = getattr(defaults.limits, field.name)
        limits.add_argument(
            f"--max-{field.name.replace('_', '-')}",
            dest=field.name,
            type=type(default),
            default=default,
            metavar="N",
            help=f"{_LIMIT_HELP[field.name]} (default: {default:.0f})",
        )


def _run(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    packages = ("fastapi", "uvicorn", "prometheus_client", "swagger_ui_bundle")
    require_packages("The service needs", "service", *packages)
    from fer_core.service.server import serve

    limits = {field: getattr(arguments, field) for field in _LIMIT_HELP}
    try:
        options = from_dict(
            ServiceOptions,
            {
                "host": arguments.host,
                "port": arguments.port,
                "models": arguments.models,
                "detector": arguments.detector,
                "workers": arguments.workers,
                "limits": limits,
            },
        )
    except ValueError as error:
        raise InputError(f"{error}.") from error
    addresses: list[str] = []

    def announce(address: str) -> None:
        addresses.append(address)
        print(
            f"FER Studio answers at {address}; {address}/docs describes the service. "
            "Press Ctrl-C to stop.",
            file=sys.stderr,
            flush=True,
        )

    serve(options, load_keys(os.environ, arguments.keys), settings, on_start=announce)
    return CommandResult(
        {"address": addresses[0] if addresses else None}, "The service was stopped."
    )
