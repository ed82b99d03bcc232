"""The decorator of the dataset page's sections: checks, error messages, the bar of decisions."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fer_core.dataset.store import imported_dataset_folder
from fer_studio.ui import guard
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.decision_bar import show_decision_bar


def section(draw: Callable[[LoadedDataset], None]) -> Callable[[LoadedDataset], None]:
    """Extend ``fer_studio.ui.guard.section`` for the sections about a dataset.

    If the dataset was deleted, the section shows only an error. If there are decisions about its
    images, the bar below the section shows their number and a button to undo the latest change.
    """

    @functools.wraps(draw)
    def checked(dataset: LoadedDataset) -> None:
        rerun_if_refused("dataset")
        # Raises an InputError if the dataset was deleted.
        imported_dataset_folder(dataset.name, dataset.settings)
        draw(dataset)
        show_decision_bar(dataset)

    return guard.section(checked)
