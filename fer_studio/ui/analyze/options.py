"""The options of the analyze page: model, face detector, whether faces are detected at all."""

from __future__ import annotations

from dataclasses import dataclass

from streamlit.delta_generator import DeltaGenerator

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_studio.ui.choices import DETECTOR_TITLES, bar_place, choose_model
from fer_studio.ui.kept import kept_toggle
from fer_studio.ui.loaders import open_detector, open_predictor
from fer_studio.ui.messages import show_error


@dataclass(frozen=True)
class Options:
    """The options of an analysis.

    Attributes:
        analyzer: The chosen model and detector, ready to use.
        key: Part of the cache key of results; differs if results may differ.
        whole: True to classify every picture as one face; None to detect faces.
        detector: The detector's title.
    """

    analyzer: Analyzer
    key: tuple[str, ...]
    whole: bool | None
    detector: str


def choose_options(settings: Settings, bar: DeltaGenerator) -> Options | None:
    """Draw the bar; return None, with the reason on the page, if no model can be used.

    Args:
        settings: The folders of the app.
        bar: The place next to the title.
    """
    with bar_place(bar, settings):
        choice = choose_model(settings)
    bundle, emphasis, detector = choice.bundle, choice.emphasis, choice.detector
    with choice.more:
        is_whole = kept_toggle(
            "Skip face detection (already cropped)",
            key="whole",
            name="cropped",
            help="Classifies each picture as one cropped face. Small square pictures in which no "
            "face is detected are always classified like this.",
        )
    if bundle is None:
        return None
    try:
        analyzer = Analyzer(open_predictor(bundle, emphasis), open_detector(detector, settings))
    except InputError as error:
        show_error(error)
        return None
    return Options(
        analyzer=analyzer,
        key=(*bundle.content_key, emphasis, detector, str(is_whole)),
        whole=True if is_whole else None,
        detector=DETECTOR_TITLES[detector],
    )
