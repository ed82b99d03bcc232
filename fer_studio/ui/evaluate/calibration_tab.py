"""The calibration tab: reliability, temperature scaling, and accuracy by minimum confidence."""

from __future__ import annotations

import streamlit as st

from fer_core.charts.evaluation import coverage_lines, reliability_diagram
from fer_core.evaluation.calibration_analysis import (
    MIN_IMAGES,
    CalibrationAnalysis,
    CalibrationState,
)
from fer_core.evaluation.temperature_scaling import calibrate_bundle
from fer_core.metrics.formatting import number, number_interval, percent
from fer_studio.ui.access import may_edit, require_editor, rerun_if_refused
from fer_studio.ui.charts import show_chart
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.metric_cards import show_share
from fer_studio.ui.guard import section
from fer_studio.ui.messages import ErrorKeeper
from fer_studio.ui.persistent_widgets import persistent_segments, persistent_slider
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text

_CALIBRATED = "Calibrated"
#: The session key of the message that the temperature was saved, and the keeper of the error if
#: saving failed.
_SUCCESS, _SAVE_ERROR = "temperature_written", ErrorKeeper("temperature_not_written")


@section
def show_calibration(evaluation: LoadedEvaluation) -> None:
    """Show calibration, temperature and coverage."""
    success = st.session_state.pop(_SUCCESS, None)
    if success is not None:
        st.success(plain_text(success), icon=":material/check:")
    _SAVE_ERROR.show()
    states = _states_by_title(evaluation.result.calibration)
    # The table on the right needs more space than the square chart.
    left, right = st.columns((0.45, 0.55), gap="medium")
    with left:
        name = persistent_segments(
            "Probabilities",
            list(states),
            key="calibration_state",
            name="probabilities",
            noun="kind of probabilities",
            default=_CALIBRATED,
            help="Uncalibrated: before temperature scaling. Calibrated: at the temperature of the "
            "model, as all pages show them. Cross-validated: the temperature for each image is "
            "fitted on other images; report these values, because they are not too optimistic.",
        )
        state = states[name]
        show_chart(
            reliability_diagram(state),
            title=f"Reliability diagram, {name.lower()}",
            key=f"reliability_{name}",
            caption="Bins of equal count with Wilson's 95 % intervals. Dashed: perfect "
            "calibration.",
            alt=f"Reliability diagram, {name.lower()}: ECE {number(state.ece.value)}",
        )
    with right:
        _show_calibration_errors(states)
        _show_temperature(evaluation)
    st.header("Accuracy by minimum confidence")
    _show_coverage(evaluation)


def _states_by_title(calibration: CalibrationAnalysis) -> dict[str, CalibrationState]:
    states = {"Uncalibrated": calibration.uncalibrated, _CALIBRATED: calibration.calibrated}
    if calibration.cross_validated is not None:
        states["Cross-validated"] = calibration.cross_validated
    return states


def _show_calibration_errors(states: dict[str, CalibrationState]) -> None:
    st.dataframe(
        [
            {
                "Probabilities": name,
                "ECE": state.ece.value,
                "ECE, 95 %": number_interval(state.ece),
                "By chance": state.ece_by_chance,
                "Temperature": state.temperature,
                "Log loss": state.log_loss,
            }
            for name, state in states.items()
        ],
        hide_index=True,
        height=table_height(len(states), maximum=200),
        placeholder="per fold",
        alt="Expected calibration error uncalibrated, calibrated and cross-validated",
        column_config={
            "ECE": st.column_config.NumberColumn(
                format="%.3f",
                help="Expected calibration error over 15 bins of equal count: mean difference "
                "between accuracy and confidence.",
            ),
            "By chance": st.column_config.NumberColumn(
                format="%.3f",
                help="ECE that a perfectly calibrated model with these confidences would show on "
                "this number of images.",
            ),
            "Temperature": st.column_config.NumberColumn(
                format="%.3f", help="Each fold of the cross-validation has its own temperature."
            ),
            "Log loss": st.column_config.NumberColumn(
                format="%.3f", help="Mean cross-entropy, natural logarithm. Lower is better."
            ),
        },
    )


