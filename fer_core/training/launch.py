"""A whole training, from a request to a bundle: what ``train`` on the command line does."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from fer_core.bundle import Bundle
from fer_core.dataset.curation import CuratedFaceSet, Curation, apply_curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import import_folder, load_dataset
from fer_core.dataset.vote_targets import VoteRecord, vote_targets, with_vote_targets
from fer_core.dataset.votes import Votes
from fer_core.dataset.votes_file import read_votes
from fer_core.errors import InputError
from fer_core.keras_backend import prepare_backend
from fer_core.settings import Settings
from fer_core.training.control import RunControl
from fer_core.training.faults import check_disk_space, reason_of_failure
from fer_core.training.progress import TrainingProgress, duration_in_words, is_open_file
from fer_core.training.run_folder import (
    LOG_FILE,
    RunFolder,
    RunSetup,
    RunState,
    RunStatus,
)
from fer_core.training.time_slice import TimeSlice
from fer_core.training.tracking import RunTracking, check_tracking

if TYPE_CHECKING:
    from fer_core.training.fit import FitResult


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended.

    Attributes:
        run: Its folder.
        state: ``finished``, ``stopped`` on request or at a time slice's end, or ``pruned`` by its
            search.
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


def run_training(
    run: RunFolder, settings: Settings, time_slice: TimeSlice | None = None
) -> TrainingOutcome:
    """Train what a run's ``config.json`` says, from its last finished epoch on, and publish.

    Interrupt (Ctrl-C) and terminate signals end it cleanly with the best model so far, as a request
    in ``control.json`` does; a second interrupt ends it at once.

    Args:
        run: Its folder.
        settings: Where everything lies.
        time_slice: Ends it before the first epoch that would not fit, as a request to stop does;
            None for no such bound.

    Raises:
        InputError: Configuration, data or checkpoint are unusable, the data are not those that the
            run began with, the disk has too little space, or not one epoch fits into the time
            slice; ``status.json`` says so too.
        MemoryError: There was not enough; ``status.json`` says what to do.
    """
    run.read_setup()
    with run.held(), _stop_on_signals() as stop:
        # Again, because it may have been given more epochs until it was ours.
        return _train_and_record(run.read_setup(), run, settings, stop, time_slice)


def _train_and_record(
    setup: RunSetup,
    run: RunFolder,
    settings: Settings,
    stop: threading.Event,
    time_slice: TimeSlice | None,
) -> TrainingOutcome:
    """Train and publish; however it ends, ``status.json`` says so."""
    control = RunControl(run, stop)
    try:
        return _train_and_publish(setup, run, settings, control, time_slice)
    except BaseException as error:
        # The error itself goes on to whoever started the run.
        is_interrupt = isinstance(error, KeyboardInterrupt)
        reason = "interrupted" if is_interrupt else reason_of_failure(error, run)
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
        _log_failure(error, reason, run)
        raise
    finally:
        with suppress(OSError):
            control.forget()


def _log_failure(error: BaseException, reason: str, run: RunFolder) -> None:
    """Write to the run's log how it failed: whole, where nobody foresaw it."""
    is_foreseen = isinstance(error, (InputError, KeyboardInterrupt))
    try:
        with (run.path / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')} ended: {reason}\n")
            # Where standard error goes into the log too, the traceback will come by itself.
            if not is_foreseen and not is_open_file(sys.stderr, log):
                log.write("".join(traceback.format_exception(error)))
    except OSError as log_error:
        print(f"{LOG_FILE} cannot be written: {log_error}", file=sys.stderr)


def _train_and_publish(
    setup: RunSetup,
    run: RunFolder,
    settings: Settings,
    control: RunControl,
    time_slice: TimeSlice | None,
) -> TrainingOutcome:
    check_tracking(setup.tracking)
    check_disk_space(setup.config, run.path)
    backend = prepare_backend()
    from fer_core.training.finish import write_bundle
    from fer_core.training.fit import Surroundings, fit

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
    _check_fingerprint(setup, face_set, run)
    progress = TrainingProgress(run, setup.config.epochs, steps=1, images_per_step=1)
    progress.say(
        f"{setup.recipe} on {setup.data} under {backend}: "
        + (f"going on behind epoch {done}" if done else f"up to {setup.config.epochs} epochs")
        + f"; run folder {run.path}"
    )
    votes = _votes(setup, face_set, run, settings, done)
    face_set = with_vote_targets(face_set, votes)
    curated = _curated(setup, face_set, run, settings, done)
    for sentence in (
        votes and votes.in_words,
        curated.in_words and f"curation: {curated.in_words}",
        curated.warning,
    ):
        if sentence:
            progress.say(sentence)
    tracking = RunTracking(setup, run)
    try:
        around = Surroundings(control.clock, tracking)
        should_stop = control.should_stop
        if time_slice is not None:
            around = replace(around, has_time_for=time_slice.has_room_for)
            should_stop = _either(control.should_stop, time_slice.is_over)
        result = fit(setup.config, curated.faces, run, should_stop, around)
    finally:
        tracking.end()
    is_cut = time_slice is not None and result.was_stopped and not control.should_stop()
    if time_slice is not None and is_cut and len(result.epochs) == done:
        raise InputError(_too_short(time_slice, result))
    bundle = None
    if control.is_pruned:
        message = f"pruned after epoch {len(result.epochs)}: the search expects no more of it"
        progress.end("pruned", message, len(result.epochs))
        return _outcome(run, "pruned", result, None)
    if result.best_epoch is not None:
        progress.say(f"writing the bundle of epoch {result.best_epoch}")
        bundle = write_bundle(setup, face_set, curated, run, result, votes=votes)
    state: RunState = "stopped" if result.was_stopped else "finished"
    if bundle is None:
        message = (
            "stopped before the first epoch was through, so there is no model yet; go on with "
            f"--resume {run.path}"
        )
    else:
        figures = bundle.record.metrics["validation"]
        message = (
            f"{state}: validation accuracy {figures['accuracy']:.2%}, macro F1 "
            f"{figures['macro_f1']:.3f}{_vote_figures(figures)}; bundle in {bundle.folder}"
            + ("" if bundle.served_network.exists() else ", to be completed by 'models export'")
        )
    if result.has_diverged:
        message += (
            "; it ended early because the loss was no number any more: start again with a lower "
            "learning rate"
        )
    if time_slice is not None and is_cut:
        message += (
            f"; the {time_slice.minutes:g} minutes are over after {len(result.epochs)} of "
            f"{setup.config.epochs} epochs: go on with --resume {run.path} --minutes "
            f"{time_slice.minutes:g}"
        )
    progress.end(state, message, len(result.epochs))
    return _outcome(run, state, result, bundle)


def _vote_figures(figures: dict[str, Any]) -> str:
    """The figures against the votes' plurality in words; nothing where labels were learned."""
    votes = figures.get("votes")
    if votes is None or not votes["n"]:
        return ""
    return (
        f", against the plurality of votes accuracy {votes['accuracy']:.2%}, macro F1 "
        f"{votes['macro_f1']:.3f}"
    )


def _either(first: Callable[[], bool], second: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: first() or second()


def _too_short(time_slice: TimeSlice, result: FitResult) -> str:
    """Why a slice came to nothing; another one of that length would not either."""
    before = ""
    if result.epochs:
        before = f" (the last one took {duration_in_words(result.epochs[-1].seconds)})"
    return (
        f"No epoch was finished in {time_slice.minutes:g} minutes{before}, and an unfinished one "
        "is not kept; resume the run with more --minutes."
    )


def _outcome(
    run: RunFolder, state: RunState, result: FitResult, bundle: Bundle | None
) -> TrainingOutcome:
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


def _votes(
    setup: RunSetup, face_set: FaceSet, run: RunFolder, settings: Settings, epochs_done: int
) -> VoteRecord | None:
    """The votes as the run began with them, whatever was imported since; None to learn labels.

    Raises:
        InputError: The run learns votes and its dataset has none.
    """
    kind = setup.config.targets
    if kind == "labels":
        return None
    votes = run.read_votes()
    if votes is None:
        if epochs_done:
            raise InputError(
                f"The votes that this run began with are gone from {run.path}; start a new run."
            )
        votes = _imported_votes(setup, face_set, settings)
        run.keep_votes(votes)
    return VoteRecord(votes, vote_targets(votes, face_set, kind))


def _imported_votes(setup: RunSetup, face_set: FaceSet, settings: Settings) -> Votes:
    folder = import_folder(setup.data, settings)
    votes = None if folder is None else read_votes(folder, face_set)
    if votes is None:
        how = f"'dataset votes {Path(setup.data).name} --import FILE'"
        if folder is None:
            how = f"'dataset import {setup.data}', then 'dataset votes NAME --import FILE'"
        raise InputError(
            f"targets={setup.config.targets} needs annotator votes, and {setup.data} has none; "
            f"import them with {how}."
        )
    return votes


def _check_fingerprint(setup: RunSetup, face_set: FaceSet, run: RunFolder) -> None:
    """Keep the data's fingerprint at a run's beginning, and hold them against it later.

    Raises:
        InputError: These are not the data that the run began with.
    """
    status = run.read_status()
    known = None if status is None else status.fingerprint
    if known is None:
        epochs = len(run.read_epochs())
        run.write_status(
            RunStatus(
                state="running",
                message="preparing the network",
                epoch=epochs,
                epochs=setup.config.epochs,
                fingerprint=face_set.fingerprint,
            )
        )
    elif known != face_set.fingerprint:
        raise InputError(
            f"The dataset {setup.data} is not the one that this run began with (its images, labels "
            "or splits have changed since); bring the old one back, or start a new run with this "
            "one's settings."
        )


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
