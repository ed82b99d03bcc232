"""Whether probabilities mean what they say, and what saying "unsure" would bring."""

from __future__ import annotations

import streamlit as st

from fer_core.charts.evaluation import coverage_lines, reliability_diagram
from fer_core.errors import InputError
from fer_core.evaluation.calibration import (
    FEWEST_IMAGES,
    CalibrationAssessment,
    CalibrationState,
    assess_calibration,
    calibrate_bundle,
    coverage_at,
    coverage_curve,
)
from fer_studio.ui.access import may_edit, require_editor
from fer_studio.ui.evaluate.subject import Subject, figures_of
from fer_studio.ui.evaluate.words import (
    UNDEFINED,
    number,
    number_interval,
    percent,
    percent_interval,
)
from fer_studio.ui.guard import section
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

_WRITTEN, _FAILED = "temperature_written", "temperature_not_written"


@section
def show_calibration(subject: Subject) -> None:
    """Draw calibration, the temperature and the coverage."""
    figures = figures_of(subject, assess_calibration)
    written = st.session_state.pop(_WRITTEN, None)
    if written is not None:
        st.success(plain_text(written), icon=":material/check:")
    failed = st.session_state.pop(_FAILED, None)
    if failed is not None:
        show_error(failed)
    states = _states(subject, figures)
    left, right = st.columns(2, gap="medium")
    with left:
        name = st.segmented_control(
            "Probabilities",
            list(states),
            default="In force",
            required=True,
            key="calibration_state",
            help="Before: as the network gives them. In force: at the model's temperature, as "
            "analyze and live show them. Cross-fitted: each image at a temperature that was fitted "
            "without it, which is the figure to publish.",
        )
        state = states[name]
        st.plotly_chart(
            reliability_diagram(state),
            key=f"reliability_{name}",
            config={"displayModeBar": False},
            alt=f"Reliability diagram, {name.lower()}: calibration error {number(state.ece.value)}",
        )
    with right:
        _show_errors(states)
        _show_temperature(subject, figures)
    st.header("When the model may say “unsure”")
    _show_coverage(subject)


def _states(subject: Subject, figures: CalibrationAssessment) -> dict[str, CalibrationState]:
    states = {"Before": figures.before, "In force": figures.in_force}
    if figures.cross_fitted is not None:
        states["Cross-fitted"] = figures.cross_fitted
    return states


def _show_errors(states: dict[str, CalibrationState]) -> None:
    st.dataframe(
        [
            {
                "Probabilities": name,
                "Error": state.ece.value,
                "95 %": number_interval(state.ece),
                "By chance": state.ece_by_chance,
                "Temperature": state.temperature,
                "Log loss": state.log_loss,
            }
            for name, state in states.items()
        ],
        hide_index=True,
        placeholder="by fold",
        alt="Expected calibration error before, in force and cross-fitted",
        column_config={
            "Error": st.column_config.NumberColumn(
                format="%.3f",
                help="Expected calibration error over 15 bins of equal count: how far on average "
                "the share of right predictions is from what the model claims.",
            ),
            "By chance": st.column_config.NumberColumn(
                format="%.3f",
                help="What a perfectly calibrated model with these confidences would show on so "
                "many images.",
            ),
            "Temperature": st.column_config.NumberColumn(
                format="%.3f", help="Each fold of the cross-fitting has one of its own."
            ),
            "Log loss": st.column_config.NumberColumn(format="%.3f"),
        },
    )


def _show_temperature(subject: Subject, figures: CalibrationAssessment) -> None:
    reason = _reason_against(subject)
    if reason is not None:
        st.caption(reason)
        return
    st.markdown(
        f"These images give the temperature **{figures.fitted_temperature:.3f}**; in force is "
        f"**{subject.bundle.temperature:.3f}**. Above 1 the model becomes less sure of itself, "
        "below 1 surer; which emotion is the most probable never changes."
    )
    is_same = abs(figures.fitted_temperature - subject.bundle.temperature) < 0.0005
    if is_same:
        st.caption(":material/check: The model has this temperature already.")
    if st.button(
        "Write the temperature into the model…",
        key="write_temperature",
        icon=":material/thermostat:",
        disabled=is_same,
    ):
        _confirm(subject, figures.fitted_temperature)


def _reason_against(subject: Subject) -> str | None:
    """Why no temperature is fitted to these images, in a sentence; None if it can be."""
    if not may_edit():
        return ":material/lock: Writing a temperature into the model is for editors."
    result = subject.result
    if result.split != "validation":
        return "A temperature is fitted on validation images: choose that split to write one."
    if result.n < FEWEST_IMAGES:
        return f"With fewer than {FEWEST_IMAGES} images a temperature is a matter of luck."
    if result.facts.is_demo and not subject.bundle.record.is_demo:
        return "Drawn faces say nothing about how sure the model may be of real ones."
    return None


@st.dialog("Write this temperature?", icon=":material/thermostat:")
def _confirm(subject: Subject, temperature: float) -> None:
    name = plain_text(subject.bundle.name)
    st.write(
        f"The temperature of **{name}** becomes {temperature:.3f} instead of "
        f"{subject.bundle.temperature:.3f}. Every page and command shows its probabilities "
        "accordingly from now on; what is most probable stays as it is."
    )
    with st.container(horizontal=True):
        is_written = st.button(
            "Write it",
            type="primary",
            key="temperature_confirmed",
            on_click=_write,
            args=(subject,),
        )
        # Either closes the dialog; the page then shows the temperature in force.
        if st.button("Leave it", key="temperature_left") or is_written:
            st.rerun()


def _write(subject: Subject) -> None:
    """Write the temperature; what came of it is said on the page, where the dialog is gone."""
    try:
        require_editor()
        bundle = calibrate_bundle(subject.bundle, subject.result)
    except InputError as error:
        st.session_state[_FAILED] = str(error)
    else:
        st.session_state[_WRITTEN] = (
            f"The temperature of {bundle.name} is {bundle.temperature:.3f} from now on."
        )


def _show_coverage(subject: Subject) -> None:
    threshold = st.slider(
        "Unsure below this confidence",
        0,
        100,
        50,
        format="%d %%",
        key="unsure_below",
        width=420,
        help="Below it the model would say that it does not know, instead of an emotion.",
    )
    point = coverage_at(subject.result, threshold / 100)
    with st.container(horizontal=True):
        st.metric(
            "Answers",
            percent(point.coverage),
            delta=f"{point.answered:,} of {subject.result.n:,} images",
            delta_color="off",
            delta_arrow="off",
            border=True,
            width=220,
        )
        st.metric(
            "Right when it answers",
            percent(point.accuracy.value) if point.answered else UNDEFINED,
            delta=percent_interval(point.accuracy) or None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            width=220,
        )
    st.plotly_chart(
        coverage_lines(figures_of(subject, coverage_curve), threshold / 100),
        key="coverage_chart",
        config={"displayModeBar": False},
        alt=f"Unsure below {threshold} %: it answers {percent(point.coverage)} of the images and "
        f"is right on {percent(point.accuracy.value)} of those",
    )
