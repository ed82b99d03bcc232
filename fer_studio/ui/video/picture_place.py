"""Containers with the aspect ratio of a video; they keep their height while a picture loads."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_studio.ui.video.loaded_analysis import LoadedAnalysis

#: Common aspect ratios (width over height), by their name in app.css. The exact ratio of a video
#: would need a style of its own, which would reach the browser after the picture.
_SHAPES = {"16-9": 16 / 9, "3-2": 3 / 2, "4-3": 4 / 3, "1-1": 1.0, "3-4": 3 / 4, "9-16": 9 / 16}


def picture_place(analysis: LoadedAnalysis, name: str) -> DeltaGenerator:
    """Return a container with about the aspect ratio of the video, for one picture.

    Args:
        analysis: The analysis of the video.
        name: Identifies the container on the page.
    """
    key = f"video_{name}_{analysis.key}"
    status = analysis.summary.status
    if status is not None and status.width and status.height:
        key += f"_shape_{nearest_shape(status.width, status.height)}"
    place = st.container(key=key, gap=None)
    place.empty()  # The browser does not draw a container without elements.
    return place


def nearest_shape(width: int, height: int) -> str:
    """Return the name in ``_SHAPES`` of the aspect ratio closest to that of a picture."""
    ratio = width / height
    return min(_SHAPES, key=lambda name: abs(math.log(ratio / _SHAPES[name])))
