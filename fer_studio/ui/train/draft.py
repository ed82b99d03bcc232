"""The draft of a configuration: the values of the form, valid or not.

The values are not only in the form's widgets, because Streamlit drops a widget's value as soon as
the widget is not drawn: on another page, in another section of the page, in another group of
settings, or while the setting has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from fer_core.errors import InputError
from fer_core.recipes import (
    RECIPES,
    SettingField,
    TrainingConfig,
    effective_config,
    recipe_by_name,
    setting_fields,
)

#: Session keys of two values: all drafts by the name of their recipe, and the name of the chosen
#: recipe.
_DRAFTS, RECIPE = "train_drafts", "train_recipe"


@dataclass
class Draft:
    """The values of the form for one recipe.

    Attributes:
        recipe: The recipe's name.
        values: The value of each setting's widget, by the name of the setting. The steps of a
            schedule are text.
        starting_model: The name of the starting model that the values are adapted to; empty for
            random weights.
    """

    recipe: str
    values: dict[str, Any] = field(default_factory=dict)
    starting_model: str = ""


@dataclass(frozen=True)
class CheckedDraft:
    """The result of checking a draft.

    Attributes:
        config: The configuration; None if a value is not valid.
        problems: A sentence for each invalid value, by the name of the setting. A problem of
            several settings together has the key "".
    """

    config: TrainingConfig | None
    problems: dict[str, str]


def widget_key(name: str) -> str:
    """Return the session key of a setting's widget."""
    return f"setting_{name}"


def chosen_recipe() -> str:
    """Return the name of the chosen recipe; by default, that of the recipe that trains fastest."""
    name: str | None = st.session_state.get(RECIPE)
    return name if name in RECIPES else next(iter(RECIPES))


def update_current_draft() -> Draft:
    """Copy the values of the widgets into the draft of the chosen recipe, and return this draft."""
    drafts: dict[str, Draft] = st.session_state.setdefault(_DRAFTS, {})
    recipe = chosen_recipe()
    if recipe not in drafts:
        drafts[recipe] = Draft(recipe, form_values(recipe_by_name(recipe).config))
    draft = drafts[recipe]
    for name in draft.values:
        if widget_key(name) in st.session_state:
            draft.values[name] = st.session_state[widget_key(name)]
    return draft


def fill_widgets(draft: Draft) -> None:
    """Set the widgets to the values of a draft.

    Call this only before the widgets are drawn, for example in a callback.
    """
    for name, value in draft.values.items():
        st.session_state[widget_key(name)] = value


def change_recipe() -> None:
    """Fill the widgets from the draft of the newly chosen recipe; a callback."""
    # The widgets still have the values of the previous recipe. They are removed, because
    # ``update_current_draft`` would copy them into the draft of the new recipe. The draft of the
    # previous recipe already contains them, so nothing is lost.
    for entry in setting_fields():
        st.session_state.pop(widget_key(entry.name), None)
    fill_widgets(update_current_draft())


def load_config(
    config: TrainingConfig, recipe: str | None = None, starting_model: str = ""
) -> None:
    """Fill the form from a configuration.

    Call this only before the widgets are drawn, for example in a callback.

    Args:
        config: The configuration to show.
        recipe: The recipe that the configuration is based on. If this is None, or if the recipe no
            longer exists, the chosen recipe stays.
        starting_model: The name of the starting model that the configuration is adapted to; empty
            for random weights.
    """
    if recipe in RECIPES:
        update_current_draft()  # stores the widgets' values in the draft of the previous recipe
        st.session_state[RECIPE] = recipe
    drafts: dict[str, Draft] = st.session_state.setdefault(_DRAFTS, {})
    name = chosen_recipe()
    drafts[name] = Draft(name, form_values(config), starting_model)
    fill_widgets(drafts[name])


def form_values(config: TrainingConfig) -> dict[str, Any]:
    """Return a configuration as the values of the form's widgets, by the name of the setting."""
    values = {entry.name: getattr(config, entry.name) for entry in setting_fields()}
    values["schedule_steps"] = steps_as_text(config.schedule_steps)
    return values


def steps_as_text(steps: tuple[tuple[int, float], ...]) -> str:
    """Format pairs of epoch and learning rate as text: ``20: 0.00025, 30: 5e-05``."""
    return ", ".join(f"{epoch}: {rate:g}" for epoch, rate in steps)


def steps_from_text(text: str) -> tuple[tuple[int, float], ...]:
    """Parse pairs of epoch and learning rate, separated by commas, semicolons or line breaks.

    Raises:
        InputError: A part of the text is not such a pair.
    """
    steps = []
    for part in re.split(r"[,;\n]", text):
        if not part.strip():
            continue
        epoch, separator, rate = part.partition(":")
        try:
            if not separator:
                raise ValueError
            steps.append((int(epoch), float(rate)))
        except ValueError as error:
            raise InputError(
                "Steps should be pairs of epoch and learning rate such as 20: 0.00025, 30: "
                f"0.00005; {part.strip()!r} is not such a pair."
            ) from error
    return tuple(steps)


def bounds_text(entry: SettingField) -> str:
    """Return the bounds of a number as text: "from 0 to 1", "above 0 and at most 10".

    The text is empty for a setting that is not a number.
    """
    if entry.minimum is None or entry.maximum is None:
        return ""
    low, high = _number_text(entry.minimum), _number_text(entry.maximum)
    if entry.minimum_is_allowed and entry.maximum_is_allowed:
        return f"from {low} to {high}"
    lower_bound = f"at least {low}" if entry.minimum_is_allowed else f"above {low}"
    upper_bound = f"at most {high}" if entry.maximum_is_allowed else f"below {high}"
    return f"{lower_bound} and {upper_bound}"


def _number_text(number: float) -> str:
    """Format a number, such as "4,096" or "0.00025"; very large numbers as "1e+12"."""
    return f"{number:,.0f}" if abs(number) < 1e12 and number == int(number) else f"{number:g}"


def value_problem(entry: SettingField, value: Any) -> str | None:
    """Return a sentence that says why the value of a setting is not valid; None if it is valid."""
    if entry.kind == "steps":
        try:
            steps_from_text(value or "")
        except InputError as error:
            return str(error)
        return None
    if entry.kind not in ("integer", "number") or (value is None and entry.is_optional):
        return None
    if value is None:
        return f"{entry.label} is missing; enter a number {bounds_text(entry)}."
    if entry.is_within_bounds(value):
        return None
    return f"{entry.label} should be {bounds_text(entry)}; it is {_number_text(value)}."


def check_values(values: Mapping[str, Any]) -> CheckedDraft:
    """Build a configuration from the form's values, or say which values are not valid.

    A setting that has no effect gets its default value, even if its value in the form is not valid.

    Args:
        values: The values of the form's widgets, by the name of the setting.
    """
    problems = {}
    for entry in setting_fields():
        if entry.has_effect(values):
            problem = value_problem(entry, values[entry.name])
            if problem is not None:
                problems[entry.name] = problem
    if problems:
        return CheckedDraft(None, problems)
    parsed_values = dict(values)
    # The text of the steps may be invalid while the steps have no effect.
    steps = next(entry for entry in setting_fields() if entry.kind == "steps")
    has_effect = steps.has_effect(values)
    parsed_values[steps.name] = steps_from_text(values[steps.name] or "") if has_effect else ()
    try:
        return CheckedDraft(effective_config(parsed_values), {})
    except InputError as error:
        return CheckedDraft(None, {"": str(error)})
