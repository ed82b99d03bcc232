"""The arguments that choose a model and a face detector."""

from __future__ import annotations

import argparse

from fer_core.calibration import EMPHASES


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--emphasis`` and ``--detector`` to a command."""
    parser.add_argument("--model", metavar="BUNDLE", help="a model's name or folder")
    parser.add_argument(
        "--emphasis",
        choices=EMPHASES,
        default="default",
        help="the emphasis on rare classes; none: no emphasis; default: as calibrated; strong: "
        "stronger than calibrated",
    )
    add_detector_argument(parser)


def add_detector_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--detector`` to a command."""
    parser.add_argument(
        "--detector", metavar="NAME", help="yunet or haar (default: yunet if its file is present)"
    )
