"""The sections of an open dataset, of which only the open one is computed."""

from __future__ import annotations

import streamlit as st

from ui.datasets import OpenDataset


def show_sections(dataset: OpenDataset) -> None:
    """Draw the tabs and what is in the open one."""
    overview, look, audit, remedies, votes = st.tabs(
        [
            ":material/bar_chart: Overview",
            ":material/visibility: Look",
            ":material/search: Audit",
            ":material/healing: Remedies",
            ":material/how_to_vote: Votes",
        ],
        key="dataset_section",
        on_change="rerun",
    )
    if look.open:
        from ui.dataset.look import show_look

        with look:
            show_look(dataset)
    elif audit.open:
        from ui.dataset.audit import show_audit

        with audit:
            show_audit(dataset)
    elif remedies.open:
        from ui.dataset.remedies import show_remedies

        with remedies:
            show_remedies(dataset)
    elif votes.open:
        from ui.dataset.votes import show_votes

        with votes:
            show_votes(dataset)
    else:
        from ui.dataset.overview import show_overview

        with overview:
            show_overview(dataset)
