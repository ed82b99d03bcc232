"""New training: choose data, recipe and settings, see the estimate, and start."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from fer_core.dataset.store import DEMO_NAME, dataset_names
from fer_core.errors import InputError
from fer_core.phrases import counted
from fer_core.recipes import (
    RECIPES,
    TrainingConfig,
    config_difference,
    recipe_by_name,
    validated_config,
)
from fer_core.settings import Settings, load_settings
from fer_core.training.launcher import launch
from fer_core.training.queue import active_runs, pending_runs
from fer_core.training.registry import RunSummary
from fer_core.training.run_folder import RunSetup, Tracking
from fer_studio.ui.access import is_private, require_editor
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.messages import ErrorKeeper
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.datasets import (
    DATASET,
    ChosenDataset,
    choose_dataset,
    selected_dataset_name,
    show_training_size,
)
from fer_studio.ui.train.draft import (
    RECIPE,
    CheckedDraft,
    Draft,
    change_recipe,
    check_values,
    chosen_recipe,
    load_config,
    update_current_draft,
)
from fer_studio.ui.train.estimates import show_estimate
from fer_studio.ui.train.fields import (
    card_title,
    choose_mode,
    is_drawn,
    open_setting,
    show_data_fields,
    show_groups,
    show_recipe_fields,
    show_targets,
)
from fer_studio.ui.train.formatting import format_value
from fer_studio.ui.train.starting import (
    LAST_FROZEN_STAGE,
    STARTING_MODEL,
    adapt_draft,
    base_config,
    can_start_from,
    choose_starting_model,
    selected_last_frozen_stage,
    selected_starting_model,
)
from fer_studio.ui.train.views import NEW_TRAINING, VIEW, open_run
from fer_studio.ui.uploads import read_upload
from fer_studio.ui.widget_values import set_widget_value

#: Maximum numbers of characters of the name and the note of a run, as in ``write_label``.
MAX_RUN_NAME_LENGTH, MAX_RUN_NOTE_LENGTH = 80, 4000
#: Maximum size of a configuration file.
_MAX_CONFIG_MB = 1

#: Session keys of two expanders. The value of each key is True while the expander is open.
OPEN_TEXT, OPEN_NOTE = "open_text", "open_note"
#: Session keys of the fields of a new run.
_NAME, _NOTE = "new_run_name", "new_run_note"
_TENSORBOARD, _MLFLOW = "new_run_tensorboard", "new_run_mlflow"
#: Session key of the toggle that replaces the field ``_MLFLOW`` if other people can reach the app:
#: they must not choose an address that the server connects to.
_SHARED_MLFLOW = "new_run_shared_mlflow"
#: The beginning of the session keys of the uploaders, and the session key of the number of uploads.
_UPLOAD, _UPLOAD_COUNT = "config_upload", "config_upload_count"
#: Session key of a pair with the outcome of filling the form from a file or a run: True for success
#: or False for failure, and the message.
_LOAD_MESSAGE = "load_message"

#: Keeps the error of a failed attempt to start a training until the form shows it.
_START_ERROR = ErrorKeeper("start_error")


def show_configure(settings: Settings) -> None:
    """Draw the section "New training"."""
    # The draft is checked before the first widget is drawn, because the upper elements, such as the
    # number of images, already need the result. If they were drawn later, the elements below them
    # would move while the page is loading.
    draft = update_current_draft()
    result = check_values(draft.values)
    base = base_config(draft.recipe, settings)
    form, summary = st.columns([3, 2], gap="large")
    with form:
        with st.container(border=True):
            with card_title("Data"):
                is_advanced = choose_mode()
            dataset_column, targets_column = st.columns([3, 2])
            with targets_column:
                show_targets(draft)
            with dataset_column:
                dataset = choose_dataset(settings)
            if dataset is not None:
                dataset = show_training_size(dataset, result.config, settings)
            if is_advanced:
                show_data_fields(draft)
        with st.container(border=True):
            card_title("Recipe")
            _choose_recipe(draft)
            choose_starting_model(settings)
        if is_advanced:
            with st.container(border=True):
                show_groups(draft, base, result.problems)
                _show_text(result.config, draft)
    with summary, st.container(border=True):
        card_title("This training")
        # The number of messages changes. They have a container of their own, so that the estimate
        # below keeps its position among the elements. If the position changed, the browser would
        # replace the fragment of the estimate and lose a click in it.
        with st.container():
            _show_load_message()
            _show_problems(result)
            if result.config is not None:
                _show_difference(draft, result.config, base)
        with st.container():
            if result.config is not None and dataset is not None:
                last_frozen_stage = selected_last_frozen_stage(result.config.architecture)
                show_estimate(result.config, last_frozen_stage, dataset, settings)
        _show_start_controls(dataset, result.config, settings)


def _show_problems(result: CheckedDraft) -> None:
    """Show every problem, with a button that opens the setting if the form does not draw it now."""
    for name, sentence in result.problems.items():
        st.error(plain_text(sentence), icon=":material/error:")
        if name and not is_drawn(name):
            st.button(
                "Show the setting",
                key=f"show_{name}",
                type="tertiary",
                icon=":material/arrow_back:",
                on_click=open_setting,
                args=(name,),
            )


def _choose_recipe(draft: Draft) -> None:
    """Draw the select box of the recipe, the settings next to it, and the recipe's description."""
    set_widget_value(RECIPE, chosen_recipe())
    recipe_column, epochs_column = st.columns([3, 2])
    with recipe_column:
        name: str = st.selectbox(
            "Recipe",
            list(RECIPES),
            key=RECIPE,
            persist_state="session",
            on_change=_change_recipe,
            help="A complete set of training settings. The recipe that trains fastest comes first. "
            "Under Advanced, you can change every setting. Your changes are kept while you look at "
            "other recipes.",
        )
    with epochs_column:
        show_recipe_fields(draft)
    recipe = recipe_by_name(name)
    published = f" Published result: {recipe.published_result}." if recipe.published_result else ""
    st.caption(f"{recipe.summary}.{published}")


