"""Sections of the dataset page, which check that the dataset still exists."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fer_core.dataset.store import imported_folder
from fer_studio.ui import guard
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.datasets import OpenDataset


def section(draw: Callable[[OpenDataset], None]) -> Callable[[OpenDataset], None]:
    """Extend ``fer_studio.ui.guard.section`` for a dataset that may have been deleted."""

    @functools.wraps(draw)
    def checked(dataset: OpenDataset) -> None:
        leave_if_refused("dataset")
        imported_folder(dataset.name, dataset.settings)
        draw(dataset)

    return guard.section(checked)
