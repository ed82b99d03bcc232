"""The tabs of a finished evaluation."""

from __future__ import annotations

import streamlit as st

from fer_core.evaluation.result import EvaluationResult
from fer_core.phrases import counted
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.tabs import show_tabs
from fer_studio.ui.text import plain_text


def show_sections(evaluation: LoadedEvaluation) -> None:
    """Show the title line, the tabs, and the content of the open tab."""
    _show_title(evaluation)
    show_tabs(
        {
            ":material/speed: Summary": _summary,
            ":material/bar_chart: Per class": _per_class,
            ":material/grid_on: Confusion matrix": _confusion,
            ":material/sentiment_stressed: Mistakes": _mistakes,
            ":material/balance: Calibration": _calibration,
            ":material/blur_on: Robustness": _robustness,
            ":material/compare_arrows: Compare": _comparison,
            ":material/description: Report": _report,
        },
        evaluation,
        key="evaluate_section",
    )


def _show_title(evaluation: LoadedEvaluation) -> None:
    """Show the model, the data and the number of images, with badges.

    The badges say whether the images are test images, whether the model has seen them in its
    training, and whether they are drawings instead of photos.
    """
    facts = evaluation.result.facts
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{plain_text(evaluation.bundle.name)}** on {plain_text(evaluation.data_title)}: "
            f"{counted(evaluation.result.n, 'image')}"
        )
        if facts.is_test:
            st.badge("Test images", icon=":material/lock_open:", color="orange")
        for title, is_unseen in _seen_badges(evaluation.result):
            icon = ":material/verified:" if is_unseen else ":material/warning:"
            st.badge(title, icon=icon, color="green" if is_unseen else "orange")
        if facts.is_demo:
            st.badge("Demo: not real faces", icon=":material/draw:", color="orange")


def _seen_badges(result: EvaluationResult) -> list[tuple[str, bool]]:
    """Return the badges that say whether the model has seen the images in its training.

    Returns:
        For each badge, its title and a flag. The flag is True if the model has seen none of the
        images. Otherwise the badge is a warning.
    """
    seen = result.seen
    if seen is None:
        # The predictions stored in a model are those for its validation images.
        return [("Its validation images", False)] if result.dataset_name is None else []
    if seen.is_unseen.all():
        return [("Unseen images", True)] if seen.is_complete else []
    masks = {
        # The weights of the starting model initialized the training, so the model has also learned
        # from the training images of its starting model.
        "training images": seen.is_train | seen.is_train_of_starting_model,
        "validation images": seen.is_validation,
    }
    badges = [
        (f"{'Its' if mask.all() else 'Includes its'} {name}", False)
        for name, mask in masks.items()
        if mask.any()
    ]
    if seen.is_copy.any():
        badges.append(("Includes copies of training images", False))
    return badges


# The module of a tab is imported when the tab is opened, so that the page starts without Plotly and
# SciPy.


def _summary(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.summary_tab import show_summary

    show_summary(evaluation)


def _per_class(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.per_class_tab import show_per_class

    show_per_class(evaluation)


def _confusion(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.confusion_tab import show_confusion

    show_confusion(evaluation)


def _mistakes(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.mistakes_tab import show_mistakes

    show_mistakes(evaluation)


def _calibration(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.calibration_tab import show_calibration

    show_calibration(evaluation)


def _robustness(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.robustness_tab import show_robustness

    show_robustness(evaluation)


def _comparison(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.comparison_tab import show_comparison

    show_comparison(evaluation)


def _report(evaluation: LoadedEvaluation) -> None:
    from fer_studio.ui.evaluate.report_tab import show_report

    show_report(evaluation)
