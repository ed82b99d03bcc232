"""The tabs of the dataset page."""

from __future__ import annotations

from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.tabs import show_tabs


def show_sections(dataset: LoadedDataset) -> None:
    """Draw the tabs and the content of the selected tab; import only the module of this tab."""
    show_tabs(
        {
            ":material/bar_chart: Overview": _overview,
            ":material/visibility: Browse images": _browsing,
            ":material/search: Audit": _audit,
            ":material/healing: Clean up": _cleaning,
            ":material/how_to_vote: Annotator votes": _votes,
        },
        dataset,
        key="dataset_section",
    )


def _overview(dataset: LoadedDataset) -> None:
    from fer_studio.ui.dataset.overview import show_overview

    show_overview(dataset)


def _browsing(dataset: LoadedDataset) -> None:
    from fer_studio.ui.dataset.browsing import show_browsing

    show_browsing(dataset)


def _audit(dataset: LoadedDataset) -> None:
    from fer_studio.ui.dataset.audit import show_audit

    show_audit(dataset)


def _cleaning(dataset: LoadedDataset) -> None:
    from fer_studio.ui.dataset.cleaning import show_cleaning

    show_cleaning(dataset)


def _votes(dataset: LoadedDataset) -> None:
    from fer_studio.ui.dataset.votes import show_votes

    show_votes(dataset)
