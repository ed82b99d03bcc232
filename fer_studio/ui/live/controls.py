"""The controls of the live page: each takes effect at once, without restarting the stream."""

from __future__ import annotations

import logging

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.bundle import Bundle
from fer_core.calibration import Calibration
from fer_core.errors import InputError, first_line
from fer_core.live.controls import MAX_SMOOTHING_SECONDS, LiveControls
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.address import address_scope
from fer_studio.ui.choices import ModelChoice, choose_model, model_choice_container
from fer_studio.ui.live.session import LiveSession
from fer_studio.ui.loaders import open_detector, open_predictor
from fer_studio.ui.messages import show_error

logger = logging.getLogger(__name__)

_OVERLAYS = {"shows_boxes": "Boxes", "shows_labels": "Labels", "shows_bars": "Bars"}
#: Height, width and channels of the frame that warms up model and detector.
_CAMERA_SHAPE = (480, 640, 3)
#: Session state: the minimum confidence in percent.
_CONFIDENCE = "live_minimum_confidence"
#: Session state: a pair of the name of the model whose calibration has set the slider, and the
#: value in percent to which it was set.
_CONFIDENCE_ORIGIN = "live_confidence_of"


def choose_controls(session: LiveSession, settings: Settings, title_bar: DeltaGenerator) -> bool:
    """Draw the controls and apply their values.

    Args:
        session: The state of the live page.
        settings: The folders of the app.
        title_bar: The container next to the title.

    Returns:
        True if a model is loaded and warmed up, so that a stream can start; otherwise the page
        shows the reason.
    """
    # _draw_controls reruns the page when a model that the page waits for is ready. This is not
    # necessary here, because the rest of the page is drawn after this function.
    session.is_waiting_for_model = False
    with model_choice_container(title_bar, settings):
        _draw_controls(session, settings)
    session.is_waiting_for_model = session.processor is None
    return not session.is_waiting_for_model


# A fragment: a change reruns only this function and does not interrupt the stream.
@st.fragment
def _draw_controls(session: LiveSession, settings: Settings) -> None:
    rerun_if_refused("live")
    previous_values = _values_shown_elsewhere(session)
    # Between the two containers is an invisible element, which updates the address. A gap around
    # this element would be visible, so there are no gaps.
    with st.container(gap=None):
        with address_scope("live_controls"):
            choice = choose_model(settings)
        # assets/live.css gives this container no height, so that the page does not move while a
        # model loads.
        progress = st.container(key="live_preparing")
    with choice.settings_container:
        minimum_confidence = _choose_minimum_confidence(choice.bundle)
        smoothing = st.slider(
            "Smoothing",
            0.0,
            MAX_SMOOTHING_SECONDS,
            value=0.4,
            step=0.1,
            format="%.1f s",
            key="live_smoothing",
            persist_state="session",
            help="Seconds over which probabilities and boxes are averaged. Longer is steadier, "
            "shorter reacts faster.",
        )
        is_mirrored = st.toggle(
            "Mirror the picture", value=True, key="live_mirror", persist_state="session"
        )
        overlays = st.pills(
            "Show on the picture",
            list(_OVERLAYS),
            selection_mode="multi",
            default=["shows_boxes", "shows_labels"],
            format_func=lambda name: _OVERLAYS[name],
            key="live_overlays",
            persist_state="session",
        )
    _use_chosen_model(session, choice, settings, progress)
    if session.analyzer is None:
        return
    session.apply(
        LiveControls(
            session.analyzer,
            model=session.names_in_use["model"],
            detector=session.names_in_use["detector"],
            emphasis=session.emphasis,
            minimum_confidence=minimum_confidence / 100,
            smoothing_seconds=smoothing,
            is_mirrored=is_mirrored,
            **{name: name in overlays for name in _OVERLAYS},
        )
    )
    if session.is_waiting_for_model or _values_shown_elsewhere(session) != previous_values:
        st.rerun()


def _values_shown_elsewhere(session: LiveSession) -> tuple[object, ...]:
    """Return the values that the rest of the page shows but does not refresh by itself.

    These are the choices and the message about a problem. While a stream is active, the other parts
    of the page refresh automatically, so the result is empty.
    """
    if session.is_active:
        return ()
    if not session.takes_snapshots or session.processor is None:
        return (session.problem,)
    # The results of a snapshot depend on the model, the detector and the minimum confidence.
    minimum_confidence = session.processor.controls.minimum_confidence
    return session.problem, session.analyzer_key, minimum_confidence


def _choose_minimum_confidence(bundle: Bundle | None) -> int:
    """Draw the slider and return the minimum confidence in percent.

    If the user chooses another model, the slider moves to the value of that model's calibration.
    """
    default = round(100 * (bundle.calibration if bundle else Calibration()).minimum_confidence)
    origin = None if bundle is None else (bundle.name, default)
    if st.session_state.get(_CONFIDENCE_ORIGIN, origin) != origin:
        st.session_state[_CONFIDENCE] = default
    st.session_state[_CONFIDENCE_ORIGIN] = origin
    minimum: int = st.slider(
        "Minimum confidence",
        0,
        100,
        # Streamlit does not allow a default for a widget whose value is in the session state.
        None if _CONFIDENCE in st.session_state else default,
        format="%d %%",
        key=_CONFIDENCE,
        persist_state="session",
        help="Faces whose most probable class has a lower probability are drawn in gray as “not "
        f"sure”, with the two most probable classes. The calibration of this model gives {default} "
        "%, which the other pages use.",
    )
    return minimum


def _use_chosen_model(
    session: LiveSession, choice: ModelChoice, settings: Settings, progress: DeltaGenerator
) -> None:
    """Load and warm up the chosen model and detector, and use them from now on.

    If this fails, ``session.problem`` says why, and the previous model and detector stay in use.

    Args:
        session: The state of the live page.
        choice: The chosen model, emphasis and detector.
        settings: The folders of the app.
        progress: The container of the message that is shown while the model loads.
    """
    bundle, emphasis, detector = choice.bundle, choice.emphasis, choice.detector
    if bundle is None:
        session.problem = None
        if session.analyzer is None:
            st.info(
                "Live needs a model to classify the faces. The message above says how to get one.",
                icon=":material/model_training:",
            )
        return
    key = (*bundle.content_key, emphasis, detector)
    if key == session.analyzer_key:
        session.problem = None
        return
    try:
        with progress, st.spinner("Preparing the model…"):
            analyzer = Analyzer(open_predictor(bundle, emphasis), open_detector(detector, settings))
            # The first call of a model or detector takes many times longer than the following ones.
            frame = np.zeros(_CAMERA_SHAPE, np.uint8)
            analyzer.detect(frame)
            analyzer.classify(frame, [Face(FaceBox(0, 0, 100, 100))])
    except InputError as error:
        session.problem = str(error)
    except Exception as error:
        # An imported network may raise any exception when it classifies its first picture.
        logger.exception("The model %s cannot be used", bundle.name)
        session.problem = (
            f"The model '{bundle.name}' cannot be used ({first_line(error)}); choose another one."
        )
    else:
        session.analyzer, session.analyzer_key, session.problem = analyzer, key, None
        session.names_in_use = {"model": bundle.name, "detector": detector}
        session.emphasis = emphasis
        return
    if session.analyzer is None:
        show_error(session.problem)
