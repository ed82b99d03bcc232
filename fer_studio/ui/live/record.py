"""The record of a live session on the page: timeline, shares, table, downloads."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fer_core.charts.live import (
    emotion_shares,
    emotion_timeline,
    lane_names,
    persons_seen_last,
    shares_height,
    timeline_height,
    timeline_span,
)
from fer_core.classes import class_columns
from fer_core.live.session_record import RecordRows, SessionRecord, unsure_name
from fer_core.phrases import counted
from fer_core.video.timecode import format_time
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.address import set_unsaved_results
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.live.durations import duration_text
from fer_studio.ui.live.session import LiveSession

#: Seconds between two refreshes of the charts.
_CHARTS_REFRESH_SECONDS = 3.0
#: Seconds between two refreshes of the table, each of which delays the browser's video by several
#: frames.
_TABLE_REFRESH_SECONDS = 20.0
#: Maximum number of persons in the timeline, which shows the persons who were seen last.
_MAX_PERSONS_IN_TIMELINE = 3
#: Maximum number of persons in the chart of shares. It shows the persons who were seen longest,
#: because a face that appears only for a moment also counts as a person.
_MAX_PERSONS_IN_SHARES = 8
#: Session state: True if the record was cleared after the page was drawn.
_CLEARED = "live_record_cleared"
#: Maximum number of rows in the table.
_TABLE_ROWS = 100
#: Height in pixels of a chart's title, and of the padding around title and chart.
_CHART_MARGIN = 84
_EMPTY_TEXT = (
    ":material/timeline: While the camera runs, the probabilities of the faces over time appear "
    "here. Times, boxes and probabilities are recorded, but no pictures. Reloading the page "
    "deletes the record: download it first."
)


def show_session_record(session: LiveSession, record: SessionRecord) -> None:
    """Draw the record; it refreshes automatically while a stream is active."""
    st.session_state.pop(_CLEARED, None)  # this run of the page shows that the record is cleared
    is_active = session.is_active
    newest = _newest_time(record)
    version = "" if newest is None else str(newest)
    # While a stream is active, the record grows although the page is not drawn again. The page then
    # does not know the newest version of the record.
    set_unsaved_results("record", "active" if is_active else version)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("This session", width="content")
        st.fragment(_show_downloads)(record, is_empty=not is_active and not len(record))
    placed_fragment(_show_charts, run_every=_CHARTS_REFRESH_SECONDS if is_active else None)(
        session, record
    )
    if is_active or len(record):
        placed_fragment(_show_rows, run_every=_TABLE_REFRESH_SECONDS if is_active else None)(record)


def _show_charts(session: LiveSession, record: SessionRecord) -> None:
    rerun_if_refused("live")
    rows = record.rows()
    classes = rows.classes if len(rows) else session.classes
    height = timeline_height(len(classes)) + _CHART_MARGIN
    if not len(rows):
        # As high as the charts, so that nothing moves when the first face appears.
        with st.container(
            border=True, height=height, horizontal_alignment="center", vertical_alignment="center"
        ):
            st.caption(_EMPTY_TEXT, text_alignment="center")
        return
    end = float(rows.seconds[-1])
    timeline, shares = st.columns([3, 2])
    with timeline.container(border=True, height=height):
        _show_timeline(record.rows(since=end - timeline_span(end)), end)
    with shares.container(border=True, height="stretch"):
        _show_shares(record, rows)


def _show_timeline(rows: RecordRows, end: float) -> None:
    persons = persons_seen_last(rows, _MAX_PERSONS_IN_TIMELINE)
    duration = duration_text(timeline_span(end))
    st.markdown(f"**Probabilities, last {duration}**")
    st.echarts_chart(
        emotion_timeline(rows, persons, end=end),
        height=timeline_height(len(rows.classes)),
        key="live_timeline",
        alt=f"Probabilities of the classes in the last {duration}, a lane for each class: "
        + ", ".join(lane_names(rows)),
    )


def _show_rows(record: SessionRecord) -> None:
    """Draw the number of rows, a warning if the record is full, and the latest rows."""
    rerun_if_refused("live")
    rows = record.rows()
    if not len(rows):
        return
    st.caption(
        f"{duration_text(float(rows.seconds[-1]))}, {counted(len(rows), 'row')}. Reloading the "
        "page deletes them: download them first."
    )
    if record.is_full:
        st.warning(
            f"The record is full: {record.dropped_rows:,} later rows are missing. Download it and "
            "clear it to continue.",
            icon=":material/warning:",
        )
    _show_table(rows)


def _show_shares(record: SessionRecord, rows: RecordRows) -> None:
    shares = record.shares()
    counts = {person: int(np.count_nonzero(rows.persons == person)) for person in shares}
    # The persons who were seen longest, in the order of their numbers.
    longest_seen = sorted(
        sorted(counts, key=lambda person: -counts[person])[:_MAX_PERSONS_IN_SHARES]
    )
    st.markdown("**Share of time per class**")
    st.echarts_chart(
        emotion_shares({person: shares[person] for person in longest_seen}),
        height=shares_height(len(longest_seen)),
        key="live_shares",
        alt="Share of time in which each class was shown: "
        + "; ".join(
            f"person {person} "
            + ", ".join(
                f"{name} {100 * share:.0f} %"
                for name, share in shares[person].items()
                if share >= 0.005  # rounds to at least 1 %
            )
            for person in longest_seen
        ),
    )
    if len(shares) > len(longest_seen):
        st.caption(
            f"The {len(longest_seen)} persons seen longest, of {len(shares)}. A person who leaves "
            "the picture and returns may get a new number. The downloads contain all persons."
        )


def _show_downloads(record: SessionRecord, *, is_empty: bool) -> None:
    """Draw the buttons that download and clear the record.

    A downloaded file contains all rows that were recorded before the click.
    """
    rerun_if_refused("live")
    if st.session_state.pop(_CLEARED, False):
        # Only a rerun of the whole page updates the charts and the table, because they are other
        # fragments. The rerun also updates which results are unsaved.
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        offer_download(
            "CSV",
            record.to_csv,
            "live-emotions.csv",
            key="live_csv",
            hint="One row per face and time: time, person, box in the picture as shown, label, "
            "confidence, smoothed and raw probabilities, model, detector and settings.",
            is_disabled=is_empty,
        )
        offer_download(
            "JSON",
            record.to_json,
            "live-emotions.json",
            key="live_json",
            hint="The rows of the CSV file, and the share of time per class.",
            is_disabled=is_empty,
        )
        st.button(
            "Clear the record",
            key="live_clear",
            icon=":material/delete:",
            on_click=_clear,
            args=(record,),
            disabled=is_empty,
            help="Deletes all rows recorded so far. The stream continues.",
        )


def _clear(record: SessionRecord) -> None:
    record.clear()
    st.session_state[_CLEARED] = True


def _newest_time(record: SessionRecord) -> float | None:
    """Return the time of the last row in seconds; None if the record is empty."""
    rows = record.rows()
    return float(rows.seconds[-1]) if len(rows) else None


def _show_table(rows: RecordRows) -> None:
    newest_first = slice(None, -_TABLE_ROWS - 1, -1)  # the last rows, in reverse order
    percent = st.column_config.NumberColumn(format="%.0f %%", width="small")
    probabilities = 100 * rows.probabilities[newest_first]
    columns = class_columns(rows.classes, ("Time", "Person", "Class", "Box"))
    st.dataframe(
        {
            "Time": [format_time(seconds) for seconds in rows.seconds[newest_first]],
            "Person": rows.persons[newest_first],
            "Class": [
                label if is_confident else unsure_name(rows.classes)
                for label, is_confident in zip(
                    rows.labels[newest_first], rows.is_confident[newest_first], strict=True
                )
            ],
            **{name: probabilities[:, index] for index, name in enumerate(columns)},
            "Box": [", ".join(map(str, box)) for box in rows.boxes[newest_first]],
        },
        hide_index=True,
        height=250,
        key="live_table",
        column_config={
            "Time": st.column_config.TextColumn(width="small", help="Time since the first face"),
            "Person": st.column_config.NumberColumn(width="small"),
            "Class": st.column_config.TextColumn(width="small"),
            **dict.fromkeys(columns, percent),
            "Box": st.column_config.TextColumn(
                help="Left edge, upper edge, width and height in pixels of the picture as shown"
            ),
        },
        alt="The latest rows of the record, newest first",
    )
    if len(rows) > _TABLE_ROWS:
        st.caption(
            f"The latest {_TABLE_ROWS} of {len(rows):,} rows; the downloads contain all of them."
        )
