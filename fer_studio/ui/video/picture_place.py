"""Containers with the shape of a video, which keep their height while a picture is loaded."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_studio.ui.video.loaded_analysis import LoadedAnalysis

#: Usual ratios of width to height, by their name in app.css. The exact ratio of a video would need
#: a style of its own, which would reach the browser after the picture.
_SHAPES = {"16-9": 16 / 9, "3-2": 3 / 2, "4-3": 4 / 3, "1-1": 1.0, "3-4": 3 / 4, "9-16": 9 / 16}


def picture_place(analysis: LoadedAnalysis, name: str) -> DeltaGenerator:
    """Return a container with about the shape of the video, for one picture.

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
    """Return the name of the usual shape that is most similar to a picture, such as ``16-9``."""
    ratio = width / height
    return min(_SHAPES, key=lambda name: abs(math.log(ratio / _SHAPES[name])))
