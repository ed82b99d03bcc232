"""Persons: their summary, names, merges and exclusions, with undo."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from fer_core.settings import Settings
from fer_core.video.analyses import AnalysisSummary
from fer_core.video.edits import MAX_NAME_LENGTH, EditHistory, Edits
from fer_core.video.timecode import format_time
from fer_studio.ui.tables import percent_column
from fer_studio.ui.video.feedback import run_on_analysis
from fer_studio.ui.video.filters import Filters
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, summaries_of

#: Width of the picture of a person in pixels.
_PORTRAIT_WIDTH = 72


def show_summary(analysis: LoadedAnalysis, filters: Filters) -> None:
    """Draw a table with one row per person."""
    rows = []
    for summary in summaries_of(analysis, filters.threshold):
        rows.append(
            {
                "Person": analysis.edits.title(summary.person),
                "Seen (s)": round(summary.seconds_seen, 1),
                **{label: 100 * share for label, share in summary.shares.items()},
                "Episodes": sum(summary.episode_counts.values()),
                "Changes": sum(summary.transition_counts.values()),
            }
        )
    if not rows:
        return
    labels = analysis.settings.classes
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            **{label: percent_column() for label in labels},
            "Seen (s)": st.column_config.NumberColumn(format="%.1f"),
        },
    )
    st.caption(
        "A percentage is the share of a person's time in which the class was the most probable. "
        "Changes: how often another class became the most probable one."
    )


def show_persons(analysis: LoadedAnalysis, settings: Settings) -> None:
    """Draw the persons with their names and actions."""
    key = analysis.key
    history = EditHistory(analysis.folder.path)
    st.button(
        "Undo",
        key=f"video_undo_{key}",
        icon=":material/undo:",
        disabled=not history.can_undo,
        on_click=_undo,
        args=(key, settings),
        help="Undoes the last change of a person or marker.",
    )
    for person in analysis.all_persons:
        _show_person(analysis, person, settings)


def _show_person(analysis: LoadedAnalysis, person: int, settings: Settings) -> None:
    edits, key = analysis.edits, analysis.key
    is_excluded = person in edits.excluded
    other_persons = [number for number in analysis.all_persons if number != person]
    with st.container(border=True):
        picture, fields = st.columns([1, 5], vertical_alignment="center")
        portrait = analysis.folder.portrait_path(person)
        if portrait is not None:
            picture.image(
                str(portrait), width=_PORTRAIT_WIDTH, alt=f"The face of {edits.title(person)}"
            )
        with fields:
            rows = analysis.table.of_person(person)
            if is_excluded:
                st.caption(f"Person {person}, excluded")
            elif len(rows):
                first = format_time(float(rows.seconds[0]), 1)
                last = format_time(float(rows.seconds[-1]), 1)
                st.caption(f"Person {person}, {first} to {last}")
            with st.container(horizontal=True, vertical_alignment="bottom"):
                name = edits.names.get(str(person), "")
                # The key changes with the name, so that the field also shows a name that a merge or
                # "Undo" has changed.
                name_key = f"video_name_{key}_{person}_{name}"
                st.text_input(
                    "Name",
                    value=name,
                    key=name_key,
                    max_chars=MAX_NAME_LENGTH,
                    placeholder=f"Person {person}",
                    on_change=_rename,
                    args=(key, person, name_key, settings),
                    width=220,
                )
                if other_persons:
                    merge_key = f"video_merge_{key}_{person}_{len(other_persons)}"
                    st.selectbox(
                        "Merge with",
                        other_persons,
                        index=None,
                        format_func=edits.title,
                        placeholder="another person",
                        key=merge_key,
                        on_change=_merge,
                        args=(key, person, merge_key, settings),
                        width=180,
                        help="Use this if one person was tracked as two: the faces of this person "
                        "then belong to the other one.",
                    )
                st.button(
                    "Include" if is_excluded else "Exclude",
                    key=f"video_exclude_{key}_{person}",
                    icon=":material/visibility:" if is_excluded else ":material/visibility_off:",
                    on_click=_set_excluded,
                    args=(key, person, not is_excluded, settings),
                )


def change_edits(analysis_id: str, settings: Settings, change: Callable[[Edits], Edits]) -> None:
    """Apply a change to the edits of an analysis and store the result; for callbacks of buttons.

    Args:
        analysis_id: The ID of the analysis.
        settings: The folders of the app.
        change: Returns the changed edits.
    """

    def store(summary: AnalysisSummary) -> None:
        history = EditHistory(summary.folder.path)
        history.add(change(history.current))

    run_on_analysis(analysis_id, settings, store)


def _undo(analysis_id: str, settings: Settings) -> None:
    run_on_analysis(analysis_id, settings, lambda summary: EditHistory(summary.folder.path).undo())


def _rename(analysis_id: str, person: int, name_key: str, settings: Settings) -> None:
    name = str(st.session_state[name_key])
    change_edits(analysis_id, settings, lambda edits: edits.renamed(person, name))


def _merge(analysis_id: str, person: int, merge_key: str, settings: Settings) -> None:
    target = st.session_state[merge_key]
    if target is not None:
        change_edits(analysis_id, settings, lambda edits: edits.with_merge(person, int(target)))


def _set_excluded(analysis_id: str, person: int, is_excluded: bool, settings: Settings) -> None:
    change_edits(
        analysis_id,
        settings,
        lambda edits: edits.with_excluded(person, is_excluded=is_excluded),
    )
