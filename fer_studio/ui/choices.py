"""Selections that several pages offer: the model and the face detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.bundle import Bundle, default_bundle_name, find_bundle, list_bundles
from fer_core.calibration import EMPHASES, Emphasis
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.detector_files import (
    YUNET_BYTES,
    YUNET_FILE_NAME,
    detector_names,
    download_yunet,
    is_yunet_available,
    yunet_path,
)
from fer_studio.ui.access import may_edit, require_editor
from fer_studio.ui.address import forget
from fer_studio.ui.messages import show_error
from fer_studio.ui.model_titles import distinct_titles, model_title
from fer_studio.ui.persistent_widgets import persistent_segments, persistent_selectbox
from fer_studio.ui.text import plain_text

#: The title of each face detector. A bar shows only the first word of a title.
DETECTOR_TITLES = {"yunet": "Accurate (recommended)", "haar": "Basic"}
_DETECTOR_HELP = (
    "Accurate: YuNet, a small neural network that finds more faces. Basic: OpenCV's Haar cascade, "
    "with which FER2013 was cropped and which many published systems use."
)


@dataclass(frozen=True)
class ModelChoice:
    """The model, the emphasis and the face detector that the user has chosen.

    Attributes:
        bundle: The model; None if there is none.
        emphasis: How strongly rare classes are favored.
        detector: The name of the face detector.
        settings_container: The popover "Settings", to which a page can add further settings.
    """

    bundle: Bundle | None
    emphasis: Emphasis
    detector: str
    settings_container: DeltaGenerator


def model_choice_container(title_bar: DeltaGenerator, settings: Settings) -> DeltaGenerator:
    """Return the container in which ``choose_model`` should be called.

    If there is no model, this is a new container below the title, where the message about the
    missing model has more space.

    Args:
        title_bar: The container next to the title.
        settings: The folders of the app.
    """
    return title_bar if list_bundles(settings) else st.container()


def choose_model(settings: Settings) -> ModelChoice:
    """Draw a bar to choose the model and the face detector, with a popover of further settings."""
    # The widgets have no labels, to take less space; the text of every option explains itself.
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        bundle = choose_bundle(settings, is_in_bar=True, width=300)
        # With this width, the detector and the button "Settings" fit side by side on a phone.
        with st.container(width=200):
            detector = _choose_detector(settings)
        popover = st.popover("Settings", icon=":material/tune:", key="model_settings")
    with popover:
        emphasis = choose_emphasis(bundle)
        st.caption(f"Face detector. {_DETECTOR_HELP}")
        if not is_yunet_available(settings) and may_edit():
            _offer_yunet(settings)
    return ModelChoice(bundle, emphasis, detector, popover)


def choose_bundle(
    settings: Settings, *, is_in_bar: bool = False, width: int | Literal["stretch"] = "stretch"
) -> Bundle | None:
    """Draw the selection of the model; the default model is the first option.

    Args:
        settings: The folders of the app.
        is_in_bar: True to draw no label; the options then begin with "Model".
        width: The width of the selection in pixels, or "stretch".

    Returns:
        The model; None if there is none. In this case the page shows the reason.
    """
    bundles = {bundle.name: bundle for bundle in list_bundles(settings)}
    default = default_bundle_name(settings)
    if not bundles:
        try:
            find_bundle(None, settings)  # raises an error that states the reason
        except InputError as error:
            show_error(error)
        return None
    if default not in bundles:
        try:
            find_bundle(None, settings)  # raises an error that states the reason
        except InputError as error:
            st.warning(
                f"{plain_text(str(error))} The page uses another model.",
                icon=":material/warning:",
            )
    titles = distinct_titles({name: bundle_title(bundle) for name, bundle in bundles.items()})
    names = sorted(bundles, key=lambda name: name != default)
    name = persistent_selectbox(
        "Model",
        names,
        key="model",
        name="model",
        is_always_shown=True,
        format_func=titles.__getitem__,
        is_in_bar=is_in_bar,
        width=width,
        help="The model that classifies the faces. The accuracy was measured on the validation "
        "images of its training data: how often it predicts the label or, for a model that learned "
        "annotator votes, the most frequent vote. The default model is first.",
    )
    return bundles[name]


def bundle_title(bundle: Bundle) -> str:
    """Return the title of a model with its validation accuracy.

    If the model learned annotator votes, "on votes" follows the accuracy. A model of the demo set
    has "demo data" instead of the accuracy. If the accuracy is unknown, it is omitted.
    """
    name, accuracy = model_title(bundle), bundle.record.validation_accuracy
    reference = " on votes" if bundle.record.learned_votes else ""
    if bundle.record.is_demo:
        # An accuracy on drawn faces cannot be compared with accuracies on real faces.
        return f"{name} (demo data)"
    return name if accuracy is None else f"{name} ({100 * accuracy:.1f} %{reference})"


_EMPHASIS_TITLES: dict[Emphasis, str] = {
    "none": "None",
    "default": "Default",
    "strong": "Strong",
}


def choose_emphasis(bundle: Bundle | None) -> Emphasis:
    """Draw the selection of the emphasis on rare classes.

    If the model has no class prior, it supports only the default, and nothing is drawn.
    """
    if bundle is None or bundle.calibration.class_prior is None:
        return "default"
    emphasis: Emphasis = persistent_segments(
        "Emphasis on rare classes",
        EMPHASES,
        key="emphasis",
        name="emphasis",
        default="default",
        format_func=lambda name: _EMPHASIS_TITLES[name],
        help="With emphasis, the model predicts rare classes, such as fear and disgust, more often "
        "and common classes, such as neutral, less often. Default: the emphasis that was best for "
        "macro F1 when the model was calibrated. Strong: for posed expressions.",
    )
    return emphasis


def _choose_detector(settings: Settings) -> str:
    return persistent_selectbox(
        "Face detector",
        detector_names(settings),
        key="detector",
        name="detector",
        # Only the first word of a title, such as "Accurate", fits into the bar.
        format_func=lambda name: f"Detector: {DETECTOR_TITLES[name].split()[0]}",
        label_visibility="collapsed",
        help=_DETECTOR_HELP,
    )


def _offer_yunet(settings: Settings) -> None:
    with st.expander("Get the accurate detector", icon=":material/download:"):
        st.write(
            "The detector YuNet finds more faces, and fewer regions that are not faces. The file "
            f"({YUNET_BYTES / 1000:.0f} kB) comes from OpenCV's model zoo (MIT license)."
        )
        if st.button("Download YuNet", key="download_yunet"):
            try:
                require_editor()
                with st.spinner("Downloading and checking YuNet…"):
                    download_yunet(settings)
            except InputError as error:
                show_error(error)
            else:
                # After the rerun, YuNet is the first detector of the list and thus the default.
                forget("detector")
                st.rerun()
        st.caption(f"Or copy {YUNET_FILE_NAME} into {yunet_path(settings).parent}.")
