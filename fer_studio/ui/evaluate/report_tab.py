"""The report tab: downloads of the evaluation, and the model card."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import streamlit as st

from fer_core.charts.evaluation import report_figures
from fer_core.errors import InputError
from fer_core.evaluation.model_comparison import Comparison
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.tables import classes_csv, evaluation_document, predictions_csv
from fer_core.model_card import write_evaluation_card
from fer_core.report.html import data_title, html_report, report_bibtex, training_counts
from fer_core.report.latex import latex_tables
from fer_core.training.registry import bundle_epochs
from fer_studio.ui.access import may_edit, require_editor
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.evaluate.comparison_tab import last_comparison
from fer_studio.ui.evaluate.evaluations import LoadedEvaluation
from fer_studio.ui.evaluate.robustness_tab import measured_robustness, quality_slicings
from fer_studio.ui.guard import section
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: Session key of the toggle that includes faces in the report.
_FACES = "report_faces"


@section
def show_report(evaluation: LoadedEvaluation) -> None:
    """Show the downloads and the model card."""
    stem = _file_stem(evaluation)
    comparison = last_comparison(evaluation.key)
    st.markdown(
        "**The complete evaluation as one HTML file**: metrics, tables, charts, a methods section, "
        "warnings and limits. It opens in any browser without internet access and prints on A4. "
        "The camera button of a chart saves the chart as SVG."
    )
    includes_faces = False
    if evaluation.faces is not None:
        includes_faces = st.toggle(
            "Include the faces of the largest errors",
            value=True,
            key=_FACES,
            persist_state="session",
            help="The faces become part of the file. Leave them out if you may not pass on the "
            "images.",
        )
        if not measured_robustness(evaluation):
            st.caption("To include robustness curves, measure them in the tab Robustness first.")
    offer_download(
        "Report",
        lambda: _html(evaluation, comparison, includes_faces=includes_faces),
        f"{stem}.html",
        key="download_report",
        is_primary=True,
    )
    st.markdown("**For papers**")
    with st.container(horizontal=True):
        offer_download(
            "Tables as LaTeX",
            lambda: latex_tables(evaluation.result, data_title(evaluation.result)),
            f"{stem}.tex",
            key="download_latex",
            hint="Overall metrics, metrics per class and confusion matrix; they need the LaTeX "
            "package booktabs.",
        )
        offer_download(
            "References as BibTeX",
            lambda: report_bibtex(evaluation.result, evaluation.bundle, comparison),
            f"{stem}.bib",
            key="download_bibtex",
            hint="The works that the methods section of the report cites.",
        )
    st.markdown("**For other programs**")
    with st.container(horizontal=True):
        offer_download(
            "Predictions as CSV",
            lambda: predictions_csv(evaluation.result),
            f"{stem}-predictions.csv",
            key="download_predictions",
            hint="One line per image: name, true and predicted class, all probabilities.",
        )
        offer_download(
            "Metrics per class as CSV",
            lambda: classes_csv(evaluation.result),
            f"{stem}-emotions.csv",
            key="download_classes",
            hint="Precision, recall and F1 with intervals; undefined values are empty.",
        )
        offer_download(
            "Complete evaluation as JSON",
            lambda: json.dumps(_document(evaluation), indent=2) + "\n",
            f"{stem}.json",
            key="download_json",
            hint="The same content as the file of the command "
            "'python -m fer_core evaluate --assessment FILE.json'.",
        )
    if may_edit():
        _show_card(evaluation)


def _detailed(evaluation: LoadedEvaluation) -> EvaluationResult:
    """Return the result with the accuracy by image quality, and with robustness if measured.

    This result is cached, because several downloads need it.
    """
    robustness = measured_robustness(evaluation)
    # The number of images changes when robustness is measured on a larger sample.
    key = (evaluation.key, len(robustness), sum(curve.n for curve in robustness))
    return _cached_details(key, evaluation)


@st.cache_resource(max_entries=4, show_spinner=False)
def _cached_details(key: tuple[str, int, int], _evaluation: LoadedEvaluation) -> EvaluationResult:
    return replace(
        _evaluation.result,
        slicings=quality_slicings(_evaluation),
        robustness=measured_robustness(_evaluation),
    )


def _html(
    evaluation: LoadedEvaluation, comparison: Comparison | None, *, includes_faces: bool
) -> str:
    result = _detailed(evaluation)
    figures = report_figures(
        result,
        training_counts=training_counts(evaluation.bundle),
        epochs=bundle_epochs(evaluation.bundle.folder),
        comparison=comparison,
    )
    return html_report(
        result,
        evaluation.bundle,
        figures,
        votes=evaluation.votes,
        images=evaluation.faces.images if includes_faces and evaluation.faces is not None else None,
        comparison=comparison,
    )


def _document(evaluation: LoadedEvaluation) -> dict[str, Any]:
    """Return the content of the JSON file.

    If votes define the true classes, it includes the comparison with the annotators.
    """
    document = evaluation_document(_detailed(evaluation))
    if evaluation.votes is not None:
        document["votes"] = evaluation.votes.to_json()
    return document


def _file_stem(evaluation: LoadedEvaluation) -> str:
    result = evaluation.result
    name = f"{evaluation.bundle.name}-on-{result.dataset_name or 'own'}-{result.split}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def _show_card(evaluation: LoadedEvaluation) -> None:
    st.markdown("**Model card**")
    st.caption(
        f"Writes these metrics into the model card of {plain_text(evaluation.bundle.name)}. They "
        "replace earlier metrics on the same images; the rest of the card is kept."
    )
    if st.button("Write the model card", icon=":material/badge:", key="write_card"):
        try:
            require_editor()
            path = write_evaluation_card(evaluation.bundle, _document(evaluation))
        except InputError as error:
            show_error(error)
        else:
            st.success(plain_text(f"Written to {path}."), icon=":material/check:")
            with st.expander("Show the card", icon=":material/article:"):
                st.markdown(path.read_text(encoding="utf-8"))
