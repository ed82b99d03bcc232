"""The fields of a training's settings, built from the fields of ``TrainingConfig``.

Basic shows the few settings that most trainings need. Advanced also shows all others, one section
at a time; only the settings of the data are not in a section, but below the dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.recipes import GROUPS, SettingField, TrainingConfig, setting_fields
from fer_studio.ui.kept import keep_choice, kept_segments
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.draft import Draft, bounds_text, element_key, form_values, value_problem

#: The session keys of the choice between Basic and Advanced, of the open section (a key of
#: ``GROUPS``), and of the text to find settings with.
MODE, SECTION, FIND = "form_mode", "form_section", "find_setting"
BASIC, ADVANCED = "Basic", "Advanced"

#: The group of the settings below the dataset, and the setting of this group that Basic shows too.
_DATA, _TARGETS = "data", "targets"
#: The settings next to the recipe.
_RECIPE_FIELDS = ("epochs",)

_COLUMNS = 2


def card_title(title: str) -> DeltaGenerator:
    """Draw the heading of a card; return its line, for a widget to the right of the heading.

    A heading in a horizontal container has no margin at its top, which a card does not need.
    """
    line = st.container(horizontal=True, vertical_alignment="center")
    line.header(title, anchor=False, width="stretch")
    return line


def choose_mode() -> bool:
    """Draw the choice between Basic and Advanced; return True for Advanced."""
    mode = kept_segments(
        "Settings",
        (BASIC, ADVANCED),
        key=MODE,
        name="settings",
        write=str.lower,
        label_visibility="collapsed",
    )
    return mode == ADVANCED


def show_targets(draft: Draft) -> None:
    """Draw the setting of the training targets: labels or annotator votes."""
    for entry in setting_fields():
        if entry.name == _TARGETS:
            _show_field(entry, draft)


def show_data_fields(draft: Draft) -> None:
    """Draw the other settings of the data: which images are used, and how often."""
    entries = [
        entry for entry in _applying(draft) if entry.group == _DATA and entry.name != _TARGETS
    ]
    # The toggles come last.
    for is_toggle in (False, True):
        _show_grid([entry for entry in entries if (entry.kind == "boolean") == is_toggle], draft)


def show_recipe_fields(draft: Draft) -> None:
    """Draw the settings next to the recipe."""
    for entry in setting_fields():
        if entry.name in _RECIPE_FIELDS:
            _show_field(entry, draft)


def show_sections(draft: Draft, base: TrainingConfig, problems: Mapping[str, str]) -> None:
    """Draw the settings that are not next to the dataset or the recipe, one section at a time.

    Args:
        draft: The form.
        base: The configuration that the form started from.
        problems: A sentence for each field with an invalid value.
    """
    card_title("All settings")
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
        section = _choose_section(draft, base, problems)
    # Only one section is drawn: the widgets of all sections take longer than the rest of the page.
    with content:
        if search_text and search_text.strip():
            _show_found(search_text, draft)
        else:
            _show_grid(
                [entry for entry in _in_sections(_applying(draft)) if entry.group == section], draft
            )


def _choose_section(draft: Draft, base: TrainingConfig, problems: Mapping[str, str]) -> str:
    sections = [group for group in GROUPS if group != _DATA]
    titles = {group: _section_title(group, draft, base, problems) for group in sections}
    keep_choice(SECTION, sections, name="section", noun="section", describe=GROUPS.__getitem__)
    section: str = st.radio(
        "Section",
        sections,
        key=SECTION,
        format_func=titles.__getitem__,
        label_visibility="collapsed",
    )
    return section


def _section_title(
    group: str, draft: Draft, base: TrainingConfig, problems: Mapping[str, str]
) -> str:
    """Return the title of a section, with the number of changed settings and a mark for errors."""
    entries = [entry for entry in _in_sections(_applying(draft)) if entry.group == group]
    values = form_values(base)
    changed = sum(draft.values[entry.name] != values[entry.name] for entry in entries)
    title = GROUPS[group]
    if any(entry.name in problems for entry in entries):
        title += " :red[:material/error:]"
    return f"{title} :gray[· {changed} changed]" if changed else title


def _show_found(text: str, draft: Draft) -> None:
    """Draw the settings whose name, description or section contains every word of a text."""
    terms = text.lower().split()
    found = [
        entry
        for entry in setting_fields()
        if all(
            term in f"{entry.label} {entry.name} {entry.help} {GROUPS[entry.group]}".lower()
            for term in terms
        )
    ]
    if not found:
        st.caption(f"No setting contains “{plain_text(text.strip())}”.")
    applying = [entry for entry in found if entry.applies_to(draft.values)]
    for group, title in GROUPS.items():
        entries = [entry for entry in _in_sections(applying) if entry.group == group]
        if entries:
            st.markdown(f"**{title}**")
            _show_grid(entries, draft)
    elsewhere = [entry.label for entry in applying if not _in_sections([entry])]
    if elsewhere:
        st.caption(f"Next to the dataset and the recipe: {', '.join(elsewhere)}.")
    without_effect = [entry for entry in found if entry not in applying]
    if without_effect:
        st.caption("; ".join(_requirement(entry) for entry in without_effect) + ".")


def _requirement(entry: SettingField) -> str:
    """Return a clause that says with which values of other settings a setting has an effect."""
    labels = {other.name: other.label for other in setting_fields()}
    required_values = " and ".join(
        f"{labels[name]} {' or '.join(map(_choice_label, values))}"
        for name, values in entry.applies
    )
    return f"{entry.label} has an effect only with {required_values}"


def open_setting(name: str) -> None:
    """Show a setting in the form; the callback of a button."""
    entry = next(entry for entry in setting_fields() if entry.name == name)
    if is_drawn(name):
        return
    st.session_state[MODE] = ADVANCED
    st.session_state[FIND] = ""
    if entry.group != _DATA:
        st.session_state[SECTION] = entry.group


def is_drawn(name: str) -> bool:
    """Return True if the form shows a setting in its current mode, section and search."""
    entry = next(entry for entry in setting_fields() if entry.name == name)
    if name in (*_RECIPE_FIELDS, _TARGETS):
        return True
    if st.session_state.get(MODE) != ADVANCED:
        return False
    is_found = bool((st.session_state.get(FIND) or "").strip())
    return entry.group == _DATA or (not is_found and st.session_state.get(SECTION) == entry.group)


def _applying(draft: Draft) -> list[SettingField]:
    """Return the settings that have an effect with the current values of the other settings."""
    return [entry for entry in setting_fields() if entry.applies_to(draft.values)]


def _in_sections(entries: Sequence[SettingField]) -> list[SettingField]:
    """Return the settings that are not next to the dataset or the recipe."""
    return [entry for entry in entries if entry.group != _DATA and entry.name not in _RECIPE_FIELDS]


def _show_grid(entries: Sequence[SettingField], draft: Draft) -> None:
    for start in range(0, len(entries), _COLUMNS):
        columns = st.columns(_COLUMNS, vertical_alignment="bottom")
        for column, entry in zip(columns, entries[start : start + _COLUMNS], strict=False):
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
        # ``value_problem`` checks the bounds. The widget would replace what the user typed by the
        # previous value.
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
    """Return a step of the plus and minus buttons that suits the range of a setting."""
    if entry.is_logarithmic:
        return 1.0 if entry.maximum is not None and entry.maximum > 10 else 1e-4
    if entry.maximum is not None and entry.maximum > 5:
        return 1.0
    return 0.05
