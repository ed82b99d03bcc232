"""Single pictures instead of a stream; they need no WebRTC connection."""

from __future__ import annotations

from dataclasses import replace

from fer_core.vision.photo import PhotoResult
from fer_studio.ui.analyze.analysis import analyze_photos
from fer_studio.ui.analyze.options import Options
from fer_studio.ui.analyze.photos import Photo, take_snapshot
from fer_studio.ui.analyze.results import show_results
from fer_studio.ui.choices import DETECTOR_TITLES
from fer_studio.ui.live.session import LiveSession


def show_snapshots(session: LiveSession) -> None:
    """Draw the camera and, below it, the results of the latest snapshot."""
    assert session.analyzer is not None  # the page requires a model
    assert session.analyzer_key is not None
    snapshot = take_snapshot("live_snapshot")
    if snapshot is None:
        return
    title = DETECTOR_TITLES[session.analyzer.detector.name]
    photos = [Photo(snapshot.file_id, "snapshot.jpg", snapshot.getvalue)]
    # With None, faces are detected, except in pictures that already are cropped faces.
    options = Options(
        session.analyzer, session.analyzer_key, skips_detection=None, detector_title=title
    )
    assert session.processor is not None  # it exists as soon as a model is loaded
    minimum = session.processor.controls.minimum_confidence
    results = [
        _with_minimum_confidence(result, minimum) for result in analyze_photos(photos, options)
    ]
    classes = session.analyzer.predictor.classes
    show_results(photos, results, detector_title=title, classes=classes)


def _with_minimum_confidence(result: PhotoResult, minimum: float) -> PhotoResult:
    """Return a result with the minimum confidence of the live page instead of the model's."""
    if all(face.minimum_confidence == minimum for face in result.faces):
        return result
    faces = tuple(replace(face, minimum_confidence=minimum) for face in result.faces)
    return replace(result, faces=faces)
