"""The per class tab: metrics with intervals, curves, and the threshold of a yes/no decision."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.charts.evaluation import (
    class_intervals,
    precision_recall_lines,
    roc_lines,
    threshold_lines,
)
from fer_core.charts.evaluation.per_class_charts import METRIC_TITLES
from fer_core.evaluation.per_class import ClassResult
from fer_core.metrics.formatting import UNDEFINED_TEXT, number, number_interval
from fer_core.phrases import capitalized
from fer_studio.ui.charts import show_chart
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.guard import section
from fer_studio.ui.persistent_widgets import persistent_segments, persistent_selectbox
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text

_VIEWS = ("Metrics", "Curves", "Threshold")


@section
def show_per_class(evaluation: LoadedEvaluation) -> None:
    """Show the choice of a view, and the chosen view."""
    view = persistent_segments(
        "View", _VIEWS, key="per_emotion_view", name="view", label_visibility="collapsed"
    )
    if view == "Metrics":
        _show_metrics(evaluation.result.per_class)
    elif view == "Curves":
        _show_curves(evaluation.result.per_class)
    else:
        _show_threshold(evaluation)


def _show_metrics(class_results: tuple[ClassResult, ...]) -> None:
    metric = persistent_segments(
        "Chart",
        list(METRIC_TITLES),
        key="per_emotion_figure",
        name="chart",
        default="f1",
        format_func=lambda name: capitalized(METRIC_TITLES[name]),
        help="Precision: share of correct predictions among the predictions of this class. "
        "Recall: share of the images of this class that are predicted correctly. F1: harmonic "
        "mean of both.",
    )
    values = ", ".join(
        f"{class_result.name} {number(getattr(class_result, metric).value)}"
        for class_result in class_results
    )
    show_chart(
        class_intervals(class_results, metric),
        title=f"{capitalized(METRIC_TITLES[metric])} per class",
        key=f"class_chart_{metric}",
        caption="Points with 95 % bootstrap intervals.",
        alt=f"{METRIC_TITLES[metric]} with 95 % intervals: {values}",
    )
    st.dataframe(
        [
            {
                "Class": class_result.name,
                "F1": class_result.f1.value,
                "F1, 95 %": number_interval(class_result.f1),
                "Precision": class_result.precision.value,
                "Precision, 95 %": number_interval(class_result.precision),
                "Recall": class_result.recall.value,
                "Recall, 95 %": number_interval(class_result.recall),
                "Images": class_result.support,
                "Predicted": class_result.predicted_count,
                "ROC AUC": class_result.auc,
                "Average precision": class_result.average_precision,
            }
            for class_result in class_results
        ],
        hide_index=True,
        height=table_height(len(class_results), maximum=400),
        placeholder=UNDEFINED_TEXT,
        alt="Precision, recall, F1 and their intervals per class",
        column_config={
            "Class": st.column_config.TextColumn(pinned=True, width=90),
            **{
                title: st.column_config.NumberColumn(format="%.3f")
                for title in ("F1", "Precision", "Recall", "ROC AUC", "Average precision")
            },
            "Images": st.column_config.NumberColumn(
                format="localized", help="Number of images of this class (support)."
            ),
            "Predicted": st.column_config.NumberColumn(
                format="localized", help="Number of images predicted as this class."
            ),
        },
    )
    st.caption("Intervals are 95 % bootstrap intervals.")


def _show_curves(class_results: tuple[ClassResult, ...]) -> None:
    st.caption("Click a name in a legend to hide its curve, double-click to show it alone.")
    left, right = st.columns(2)
    areas = ", ".join(
        f"{class_result.name} {number(class_result.auc)}" for class_result in class_results
    )
    with left:
        show_chart(
            roc_lines(class_results),
            title="ROC curves",
            key="roc_chart",
            caption="Each class against the rest. Dashed: chance.",
            alt=f"ROC curves; area under the curve: {areas}",
        )
    averages = ", ".join(
        f"{class_result.name} {number(class_result.average_precision)}"
        for class_result in class_results
    )
    with right:
        show_chart(
            precision_recall_lines(class_results),
            title="Precision-recall curves",
            key="precision_recall_chart",
            caption="Each class against the rest.",
            alt=f"Precision-recall curves; average precision: {averages}",
        )
    undefined = [class_result.name for class_result in class_results if class_result.roc is None]
    if undefined:
        st.caption(
            f"Without a ROC curve: {plain_text(', '.join(undefined))}. The ROC curve of a class "
            "needs images of this class and of others, the precision-recall curve images of this "
            "class."
        )


def _show_threshold(evaluation: LoadedEvaluation) -> None:
    result = evaluation.result
    st.caption(
        "One class as a yes/no decision: the answer is yes if its probability reaches the "
        "threshold, even if another class is more probable."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = persistent_selectbox(
            "Class",
            result.classes,
            key="threshold_emotion",
            name="class",
            # The most frequent class has the smoothest curve.
            default=result.classes[result.majority_class],
            width=180,
        )
        curve = result.threshold_curve(result.classes.index(name))
        best = curve.best_f1_threshold
        threshold = st.slider(
            "Threshold on the probability",
            0,
            100,
            50 if best is None else round(100 * best),
            format="%d %%",
            key=f"threshold_{name}",
            width=420,
        )
    with st.container(horizontal=True):
        # The slider value is also the index: the curves have a value for each threshold from 0 to
        # 100 % in steps of 1 %.
        for title, values in (
            ("Precision", curve.precision),
            ("Recall", curve.recall),
            ("F1", curve.f1),
        ):
            value = float(values[threshold])
            st.metric(
                title,
                number(None if np.isnan(value) else value),
                border=True,
                height="stretch",
                width=150,
            )
    show_chart(
        threshold_lines(curve, name, threshold / 100, result.classes),
        title=f"Precision, recall and F1 of {name} by threshold",
        key=f"threshold_chart_{name}",
        caption=""
        if best is None
        else f"F1 is highest at {100 * best:.0f} % on these images; expect a slightly lower F1 on "
        "new images.",
        alt=f"Precision, recall and F1 of {name} by threshold on its probability",
    )
