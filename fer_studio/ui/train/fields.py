"""The form's fields for the settings of a training, built from the fields of ``TrainingConfig``.

The mode "Basic" shows the few settings that most trainings need: the targets next to the dataset,
and the epochs next to the recipe. The mode "Advanced" shows all settings: further settings of the
data are below the dataset, and the others are in a card of their own, one group at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.recipes import GROUPS, SettingField, TrainingConfig, setting_fields
from fer_studio.ui.persistent_widgets import persist_choice, persistent_segments
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.draft import Draft, bounds_text, form_values, value_problem, widget_key
from fer_studio.ui.train.formatting import choice_label
from fer_studio.ui.widget_values import set_widget_value

#: Session keys of the mode (``BASIC`` or ``ADVANCED``), the open group (a key of ``GROUPS``), and
#: the text in the field "Find a setting".
MODE, GROUP, FIND = "form_mode", "form_group", "find_setting"
BASIC, ADVANCED = "Basic", "Advanced"

#: The group of the settings that are drawn next to or below the dataset, and the setting of this
#: group that both modes show.
_DATA, _TARGETS = "data", "targets"
#: The settings that are drawn next to the recipe instead of with their group.
_RECIPE_FIELDS = ("epochs",)

#: Number of settings in each row of a grid.
_COLUMNS = 2


def card_title(title: str) -> DeltaGenerator:
    """Draw the heading of a card, that is, of a container with a border.

    Returns:
        The container of the heading. A widget in it is drawn to the right of the heading.
    """
    # A card needs no margin above its heading; a horizontal container removes this margin.
    container = st.container(horizontal=True, vertical_alignment="center")
    container.header(title, anchor=False, width="stretch")
    return container


def choose_mode() -> bool:
    """Draw the choice between the modes; return True for "Advanced"."""
    mode = persistent_segments(
        "Settings",
        (BASIC, ADVANCED),
        key=MODE,
        name="settings",
        write=str.lower,
        label_visibility="collapsed",
    )
    return mode == ADVANCED


def show_targets(draft: Draft) -> None:
    """Draw the setting of the training targets, which are labels or annotator votes."""
    for entry in setting_fields():
        if entry.name == _TARGETS:
            _show_field(entry, draft)


def show_data_fields(draft: Draft) -> None:
    """Draw the settings of the data except the targets; toggles come last."""
    entries = [
        entry
        for entry in _settings_with_effect(draft)
        if entry.group == _DATA and entry.name != _TARGETS
    ]
    for is_toggle in (False, True):
        _show_grid([entry for entry in entries if (entry.kind == "boolean") == is_toggle], draft)


def show_recipe_fields(draft: Draft) -> None:
    """Draw the settings next to the recipe."""
    for entry in setting_fields():
        if entry.name in _RECIPE_FIELDS:
            _show_field(entry, draft)


def show_groups(draft: Draft, base: TrainingConfig, problems: Mapping[str, str]) -> None:
    """Draw the settings that are not next to the dataset or the recipe, one group at a time.

    Args:
        draft: The form.
        base: The configuration of the recipe, adapted to the starting model.
        problems: A sentence for each invalid value, by the name of the setting.
    """
    card_title("More settings")
    navigation, content = st.columns([2, 5], gap="medium")
    with navigation:
        search_text: str = st.text_input(
            "Find a setting",
            key=FIND,
            persist_state="session",
            placeholder="Find a setting",
            icon=":material/search:",
            label_visibility="collapsed",
        )
        group = _choose_group(draft, base, problems)
    # Only one group is drawn: to draw the widgets of all groups would take longer than the rest of
    # the page.
    with content:
        if search_text and search_text.strip():
            _show_found(search_text, draft)
        else:
            _show_grid(_entries_in(group, _settings_with_effect(draft)), draft)


def _choose_group(draft: Draft, base: TrainingConfig, problems: Mapping[str, str]) -> str:
    groups = [group for group in GROUPS if group != _DATA]
    titles = {group: _group_title(group, draft, base, problems) for group in groups}
    # In the address of the page, the parameter with the group of settings has the name "section".
    persist_choice(
        GROUP, groups, name="section", noun="settings group", describe=GROUPS.__getitem__
    )
    group: str = st.radio(
        "Settings group",
        groups,
        key=GROUP,
        format_func=titles.__getitem__,
        label_visibility="collapsed",
    )
    return group


def _group_title(
    group: str, draft: Draft, base: TrainingConfig, problems: Mapping[str, str]
) -> str:
    """Return the title of a group with the number of changed settings, and an icon for errors."""
    entries = _entries_in(group, _settings_with_effect(draft))
    base_values = form_values(base)
    changed_count = sum(draft.values[entry.name] != base_values[entry.name] for entry in entries)
    title = GROUPS[group]
    if any(entry.name in problems for entry in entries):
        title += " :red[:material/error:]"
    return f"{title} :gray[· {changed_count} changed]" if changed_count else title


def _show_found(text: str, draft: Draft) -> None:
    """Draw the settings whose texts or choices contain every word of a text.

    Settings that are drawn elsewhere or have no effect are only named.
    """
    terms = text.lower().split()
    found = [
        entry for entry in setting_fields() if all(term in _searched_text(entry) for term in terms)
    ]
    if not found:
        st.caption(f"No setting contains “{plain_text(text.strip())}”.")
    with_effect = [entry for entry in found if entry.has_effect(draft.values)]
    for group, title in GROUPS.items():
        entries = _entries_in(group, with_effect)
        if entries:
            st.markdown(f"**{title}**")
            _show_grid(entries, draft)
    elsewhere = [entry.label for entry in with_effect if _is_elsewhere(entry)]
    if elsewhere:
        st.caption(f"Shown next to the dataset or the recipe: {', '.join(elsewhere)}.")
    without_effect = [entry for entry in found if entry not in with_effect]
    if without_effect:
        st.caption("; ".join(_requirement(entry) for entry in without_effect) + ".")


def _searched_text(entry: SettingField) -> str:
    """Return label, name, help, group and choices of a setting, in lower case."""
    texts = (entry.label, entry.name, entry.help, GROUPS[entry.group], *entry.choices)
    return " ".join(texts).lower()


def _requirement(entry: SettingField) -> str:
    """Return a clause: "Momentum has an effect only with Optimizer sgd"."""
    labels = {other.name: other.label for other in setting_fields()}
    required_values = " and ".join(
        f"{labels[name]} {' or '.join(map(choice_label, values))}"
        for name, values in entry.conditions
    )
    return f"{entry.label} has an effect only with {required_values}"


def open_setting(name: str) -> None:
    """Open the part of the form that contains a setting; the callback of a button."""
    if is_drawn(name):
        return
    entry = next(entry for entry in setting_fields() if entry.name == name)
    st.session_state[MODE] = ADVANCED
    st.session_state[FIND] = ""
    if entry.group != _DATA:
        st.session_state[GROUP] = entry.group


def is_drawn(name: str) -> bool:
    """Return True if the form currently draws a setting.

    While the field "Find a setting" contains a text, the result is False for all settings in the
    card "More settings", even for those that the search shows.

    Args:
        name: The name of a setting that has an effect.
    """
    entry = next(entry for entry in setting_fields() if entry.name == name)
    if name in (*_RECIPE_FIELDS, _TARGETS):
        return True
    if st.session_state.get(MODE) != ADVANCED:
        return False
    if entry.group == _DATA:
        return True
    is_search = bool((st.session_state.get(FIND) or "").strip())
    return not is_search and st.session_state.get(GROUP) == entry.group


def _settings_with_effect(draft: Draft) -> list[SettingField]:
    """Return the settings that have an effect with the current values of the other settings."""
    return [entry for entry in setting_fields() if entry.has_effect(draft.values)]


def _is_elsewhere(entry: SettingField) -> bool:
    """Return True if a setting is drawn next to the dataset or the recipe, not with its group."""
    return entry.group == _DATA or entry.name in _RECIPE_FIELDS


def _entries_in(group: str, entries: Sequence[SettingField]) -> list[SettingField]:
    """Return the entries that are drawn with a group."""
    return [entry for entry in entries if entry.group == group and not _is_elsewhere(entry)]


def _show_grid(entries: Sequence[SettingField], draft: Draft) -> None:
    for first in range(0, len(entries), _COLUMNS):
        columns = st.columns(_COLUMNS, vertical_alignment="bottom")
        for column, entry in zip(columns, entries[first : first + _COLUMNS], strict=False):
            with column:
                _show_field(entry, draft)


def _show_field(entry: SettingField, draft: Draft) -> None:
    """Draw the widget of a setting, store its value in the draft, and show a problem with it."""
    key = widget_key(entry.name)
    set_widget_value(key, st.session_state.get(key, draft.values[entry.name]))
    value: Any
    if entry.kind == "choice":
        value = st.selectbox(
            entry.label,
            entry.choices,
            key=key,
            format_func=choice_label,
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
        # The widget does not get the bounds, because it would replace an invalid number by the
        # previous value. ``value_problem`` checks the bounds.
        value = st.number_input(
            entry.label,
            value=None,
            step=1 if entry.kind == "integer" else _step(entry),
            format=None if entry.kind == "integer" else "%g",
            key=key,
            placeholder="none" if entry.is_optional else "a number",
            help=f"{entry.help}. A number {bounds_text(entry)}"
            + (", or empty for none." if entry.is_optional else "."),
        )
    draft.values[entry.name] = value
    problem = value_problem(entry, value)
    if problem is not None:
        st.caption(f":red[:material/error: {plain_text(problem)}]")


def _step(entry: SettingField) -> float:
    """Return by how much the plus and minus buttons change a number, depending on its range."""
    if entry.is_logarithmic:
        return 1.0 if entry.maximum is not None and entry.maximum > 10 else 1e-4
    if entry.maximum is not None and entry.maximum > 5:
        return 1.0
    return 0.05
