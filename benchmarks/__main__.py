"""All speed and memory figures in one table: ``python -m benchmarks [--data …] [--photo …] …``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import (
    analysis,
    auditing,
    dataset_page,
    evaluate_page,
    evaluation,
    importing,
    live_engine,
    live_stream,
    prediction,
    startup,
    train_page,
)
from benchmarks.measurement import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure; only meaningful when nothing else runs")
    parser.add_argument("--data", type=Path, help="FER2013 as a zip or folder, to time its import")
    parser.add_argument("--photo", type=Path, help="a photo with faces to analyze")
    parser.add_argument("--video", type=Path, help="a video with a face, for the webcam")
    arguments = parser.parse_args()
    measurements = prediction.measure() + evaluation.measure() + evaluate_page.measure()
    measurements += analysis.measure(None)
    if arguments.photo is not None:
        measurements += analysis.measure(arguments.photo)
    if arguments.data is not None:
        measurements += importing.measure(arguments.data) + auditing.measure(arguments.data)
        measurements += dataset_page.measure(arguments.data)
    if arguments.video is not None:
        measurements += live_engine.measure(arguments.video)
        measurements += live_stream.measure(arguments.video, live_stream.SHORT)
    print_table(measurements + startup.measure() + train_page.measure())


if __name__ == "__main__":
    main()
