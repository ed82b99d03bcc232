"""The configuration that is being made: what stands in the form, valid or not yet.

The values live apart from the form's elements, because Streamlit forgets an element as soon as it
is not drawn: on another page, behind another choice, while it does not apply.
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

_DRAFTS = "train_drafts"
RECIPE = "train_recipe"


@dataclass
class Draft:
    """The form's content for one recipe.

    Attributes:
        recipe: Its name.
        values: What each setting's element holds, by field; steps are text.
    """

    recipe: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What has become of a draft.

    Attributes:
        config: The training, where everything is well.
        problems: A sentence by field; those that concern no one field stand under "".
    """

    config: TrainingConfig | None
    problems: dict[str, str]


def element_key(name: str) -> str:
    """The session's key of a setting's element."""
    return f"setting_{name}"


def chosen_recipe() -> str:
    """The recipe whose form is shown; the quickest to train stands first."""
    name: str | None = st.session_state.get(RECIPE)
    return name if name in RECIPES else next(iter(RECIPES))


def current_draft() -> Draft:
    """The draft of the chosen recipe, with what its elements hold now."""
    drafts: dict[str, Draft] = st.session_state.setdefault(_DRAFTS, {})
    recipe = chosen_recipe()
    if recipe not in drafts:
        drafts[recipe] = Draft(recipe, form_values(recipe_by_name(recipe).config))
    draft = drafts[recipe]
    for name in draft.values:
        if element_key(name) in st.session_state:
            draft.values[name] = st.session_state[element_key(name)]
    return draft


def show_draft(draft: Draft) -> None:
    """Let the elements hold a draft's values; only before they are drawn, as in a callback."""
    for name, value in draft.values.items():
        st.session_state[element_key(name)] = value


def change_recipe() -> None:
    """Show the newly chosen recipe's own draft: what was edited under another one is kept there."""
    for name in form_values(TrainingConfig()):
        st.session_state.pop(element_key(name), None)
    show_draft(current_draft())


def load_config(config: TrainingConfig, recipe: str | None = None) -> None:
    """Fill the form from a configuration; only before the elements are drawn.

    Args:
        config: What to show.
        recipe: The one it is based on; where it is gone, the chosen one stays.
    """
    if recipe in RECIPES:
        # The elements still hold the other recipe's values, which stay with that one.
        current_draft()
        st.session_state[RECIPE] = recipe
    drafts: dict[str, Draft] = st.session_state.setdefault(_DRAFTS, {})
    name = chosen_recipe()
    drafts[name] = Draft(name, form_values(config))
    show_draft(drafts[name])


def form_values(config: TrainingConfig) -> dict[str, Any]:
    """A configuration as the form's elements hold it."""
    values = {entry.name: getattr(config, entry.name) for entry in setting_fields()}
    values["schedule_steps"] = steps_as_text(config.schedule_steps)
    return values


def steps_as_text(steps: tuple[tuple[int, float], ...]) -> str:
    """Pairs of epoch and rate as people type them: ``20: 0.00025, 30: 5e-05``."""
    return ", ".join(f"{epoch}: {rate:g}" for epoch, rate in steps)


def steps_from_text(text: str) -> tuple[tuple[int, float], ...]:
    """Read what ``steps_as_text`` writes.

    Raises:
        InputError: It cannot be read so.
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
                f"0.00005; {part.strip()!r} is none."
            ) from error
    return tuple(steps)


def bounds_in_words(entry: SettingField) -> str:
    """What a number may be: "from 0 to 1", "above 0 and at most 10"."""
    low, high = entry.minimum, entry.maximum
    if low is None or high is None:
        return ""
    if entry.minimum_is_allowed and entry.maximum_is_allowed:
        return f"from {_short(low)} to {_short(high)}"
    left = f"at least {_short(low)}" if entry.minimum_is_allowed else f"above {_short(low)}"
    right = f"at most {_short(high)}" if entry.maximum_is_allowed else f"below {_short(high)}"
    return f"{left} and {right}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) and abs(number) < 1e12 else f"{number:g}"


def value_problem(entry: SettingField, value: Any) -> str | None:
    """A sentence on what is wrong with one setting's value; None if nothing is."""
    if entry.kind == "steps":
        try:
            steps_from_text(value or "")
        except InputError as error:
            return str(error)
        return None
    if entry.kind not in ("integer", "number") or (value is None and entry.is_optional):
        return None
    if value is None:
        return f"{entry.label} is empty; enter a number {bounds_in_words(entry)}."
    low = -float("inf") if entry.minimum is None else entry.minimum
    high = float("inf") if entry.maximum is None else entry.maximum
    is_in = (low < value or (entry.minimum_is_allowed and value == low)) and (
        value < high or (entry.maximum_is_allowed and value == high)
    )
    if is_in:
        return None
    return f"{entry.label} should be {bounds_in_words(entry)}; it is {_short(value)}."


def checked(values: Mapping[str, Any]) -> Checked:
    """Make a configuration of the form's values, or say what is wrong with them.

    Settings that have no effect beside the others are set to their defaults, whatever the form
    still holds for them.
    """
    problems = {}
    for entry in setting_fields():
        if entry.applies_to(values):
            problem = value_problem(entry, values[entry.name])
            if problem is not None:
                problems[entry.name] = problem
    if problems:
        return Checked(None, problems)
    plain = dict(values)
    steps = next(entry for entry in setting_fields() if entry.kind == "steps")
    applies = steps.applies_to(values)
    plain[steps.name] = steps_from_text(values[steps.name] or "") if applies else ()
    try:
        return Checked(effective_config(plain), {})
    except InputError as error:
        return Checked(None, {"": str(error)})
