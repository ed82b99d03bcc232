"""What can be taken away: the report, tables, JSON, and the model's card."""

from __future__ import annotations

import json
import re

import streamlit as st

from fer_core.charts.evaluation import report_figures
from fer_core.errors import InputError
from fer_core.evaluation.assessment import Assessment, assess
from fer_core.evaluation.tables import assessment_document, classes_csv, predictions_csv
from fer_core.model_card import write_evaluation_card
from fer_core.report.html import html_report
from fer_studio.ui.access import may_edit, require_editor
from fer_studio.ui.evaluate.conditions import measured_robustness
from fer_studio.ui.evaluate.subject import Subject
from fer_studio.ui.guard import section
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text


@section
def show_downloads(subject: Subject) -> None:
    """Draw the downloads and the card."""
    robustness = measured_robustness(subject)
    stem = _file_stem(subject)
    st.markdown(
        "**The whole evaluation as one HTML file**: figures, tables, warnings and limits, with the "
        "charts inside. It opens in any browser and needs no internet. Point at a chart in it and "
        "click its camera sign to save the chart as SVG, for a thesis or slides."
    )
    if subject.faces is not None and not robustness:
        st.caption("To have robustness curves in it, measure them under Conditions first.")
    st.download_button(
        "Report",
        lambda: _html(subject),
        f"{stem}.html",
        "text/html",
        key="download_report",
        icon=":material/description:",
        on_click="ignore",
        type="primary",
    )
    st.markdown("**For other programs**")
    with st.container(horizontal=True):
        st.download_button(
            "Predictions as CSV",
            lambda: predictions_csv(subject.result),
            f"{stem}-predictions.csv",
            "text/csv",
            key="download_predictions",
            icon=":material/table:",
            on_click="ignore",
            help="One line per image: name, true and predicted emotion, all seven probabilities.",
        )
        st.download_button(
            "Figures per emotion as CSV",
            lambda: classes_csv(_assessment(subject)),
            f"{stem}-emotions.csv",
            "text/csv",
            key="download_classes",
            icon=":material/table:",
            on_click="ignore",
            help="Precision, recall and F1 with intervals; what is undefined is empty.",
        )
        st.download_button(
            "Everything as JSON",
            lambda: json.dumps(assessment_document(_assessment(subject)), indent=2) + "\n",
            f"{stem}.json",
            "application/json",
            key="download_json",
            icon=":material/data_object:",
            on_click="ignore",
            help="The same as 'python -m fer_core evaluate --assessment' writes.",
        )
    if may_edit():
        _show_card(subject)


def _assessment(subject: Subject) -> Assessment:
    robustness = measured_robustness(subject)
    return _assess((subject.key, len(robustness), sum(one.n for one in robustness)), subject)


@st.cache_resource(max_entries=4, show_spinner=False)
def _assess(key: tuple[str, int, int], _subject: Subject) -> Assessment:
    return assess(_subject.result, _subject.faces, measured_robustness(_subject))


def _html(subject: Subject) -> str:
    assessment = _assessment(subject)
    return html_report(assessment, subject.bundle, report_figures(assessment))


def _file_stem(subject: Subject) -> str:
    result = subject.result
    words = f"{subject.bundle.name}-on-{result.dataset_name or 'own'}-{result.split}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words)


def _show_card(subject: Subject) -> None:
    name = plain_text(subject.bundle.name)
    st.markdown("**The model card**")
    st.caption(
        f"Writes these figures into the card of {name}, where they replace earlier ones of the "
        "same images; what else stands in the card is kept."
    )
    if st.button("Write the model card", icon=":material/badge:", key="write_card"):
        try:
            require_editor()
            path = write_evaluation_card(subject.bundle, assessment_document(_assessment(subject)))
        except InputError as error:
            show_error(error)
        else:
            st.success(plain_text(f"Written to {path}."), icon=":material/check:")
            with st.expander("Read it", icon=":material/article:"):
                st.markdown(path.read_text(encoding="utf-8"))
