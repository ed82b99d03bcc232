"""The choice of the starting model, and of the stages to freeze.

The weights of the starting model initialize a training.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from fer_core.bundle import Bundle, list_bundles
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig, recipe_by_name
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.recipes.fine_tuning import fine_tuning_config
from fer_core.settings import Settings, load_settings
from fer_core.training.run_folder import StartingModel
from fer_core.training.starting_model import starting_model, starting_model_problem
from fer_studio.ui.model_titles import distinct_titles, model_title
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.draft import fill_widgets, form_values, update_current_draft
from fer_studio.ui.widget_values import set_widget_value

#: Session keys of the name of the starting model, and of the last frozen stage.
STARTING_MODEL, LAST_FROZEN_STAGE = "train_start", "train_freeze"
#: The first option of both select boxes: random weights, and no frozen stage.
_NONE = ""

#: The settings that ``fine_tuning_config`` adapts to the starting model.
_ADAPTED_SETTINGS = (
    "architecture",
    "low_resolution_epochs",
    "learning_rate",
    "final_learning_rate",
    "schedule_steps",
)


def choose_starting_model(settings: Settings) -> None:
    """Draw the select box of the starting model.

    If a model is selected, also draw the select box of the last frozen stage.
    """
    bundles = _usable_bundles(settings)
    titles = distinct_titles({name: model_title(bundle) for name, bundle in bundles.items()})
    selected_name = st.session_state.get(STARTING_MODEL)
    set_widget_value(STARTING_MODEL, selected_name if selected_name in bundles else _NONE)
    model_column, freeze_column = st.columns(2)
    with model_column:
        name: str = st.selectbox(
            "Start from",
            [_NONE, *bundles],
            key=STARTING_MODEL,
            persist_state="session",
            format_func=lambda name: titles[name] if name else "random weights",
            on_change=adapt_draft,
            help="A trained model needs fewer images and epochs than random weights. Its "
            "architecture is used, with a tenth of the recipe's learning rate.",
        )
    if not name:
        st.session_state.pop(LAST_FROZEN_STAGE, None)
        return
    bundle = bundles[name]
    stages = ARCHITECTURES[bundle.record.config["architecture"]].stages
    last_frozen = st.session_state.get(LAST_FROZEN_STAGE)
    set_widget_value(LAST_FROZEN_STAGE, last_frozen if last_frozen in stages else _NONE)
    with freeze_column:
        st.selectbox(
            "Freeze up to",
            [_NONE, *stages],
            key=LAST_FROZEN_STAGE,
            persist_state="session",
            format_func=lambda stage: stage or "nothing",
            help="The stages up to this one keep the weights of the model, which is faster and "
            "overfits less on few images.",
        )
    data = plain_text(str(bundle.record.dataset.get("name", "unknown data")))
    st.caption(
        f"This model was trained on {data}. Its last layer is kept if the dataset has the same "
        "classes, and replaced otherwise."
    )


def adapt_draft() -> None:
    """Adapt the form to the chosen starting model if it is not adapted to it yet; a callback."""
    draft, name = update_current_draft(), st.session_state.get(STARTING_MODEL) or _NONE
    if draft.starting_model != name:
        values = form_values(base_config(draft.recipe, load_settings()))
        draft.values |= {field: values[field] for field in _ADAPTED_SETTINGS}
        draft.starting_model = name
    fill_widgets(draft)


def base_config(recipe: str, settings: Settings) -> TrainingConfig:
    """Return the configuration of a recipe, adapted to the chosen starting model."""
    config = recipe_by_name(recipe).config
    name = st.session_state.get(STARTING_MODEL) or _NONE
    bundle = _usable_bundles(settings).get(name) if name else None
    if bundle is None:
        return config
    return fine_tuning_config(config, str(bundle.record.config["architecture"]))


def selected_starting_model(settings: Settings) -> tuple[StartingModel | None, Path | None]:
    """Return the starting model and its file; None and None for random weights.

    Raises:
        InputError: The model no longer exists, no training can start from it, or its file cannot be
            read.
    """
    name = st.session_state.get(STARTING_MODEL) or _NONE
    if not name:
        return None, None
    bundle = _usable_bundles(settings).get(name)
    if bundle is None:
        raise InputError(
            f"The model {name!r} can no longer be used; choose another one to start from."
        )
    return starting_model(bundle, st.session_state.get(LAST_FROZEN_STAGE) or None)


def selected_last_frozen_stage(architecture: str) -> str | None:
    """Return the selected last frozen stage.

    Return None if no stage is selected, or if the architecture has no such stage.

    Args:
        architecture: The name of the architecture of the training.
    """
    stage = st.session_state.get(LAST_FROZEN_STAGE)
    return stage if stage in ARCHITECTURES[architecture].stages else None


def starting_model_text(start_model: StartingModel) -> str:
    """Return a sentence about the starting model of a run, as Markdown."""
    text = f"Started from the weights of **{plain_text(start_model.model)}**"
    if not start_model.freeze:
        return f"{text}."
    return f"{text}, frozen up to {plain_text(start_model.freeze)}."


def can_start_from(name: str, settings: Settings) -> bool:
    """Return True if a model of this name exists and a training can start from it."""
    return name in _usable_bundles(settings)


def _usable_bundles(settings: Settings) -> dict[str, Bundle]:
    """Return the models that a training can start from, by name."""
    return {
        bundle.name: bundle
        for bundle in list_bundles(settings)
        if starting_model_problem(bundle) is None
    }
