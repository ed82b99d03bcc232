"""The state of an analysis: progress, queue, stop, continue, delete."""

from __future__ import annotations

import streamlit as st

from fer_core.phrases import as_sentence
from fer_core.settings import Settings
from fer_core.video.analyses import (
    ActualState,
    AnalysisSummary,
    continue_analysis,
    find_analysis,
)
from fer_core.video.analysis_queue import (
    delete_analysis,
    remove_pending_analysis,
    start_next_analysis_or_log,
)
from fer_core.video.timecode import format_time
from fer_studio.ui.access import admission, rerun_if_refused
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.text import plain_text
from fer_studio.ui.video.feedback import run_on_analysis

#: Seconds between two refreshes of an analysis that is queued, starting or running.
_REFRESH_SECONDS = 1.0
#: Color and icon of the badge with the name of each state.
_STYLES: dict[ActualState, tuple[str, str]] = {
    "queued": ("gray", ":material/schedule:"),
    "starting": ("blue", ":material/hourglass_top:"),
    "running": ("blue", ":material/play_arrow:"),
    "finished": ("green", ":material/check:"),
    "stopped": ("orange", ":material/stop:"),
    "failed": ("red", ":material/error:"),
}


def show_state(summary: AnalysisSummary, settings: Settings) -> None:
    """Draw state, progress and actions of an analysis."""
    run_every = _REFRESH_SECONDS if summary.is_queued_or_running else None
    placed_fragment(_show, run_every=run_every)(
        summary.folder.id, summary.is_queued_or_running, settings
    )


def show_notes(summary: AnalysisSummary) -> None:
    """Say why an analysis has stopped or failed, and draw its notes."""
    if summary.state in ("failed", "stopped"):
        st.markdown(plain_text(as_sentence(summary.message)))
    if summary.status is not None and not summary.is_queued_or_running:
        for note in summary.status.notes:
            st.warning(plain_text(note), icon=":material/warning:")


def _show(analysis_id: str, was_queued_or_running: bool, settings: Settings) -> None:
    """Draw the current state; draw the whole page again if the analysis ends or is deleted.

    Args:
        analysis_id: The ID of the analysis.
        was_queued_or_running: True if the analysis was queued, starting or running when the whole
            page was drawn.
        settings: The folders of the app.
    """
    rerun_if_refused("video")
    summary = find_analysis(analysis_id, settings, admission())
    if summary is None or summary.is_queued_or_running != was_queued_or_running:
        st.rerun()
    # A job that ends starts the next one in the queue, but a job that was killed could not do so.
    if summary.state == "queued":
        start_next_analysis_or_log(settings)
    color, icon = _STYLES[summary.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(summary.state, color=color, icon=icon)  # type: ignore[arg-type]
        _show_actions(summary, settings)
    if summary.state == "running" and summary.status is not None:
        status = summary.status
        share = min(status.done / status.total, 1.0) if status.total else 0.0
        st.progress(share, _progress_text(summary))
    elif summary.state in ("queued", "starting"):
        st.progress(0.0, as_sentence(summary.message))


def _progress_text(summary: AnalysisSummary) -> str:
    status = summary.status
    assert status is not None
    text = as_sentence(status.phase or status.message).removesuffix(".")
    if status.total:
        text += f": {format_time(status.done)} of {format_time(status.total)}"
    if status.seconds_left is not None:
        text += f", about {format_time(max(status.seconds_left, 1))} left"
    return plain_text(text)


def _show_actions(summary: AnalysisSummary, settings: Settings) -> None:
    analysis_id = summary.folder.id
    if summary.state in ("running", "queued"):
        st.button(
            "Stop",
            key="video_stop",
            icon=":material/stop:",
            on_click=_stop,
            args=(analysis_id, settings),
        )
    if summary.state in ("stopped", "failed"):
        st.button(
            "Continue",
            key="video_continue",
            icon=":material/play_arrow:",
            on_click=_continue,
            args=(analysis_id, settings),
        )
    if not summary.is_queued_or_running:
        with st.popover("Delete", icon=":material/delete:", key="video_delete"):
            st.write(
                "Deletes the results and the stored file. A file in an import folder is not "
                "deleted."
            )
            st.button(
                "Delete this analysis",
                key="video_delete_confirmed",
                type="primary",
                on_click=_delete,
                args=(analysis_id, settings),
            )


def _stop(analysis_id: str, settings: Settings) -> None:
    def stop(summary: AnalysisSummary) -> None:
        if summary.state == "queued":
            remove_pending_analysis(summary.folder, settings)
        else:
            summary.folder.request_stop()

    run_on_analysis(analysis_id, settings, stop)


def _continue(analysis_id: str, settings: Settings) -> None:
    run_on_analysis(
        analysis_id, settings, lambda summary: continue_analysis(summary.folder, settings)
    )


def _delete(analysis_id: str, settings: Settings) -> None:
    run_on_analysis(
        analysis_id, settings, lambda summary: delete_analysis(summary.folder, settings)
    )
