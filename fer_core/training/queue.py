"""Starting runs in processes of their own, so many at a time; the others wait in a queue.

``runs/.queue/`` holds a file per waiting run. Whoever has a reason to (a launch, the end of a
training, the app's start) starts what may be started, under one lock; nobody has to stay alive for
the queue to survive.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fer_core.dataset.store import locate_dataset
from fer_core.errors import InputError
from fer_core.files import read_json, write_json
from fer_core.keras_backend import require_backend
from fer_core.recipes import TrainingConfig, changed_config
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.training.control import RunLabel, is_active, write_label
from fer_core.training.faults import check_disk_space
from fer_core.training.processes import LOCK_VARIABLE, lock_file
from fer_core.training.run_folder import (
    CONTROL_FILE,
    LOG_FILE,
    QUEUE_FOLDER,
    SETUP_FILE,
    ConfigChange,
    RunFolder,
    RunSetup,
    has_stalled,
    new_run_folder,
)
from fer_core.training.tracking import check_tracking

_LOCK_FILE = "lock"
_LOCK_SECONDS = 30.0

#: The children that this process started: asked for their end, so that none stays a zombie.
_children: list[subprocess.Popen[bytes]] = []
_children_guard = threading.Lock()


@dataclass(frozen=True)
class _Entry:
    """A file of the queue."""

    order: float
    run_id: str


def launch(setup: RunSetup, settings: Settings, *, name: str = "", note: str = "") -> RunFolder:
    """Make a run and start it in the background, at once or when its turn comes.

    Args:
        setup: What to train. Its dataset is looked for before anything is made.
        settings: Where ``runs/`` is, and how many may run at a time.
        name: The run's name for people.
        note: What else to say about it.

    Returns:
        The new run's folder.

    Raises:
        InputError: The dataset is not there, the disk too full, a library for the wanted tracking
            missing, or ``runs/`` cannot be written.
    """
    locate_dataset(setup.data, settings)
    require_backend()
    check_tracking(setup.tracking)
    check_disk_space(setup.config, settings.runs_root)
    run = new_run_folder(setup.recipe, settings)
    try:
        run.create(setup)
        if name or note:
            write_label(run, RunLabel(name, note))
        enqueue(run, settings)
    except InputError:
        # What was refused is asked for again, and half a run would stand there as damaged.
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    revive_queue(settings)
    return run


def continue_run(run: RunFolder, settings: Settings, *, epochs: int | None = None) -> None:
    """Let a run go on behind its last finished epoch, in the background, when its turn comes.

    Where early stopping had ended it and more epochs are asked for, early stopping is switched off.

    Args:
        run: One that is not being trained.
        settings: Where ``runs/`` is.
        epochs: The new number of epochs in all, kept in ``config.json`` together with the old one.
            A schedule that knows its end (cosine) is stretched to the new one.

    Raises:
        InputError: It is being trained or waits already, is at its end, or has more epochs behind
            it than asked for.
    """
    require_backend()
    if epochs is not None:
        extend_run(run, epochs)
    setup, done = run.read_setup(), run.read_epochs()
    status = run.read_status()
    is_finished = status is not None and status.state == "finished"
    if is_finished and (len(done) >= setup.config.epochs or has_stalled(done, setup.config)):
        raise InputError(
            f"The run {run.path.name} is at its end after {len(done)} epochs; name a larger number "
            "of epochs to train it further."
        )
    enqueue(run, settings)
    revive_queue(settings)


def extend_run(run: RunFolder, epochs: int) -> None:
    """Change how many epochs a run is to have in all; raises as ``continue_run``."""
    run.read_setup()
    with run.held():
        setup, done = run.read_setup(), run.read_epochs()
        if epochs < max(len(done), 1):
            raise InputError(
                f"The run {run.path.name} has {len(done)} finished epochs; name a larger number "
                f"than that. Received: epochs={epochs}"
            )
        wanted: dict[str, object] = {"epochs": epochs}
        if len(done) < epochs and has_stalled(done, setup.config):
            wanted["early_stopping_patience"] = None
        config = changed_config(setup.config, wanted)
        if config == setup.config:
            return
        run.change_setup(_with_change(setup, config, len(done)))


def _with_change(setup: RunSetup, config: TrainingConfig, after_epoch: int) -> RunSetup:
    old, new = setup.config.to_json(), config.to_json()
    change = ConfigChange(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        after_epoch=after_epoch,
        changes={field: [old[field], new[field]] for field in new if old[field] != new[field]},
    )
    return RunSetup(
        recipe=setup.recipe,
        data=setup.data,
        config=config,
        tracking=setup.tracking,
        study=setup.study,
        trial=setup.trial,
        changes=(*setup.changes, change),
    )


def enqueue(run: RunFolder, settings: Settings) -> None:
    """Put a run at the queue's end, without starting anything.

    Raises:
        InputError: It is being trained, waits already, or does not lie in ``runs/``.
    """
    run.read_setup()
    _check_place(run, settings)
    with _held_queue(settings):
        if is_active(run):
            raise InputError(f"The run {run.path.name} is being trained already.")
        entries = _entries(settings)
        if any(entry.run_id == run.path.name for entry in entries):
            raise InputError(f"The run {run.path.name} waits in the queue already.")
        known = [entry.order for entry in entries if math.isfinite(entry.order)]
        _write_entry(run.path.name, max(known, default=0) + 1, settings)


def remove_from_queue(run: RunFolder, settings: Settings) -> None:
    """Take a waiting run out of the queue; its folder stays.

    Raises:
        InputError: It does not wait.
    """
    with _held_queue(settings):
        _check_waits(run, settings)
        _entry_path(run.path.name, settings).unlink(missing_ok=True)


def move_in_queue(run: RunFolder, settings: Settings, position: int) -> None:
    """Give a waiting run another place.

    Args:
        run: The run.
        settings: Where ``runs/`` is.
        position: From 1; what lies beyond an end means that end.

    Raises:
        InputError: It does not wait.
    """
    with _held_queue(settings):
        _check_waits(run, settings)
        others = [entry for entry in _entries(settings) if entry.run_id != run.path.name]
        place = min(max(position - 1, 0), len(others))
        order = _order_between(others[:place], others[place:])
        if order is not None:
            _write_entry(run.path.name, order, settings)  # one file: moved, or not moved
            return
        others.insert(place, _Entry(0.0, run.path.name))
        for number, entry in enumerate(others, start=1):
            _write_entry(entry.run_id, number, settings)


def _order_between(before: list[_Entry], after: list[_Entry]) -> float | None:
    """A number between those of two neighbours; None where there is none."""
    low = before[-1].order if before else (after[0].order - 2 if after else 0.0)
    high = after[0].order if after else low + 2
    middle = (low + high) / 2
    return middle if math.isfinite(middle) and low < middle < high else None


def waiting_runs(settings: Settings) -> list[RunFolder]:
    """The runs that wait, the next one first."""
    return [RunFolder(settings.runs_root / entry.run_id) for entry in _entries(settings)]


def active_runs(settings: Settings) -> list[RunFolder]:
    """The runs in ``runs/`` that are being trained, whoever started them."""
    folders = (path.parent for path in settings.runs_root.glob(f"[!.]*/{SETUP_FILE}"))
    return [run for run in map(RunFolder, folders) if is_active(run)]


def revive_queue(settings: Settings) -> list[RunFolder]:
    """Start as many waiting runs as may run now.

    Costs next to nothing where none waits: a page calls it whenever it is shown.

    Returns:
        The runs that were started.

    Raises:
        InputError: The queue cannot be written.
    """
    with _children_guard:
        _children[:] = [child for child in _children if child.poll() is None]
    started: list[RunFolder] = []
    if not _entries(settings):
        return started
    with _held_queue(settings):
        free = settings.parallel_runs - len(active_runs(settings))
        for entry in _entries(settings):
            if free <= 0:
                break
            run = RunFolder(settings.runs_root / entry.run_id)
            if _start(run, settings):
                started.append(run)
                free -= 1
            _entry_path(entry.run_id, settings).unlink(missing_ok=True)
    return started


def _start(run: RunFolder, settings: Settings) -> bool:
    """Start a run's process, with its lock in its hands; False where that cannot be.

    A folder that is gone, or that somebody trains, has no place in the queue any more.
    """
    try:
        # Whoever only looks at the lock holds it for a moment, too.
        lock = lock_file(run.path / SETUP_FILE, patience=0.5)
    except OSError:
        return False
    if lock is None:
        return False
    try:
        (run.path / CONTROL_FILE).unlink(missing_ok=True)
        with (run.path / LOG_FILE).open("ab") as log:
            spawn(
                ["train", "--resume", str(run.path)],
                settings,
                output=log.fileno(),
                variables={LOCK_VARIABLE: str(lock)},
                descriptors=(lock,),
            )
    except OSError as error:
        raise InputError(
            f"The run {run.path.name} cannot be started ({error.strerror}); check the permissions "
            f"of {run.path} and the free space."
        ) from error
    finally:
        os.close(lock)
    return True


def spawn(
    arguments: list[str],
    settings: Settings,
    *,
    output: int,
    variables: dict[str, str] | None = None,
    descriptors: tuple[int, ...] = (),
) -> int:
    """Start a command of this program in a session of its own, which outlives this process.

    Args:
        arguments: Of ``python -m fer_core``.
        settings: Handed on, so that it sees the same folders.
        output: Descriptor of the file that takes what it prints.
        variables: Further environment variables.
        descriptors: Open files that it gets under the same numbers.

    Returns:
        The process's number.
    """
    environment = os.environ | {
        "FER_STUDIO_DATA": str(settings.data_root),
        "FER_STUDIO_RUNS": str(settings.runs_root),
        "FER_STUDIO_MODELS": str(settings.models_root),
        "FER_STUDIO_PARALLEL_RUNS": str(settings.parallel_runs),
        "PYTHONUNBUFFERED": "1",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "fer_core", *arguments],
        cwd=PROJECT_ROOT,
        env=environment | (variables or {}),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=descriptors,
    )
    with _children_guard:
        _children.append(child)
    return child.pid


@contextmanager
def _held_queue(settings: Settings) -> Iterator[None]:
    """Keep every other thread and process away from the queue."""
    folder = settings.runs_root / QUEUE_FOLDER
    path = folder / _LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
        descriptor = lock_file(path, _LOCK_SECONDS)
    except OSError as error:
        raise InputError(
            f"The queue in {folder} cannot be written ({error.strerror}); check its permissions "
            "and the free space."
        ) from error
    if descriptor is None:
        raise InputError(f"The queue in {folder} is held by a process that hangs; try again.")
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The queue in {folder} cannot be changed ({error.strerror}); check its permissions "
            "and the free space."
        ) from error
    finally:
        os.close(descriptor)


def _check_place(run: RunFolder, settings: Settings) -> None:
    if run.path.parent.resolve() != settings.runs_root.resolve():
        raise InputError(
            f"{run.path} does not lie in {settings.runs_root}, where the queue is; start it with "
            "'train --resume'."
        )


def _check_waits(run: RunFolder, settings: Settings) -> None:
    if not _entry_path(run.path.name, settings).exists():
        raise InputError(f"The run {run.path.name} does not wait in the queue; look at it again.")


def _entry_path(run_id: str, settings: Settings) -> Path:
    return settings.runs_root / QUEUE_FOLDER / f"{run_id}.json"


def _write_entry(run_id: str, order: float, settings: Settings) -> None:
    write_json(_entry_path(run_id, settings), {"order": order, "queued": time.time()})


def _entries(settings: Settings) -> list[_Entry]:
    """The queue in order; an entry that cannot be read counts as the last."""
    entries = []
    for path in (settings.runs_root / QUEUE_FOLDER).glob("[!.]*.json"):
        try:
            order = float(read_json(path)["order"])
        except FileNotFoundError:
            continue  # gone in this moment
        except (OSError, ValueError, KeyError, TypeError):
            order = float("inf")
        entries.append(_Entry(order, path.name.removesuffix(".json")))
    return sorted(entries, key=lambda entry: (entry.order, entry.run_id))
