"""All speed and memory figures in one table: ``python -m benchmarks [--data …] [--photo …]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import analysis, evaluate_page, evaluation, importing, prediction, startup
from benchmarks.measurement import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure; only meaningful when nothing else runs")
    parser.add_argument("--data", type=Path, help="FER2013 as a zip or folder, to time its import")
    parser.add_argument("--photo", type=Path, help="a photo with faces to analyze")
    arguments = parser.parse_args()
    measurements = prediction.measure() + evaluation.measure() + evaluate_page.measure()
    measurements += analysis.measure(None)
    if arguments.photo is not None:
        measurements += analysis.measure(arguments.photo)
    if arguments.data is not None:
        measurements += importing.measure(arguments.data)
    print_table(measurements + startup.measure())


if __name__ == "__main__":
    main()
