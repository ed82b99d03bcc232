"""Two models on the same faces of photos and videos, face by face, as Markdown.

``python -m benchmarks.two_models FIRST SECOND --photos FOLDER --videos FOLDER [--every N]`` prints
a row per face of every photo and, for every video, how often each emotion was predicted for the
largest face in every Nth frame. It needs no labels: a person judges the rows.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from fer_core.bundle import Bundle, find_bundle
from fer_core.predictor import load_predictor
from fer_core.settings import Settings, load_settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.detect import FaceDetector, make_detector
from fer_core.vision.detector_files import detector_names
from fer_core.vision.face import Face
from fer_core.vision.photo import analyze_photo


def photo_rows(folder: Path, models: list[Analyzer]) -> list[str]:
    """Return a Markdown row per face of every photo, from left to right."""
    rows = []
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp"):
            continue
        found = [analyze_photo(path.read_bytes(), path.name, model)[0].faces for model in models]
        # Both models get the same faces, because they share the detector.
        for number, faces in enumerate(zip(*found, strict=True), start=1):
            x, y, width, height = faces[0].box.rounded()
            cells = " | ".join(map(_two_most_probable, faces))
            changed = "changed" if faces[0].label != faces[1].label else ""
            rows.append(
                f"| {path.name} | {number} | {x}, {y}, {width}x{height} | {cells} | {changed} |"
            )
    return rows


def _two_most_probable(face: Face) -> str:
    """Return the two most probable emotions with their probabilities, as text."""
    ranked = sorted(face.probability_by_class().items(), key=lambda pair: -pair[1])[:2]
    return ", ".join(f"{emotion} {share:.2f}" for emotion, share in ranked)


def video_rows(folder: Path, models: list[Analyzer], every: int) -> list[str]:
    """Return a Markdown row per video and model: predictions on the largest face of the frames."""
    rows = []
    for path in sorted(folder.iterdir()):
        counts: list[Counter[str]] = [Counter() for _ in models]
        video = cv2.VideoCapture(str(path))
        number = 0
        while True:
            is_read, frame = video.read()
            if not is_read:
                break
            if number % every == 0:
                image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
                for model, count in zip(models, counts, strict=True):
                    faces = model.analyze(image, as_one_face=False)
                    if faces:
                        largest = max(faces, key=lambda face: face.box.rounded()[2])
                        count[largest.label] += 1
            number += 1
        video.release()
        for name, count in zip(("first", "second"), counts, strict=True):
            total = sum(count.values())
            shares = ", ".join(
                f"{emotion} {times / total:.0%}" for emotion, times in count.most_common()
            )
            rows.append(f"| {path.name} | {name} | {total:,} | {shares or 'no face'} |")
    return rows


def _analyzer(bundle: Bundle, detector: FaceDetector) -> Analyzer:
    return Analyzer(load_predictor(bundle), detector)


def _models(names: list[str], settings: Settings, detector: FaceDetector) -> list[Analyzer]:
    return [_analyzer(find_bundle(name, settings), detector) for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="a model's name or folder")
    parser.add_argument("second", help="another model's name or folder")
    parser.add_argument("--photos", type=Path, metavar="FOLDER")
    parser.add_argument("--videos", type=Path, metavar="FOLDER")
    parser.add_argument("--every", type=int, default=5, metavar="N", help="analyze every Nth frame")
    parser.add_argument("--detector", help="default: yunet if its file is present")
    arguments = parser.parse_args()
    settings = load_settings()
    name = arguments.detector or detector_names(settings)[0]
    models = _models([arguments.first, arguments.second], settings, make_detector(name, settings))
    if arguments.photos is not None:
        print(f"| photo ({name}) | face | box | {arguments.first} | {arguments.second} | |")
        print("|---|---|---|---|---|---|")
        print("\n".join(photo_rows(arguments.photos, models)))
    if arguments.videos is not None:
        print("\n| video | model | faces | predicted |\n|---|---|---|---|")
        print("\n".join(video_rows(arguments.videos, models, arguments.every)))


if __name__ == "__main__":
    main()