def _change_recipe() -> None:
    """Show the draft of the new recipe, adapted to the chosen starting model; a callback."""
    change_recipe()
    adapt_draft()


def _show_difference(draft: Draft, config: TrainingConfig, base: TrainingConfig) -> None:
    """Draw the differences between the form and its recipe, and a button that resets the form.

    Args:
        draft: The form.
        config: The configuration in the form.
        base: The configuration of the recipe, adapted to the starting model.
    """
    differences = config_difference(base, config)
    if not differences:
        adapted = f", adapted to {plain_text(draft.starting_model)}" if draft.starting_model else ""
        st.caption(f"Same settings as the recipe {draft.recipe}{adapted}, seed {config.seed}.")
        return
    st.markdown(f"**{counted(len(differences), 'setting')} changed from the recipe**")
    st.dataframe(
        [
            {
                "Setting": difference.label,
                "Recipe": format_value(difference.first),
                "Here": format_value(difference.second),
            }
            for difference in differences
        ],
        hide_index=True,
        height=table_height(len(differences), maximum=250),
        alt="Settings that differ from the recipe",
    )
    st.button(
        "Reset to the recipe",
        key="reset_recipe",
        type="tertiary",
        icon=":material/undo:",
        on_click=load_config,
        args=(base, draft.recipe, draft.starting_model),
    )


def _show_text(config: TrainingConfig | None, draft: Draft) -> None:
    """Draw the configuration as text, and an uploader that fills the form.

    Args:
        config: The configuration in the form; None if it is not valid.
        draft: The form.
    """
    # The expander is empty until it is opened, because the code element is a large download for the
    # browser.
    expander = st.expander(
        "Configuration as text", icon=":material/data_object:", key=OPEN_TEXT, on_change="rerun"
    )
    if not expander.open:
        return
    with expander:
        if config is None:
            st.caption("Correct the settings first; then the configuration appears here.")
        else:
            text = config_as_text(config)
            offer_download(
                "Download",
                text,
                f"{draft.recipe}.json",
                key="download_config",
                icon=":material/download:",
            )
            st.code(text, language="json", height=260)
        # After each upload, the key changes, which creates a new, empty uploader.
        key = f"{_UPLOAD}_{st.session_state.setdefault(_UPLOAD_COUNT, 0)}"
        st.file_uploader(
            "Load a configuration (JSON)",
            type=["json"],
            key=key,
            on_change=_load_upload,
            args=(key,),
            max_upload_size=_MAX_CONFIG_MB,
            help="Fills the form from a downloaded configuration, or from a run's config.json.",
        )


def config_as_text(config: TrainingConfig) -> str:
    """Return the configuration as JSON text."""
    return json.dumps(config.to_json(), indent=2) + "\n"


def config_from_text(content: bytes, name: str) -> tuple[TrainingConfig, str | None]:
    """Read a file with a configuration, or a run's ``config.json``.

    Args:
        content: The file's content.
        name: The file's name, for error messages.

    Returns:
        The configuration, and the name of its recipe; None if the file does not contain the name.

    Raises:
        InputError: The file contains no configuration, or a setting that is not valid.
    """
    try:
        values: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name} is not valid JSON; use a downloaded configuration, or a run's config.json."
        ) from error
    recipe = None
    if isinstance(values, dict) and isinstance(values.get("config"), dict):
        recipe, values = values.get("recipe"), values["config"]
    if not isinstance(values, dict):
        raise InputError(
            f"{name} contains no settings; use a downloaded configuration, or a run's config.json."
        )
    try:
        config = validated_config(values)
    except InputError as error:
        raise InputError(f"{name} cannot be used: {error}") from error
    return config, recipe if isinstance(recipe, str) else None


