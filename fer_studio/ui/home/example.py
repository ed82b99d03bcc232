"""The sample picture, analyzed with the default model: an example that needs no data."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image

from fer_core.bundle import Bundle, find_bundle
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.face import NOT_SURE, Face
from fer_core.vision.haar import HaarDetector
from fer_core.vision.sample import SAMPLE_CREDIT, sample_picture
from fer_studio.ui.loaders import open_predictor
from fer_studio.ui.photo_view import show_photo
from fer_studio.ui.text import plain_text

#: The square around the face in the sample picture: left edge, upper edge and side in pixels.
_LEFT, _TOP, _SIDE = 85, 0, 280


def show_example(settings: Settings) -> None:
    """Draw the sample picture with its face and the most probable emotion.

    If the model cannot be used, draw the reason instead.
    """
    try:
        bundle = find_bundle(None, settings)
        picture, face = _analyzed(bundle.content_key, bundle)
    except InputError as error:
        st.caption(plain_text(str(error)))
        return
    photo_column, result_column = st.columns([3, 4], wrap=False)
    with photo_column:
        show_photo(
            picture,
            (_SIDE, _SIDE),
            [face],
            0,
            lambda position: None,  # a click on the only face changes nothing
            alt=f"A photo with one face: {face.description}",
            key="home_example",
        )
    with result_column:
        st.metric(
            "Just analyzed",
            plain_text(face.label if face.is_confident else NOT_SURE),
            f"{100 * face.score:.0f} % confidence",
            delta_color="off",
            delta_arrow="off",
        )
        st.caption(f"By the default model, {plain_text(bundle.name)}. Photo: {SAMPLE_CREDIT}.")


@st.cache_resource(max_entries=2, show_spinner="Analyzing a photo…")
def _analyzed(key: tuple[str, ...], _bundle: Bundle) -> tuple[bytes, Face]:
    """Return the square around the face as a JPEG file, and the face with its box in this square.

    Raises:
        InputError: The model cannot be used.
    """
    _, content = sample_picture()
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    # Haar is the detector that needs no model file; it finds exactly one face in this picture.
    (face,) = Analyzer(open_predictor(_bundle), HaarDetector()).analyze(np.asarray(picture))
    buffer = io.BytesIO()
    square = picture.crop((_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE))
    square.save(buffer, "JPEG", quality=92)
    return buffer.getvalue(), replace(face, box=face.box.moved(-_LEFT, -_TOP))
