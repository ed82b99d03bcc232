"""The table of episodes. A click on a row chooses the time at which the episode starts."""

from __future__ import annotations

import streamlit as st

from fer_core.video.timecode import format_time
from fer_studio.ui.tables import table_height
from fer_studio.ui.video.chosen_time import set_chosen_time
from fer_studio.ui.video.filters import Filters
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, episodes_of

_MAX_ROWS = 1000


def show_episodes(analysis: LoadedAnalysis, filters: Filters) -> None:
    """Draw a table of the episodes that match the filters."""
    start, end = filters.limits
    episodes = [
        episode
        for episode in episodes_of(analysis, filters.threshold)
        if episode.person in filters.persons
        and episode.label in filters.classes
        and episode.end >= start
        and episode.start <= end
    ]
    if not episodes:
        st.info(
            "No episode matches the filters. Lower the minimum probability, or show more persons, "
            "classes or time.",
            icon=":material/search_off:",
        )
        return
    listed_episodes = episodes[:_MAX_ROWS]
    if len(episodes) > len(listed_episodes):
        st.caption(
            f"The table shows the first {len(listed_episodes):,} of {len(episodes):,} episodes."
        )
    # The key changes with the episodes. With a constant key, a selected row would stay selected
    # when it shows another episode.
    table_key = f"video_episodes_{analysis.key}_{hash(tuple(listed_episodes))}"

    def choose() -> None:
        rows = st.session_state[table_key]["selection"]["rows"]
        if rows and rows[0] < len(listed_episodes):
            set_chosen_time(analysis.key, listed_episodes[rows[0]].start)

    st.dataframe(
        [
            {
                "Class": episode.label,
                "From": format_time(episode.start, 1),
                "To": format_time(episode.end, 1),
                "Person": analysis.edits.title(episode.person),
                "Seconds": round(episode.seconds, 2),
                "Peak": round(100 * episode.peak),
            }
            for episode in listed_episodes
        ],
        hide_index=True,
        on_select=choose,
        selection_mode="single-row",
        key=table_key,
        height=table_height(len(listed_episodes), maximum=340),
        column_config={
            "Seconds": st.column_config.NumberColumn(format="%.2f"),
            "Peak": st.column_config.ProgressColumn(
                min_value=0, max_value=100, format="%d %%", help="Largest smoothed probability."
            ),
        },
    )
    st.caption("Select a row to see the frame at which the episode starts.")
