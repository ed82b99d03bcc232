"""The decorator of the dataset page's sections: checks, error messages, the bar of decisions."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fer_core.dataset.store import imported_folder
from fer_studio.ui import guard
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.decision_bar import show_decision_bar


def section(draw: Callable[[OpenDataset], None]) -> Callable[[OpenDataset], None]:
    """Extend ``fer_studio.ui.guard.section`` for the sections about a dataset.

    If the dataset was deleted, the section shows only an error. If there are decisions about the
    dataset, the bar below the section shows their number and a button to undo the last change.
    """

    @functools.wraps(draw)
    def checked(dataset: OpenDataset) -> None:
        leave_if_refused("dataset")
        imported_folder(dataset.name, dataset.settings)  # raises InputError if it was deleted
        draw(dataset)
        show_decision_bar(dataset)

    return guard.section(checked)
