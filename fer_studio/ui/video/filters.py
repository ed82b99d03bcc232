"""The filters of the results: persons, classes, a time range, and a threshold for episodes."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.video.summary import DEFAULT_THRESHOLD
from fer_core.video.timecode import format_time
from fer_studio.ui.persistent_widgets import (
    persistent_multiselect,
    persistent_range,
    persistent_slider,
)
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis, summaries_of

#: Maximum number of persons that are shown by default. The lanes of more persons do not fit on a
#: screen.
_DEFAULT_PERSON_COUNT = 4


@dataclass(frozen=True)
class Filters:
    """The chosen filters.

    Attributes:
        persons: Numbers of the persons to show.
        classes: Names of the classes to show.
        limits: First and last time to show, in seconds.
        threshold: Minimum smoothed probability of an episode, 0 to 1.
    """

    persons: list[int]
    classes: list[str]
    limits: tuple[float, float]
    threshold: float


def choose_filters(analysis: LoadedAnalysis, place: DeltaGenerator) -> Filters:
    """Draw the filters in a popover in ``place``, and captions if they hide persons or times."""
    titles = analysis.titles
    summaries = summaries_of(analysis, DEFAULT_THRESHOLD)
    seconds_seen = {summary.person: summary.seconds_seen for summary in summaries}
    longest_seen_first = sorted(titles, key=lambda person: -seconds_seen.get(person, 0.0))
    default_persons = sorted(longest_seen_first[:_DEFAULT_PERSON_COUNT])
    classes = list(analysis.settings.classes)
    start, end = analysis.limits
    with place.popover(
        "Filters",
        icon=":material/filter_list:",
        type="tertiary",
        key=f"video_filters_{analysis.key}",
    ):
        persons = persistent_multiselect(
            "Persons",
            list(titles),
            # The key contains the options, which merges and exclusions change. Under a constant
            # key, the stored choice could contain a person who is no longer an option.
            key=f"video_persons_{analysis.key}_{'-'.join(map(str, titles))}",
            name="persons",
            default=default_persons,
            format_func=lambda person: titles.get(person, str(person)),
        )
        chosen_classes = persistent_multiselect(
            "Classes",
            classes,
            key=f"video_classes_{analysis.key}",
            name="emotions",
            default=classes,
        )
        limits = (start, end)
        # The slider has steps of a second, which are too coarse for a range of two seconds or less.
        if end - start > 2:
            low, high = persistent_range(
                "Time (seconds)",
                float(int(start)),
                float(int(end) + 1),
                key=f"video_limits_{analysis.key}",
                name="time",
                step=1.0,
            )
            chosen_start, chosen_end = max(low, start), min(high, end)
            # A range without length cannot be drawn.
            if chosen_start < chosen_end:
                limits = (chosen_start, chosen_end)
        threshold = persistent_slider(
            "Episodes: minimum probability",
            0.1,
            0.95,
            key=f"video_threshold_{analysis.key}",
            name="minimum",
            default=DEFAULT_THRESHOLD,
            step=0.05,
            help="An episode lasts as long as the smoothed probability of a class is at least "
            "this high.",
        )
    hidden_count = len(titles) - len(persons)
    if hidden_count:
        persons_are = "1 person is" if hidden_count == 1 else f"{hidden_count} persons are"
        st.caption(f"{persons_are} hidden by the filters.")
    if limits != analysis.limits:
        st.caption(f"Shown: {format_time(limits[0])} to {format_time(limits[1])}.")
    classes = [name for name in classes if name in chosen_classes]
    return Filters(sorted(persons), classes, limits, threshold)
