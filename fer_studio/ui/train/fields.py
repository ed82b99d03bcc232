"""The form of a training's settings, built from the fields of ``TrainingConfig``."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fer_core.recipes import GROUPS, SettingField, setting_fields
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.draft import Draft, bounds_text, element_key, value_problem

#: The session key of the open group, by its title.
OPEN_GROUP = "open_settings"

_COLUMNS = 2


def show_fields(draft: Draft) -> None:
    """Draw the open group of settings without those that have no effect."""
    # Only the open group is drawn: thirty widgets take longer than the rest of the page.
    tabs = st.tabs(list(GROUPS.values()), key=OPEN_GROUP, on_change="rerun")
    for tab, group in zip(tabs, GROUPS, strict=True):
        if tab.open:
            with tab:
                _show_group(group, draft)


def _show_group(group: str, draft: Draft) -> None:
    shown = [
        entry
        for entry in setting_fields()
        if entry.group == group and entry.applies_to(draft.values)
    ]
    for start in range(0, len(shown), _COLUMNS):
        columns = st.columns(_COLUMNS)
        for column, entry in zip(columns, shown[start : start + _COLUMNS], strict=False):
            with column:
                _show_field(entry, draft)


def _show_field(entry: SettingField, draft: Draft) -> None:
    key = element_key(entry.name)
    if key not in st.session_state:
        st.session_state[key] = draft.values[entry.name]
    value: Any
    if entry.kind == "choice":
        value = st.selectbox(
            entry.label,
            entry.choices,
            key=key,
            format_func=_choice_label,
            help=entry.help,
        )
    elif entry.kind == "boolean":
        value = st.toggle(entry.label, key=key, help=entry.help)
    elif entry.kind == "steps":
        value = st.text_input(
            entry.label,
            key=key,
            placeholder="20: 0.00025, 30: 0.00005",
            help=f"{entry.help}, such as 20: 0.00025, 30: 0.00005",
        )
    else:
        # The bounds are checked here, because the widget would restore its last value and drop what
        # the user typed.
        value = st.number_input(
            entry.label,
            value=None,
            step=1 if entry.kind == "integer" else _step(entry),
            format=None if entry.kind == "integer" else "%g",
            key=key,
            placeholder="off" if entry.is_optional else "a number",
            help=f"{entry.help}. A number {bounds_text(entry)}"
            + ("; empty: off." if entry.is_optional else "."),
        )
    draft.values[entry.name] = value
    problem = value_problem(entry, value)
    if problem is not None:
        st.caption(f":red[:material/error: {plain_text(problem)}]")


def _choice_label(choice: str) -> str:
    return choice.replace("_", " ")


def _step(entry: SettingField) -> float:
    """Return the step of the plus and minus buttons."""
    if entry.is_logarithmic:
        return 1.0 if entry.maximum is not None and entry.maximum > 10 else 1e-4
    if entry.maximum is not None and entry.maximum > 5:
        return 1.0
    return 0.05
