"""The chosen section of the train page, with the outcome of the last action above it."""

from __future__ import annotations

from fer_core.errors import InputError
from fer_core.settings import Settings, load_settings
from fer_studio.ui.messages import show_error
from fer_studio.ui.train.configure import COMPARE, MODELS, RUNS, SEARCH, show_configure
from fer_studio.ui.train.feedback import show_outcome


def show_section(view: str) -> None:
    """Draw one section of the page; the modules of the other sections are not imported."""
    try:
        settings = load_settings()
    except InputError as error:
        show_error(error)
        return
    if view != RUNS:  # this section shows the outcome next to its buttons
        show_outcome()
    try:
        _show(view, settings)
    except InputError as error:
        show_error(error)


def _show(view: str, settings: Settings) -> None:
    if view == RUNS:
        from fer_studio.ui.train.watch import show_runs

        show_runs(settings)
    elif view == COMPARE:
        from fer_studio.ui.train.compare import show_compare

        show_compare(settings)
    elif view == SEARCH:
        from fer_studio.ui.train.search import show_search

        show_search(settings)
    elif view == MODELS:
        from fer_studio.ui.train.models import show_models

        show_models(settings)
    else:
        show_configure(settings)
