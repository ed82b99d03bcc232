"""The options of the analyze page: the model, the face detector, and whether to detect faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlit.delta_generator import DeltaGenerator

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.choices import (
    DETECTOR_TITLES,
    ModelChoice,
    choose_model,
    model_choice_container,
)
from fer_studio.ui.loaders import open_detector, open_predictor
from fer_studio.ui.messages import show_error
from fer_studio.ui.persistent_widgets import persistent_toggle

if TYPE_CHECKING:
    from fer_core.vision.analyzer import Analyzer


@dataclass(frozen=True)
class Selections:
    """What the user has selected.

    Attributes:
        model: The model and the face detector.
        skips_detection: True to classify every picture as one face, without face detection.
    """

    model: ModelChoice
    skips_detection: bool


@dataclass(frozen=True)
class Options:
    """The options of an analysis.

    Attributes:
        analyzer: The chosen model and detector, ready to use.
        key: Identifies the options; results with different keys may differ.
        skips_detection: True to classify every picture as one face, without face detection; None to
            detect faces, except in a picture that already is a cropped face. See the argument
            ``as_one_face`` of ``Analyzer.analyze``.
        detector_title: The title of the detector.
    """

    analyzer: Analyzer
    key: tuple[str, ...]
    skips_detection: bool | None
    detector_title: str


def choose_options(settings: Settings, title_bar: DeltaGenerator) -> Selections:
    """Draw the options, and return what the user has selected, for ``open_options``.

    Args:
        settings: The folders of the app.
        title_bar: The container next to the title.
    """
    with model_choice_container(title_bar, settings):
        choice = choose_model(settings)
    with choice.settings_container:
        skips_detection = persistent_toggle(
            "Skip face detection (already cropped)",
            key="whole",
            name="cropped",
            help="Classifies each picture as one cropped face. Small square pictures in which no "
            "face is detected are always classified like this.",
        )
    return Selections(choice, skips_detection)


def open_options(selections: Selections, settings: Settings) -> Options | None:
    """Open the selected model and detector.

    Returns:
        The options; None if there is no model, or if the model or the detector cannot be opened. In
        these cases the page shows the reason.
    """
    bundle, emphasis = selections.model.bundle, selections.model.emphasis
    detector = selections.model.detector
    if bundle is None:
        return None
    # Imported here, because the page shows the upload field before OpenCV is loaded.
    from fer_core.vision.analyzer import Analyzer

    try:
        analyzer = Analyzer(open_predictor(bundle, emphasis), open_detector(detector, settings))
    except InputError as error:
        show_error(error)
        return None
    return Options(
        analyzer=analyzer,
        key=(*bundle.content_key, emphasis, detector, str(selections.skips_detection)),
        skips_detection=True if selections.skips_detection else None,
        detector_title=DETECTOR_TITLES[detector],
    )
