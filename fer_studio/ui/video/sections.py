"""The layout of the video page: the form for a new analysis, and the results of the chosen one."""

from __future__ import annotations

import streamlit as st

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.video.analyses import AnalysisSummary, list_analyses
from fer_core.video.timecode import format_time
from fer_studio.ui.access import admission
from fer_studio.ui.messages import show_error
from fer_studio.ui.persistent_widgets import persistent_selectbox
from fer_studio.ui.video.feedback import show_feedback
from fer_studio.ui.video.new_analysis import ANALYSIS_KEY, show_new_analysis, show_sample_offer
from fer_studio.ui.video.results import show_results
from fer_studio.ui.video.state_view import show_notes, show_state

#: Session state: True if the form for a new analysis has been open in this session.
_FORM_OPENED = "video_form_opened"


def show_video(settings: Settings) -> None:
    """Draw the page."""
    analyses = list_analyses(settings, admission())
    form = st.expander(
        "New analysis",
        icon=":material/add:",
        expanded=not analyses,
        # The key changes when the first analysis has been started, so that the form closes then.
        key="video_new" if analyses else "video_first",
        on_change="rerun",
    )
    # The form is not drawn before it is opened, because the browser would load its elements before
    # the results. After it has been opened once, it is drawn even while it is closed, so that its
    # files and options are not lost.
    if form.open or not analyses:
        st.session_state[_FORM_OPENED] = True
    if st.session_state.get(_FORM_OPENED):
        with form:
            show_new_analysis(settings)
    show_feedback()
    if not analyses:
        show_sample_offer(settings)
        return
    by_id = {summary.folder.id: summary for summary in analyses}
    with st.container(horizontal=True, gap="small", key="video_bar"):
        # Without a label, because it would move the elements below when the browser draws it.
        chosen = persistent_selectbox(
            "Analysis",
            list(by_id),
            key=ANALYSIS_KEY,
            name="analysis",
            is_always_shown=True,
            format_func=lambda analysis_id: _title(by_id[analysis_id]),
            label_visibility="collapsed",
            width=560,
        )
        summary = by_id[chosen]
        show_state(summary, settings)
    show_notes(summary)
    if summary.folder.table_path.is_file() and not summary.is_queued_or_running:
        try:
            show_results(summary, settings)
        except InputError as error:
            show_error(error)


def _title(summary: AnalysisSummary) -> str:
    """Return the text of an analysis in the selection, such as "talk.mp4, every frame, … UTC"."""
    settings = summary.settings
    range_text = ""
    if settings.start or settings.end is not None:
        end = "the end" if settings.end is None else format_time(settings.end)
        range_text = f", {format_time(settings.start)} to {end}"
    rate = (
        "every frame"
        if settings.per_second is None
        else f"{settings.per_second:g} frames per second"
    )
    created = settings.created[:16].replace("T", " ")  # an ISO 8601 time, without the seconds
    return f"{settings.video}, {rate}{range_text}, {created} UTC"
