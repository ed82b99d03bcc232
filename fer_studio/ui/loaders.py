"""Cached loaders: models and detectors are opened once for all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from fer_core.bundle import Bundle
from fer_core.calibration import Emphasis
from fer_core.settings import Settings

if TYPE_CHECKING:
    from fer_core.predictor import Predictor
    from fer_core.vision.detect import FaceDetector


def open_predictor(bundle: Bundle, emphasis: Emphasis = "default") -> Predictor:
    """Return the predictor of a bundle.

    The four most recently used predictors are cached until their files change.
    """
    return _open_predictor(bundle.content_key, emphasis, bundle)


@st.cache_resource(max_entries=4, show_spinner=False)
def _open_predictor(content_key: tuple[str, ...], emphasis: Emphasis, _bundle: Bundle) -> Predictor:
    # Imported here, as in ``open_detector``, so that a page can be drawn before OpenCV is loaded.
    from fer_core.predictor import load_predictor

    return load_predictor(_bundle, emphasis=emphasis)


@st.cache_resource(show_spinner=False)
def open_detector(name: str, _settings: Settings) -> FaceDetector:
    """Return the face detector with this name; all sessions share it."""
    from fer_core.vision.detect import make_detector

    return make_detector(name, _settings)
