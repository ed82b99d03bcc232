"""The actions on a run: control, continue, rename and delete it, and use its model."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from fer_core.bundle import (
    BundleRecord,
    check_name_is_free,
    default_bundle_name,
    load_bundle,
    publish_bundle,
    set_default_bundle,
)
from fer_core.errors import InputError
from fer_core.recipes import RECIPES, TrainingConfig, config_difference
from fer_core.settings import Settings
from fer_core.training.control import (
    RunLabel,
    kill_run,
    request_pause,
    request_resume,
    request_stop,
    write_label,
)
from fer_core.training.launcher import continue_run
from fer_core.training.queue import start_pending_runs
from fer_core.training.registry import RunSummary
from fer_core.training.run_deletion import delete_run, is_default_model
from fer_core.training.run_folder import RunFolder
from fer_studio.ui.address import forget
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.configure import (
    MAX_RUN_NAME_LENGTH,
    MAX_RUN_NOTE_LENGTH,
    config_as_text,
    reuse_settings,
)
from fer_studio.ui.train.feedback import keep_error, run_action
from fer_studio.ui.train.formatting import format_percent, format_value
from fer_studio.ui.train.model_links import show_model_links
from fer_studio.ui.train.starting import starting_model_text
from fer_studio.ui.train.views import RUN

#: Maximum number of characters of the name of a model, as in ``fer_core.files.is_plain_name``.
_MAX_MODEL_NAME_LENGTH = 64


def show_actions(run: RunSummary, settings: Settings) -> None:
    """Draw a row with the actions that the run's state allows.

    The row has at most two buttons and the menu "More"; a pending run has no menu. "Continue…" and
    "More" have no icons, so that the whole row fits on a phone.
    """
    folder = RunFolder(run.path)
    if run.is_active:
        if run.state == "paused":
            _button("Resume", "resume", ":material/play_arrow:", lambda: request_resume(folder))
        else:
            _button(
                "Pause",
                "pause",
                ":material/pause:",
                lambda: request_pause(folder),
                help="Pauses after the current step. A paused training still uses memory.",
            )
        _button(
            "Stop",
            "stop",
            ":material/stop:",
            lambda: request_stop(folder),
            success_message="Stopping: the best epoch so far becomes a model.",
            help="Ends after the current step and keeps the best epoch so far as a model.",
        )
    elif run.has_bundle and run.state != "queued":
        _offer_use_as_default(run, settings)
    if run.can_continue:
        _offer_continuation(run, settings)
    if run.state == "queued":
        _offer_reuse(run)
        return
    with st.popover("More", key="more_actions"):
        if run.config is not None:
            _offer_reuse(run)
            st.divider()
        if run.is_active:
            st.markdown(
                "Kill ends the process at once. The current epoch is lost and no model is written; "
                "the run can be continued after its last finished epoch."
            )
            _button("Kill now", "kill", ":material/dangerous:", lambda: _kill(folder, settings))
        else:
            _offer_deletion(run, settings)


def _offer_use_as_default(run: RunSummary, settings: Settings) -> None:
    is_default = default_bundle_name(settings) == run.id
    st.button(
        "Default model" if is_default else "Use as default",
        key="use_as_default",
        icon=":material/star:",
        disabled=is_default,
        on_click=run_action,
        args=(
            lambda: set_default_bundle(run.id, settings),
            f"{run.title} is now the default model.",
        ),
        help="All pages and commands use the default model unless you select another one.",
    )


def _offer_reuse(run: RunSummary) -> None:
    st.button(
        "Reuse settings",
        key="reuse_settings",
        icon=":material/edit:",
        on_click=reuse_settings,
        args=(run,),
        help="Fills the form of a new training with this run's settings.",
    )


def _offer_deletion(run: RunSummary, settings: Settings) -> None:
    is_default = is_default_model(RunFolder(run.path), settings)
    st.markdown(
        "The default model is in this run's folder: publish a copy as the default, or choose "
        "another default model, before you delete the run."
        if is_default
        else f"Deletes {plain_text(run.title)} with its curves, log, checkpoint and model "
        "permanently."
    )
    st.button(
        "Delete permanently",
        key="delete",
        icon=":material/delete:",
        disabled=is_default,
        on_click=_delete,
        args=(run, settings),
    )


def _button(
    label: str,
    key: str,
    icon: str,
    action: Callable[[], object],
    *,
    success_message: str = "",
    help: str | None = None,  # noqa: A002 (the same name as in Streamlit)
) -> None:
    """Draw a button that calls ``run_action``, which runs the action and keeps its outcome."""
    st.button(
        label, key=key, icon=icon, on_click=run_action, args=(action, success_message), help=help
    )


def _kill(folder: RunFolder, settings: Settings) -> None:
    kill_run(folder)
    start_pending_runs(settings)  # a killed process cannot start the next run


def _delete(run: RunSummary, settings: Settings) -> None:
    def delete() -> None:
        delete_run(RunFolder(run.path), settings)
        forget(RUN)

    run_action(delete, f"{run.title} was deleted.")


def _offer_continuation(run: RunSummary, settings: Settings) -> None:
    is_finished = run.state == "finished"
    with st.popover("Continue…", key="continue_popover"):
        st.markdown(
            f"Continues after epoch {run.epoch:,} with the saved optimizer state. Runs that are "
            "already pending start first."
        )
        epochs_key = f"continue_epochs_{run.id}"
        st.number_input(
            "Total epochs",
            value=run.epochs + 10 if is_finished else run.epochs,
            step=1,
            key=epochs_key,
            help="A learning rate schedule that depends on the total, such as cosine, is stretched "
            "to the new total. Early stopping is switched off if it ended the run.",
        )
        st.button(
            "Continue training",
            key="continue",
            icon=":material/play_arrow:",
            on_click=_continue,
            args=(run, epochs_key, settings),
        )


def _continue(run: RunSummary, epochs_key: str, settings: Settings) -> None:
    epochs = st.session_state.get(epochs_key)
    if epochs is None:
        keep_error("The number of epochs is missing; enter one.")
        return
    new_epochs = None if epochs == run.epochs else epochs
    run_action(lambda: continue_run(RunFolder(run.path), settings, epochs=new_epochs))


def show_details(run: RunSummary) -> None:
    """Draw what does not change during a training: name and note, and the configuration."""
    if run.state == "damaged":
        return
    with st.expander("Name and note", icon=":material/edit_note:"):
        name_key, note_key = f"name_{run.id}", f"note_{run.id}"
        st.session_state.setdefault(name_key, run.name)
        st.session_state.setdefault(note_key, run.note)
        st.text_input("Name", key=name_key, max_chars=MAX_RUN_NAME_LENGTH)
        st.text_area("Note", key=note_key, max_chars=MAX_RUN_NOTE_LENGTH, height=100)
        st.button(
            "Save",
            key=f"save_label_{run.id}",
            on_click=_save_label,
            args=(run, name_key, note_key),
        )
    if run.config is None:
        return
    # The expander is empty until it is opened, because the code element is a large download for the
    # browser.
    configuration = st.expander(
        "Configuration",
        icon=":material/data_object:",
        key=f"record_{run.id}",
        on_change="rerun",
    )
    if configuration.open:
        with configuration:
            _show_config(run, run.config)


def _show_config(run: RunSummary, config: TrainingConfig) -> None:
    st.markdown(
        f"Recipe **{plain_text(run.recipe)}** on **{plain_text(run.data)}**, seed {run.seed}."
    )
    if run.start is not None:
        st.markdown(starting_model_text(run.start))
    recipe = RECIPES.get(run.recipe)
    if recipe is None:
        st.caption("The recipe no longer exists, but the run stores all settings that it uses.")
    else:
        differences = config_difference(recipe.config, config)
        for difference in differences:
            st.markdown(
                f"- {difference.label}: {plain_text(format_value(difference.second))} "
                f"(recipe: {plain_text(format_value(difference.first))})"
            )
        if not differences:
            st.caption("Same settings as the recipe.")
    text = config_as_text(config)
    offer_download(
        "Download",
        text,
        f"{run.id}.json",
        key=f"download_config_{run.id}",
        icon=":material/download:",
    )
    st.code(text, language="json", height=260)


def _save_label(run: RunSummary, name_key: str, note_key: str) -> None:
    label = RunLabel(st.session_state[name_key] or "", st.session_state[note_key] or "")
    run_action(lambda: write_label(RunFolder(run.path), label), "Name and note were saved.")


def show_model(run: RunSummary, settings: Settings) -> None:
    """Draw what is known about the run's model, and the buttons and links to use it."""
    try:
        bundle = load_bundle(run.bundle_path, run.id)
    except InputError as error:
        show_error(error)
        return
    is_default = default_bundle_name(settings) == run.id
    with st.container(border=True):
        st.markdown("**Trained model**" + (" · default model" if is_default else ""))
        st.caption(
            f"{_model_metrics(run, bundle.record)} All pages list the model as "
            f"{plain_text(run.title)}. Its folder is {plain_text(str(run.bundle_path))}."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            # If the run is active or pending, the row of actions refreshes itself, and a click in
            # that row would not update the text above. The button is therefore drawn here. For
            # other runs, it is drawn in the row of actions.
            if run.is_active or run.state == "queued":
                _offer_use_as_default(run, settings)
            show_model_links(run.id)
            with st.popover("Publish…", icon=":material/publish:", key="publish_popover"):
                _offer_publication(run, settings)


def _model_metrics(run: RunSummary, record: BundleRecord) -> str:
    """Return a sentence with the calibration error of the model.

    The sentence also states accuracy and macro F1 if the model has learned votes, or if they differ
    from the values that the page shows for the run.
    """
    metrics = record.metrics.get("validation", {})
    reference = ""
    if record.learned_votes:
        metrics, reference = metrics.get("votes", {}), " against the plurality of the votes"
    accuracy, macro_f1 = metrics.get("accuracy"), metrics.get("macro_f1")
    ece = _three_digits(metrics.get("ece"))
    shown = (format_percent(run.validation_accuracy), _three_digits(run.macro_f1))
    if not reference and (format_percent(accuracy), _three_digits(macro_f1)) == shown:
        return f"Calibration error (ECE) on validation: {ece}."
    return (
        f"Validation{reference}, measured with the exported model: accuracy "
        f"{format_percent(accuracy)}, macro F1 {_three_digits(macro_f1)}, calibration error (ECE) "
        f"{ece}."
    )


def _three_digits(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "-"


def _offer_publication(run: RunSummary, settings: Settings) -> None:
    st.markdown("Copies the model to `models/`. The copy remains if the run is deleted.")
    name_key = f"publish_name_{run.id}"
    st.text_input(
        "Model name",
        value=run.id[:_MAX_MODEL_NAME_LENGTH],
        key=name_key,
        max_chars=_MAX_MODEL_NAME_LENGTH,
    )
    default_key = f"publish_default_{run.id}"
    st.toggle("Make it the default model", key=default_key)
    st.button(
        "Publish",
        key="publish",
        icon=":material/publish:",
        on_click=_publish,
        args=(run, name_key, default_key, settings),
    )


def _publish(run: RunSummary, name_key: str, default_key: str, settings: Settings) -> None:
    name = (st.session_state.get(name_key) or "").strip()

    def publish() -> None:
        check_name_is_free(name, settings)
        publish_bundle(
            run.bundle_path,
            settings,
            name=name,
            make_default=bool(st.session_state.get(default_key)),
        )

    run_action(publish, f"Published as {name}.")
