"""The sections of an open dataset."""

from __future__ import annotations

from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.tabs import show_tabs


def show_sections(dataset: OpenDataset) -> None:
    """Draw the tabs and what is in the open one."""
    show_tabs(
        {
            ":material/bar_chart: Overview": _overview,
            ":material/visibility: Look": _look,
            ":material/search: Audit": _audit,
            ":material/healing: Remedies": _remedies,
            ":material/how_to_vote: Votes": _votes,
        },
        dataset,
        key="dataset_section",
    )


def _overview(dataset: OpenDataset) -> None:
    from fer_studio.ui.dataset.overview import show_overview

    show_overview(dataset)


def _look(dataset: OpenDataset) -> None:
    from fer_studio.ui.dataset.browsing import show_browsing

    show_browsing(dataset)


def _audit(dataset: OpenDataset) -> None:
    from fer_studio.ui.dataset.audit import show_audit

    show_audit(dataset)


def _remedies(dataset: OpenDataset) -> None:
    from fer_studio.ui.dataset.cleaning import show_cleaning

    show_cleaning(dataset)


def _votes(dataset: OpenDataset) -> None:
    from fer_studio.ui.dataset.votes import show_votes

    show_votes(dataset)
