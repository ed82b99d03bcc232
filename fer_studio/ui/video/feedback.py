"""Run the actions of buttons on the video page, and show their errors when it is drawn again."""

from __future__ import annotations

from collections.abc import Callable

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.video.analyses import AnalysisSummary, find_analysis
from fer_studio.ui.access import admission
from fer_studio.ui.messages import ErrorKeeper

#: Keeps the error of a button's action until the page is drawn.
_CALLBACK_ERROR = ErrorKeeper("video_error")


def run_action(action: Callable[[], object]) -> None:
    """Run an action of a button; keep the message of an ``InputError`` for ``show_feedback``."""
    with _CALLBACK_ERROR:
        action()


def run_on_analysis(
    analysis_id: str, settings: Settings, action: Callable[[AnalysisSummary], object]
) -> None:
    """Read an analysis, and run an action of a button on it as in ``run_action``.

    The analysis is read again, because since the page was drawn, it may have been deleted, or the
    visitor may have lost access to it.
    """

    def run() -> None:
        summary = find_analysis(analysis_id, settings, admission())
        if summary is None:
            raise InputError("This analysis no longer exists; reload the page.")
        action(summary)

    run_action(run)


def show_feedback() -> None:
    """Draw the error of the last action, if it failed."""
    _CALLBACK_ERROR.show()
