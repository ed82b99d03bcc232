"""The sidebar of the analyze page: which model and detector, and how pictures are taken."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_core.bundle import Bundle, default_bundle_name, find_bundle, list_bundles
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.detect import detector_names
from fer_core.vision.detector_files import (
    YUNET_BYTES,
    YUNET_FILE_NAME,
    download_yunet,
    is_yunet_available,
    yunet_path,
)
from ui.loaders import open_detector, open_predictor

_DETECTOR_TITLES = {"yunet": "YuNet", "haar": "Haar cascades"}


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
        bundle = _choose_bundle(settings)
        detector = st.selectbox(
            "Face detector",
            detector_names(settings),
            format_func=lambda name: _DETECTOR_TITLES[name],
            key="detector",
            help="YuNet is a small neural network and finds more faces; the Haar cascades come "
            "with OpenCV and are always there.",
        )
        if not is_yunet_available(settings):
            _offer_yunet(settings)
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
        st.error(str(error), icon=":material/error:")
        return None
    return Options(
        analyzer=analyzer,
        key=(*bundle.content_key, detector, str(is_whole)),
        whole=True if is_whole else None,
        detector=_DETECTOR_TITLES[detector],
    )


def _choose_bundle(settings: Settings) -> Bundle | None:
    bundles = {bundle.name: bundle for bundle in list_bundles(settings)}
    default = default_bundle_name(settings)
    if not bundles:
        try:
            find_bundle(None, settings)
        except InputError as error:
            st.error(str(error), icon=":material/error:")
        return None
    if default not in bundles:
        try:
            find_bundle(None, settings)
        except InputError as error:
            st.warning(f"{error} Until then another model is used.", icon=":material/warning:")
    names = sorted(bundles, key=lambda name: name != default)
    name = st.selectbox(
        "Model",
        names,
        format_func=lambda name: _bundle_title(bundles[name]),
        key="model",
        help="The network that reads the faces. Accuracy is on the validation images of the data "
        "it was trained on. The default model stands first.",
    )
    return bundles[name]


def _bundle_title(bundle: Bundle) -> str:
    accuracy = bundle.record.metrics.get("validation", {}).get("accuracy")
    title = bundle.name if accuracy is None else f"{bundle.name} ({100 * accuracy:.1f} %)"
    if bundle.record.is_demo:
        # Its accuracy is not put beside those on real faces.
        title = f"{bundle.name} (demo data)"
    return title


def _offer_yunet(settings: Settings) -> None:
    with st.expander("Get the better detector", icon=":material/download:"):
        st.write(
            f"YuNet finds more faces and fewer shirts and hands. Its file is "
            f"{YUNET_BYTES / 1000:.0f} kB, from OpenCV's model zoo (MIT licence)."
        )
        if st.button("Download YuNet", key="download_yunet"):
            try:
                with st.spinner("Downloading and checking YuNet…"):
                    download_yunet(settings)
            except InputError as error:
                st.error(str(error), icon=":material/error:")
            else:
                # The choice of detectors stands above: draw it again, with the new one chosen.
                del st.session_state["detector"]
                st.rerun()
        st.caption(f"Or put {YUNET_FILE_NAME} into {yunet_path(settings).parent} by hand.")