def _load_upload(key: str) -> None:
    """Fill the form from an uploaded file; the callback of the uploader.

    Args:
        key: The session key of the uploader.
    """
    upload = st.session_state.get(key)
    if upload is None:
        return
    st.session_state[_UPLOAD_COUNT] += 1
    try:
        config, recipe = config_from_text(read_upload(upload, _MAX_CONFIG_MB), upload.name)
    except InputError as error:
        st.session_state[_LOAD_MESSAGE] = (False, str(error))
        return
    # The chosen starting model stays. The settings are not adapted to this model: learning rate and
    # architecture are those of the file.
    load_config(config, recipe, st.session_state.get(STARTING_MODEL) or "")
    st.session_state[_LOAD_MESSAGE] = (True, f"The form now shows {upload.name}.")


def reuse_settings(run: RunSummary) -> None:
    """Fill the form from a run, and open the form; the callback of a button.

    Do nothing if the configuration of the run cannot be read.
    """
    if run.config is None:
        return
    starting_model = "" if run.start is None else run.start.model
    load_config(run.config, run.recipe, starting_model)
    st.session_state[STARTING_MODEL] = starting_model
    st.session_state[LAST_FROZEN_STAGE] = "" if run.start is None else run.start.freeze or ""
    st.session_state[DATASET] = run.data
    st.session_state[VIEW] = NEW_TRAINING
    message = f"The form now shows the settings of {run.title}."
    if run.recipe not in RECIPES:
        message += f" Its recipe {run.recipe} no longer exists."
    if run.data != DEMO_NAME and run.data not in dataset_names(load_settings()):
        message += f" Its dataset {run.data} is not imported: choose another one."
    if starting_model and not can_start_from(starting_model, load_settings()):
        message += (
            f" Its starting model {starting_model} can no longer be used: choose another one."
        )
    st.session_state[_LOAD_MESSAGE] = (True, message)


def _show_load_message() -> None:
    """Show, once, whether a file or a run has filled the form."""
    is_success, message = st.session_state.pop(_LOAD_MESSAGE, (True, ""))
    if message and is_success:
        st.success(plain_text(message), icon=":material/check:")
    elif message:
        st.error(plain_text(message), icon=":material/error:")


def _show_start_controls(
    dataset: ChosenDataset | None, config: TrainingConfig | None, settings: Settings
) -> None:
    """Draw the fields of the new run, such as its name, and the button that starts the training."""
    st.text_input(
        "Name (optional)",
        key=_NAME,
        persist_state="session",
        max_chars=MAX_RUN_NAME_LENGTH,
        placeholder="baseline",
    )
    expander = st.expander(
        "Note and tracking", icon=":material/edit_note:", key=OPEN_NOTE, on_change="rerun"
    )
    if expander.open:
        with expander:
            _show_note_and_tracking(settings)
    st.button(
        "Start training",
        key="start_training",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=dataset is None or config is None,
        on_click=_start,
    )
    _START_ERROR.show()
    pending, running = len(pending_runs(settings)), len(active_runs(settings))
    if pending or running >= settings.parallel_runs:
        st.caption(
            f"{counted(running, 'training')} running, {pending} pending: a new training will wait "
            f"at position {pending + 1}."
        )
    st.caption(
        "A training runs in the background and continues when you close the page, the browser or "
        "the app."
    )


def _show_note_and_tracking(settings: Settings) -> None:
    st.text_area(
        "Note", key=_NOTE, persist_state="session", max_chars=MAX_RUN_NOTE_LENGTH, height=90
    )
    st.toggle(
        "Write TensorBoard event files",
        key=_TENSORBOARD,
        persist_state="session",
        help="Written to tensorboard/ in the run's folder; view them with 'tensorboard --logdir'.",
    )
    if is_private():
        st.text_input(
            "MLflow tracking address",
            key=_MLFLOW,
            persist_state="session",
            placeholder="http://localhost:5000",
            help="Optional: an MLflow server, folder or database that also receives the metrics.",
        )
    elif settings.mlflow_address:
        st.toggle(
            "Log to this server's MLflow",
            key=_SHARED_MLFLOW,
            persist_state="session",
            help="The address is set by FER_STUDIO_MLFLOW on this server.",
        )


def _start() -> None:
    """Launch a training with the form's current values, and open its run; a callback."""
    draft = update_current_draft()
    result = check_values(draft.values)
    if result.config is None:
        return  # the form shows the problem
    settings = load_settings()
    with _START_ERROR:
        require_editor()
        starting_model, starting_model_file = selected_starting_model(settings)
        setup = RunSetup(
            recipe=draft.recipe,
            data=selected_dataset_name(settings),
            config=result.config,
            tracking=Tracking(
                tensorboard=bool(st.session_state.get(_TENSORBOARD)),
                mlflow_uri=_mlflow_address(settings) or None,
            ),
            start=starting_model,
        )
        run = launch(
            setup,
            settings,
            name=st.session_state.get(_NAME) or "",
            note=st.session_state.get(_NOTE) or "",
            starting_model_file=starting_model_file,
        )
        st.session_state[_NAME] = st.session_state[_NOTE] = ""
        open_run(run.path.name)


def _mlflow_address(settings: Settings) -> str:
    """Return the MLflow address that the form selects; empty for none."""
    if is_private():
        return (st.session_state.get(_MLFLOW) or "").strip()
    return settings.mlflow_address if st.session_state.get(_SHARED_MLFLOW) else ""
