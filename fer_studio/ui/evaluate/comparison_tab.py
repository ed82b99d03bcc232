"""The compare tab: two models on the same images."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import streamlit as st
from numpy import intp
from numpy.typing import NDArray

from fer_core.bundle import Bundle, list_bundles
from fer_core.charts.evaluation import difference_intervals
from fer_core.evaluation.model_comparison import Comparison, compare
from fer_core.metrics.formatting import UNDEFINED_TEXT, number, percent
from fer_studio.ui.charts import show_chart
from fer_studio.ui.choices import bundle_title
from fer_studio.ui.evaluate.annotator_votes import against_votes, vote_counts
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation, stored_evaluation
from fer_studio.ui.evaluate.faces import show_images
from fer_studio.ui.guard import section
from fer_studio.ui.jobs import show_progress
from fer_studio.ui.metrics import METRIC_HEIGHT, metric_grid
from fer_studio.ui.persistent_widgets import persistent_segments, persistent_selectbox
from fer_studio.ui.text import plain_text

#: Session key of a tuple: the key of the first model's evaluation, and the comparison that was
#: shown most recently.
_LAST = "last_comparison"


@section
def show_comparison(evaluation: LoadedEvaluation) -> None:
    """Show the choice of the second model and the comparison."""
    other_bundles = {
        bundle.name: bundle
        for bundle in list_bundles(evaluation.settings)
        if bundle.name != evaluation.bundle.name
    }
    if not other_bundles:
        st.info(
            "There is only one model: train or import a second one to compare them.",
            icon=":material/compare_arrows:",
        )
        return
    name = persistent_selectbox(
        "Compare with",
        list(other_bundles),
        key="compared_model",
        name="second",
        noun="second model",
        is_always_shown=True,
        format_func=lambda name: bundle_title(other_bundles[name]),
        width=330,
        help="The second model. It is evaluated on the same images.",
    )
    second = _second_evaluation(evaluation, other_bundles[name])
    if second is not None and evaluation.votes is not None:
        second = _second_against_votes(second)
    if second is not None:
        comparison = _cached_comparison(evaluation.key, second.key, evaluation, second)
        st.session_state[_LAST] = (evaluation.key, comparison)
        _show(evaluation, second, comparison)


def last_comparison(key: str) -> Comparison | None:
    """Return the most recently shown comparison if its first evaluation has this key.

    Otherwise, return None.

    Args:
        key: The key of an evaluation.
    """
    first_key, comparison = st.session_state.get(_LAST, ("", None))
    return comparison if first_key == key else None


def _second_evaluation(first: LoadedEvaluation, bundle: Bundle) -> LoadedEvaluation | None:
    """Return the evaluation of the second model on the same images.

    If the second model is not evaluated yet, show a button or the progress, and return None.

    Raises:
        InputError: The evaluation failed, or is impossible.
    """
    if first.request is None:
        # ``compare`` raises an error if these stored predictions are for other images.
        return stored_evaluation(bundle, first.settings)
    request = replace(first.request, bundle=bundle)
    job = request.unfinished_job()
    if job is not None:
        show_progress(job, stop_key="stop_other_evaluation")
        return None
    if request.has_failed and st.button(
        "Try again", icon=":material/refresh:", key="evaluate_other_again"
    ):
        request.forget_failure()
        request.start()
        st.rerun()
    # If the evaluation failed, this raises its error, which is shown below the button.
    second = request.finished_evaluation()
    if second is None and st.button(
        f"Evaluate {plain_text(bundle.name)} on the same {first.result.n:,} images",
        type="primary",
        icon=":material/play_arrow:",
        key="evaluate_other",
    ):
        request.start()
        st.rerun()
    return second


def _second_against_votes(second: LoadedEvaluation) -> LoadedEvaluation | None:
    """Return the second evaluation against votes.

    If the second model has no votes for its images, show a hint and return None.
    """
    counts = vote_counts(second)
    if counts is None:
        st.info(
            f"{plain_text(second.bundle.name)} stores no annotator votes: choose a dataset "
            "with votes at the top of the page, or compare with the labels.",
            icon=":material/how_to_vote:",
        )
        return None
    return against_votes(second, counts)


@st.cache_resource(max_entries=8, show_spinner=False)
def _cached_comparison(
    first_key: str, second_key: str, _first: LoadedEvaluation, _second: LoadedEvaluation
) -> Comparison:
    return compare(_first.result, _second.result)


def _show(first: LoadedEvaluation, second: LoadedEvaluation, comparison: Comparison) -> None:
    st.info(plain_text(comparison.sentence), icon=":material/balance:")
    with metric_grid(6):
        st.metric(
            "Accuracy, first model",
            percent(comparison.first_accuracy),
            border=True,
            height=METRIC_HEIGHT,
        )
        st.metric(
            "Accuracy, second model",
            percent(comparison.second_accuracy),
            border=True,
            height=METRIC_HEIGHT,
        )
        st.metric("Both correct", f"{comparison.both_correct:,}", border=True, height=METRIC_HEIGHT)
        st.metric(
            "Only first correct", f"{comparison.only_first:,}", border=True, height=METRIC_HEIGHT
        )
        st.metric(
            "Only second correct", f"{comparison.only_second:,}", border=True, height=METRIC_HEIGHT
        )
        st.metric("Both wrong", f"{comparison.both_wrong:,}", border=True, height=METRIC_HEIGHT)
    st.caption(
        f"First model: {plain_text(comparison.first_name)}. Second model: "
        f"{plain_text(comparison.second_name)}. McNemar's test ({comparison.test}) uses the images "
        "that exactly one of the models classifies correctly."
    )
    _show_classes(comparison)
    _show_examples(first, second, comparison)


def _show_classes(comparison: Comparison) -> None:
    metric: Literal["f1", "recall"] = persistent_segments(
        "Difference in",
        ("f1", "recall"),
        key="compared_figure",
        name="difference",
        noun="difference",
        format_func=lambda name: {"f1": "F1", "recall": "Recall"}[name],
    )
    differences = {
        class_comparison.name: class_comparison.recall_difference
        if metric == "recall"
        else class_comparison.f1_difference
        for class_comparison in comparison.per_class
    }
    show_chart(
        difference_intervals(comparison, metric),
        title=f"Difference in {'F1' if metric == 'f1' else 'recall'} per class",
        key=f"difference_{metric}",
        caption=f"{comparison.second_name} minus {comparison.first_name}, with 95 % intervals.",
        alt="Second model minus first model: "
        + ", ".join(
            f"{name} {number(difference.value)}" for name, difference in differences.items()
        ),
    )
    with st.expander("Show as table", icon=":material/table:"):
        st.dataframe(
            [
                {
                    "Class": class_comparison.name,
                    "Images": class_comparison.support,
                    "First F1": class_comparison.first_f1,
                    "Second F1": class_comparison.second_f1,
                    "Difference in F1": class_comparison.f1_difference.value,
                    "First recall": class_comparison.first_recall,
                    "Second recall": class_comparison.second_recall,
                    "Difference in recall": class_comparison.recall_difference.value,
                }
                for class_comparison in comparison.per_class
            ],
            hide_index=True,
            placeholder=UNDEFINED_TEXT,
            alt="F1 and recall of both models per class",
            column_config={
                **{
                    title: st.column_config.NumberColumn(format="%.3f")
                    for title in ("First F1", "Second F1", "First recall", "Second recall")
                },
                **{
                    title: st.column_config.NumberColumn(format="%+.3f")
                    for title in ("Difference in F1", "Difference in recall")
                },
            },
        )


def _show_examples(
    first: LoadedEvaluation, second: LoadedEvaluation, comparison: Comparison
) -> None:
    # Each group is shown with the predictions of a model that misclassifies its images. The
    # positions of the images refer to the evaluation of this model.
    groups: dict[str, tuple[LoadedEvaluation, NDArray[intp]]] = {
        "Only first correct": (second, comparison.only_first_positions),
        "Only second correct": (first, comparison.only_second_positions),
        "Both wrong": (first, comparison.both_wrong_positions),
    }
    title = persistent_segments(
        "Examples",
        list(groups),
        key="compared_examples",
        name="examples",
        noun="kind of examples",
        format_func=lambda title: f"{title} ({len(groups[title][1]):,})",
    )
    evaluation, positions = groups[title]
    if not len(positions):
        st.info("There are no such images.", icon=":material/search_off:")
        return
    st.caption(f"The predictions are those of {plain_text(evaluation.bundle.name)}.")
    show_images(evaluation, positions, key="compared")
