"""The summary tab: overall metrics with intervals and reference values."""

from __future__ import annotations

import math

import streamlit as st

from fer_core.charts.evaluation import summary_intervals
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics.formatting import percent
from fer_studio.ui.charts import show_chart
from fer_studio.ui.evaluate.annotators_section import show_annotators
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.metric_cards import show_number, show_share
from fer_studio.ui.guard import section
from fer_studio.ui.metrics import metric_grid
from fer_studio.ui.text import plain_text


@section
def show_summary(evaluation: LoadedEvaluation) -> None:
    """Show overall metrics, warnings, a chart, and the annotator agreement if votes are used."""
    result = evaluation.result
    _show_metrics(result)
    _show_warnings(result)
    show_chart(
        summary_intervals(result),
        title="Accuracy with 95 % intervals",
        key="summary_chart",
        caption=_explanation(result),
        alt=f"Accuracy {percent(result.accuracy.value)}, balanced accuracy "
        f"{percent(result.balanced_accuracy.value)} and top-2 accuracy "
        f"{percent(result.top2_accuracy.value)} with their intervals",
    )
    if evaluation.votes is not None:
        show_annotators(evaluation.votes)


def _show_warnings(result: EvaluationResult) -> None:
    """Show the warnings in small lines, because badges show the most important ones already."""
    if result.warnings:
        st.markdown(
            "  \n".join(
                f":orange[:material/warning:] :small[{plain_text(warning)}]"
                for warning in result.warnings
            )
        )


def _show_metrics(result: EvaluationResult) -> None:
    # No image of train is leak-free, so the metric is omitted for this split.
    leak_free_accuracy = None if result.split == "train" else result.leak_free_accuracy
    with metric_grid(5 if leak_free_accuracy is None else 6):
        show_share(
            "Accuracy",
            result.accuracy,
            "Share of correctly classified images.",
        )
        if leak_free_accuracy is not None:
            show_share(
                "Leak-free accuracy",
                leak_free_accuracy,
                f"Accuracy on the {result.leak_free_n:,} images that are not in train and have no "
                "copy there, whatever the label of the copy. "
                f"{result.n - (result.leak_free_n or 0):,} images are left out; "
                f"{result.near_duplicate_count or 0:,} of them have only a near-duplicate in train "
                "(the same photo with other pixels).",
            )
        show_number(
            "Macro F1",
            result.macro_f1,
            "Mean F1 over the classes, each with the same weight.",
        )
        show_share(
            "Balanced accuracy",
            result.balanced_accuracy,
            "Mean recall over the classes that occur.",
        )
        show_number(
            "Log loss",
            result.log_loss,
            "Mean cross-entropy after temperature scaling, natural logarithm. Lower is better; "
            f"equal probabilities for all {len(result.classes)} classes give "
            f"{math.log(len(result.classes)):.3f}.",
        )
        show_share(
            "Top-2 accuracy",
            result.top2_accuracy,
            "Share of images whose true class is one of the two most probable classes.",
        )


def _explanation(result: EvaluationResult) -> str:
    sentences = [
        # If the page shows warnings about seen images, they contain the numbers of seen.summary.
        *([] if result.seen is None or result.seen.warnings else [result.seen.summary]),
        "Intervals are 95 % bootstrap intervals.",
        "The majority-class baseline, which always predicts "
        f"{result.classes[result.majority_class]}, reaches {percent(result.baseline_accuracy)}.",
    ]
    if result.human_accuracy is not None:
        sentences.append("Human accuracy on FER2013 is 65 ± 5 % (Goodfellow et al., 2013).")
    if result.leak_free_accuracy is None:
        sentences.append(
            "For these stored predictions, it is unknown which images also appear in train: choose "
            "the dataset to see the leak-free accuracy."
        )
    return " ".join(sentences)
