"""The queue: the pending runs, and buttons to reorder and remove them."""

from __future__ import annotations

import streamlit as st

from fer_core.phrases import counted
from fer_core.settings import Settings
from fer_core.training.queue import (
    active_runs,
    move_in_queue,
    remove_from_queue,
    start_pending_runs,
)
from fer_core.training.registry import RunSummary
from fer_core.training.run_folder import RunFolder
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.feedback import run_action


def show_queue(runs: list[RunSummary], settings: Settings) -> None:
    """Draw the pending runs, if there are any.

    Args:
        runs: All runs.
        settings: Settings with the location of ``runs/`` and the maximum number of parallel runs.
    """
    pending = sorted(
        (run for run in runs if run.queue_position is not None),
        key=lambda run: run.queue_position or 0,
    )
    if not pending:
        return
    with st.expander(
        counted(len(pending), "pending run"), icon=":material/hourglass_empty:", expanded=True
    ):
        st.caption(
            f"{counted(settings.parallel_runs, 'run')} at a time; the next one starts "
            "automatically, even while the app is closed."
        )
        for run in pending:
            _show_pending_run(run, settings, last_position=len(pending))
        if len(active_runs(settings)) < settings.parallel_runs:
            # When a run ends, its process starts the next run. If this process was killed, the
            # process that launched it starts the next run. The button is needed only if both
            # processes are gone.
            st.button(
                "Start next run",
                key="start_next_run",
                icon=":material/play_arrow:",
                on_click=run_action,
                args=(lambda: start_pending_runs(settings),),
            )


def _show_pending_run(run: RunSummary, settings: Settings, *, last_position: int) -> None:
    folder, position = RunFolder(run.path), run.queue_position or 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{position}.** {plain_text(run.title)}", width="stretch")
        st.button(
            "Move up",
            key=f"move_up_{run.id}",
            icon=":material/arrow_upward:",
            disabled=position == 1,
            on_click=run_action,
            args=(lambda: move_in_queue(folder, settings, position - 1),),
        )
        st.button(
            "Move down",
            key=f"move_down_{run.id}",
            icon=":material/arrow_downward:",
            disabled=position == last_position,
            on_click=run_action,
            args=(lambda: move_in_queue(folder, settings, position + 1),),
        )
        st.button(
            "Remove",
            key=f"remove_{run.id}",
            icon=":material/playlist_remove:",
            on_click=run_action,
            args=(lambda: remove_from_queue(folder, settings),),
            help="The run is kept. You can start it later with “Continue…”.",
        )
