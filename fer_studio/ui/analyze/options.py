"""The sidebar of the analyze page: which model and detector, and how pictures are taken."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_studio.ui.choices import DETECTOR_TITLES, choose_bundle, choose_detector
from fer_studio.ui.loaders import open_detector, open_predictor
from fer_studio.ui.messages import show_error


@dataclass(frozen=True)
class Options:
    """What the sidebar says.

    Attributes:
        analyzer: The chosen model and detector, ready to use.
        key: Changes whenever readings may change: part of the key of kept results.
        whole: True to take every picture as one face; None to look for faces.
        detector: The detector's title.
    """

    analyzer: Analyzer
    key: tuple[str, ...]
    whole: bool | None
    detector: str


def choose_options(settings: Settings) -> Options | None:
    """Draw the sidebar; None, with the reason on the page, if there is nothing to analyze with."""
    with st.sidebar:
        bundle = choose_bundle(settings)
        detector = choose_detector(settings)
        is_whole = st.toggle(
            "Pictures are single faces",
            key="whole",
            help="Takes each picture as one cut-out face, without looking for faces in it. Small "
            "square pictures without a visible face are taken so anyway.",
        )
    if bundle is None:
        return None
    try:
        analyzer = Analyzer(open_predictor(bundle), open_detector(detector, settings))
    except InputError as error:
        show_error(error)
        return None
    return Options(
        analyzer=analyzer,
        key=(*bundle.content_key, detector, str(is_whole)),
        whole=True if is_whole else None,
        detector=DETECTOR_TITLES[detector],
    )
