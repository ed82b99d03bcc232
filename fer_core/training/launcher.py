"""The launcher: checks a training, creates its run and adds the run to the queue."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from fer_core.dataset.imported import is_imported
from fer_core.dataset.store import locate_dataset, read_record
from fer_core.errors import InputError
from fer_core.files import os_errors_as_input_errors
from fer_core.image_hashes import IMAGE_HASHES_FILE
from fer_core.keras_backend import require_backend
from fer_core.phrases import counted
from fer_core.recipes import TrainingConfig, changed_config
from fer_core.recipes.fine_tuning import check_stage
from fer_core.settings import Settings
from fer_core.training.control import RunLabel, write_label
from fer_core.training.queue import enqueue, start_pending_runs
from fer_core.training.required_votes import check_votes
from fer_core.training.resource_errors import check_disk_space
from fer_core.training.run_folder import (
    ConfigChange,
    RunFolder,
    RunSetup,
    StartingModel,
    is_stopped_early,
    new_run_folder,
)
from fer_core.training.tracking import check_tracking


def launch(
    setup: RunSetup,
    settings: Settings,
    *,
    name: str = "",
    note: str = "",
    starting_model_file: Path | None = None,
) -> RunFolder:
    """Create a run and start it in the background, or add it to the queue.

    Args:
        setup: The configuration and the data of the run.
        settings: Settings with the location of ``runs/`` and the number of runs that may be trained
            at the same time.
        name: The run's name for users.
        note: The user's note about the run.
        starting_model_file: The Keras file of the starting model, ``setup.start``; None for random
            weights.

    Returns:
        The new run's folder.

    Raises:
        InputError: See ``create_run``, ``write_label``, ``enqueue`` and ``start_pending_runs``.
    """
    run = create_run(setup, settings, starting_model_file=starting_model_file)
    try:
        if name or note:
            write_label(run, RunLabel(name, note))
        enqueue(run, settings)
    except InputError:
        # Without the deletion, a run that was never started would remain in the list of runs.
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    start_pending_runs(settings)
    return run


def create_run(
    setup: RunSetup,
    settings: Settings,
    folder: Path | None = None,
    *,
    starting_model_file: Path | None = None,
) -> RunFolder:
    """Check a training, then create its run without starting it.

    The checks happen here only: the job that trains the run later relies on them. An imported
    dataset's fingerprint is stored with the run, so that the job notices if the dataset was
    replaced while the run was pending. The fingerprint of data that are read from a path is unknown
    until the job has read them.

    Args:
        setup: The configuration and the data of the run.
        settings: Settings with the location of ``runs/``.
        folder: The run's folder; by default a new one under ``runs/``.
        starting_model_file: The Keras file of the starting model, ``setup.start``; None for random
            weights. The file and the image hashes in its folder are copied to the run, because the
            model may be deleted or replaced while the run is pending.

    Raises:
        InputError: The starting model does not fit the configuration; the dataset is missing or
            damaged, or has no votes to learn; the disk has too little space; Keras or a library
            for the requested tracking is not installed; or the folder already contains a run or
            cannot be written.
    """
    if setup.start is not None:
        check_starting_model(setup.start, setup.config)
    fingerprint = _recorded_fingerprint(setup.data, settings)
    check_votes(setup.config, setup.data, settings)
    _check_resources(setup, settings.runs_root if folder is None else folder)
    is_new_folder = folder is None
    run = new_run_folder(setup.recipe, settings) if folder is None else RunFolder(folder)
    try:
        run.create(replace(setup, fingerprint=fingerprint))
        if starting_model_file is not None:
            with os_errors_as_input_errors(f"The starting model cannot be copied to {run.path}"):
                shutil.copyfile(starting_model_file, run.starting_model_path)
                hashes_file = starting_model_file.with_name(IMAGE_HASHES_FILE)
                if hashes_file.is_file():
                    shutil.copyfile(hashes_file, run.starting_model_hashes_path)
    except InputError:
        if is_new_folder:
            shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def check_starting_model(start: StartingModel, config: TrainingConfig) -> None:
    """Check that a training can start from a model.

    Raises:
        InputError: The architectures differ, or the stage to freeze does not exist.
    """
    if config.architecture != start.architecture:
        raise InputError(
            f"The model {start.model!r} has the architecture {start.architecture}, and its weights "
            f"do not fit {config.architecture}; keep architecture={start.architecture}, or start "
            "from random weights."
        )
    check_stage(start.architecture, start.freeze)


def _check_resources(setup: RunSetup, folder: Path) -> None:
    require_backend()
    check_tracking(setup.tracking)
    check_disk_space(setup.config, folder)


def _recorded_fingerprint(data: str, settings: Settings) -> str | None:
    """Return the fingerprint that the import stored; None for data that was not imported."""
    path = locate_dataset(data, settings)
    if path.parent != settings.data_root or not is_imported(path):
        return None
    return read_record(path.name, settings).fingerprint


def continue_run(run: RunFolder, settings: Settings, *, epochs: int | None = None) -> None:
    """Add a run to the queue, to train it further after its last finished epoch.

    If early stopping ended the run and more epochs are requested, early stopping is switched off.

    Args:
        run: A run that is not being trained.
        settings: Settings with the location of ``runs/``.
        epochs: The new total number of epochs; None to keep the total. The change is stored in
            ``config.json``. The schedule *cosine* is stretched to the new total.

    Raises:
        InputError: The run is being trained or pending already, is complete, or has more finished
            epochs than requested; the disk has too little space; or Keras or a library for the
            run's tracking is missing.
    """
    if epochs is not None:
        extend_run(run, epochs)
    setup, history = run.read_setup(), run.read_epochs()
    status = run.read_status()
    is_finished = status is not None and status.state == "finished"
    if is_finished and (
        len(history) >= setup.config.epochs or is_stopped_early(history, setup.config)
    ):
        raise InputError(
            f"The run {run.path.name} is complete after {counted(len(history), 'epoch')}; request "
            "a larger number of epochs to train it further."
        )
    _check_resources(setup, run.path)
    enqueue(run, settings)
    start_pending_runs(settings)


def find_resumable_run(folder: Path) -> RunFolder:
    """Return the run in a folder if this process can resume it.

    Raises:
        InputError: The folder contains no run, Keras or a library for the run's tracking is
            missing, or the disk has too little space.
    """
    run = RunFolder(folder)
    _check_resources(run.read_setup(), run.path)
    return run


def extend_run(run: RunFolder, epochs: int) -> None:
    """Change a run's total number of epochs.

    Raises:
        InputError: The run is being trained, or has more finished epochs than requested.
    """
    with run.locked() as setup:
        history = run.read_epochs()
        minimum = max(len(history), 1)
        if epochs < minimum:
            raise InputError(
                f"The run {run.path.name} has {counted(len(history), 'finished epoch')}; request "
                f"at least {minimum}. Received: epochs={epochs}"
            )
        changes: dict[str, object] = {"epochs": epochs}
        if len(history) < epochs and is_stopped_early(history, setup.config):
            changes["early_stopping_patience"] = None
        config = changed_config(setup.config, changes)
        if config != setup.config:
            run.change_setup(_with_change(setup, config, len(history)))


def _with_change(setup: RunSetup, config: TrainingConfig, after_epoch: int) -> RunSetup:
    """Return the setup with a new configuration and the change in its list of changes.

    Args:
        setup: The setup with the old configuration.
        config: The new configuration.
        after_epoch: Number of epochs that were finished before the change.
    """
    old, new = setup.config.to_json(), config.to_json()
    change = ConfigChange(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        after_epoch=after_epoch,
        changes={field: [old[field], new[field]] for field in new if old[field] != new[field]},
    )
    return replace(setup, config=config, changes=(*setup.changes, change))
