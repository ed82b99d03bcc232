"""Drawn faces, analyzed with the default model: an example that needs no data."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.bundle import Bundle, find_bundle
from fer_core.dataset.demo.shipped import load_demo_set
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.gallery import face_png
from fer_studio.ui.loaders import open_predictor
from fer_studio.ui.text import plain_text

#: Rows of the demo set: faces that are drawn clearly.
_ROWS = (180, 522, 483)
#: Width in pixels. Three faces fit on a phone.
_FACE_WIDTH = 96


def show_example(settings: Settings) -> None:
    """Draw the faces, each with its most probable emotion."""
    st.markdown("**Drawn faces, just analyzed**")
    try:
        bundle = find_bundle(None, settings)
        faces, classes, probabilities = _analyzed(bundle.content_key, bundle)
    except InputError as error:
        st.caption(plain_text(str(error)))
        return
    with st.container(horizontal=True, gap="small"):
        for number, (face, values) in enumerate(zip(faces, probabilities, strict=True), start=1):
            best = int(values.argmax())
            label = classes[best]
            with st.container(width=_FACE_WIDTH, gap="xxsmall"):
                st.image(face_png(face), width=_FACE_WIDTH, alt=f"Drawn face {number}: {label}")
                st.markdown(f"**{plain_text(label)}** {100 * values[best]:.0f} %")
    st.caption(f"By the default model, {plain_text(bundle.name)}.")


@st.cache_resource(max_entries=2, show_spinner="Analyzing three faces…")
def _analyzed(
    key: tuple[str, ...], _bundle: Bundle
) -> tuple[NDArray[np.uint8], tuple[str, ...], NDArray[np.float32]]:
    predictor = open_predictor(_bundle)
    faces = load_demo_set().images[list(_ROWS)]
    return faces, tuple(predictor.classes), predictor.probabilities(faces)
