"""``detectors`` and ``detectors fetch``: list the face detectors, and download YuNet's network."""

from __future__ import annotations

import argparse
from typing import Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import add_command
from fer_core.settings import Settings
from fer_core.vision.detector_files import (
    YUNET_URL,
    detector_names,
    download_yunet,
    is_yunet_available,
    yunet_path,
)


def add_parser(subparsers: Any) -> None:
    """Add ``detectors`` and its subcommands."""
    parser = add_command(subparsers, "detectors", "list the face detectors", _list)
    commands = parser.add_subparsers(metavar="COMMAND")
    fetch_parser = add_command(
        commands, "fetch", "download the recommended face detector if it is missing", _fetch
    )
    fetch_parser.add_argument("--url", default=YUNET_URL, help="the address of the download")


def _list(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    names = detector_names(settings)
    document = [{"name": name, "default": name == names[0]} for name in names]
    lines = [f"{name} (default)" if name == names[0] else name for name in names]
    return CommandResult(document, "\n".join(lines))


def _fetch(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    path = yunet_path(settings)
    is_present = is_yunet_available(settings)
    if not is_present:
        path = download_yunet(settings, arguments.url)
    state = "already present" if is_present else "downloaded"
    document = {"name": "yunet", "path": str(path), "downloaded": not is_present}
    return CommandResult(document, f"face detector yunet: {state} ({path})")
