"""What this app adds to Streamlit's web server: its own HTML, and work when the server starts."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from fer_studio.web_files import StaticFilesFromMemory, StyledPages

#: Modules that most pages need. They take time to load, which the first visitor would notice.
_COMMON_MODULES = ("numpy", "PIL.Image", "fer_studio.ui.choices", "pandas")

#: Delay after the start of the server, so that pending work does not slow down the first visit.
_PENDING_WORK_DELAY_SECONDS = 5.0

_log = logging.getLogger(__name__)


def middleware() -> list[Middleware]:
    """Return what handles requests before Streamlit does."""
    return [Middleware(StaticFilesFromMemory), Middleware(StyledPages)]


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Prepare the server in the background while it already responds."""
    is_stopping = threading.Event()
    # A daemon, so that the server does not wait for it at its end.
    threading.Thread(
        target=_prepare, args=(is_stopping,), name="prepare-server", daemon=True
    ).start()
    try:
        yield
    finally:
        is_stopping.set()


def _prepare(is_stopping: threading.Event) -> None:
    """Load the modules that most pages need, then start the pending work."""
    try:
        for module in _COMMON_MODULES:
            importlib.import_module(module)
        if not is_stopping.wait(_PENDING_WORK_DELAY_SECONDS):
            _start_pending_work()
    except Exception:
        # The pages also work on a server that is not prepared, and show their errors themselves.
        _log.exception("the server could not be prepared")


def _start_pending_work() -> None:
    """Start the pending runs and analyses of the queues, and remove stale temporary files."""
    from fer_core.errors import InputError
    from fer_core.settings import load_settings
    from fer_core.stale_files import remove_stale_temp_files
    from fer_core.training.queue import start_pending_runs

    settings = load_settings()
    try:
        remove_stale_temp_files(settings)
        start_pending_runs(settings)
    except InputError as error:
        # The train page also shows this error.
        _log.warning("pending runs were not started: %s", error)
    if any(settings.analyses_root.glob(".queue/*.json")):
        # Imported only if an analysis is pending, because OpenCV takes half a second to load.
        from fer_core.video.analysis_queue import start_next_analysis_or_log

        start_next_analysis_or_log(settings)
