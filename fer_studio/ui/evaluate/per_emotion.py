"""Each emotion on its own: table, intervals, curves, thresholds."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.charts.evaluation import (
    class_intervals,
    precision_recall_lines,
    roc_lines,
    threshold_lines,
)
from fer_core.charts.evaluation.per_class import FIGURE_TITLES
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.per_class import ClassAssessment, assess_classes, threshold_curve
from fer_studio.ui.evaluate.subject import Subject, figures_of
from fer_studio.ui.evaluate.words import UNDEFINED, number, number_interval
from fer_studio.ui.guard import section

_VIEWS = ("Figures", "Curves", "Threshold")


@section
def show_per_emotion(subject: Subject) -> None:
    """Draw the view that is open."""
    view = st.segmented_control(
        "View",
        _VIEWS,
        default=_VIEWS[0],
        required=True,
        key="per_emotion_view",
        label_visibility="collapsed",
    )
    if view == "Figures":
        _show_figures(figures_of(subject, assess_classes))
    elif view == "Curves":
        _show_curves(figures_of(subject, assess_classes))
    else:
        _show_threshold(subject)


def _show_figures(classes: tuple[ClassAssessment, ...]) -> None:
    name = st.segmented_control(
        "Chart",
        list(FIGURE_TITLES),
        default="f1",
        required=True,
        format_func=lambda name: FIGURE_TITLES[name][:1].upper() + FIGURE_TITLES[name][1:],
        key="per_emotion_figure",
        help="Precision: of what is called so, how much is. Recall: of what is, how much is called "
        "so. F1: their harmonic mean.",
    )
    values = ", ".join(
        f"{EMOTIONS[one.emotion]} {number(getattr(one, name).value)}" for one in classes
    )
    st.plotly_chart(
        class_intervals(classes, name),
        key=f"class_chart_{name}",
        config={"displayModeBar": False},
        alt=f"{FIGURE_TITLES[name]} with its interval: {values}",
    )
    st.dataframe(
        [
            {
                "Emotion": EMOTIONS[one.emotion],
                "F1": one.f1.value,
                "F1, 95 %": number_interval(one.f1),
                "Precision": one.precision.value,
                "Precision, 95 %": number_interval(one.precision),
                "Recall": one.recall.value,
                "Recall, 95 %": number_interval(one.recall),
                "Images": one.support,
                "Predicted": one.predicted_count,
                "ROC area": one.auc,
                "Average precision": one.average_precision,
            }
            for one in classes
        ],
        hide_index=True,
        placeholder=UNDEFINED,
        alt="Precision, recall, F1 and their intervals per emotion",
        column_config={
            "Emotion": st.column_config.TextColumn(pinned=True, width=90),
            **{
                title: st.column_config.NumberColumn(format="%.3f")
                for title in ("F1", "Precision", "Recall", "ROC area", "Average precision")
            },
            "Images": st.column_config.NumberColumn(
                format="localized", help="Images of this emotion: its support."
            ),
            "Predicted": st.column_config.NumberColumn(
                format="localized", help="Images that the model takes for this emotion."
            ),
        },
    )
    st.caption("Intervals are 95 % bootstrap intervals.")


def _show_curves(classes: tuple[ClassAssessment, ...]) -> None:
    st.caption(
        "Each emotion against the rest. Click a name in the legend to hide its curve, click it "
        "twice to see it alone."
    )
    left, right = st.columns(2)
    areas = ", ".join(f"{EMOTIONS[one.emotion]} {number(one.auc)}" for one in classes)
    with left:
        st.markdown("**ROC curves**")
        st.plotly_chart(
            roc_lines(classes),
            key="roc_chart",
            config={"displayModeBar": False},
            alt=f"ROC curves; areas below them: {areas}",
        )
    averages = ", ".join(
        f"{EMOTIONS[one.emotion]} {number(one.average_precision)}" for one in classes
    )
    with right:
        st.markdown("**Precision and recall**")
        st.plotly_chart(
            precision_recall_lines(classes),
            key="precision_recall_chart",
            config={"displayModeBar": False},
            alt=f"Precision-recall curves; average precision: {averages}",
        )
    undefined = [EMOTIONS[one.emotion] for one in classes if one.roc is None]
    if undefined:
        st.caption(
            f"Undefined here, because there is nothing to tell apart: {', '.join(undefined)}."
        )


def _show_threshold(subject: Subject) -> None:
    st.caption(
        "One emotion as a question: is it, or is it not? The answer is yes when its probability "
        "reaches the threshold, whichever emotion is the most probable."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        emotion = st.selectbox(
            "Emotion", EMOTIONS, index=EMOTIONS.index("happy"), key="threshold_emotion", width=180
        )
        index = EMOTIONS.index(emotion)
        curve = figures_of(subject, threshold_curve, index)
        best = curve.best_f1_threshold
        threshold = st.slider(
            "Yes from this probability on",
            0,
            100,
            50 if best is None else round(100 * best),
            format="%d %%",
            key=f"threshold_{emotion}",
            width=420,
        )
    with st.container(horizontal=True):
        for title, values in (
            ("Precision", curve.precision),
            ("Recall", curve.recall),
            ("F1", curve.f1),
        ):
            value = float(values[threshold])
            st.metric(title, number(None if np.isnan(value) else value), border=True, width=150)
    st.plotly_chart(
        threshold_lines(curve, emotion, threshold / 100),
        key=f"threshold_chart_{emotion}",
        config={"displayModeBar": False},
        alt=f"Precision, recall and F1 of {emotion} over the threshold on its probability",
    )
    if best is not None:
        st.caption(
            f"F1 is greatest at {100 * best:.0f} %, on these very images: on others expect a "
            "little less."
        )
