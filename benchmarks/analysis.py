"""Time to analyze a photo: detector, crops and network."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Measurement, median_seconds, milliseconds
from fer_core.bundle import find_bundle
from fer_core.predictor import load_predictor
from fer_core.settings import load_settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import make_detector
from fer_core.vision.detector_files import detector_names
from fer_core.vision.sample import sample_picture


def five_faces() -> NDArray[np.uint8]:
    """Compose an RGB image of 1280x720 pixels that shows the sample picture's face five times."""
    name, content = sample_picture()
    portrait = decode_picture(content, name)[0:300, 90:340]
    picture = np.full((720, 1280, 3), 128, dtype=np.uint8)
    for index, height in enumerate((300, 260, 300, 240, 300)):
        scaled = cv2.resize(portrait, (round(250 * height / 300), height))
        left, top = 5 + 254 * index, 60 + 130 * (index % 3)
        picture[top : top + height, left : left + scaled.shape[1]] = scaled
    return picture


def measure(photo: Path | None) -> list[Measurement]:
    """Measure the time per photo with each available detector.

    Args:
        photo: A photo to measure, resized to 1280x720; if None, a composed one.
    """
    settings = load_settings()
    if photo is None:
        image, source = five_faces(), "composed"
    else:
        image = decode_picture(photo.read_bytes(), photo.name)
        image = np.asarray(cv2.resize(image, (1280, 720)), dtype=np.uint8)
        source = photo.name
    predictor = load_predictor(find_bundle(None, settings))
    measurements = []
    for name in detector_names(settings):
        detector = make_detector(name, settings)
        analyzer = Analyzer(predictor, detector)
        face_count = len(analyzer.analyze(image))
        total_seconds = median_seconds(partial(analyzer.analyze, image))
        detection_seconds = median_seconds(partial(detector.detect, image))
        measurements.append(
            Measurement(
                f"1280x720 photo ({source}), {name}, {face_count} faces",
                milliseconds(total_seconds),
                f"detector only {milliseconds(detection_seconds)}",
            )
        )
    return measurements