def _show_temperature(evaluation: LoadedEvaluation) -> None:
    reason = _reason_not_to_save(evaluation)
    if reason is not None:
        # This is not a caption, because code in a caption would have too little contrast.
        st.markdown(f":small[{reason}]")
        return
    fitted, current = (
        evaluation.result.calibration.fitted_temperature,
        evaluation.bundle.temperature,
    )
    st.markdown(
        f"Temperature fitted on these images: **{fitted:.3f}**. Current temperature of the model: "
        f"**{current:.3f}**. A value above 1 lowers the confidence, a value below 1 raises it; the "
        "predicted class never changes."
    )
    # Temperatures that are equal with three decimals, as shown above, count as the same.
    is_same = abs(fitted - current) < 0.0005
    if is_same:
        st.caption(":material/check: The model already uses this temperature.")
    if st.button(
        "Save the temperature to the model…",
        key="write_temperature",
        icon=":material/thermostat:",
        disabled=is_same,
    ):
        _confirm_saving(evaluation, fitted)


def _reason_not_to_save(evaluation: LoadedEvaluation) -> str | None:
    """Return why the temperature fitted on these images cannot be saved; None if it can."""
    record, result = evaluation.bundle.record, evaluation.result
    reasons = (
        (not may_edit(), ":material/lock: Only editors can save a temperature to the model."),
        (
            record.learned_votes,
            "This model learned annotator votes. To fit its temperature to votes, use the command "
            "`python -m fer_core evaluate --against votes --calibrate`.",
        ),
        (
            result.has_vote_labels,
            'This model learned labels. To fit a temperature, select "Against labels" above.',
        ),
        (
            result.split != "validation",
            "A temperature is fitted on validation images. To save a temperature, select the "
            "validation split above.",
        ),
        (result.n < MIN_IMAGES, f"At least {MIN_IMAGES} images are needed to fit a temperature."),
        (
            result.facts.is_demo and not record.is_demo,
            "A temperature for real faces cannot be fitted on drawn faces.",
        ),
    )
    return next((reason for applies, reason in reasons if applies), None)


@st.dialog("Save this temperature?", icon=":material/thermostat:")
def _confirm_saving(evaluation: LoadedEvaluation, temperature: float) -> None:
    rerun_if_refused("evaluate")
    st.write(
        f"The temperature of **{plain_text(evaluation.bundle.name)}** changes from "
        f"{evaluation.bundle.temperature:.3f} to {temperature:.3f}. All pages and commands will "
        "show its probabilities at this temperature. The default minimum confidence, below which "
        "a face is shown as “not sure”, is fitted again, too. The predicted classes do not change."
    )
    with st.container(horizontal=True):
        is_saved = st.button(
            "Save",
            type="primary",
            key="temperature_confirmed",
            on_click=_save,
            args=(evaluation,),
        )
        # Both buttons rerun the page, which closes the dialog and shows the current temperature.
        if st.button("Cancel", key="temperature_cancelled") or is_saved:
            st.rerun()


def _save(evaluation: LoadedEvaluation) -> None:
    """Save the temperature; the outcome is shown on the page after the dialog has closed."""
    with _SAVE_ERROR:
        require_editor()
        bundle = calibrate_bundle(evaluation.bundle, evaluation.result)
        st.session_state[_SUCCESS] = (
            f"The temperature of {bundle.name} is now {bundle.temperature:.3f}."
        )


def _show_coverage(evaluation: LoadedEvaluation) -> None:
    threshold = persistent_slider(
        "Minimum confidence",
        0,
        100,
        key="minimum_confidence_percent",
        name="minimum",
        default=50,
        format="%d %%",
        width=420,
        help="Predictions with a lower confidence are rejected.",
    )
    result = evaluation.result
    point = result.coverage_at(threshold / 100)
    with st.container(horizontal=True):
        st.metric(
            "Accepted predictions",
            percent(point.coverage),
            delta=f"{point.accepted_count:,} of {result.n:,} images",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
            width=220,
            help="Share of the images that reach the minimum confidence (coverage).",
        )
        show_share("Accuracy when accepted", point.accuracy, width=220)
    show_chart(
        coverage_lines(result.coverage, threshold / 100),
        title="Accuracy and coverage by minimum confidence",
        key="coverage_chart",
        alt=f"Minimum confidence {threshold} %: {percent(point.coverage)} of the predictions are "
        f"accepted, with an accuracy of {percent(point.accuracy.value)}",
    )
