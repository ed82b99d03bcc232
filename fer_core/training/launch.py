"""A whole training, from a request to a bundle: what ``train`` on the command line does."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import Any

from fer_core.bundle import Bundle
from fer_core.dataset.curation import CuratedFaceSet, Curation, apply_curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import load_dataset
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.training.backend import prepare_backend
from fer_core.training.run_folder import RunFolder, RunSetup, RunStatus


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended.

    Attributes:
        run: Its folder.
        state: ``finished``, or ``stopped`` on request.
        epochs: Finished epochs.
        best_epoch: The one whose weights are in the bundle, from 1.
        seconds: Training time of the finished epochs.
        bundle: What came of it; None if it was stopped before the first epoch was through.
    """

    run: RunFolder
    state: str
    epochs: int
    best_epoch: int | None
    seconds: float
    bundle: Bundle | None

    def to_json(self) -> dict[str, Any]:
        """The document of ``train --json``."""
        return {
            "run_dir": str(self.run.path),
            "state": self.state,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": round(self.seconds, 1),
            "bundle": str(self.bundle.folder) if self.bundle else None,
            "validation": self.bundle.record.metrics["validation"] if self.bundle else None,
        }


def new_run_folder(recipe: str, settings: Settings) -> RunFolder:
    """A free folder under ``runs/``, named after the moment and the recipe."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9-]+', '-', recipe)}"
    path = settings.runs_root / stem
    number = 2
    while path.exists():
        path = settings.runs_root / f"{stem}-{number}"
        number += 1
    return RunFolder(path)


def run_training(run: RunFolder, settings: Settings) -> TrainingOutcome:
    """Train what a run's ``config.json`` says, from its last finished epoch on, and publish.

    Interrupt (Ctrl-C) and terminate signals end it cleanly with the best model so far; a second
    interrupt ends it at once.

    Raises:
        InputError: Configuration, data or checkpoint are unusable; ``status.json`` says so too.
    """
    setup = run.read_setup()
    with run.held(), _stop_on_signals() as stop:
        return _train_and_record(setup, run, settings, stop)


def _train_and_record(
    setup: RunSetup, run: RunFolder, settings: Settings, stop: threading.Event
) -> TrainingOutcome:
    """Train and publish; however it ends, ``status.json`` says so."""
    try:
        return _train_and_publish(setup, run, settings, stop)
    except BaseException as error:
        # The error itself goes on to whoever started the run.
        is_interrupt = isinstance(error, KeyboardInterrupt)
        reason = "interrupted" if is_interrupt else str(error) or type(error).__name__
        epochs = len(run.read_epochs())
        try:
            run.write_status(
                RunStatus(
                    state="stopped" if is_interrupt else "failed",
                    message=reason,
                    epoch=epochs,
                    epochs=setup.config.epochs,
                )
            )
        except OSError as status_error:
            print(f"status.json cannot be written: {status_error}", file=sys.stderr)
        raise


def _train_and_publish(
    setup: RunSetup, run: RunFolder, settings: Settings, stop: threading.Event
) -> TrainingOutcome:
    backend = prepare_backend()
    from fer_core.training.finish import write_bundle
    from fer_core.training.fit import fit
    from fer_core.training.progress import TrainingProgress

    done = len(run.read_epochs())
    run.write_status(
        RunStatus(
            state="running",
            message="preparing the data and the network",
            epoch=done,
            epochs=setup.config.epochs,
        )
    )
    print(f"reading {setup.data}", file=sys.stderr, flush=True)
    face_set = load_dataset(setup.data, settings)
    progress = TrainingProgress(run, setup.config.epochs, steps=1, images_per_step=1)
    progress.say(
        f"{setup.recipe} on {setup.data} under {backend}: "
        + (f"going on behind epoch {done}" if done else f"up to {setup.config.epochs} epochs")
        + f"; run folder {run.path}"
    )
    curated = _curated(setup, face_set, run, settings, done)
    for sentence in (curated.in_words and f"curation: {curated.in_words}", curated.warning):
        if sentence:
            progress.say(sentence)
    result = fit(setup.config, curated.faces, run, stop.is_set)
    bundle = None
    if result.best_epoch is not None:
        progress.say(f"writing the bundle of epoch {result.best_epoch}")
        bundle = write_bundle(setup, face_set, curated, run, result)
    state = "stopped" if result.was_stopped else "finished"
    if bundle is None:
        message = (
            "stopped before the first epoch was through, so there is no model yet; go on with "
            f"--resume {run.path}"
        )
    else:
        figures = bundle.record.metrics["validation"]
        message = (
            f"{state}: validation accuracy {figures['accuracy']:.2%}, macro F1 "
            f"{figures['macro_f1']:.3f}; bundle in {bundle.folder}"
            + ("" if bundle.served_network.exists() else ", to be completed by 'models export'")
        )
    if result.has_diverged:
        message += (
            "; it ended early because the loss was no number any more: start again with a lower "
            "learning rate"
        )
    progress.end("stopped" if result.was_stopped else "finished", message, len(result.epochs))
    return TrainingOutcome(
        run=run,
        state=state,
        epochs=len(result.epochs),
        best_epoch=result.best_epoch,
        seconds=sum(record.seconds for record in result.epochs),
        bundle=bundle,
    )


def _curated(
    setup: RunSetup, face_set: FaceSet, run: RunFolder, settings: Settings, epochs_done: int
) -> CuratedFaceSet:
    """The data as the run began with them, whatever was decided about them since.

    Only training images are curated, so that validation figures can be compared between runs.
    """
    curation = run.read_curation()
    if curation is None:
        curation = Curation()
        # A run of an earlier version that has finished epochs began without.
        if setup.config.use_curation and not epochs_done:
            file = curation_file(setup.data, settings)
            if file is not None:
                curation = file.read()
        if curation.problems:
            raise InputError(
                f"The curation of {setup.data} cannot be read in whole: {curation.problems[0]} "
                "Mend or delete that line, or train with --set use_curation=false."
            )
        run.keep_curation(curation)
    return apply_curation(face_set, curation, ("train",))


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Turn the first interrupt or terminate signal into an event, and the second into an end."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        print("\nstopping; the best model so far is kept (again: end at once)", file=sys.stderr)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only
        return
    earlier = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
