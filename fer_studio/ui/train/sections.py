"""Draw the selected section of the train page, below the outcome of the latest action."""

from __future__ import annotations

from fer_core.errors import InputError
from fer_core.settings import Settings, load_settings
from fer_studio.ui.messages import show_error
from fer_studio.ui.train.feedback import show_outcome
from fer_studio.ui.train.views import COMPARE, MODELS, RUNS, SEARCH


def show_section(view: str) -> None:
    """Draw a section of the page.

    Args:
        view: The title of the section.
    """
    try:
        settings = load_settings()
    except InputError as error:
        show_error(error)
        return
    if view != RUNS:  # the section "Runs" shows the outcome below its buttons
        show_outcome()
    try:
        _show(view, settings)
    except InputError as error:
        show_error(error)


def _show(view: str, settings: Settings) -> None:
    """Import only the module of the section, and draw the section."""
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
        from fer_studio.ui.train.configure import show_configure

        show_configure(settings)
