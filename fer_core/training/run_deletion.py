"""Delete a run, unless its model is the default model."""

from __future__ import annotations

from contextlib import ExitStack, suppress

from fer_core.bundle import default_bundle_folder, default_model_lock
from fer_core.errors import InputError, system_reason
from fer_core.files import delete_folder
from fer_core.settings import Settings
from fer_core.training.control import is_active
from fer_core.training.run_folder import QUEUE_FOLDER, RunFolder


def delete_run(run: RunFolder, settings: Settings) -> None:
    """Delete a run's folder and its entry in the queue permanently.

    Raises:
        InputError: The run does not exist, is being trained or is not in ``runs/``, its model is
            the default model, or its folder cannot be removed.
    """
    if run.path.parent.resolve() != settings.runs_root.resolve() or run.path.name.startswith("."):
        raise InputError(
            f"{run.path} is not in {settings.runs_root} and cannot be deleted from here; delete it "
            "manually."
        )
    if not run.path.is_dir():
        raise InputError(f"The run {run.path.name} does not exist; reload the list of runs.")
    if is_active(run):
        raise InputError(f"The run {run.path.name} is being trained; stop or kill it first.")
    with ExitStack() as stack:
        # The default model must not change between the check and the deletion. If this process
        # cannot create the lock file, for example on a full disk, other processes cannot create it
        # either, so they cannot change the default model.
        with suppress(OSError):
            stack.enter_context(default_model_lock(settings))
        if is_default_model(run, settings):
            raise InputError(
                f"The default model is in the folder of the run {run.path.name}; publish a copy "
                "as the default, or choose another default model, before you delete the run."
            )
        _delete(run, settings)


def is_default_model(run: RunFolder, settings: Settings) -> bool:
    """Return True if the model in a run's folder is the default model."""
    folder = default_bundle_folder(settings)
    return folder is not None and folder.resolve() == run.bundle_path.resolve()


def _delete(run: RunFolder, settings: Settings) -> None:
    try:
        (settings.runs_root / QUEUE_FOLDER / f"{run.path.name}.json").unlink(missing_ok=True)
        delete_folder(run.path)
    except OSError as error:
        raise InputError(
            f"{run.path} cannot be removed ({system_reason(error)}); check its permissions."
        ) from error
