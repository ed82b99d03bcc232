"""The job that trains one run, from its ``config.json`` to its bundle.

The command ``train`` calls ``run_training`` in the process of the command. For runs in the
background, the queue starts ``python -m fer_core.training.train_job RUN_DIR``.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.bundle import Bundle
from fer_core.dataset.curation import CuratedFaceSet, Curation, apply_curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import load_dataset
from fer_core.dataset.vote_targets import VoteRecord, vote_targets, with_vote_targets
from fer_core.dataset.votes_file import read_votes
from fer_core.errors import InputError
from fer_core.keras_backend import prepare_backend
from fer_core.metrics.formatting import number, percent
from fer_core.phrases import format_duration
from fer_core.processes import stop_on_signals
from fer_core.recipes.fine_tuning import head_change
from fer_core.settings import Settings, load_settings
from fer_core.training.control import RunControl
from fer_core.training.queue import continue_queue
from fer_core.training.required_votes import votes_folder
from fer_core.training.resource_errors import failure_reason, is_resource_error
from fer_core.training.run_folder import (
    LOG_FILE,
    RunFolder,
    RunSetup,
    RunState,
    RunStatus,
    StartingModel,
)
from fer_core.training.time_budget import TimeBudget
from fer_core.training.tracking import RunTracking
from fer_core.training.training_progress import TrainingProgress, writes_to_log

if TYPE_CHECKING:
    from fer_core.training.fit import FitResult


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended.

    Attributes:
        run: The run's folder.
        state: ``finished``; ``stopped`` by a request or at the end of a time budget; ``pruned`` by
            a search.
        epochs: Number of finished epochs.
        best_epoch: The epoch whose weights are kept, from 1; None if no epoch is finished. If there
            is a bundle, it contains these weights.
        seconds: Training time of the finished epochs.
        bundle: The trained model; None if the training was pruned, or was stopped before its first
            epoch was finished.
    """

    run: RunFolder
    state: RunState
    epochs: int
    best_epoch: int | None
    seconds: float
    bundle: Bundle | None

    def to_json(self) -> dict[str, Any]:
        """Return the output of ``train --json``."""
        return {
            "run_dir": str(self.run.path),
            "state": self.state,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": round(self.seconds, 1),
            "bundle": str(self.bundle.folder) if self.bundle else None,
            "validation": self.bundle.record.metrics["validation"] if self.bundle else None,
            "start": self.bundle.record.start or None if self.bundle else None,
        }


def run_training(
    run: RunFolder, settings: Settings, budget: TimeBudget | None = None
) -> TrainingOutcome:
    """Train a run from its last finished epoch on, write its bundle, then start pending runs.

    An interrupt (Ctrl-C) or terminate signal has the same effect as a request to stop: the training
    ends cleanly with the best model so far. A second signal ends the process at once.

    Args:
        run: The run, whose requirements ``launcher.create_run`` has checked.
        settings: Settings with the locations of ``data/`` and ``runs/``.
        budget: Ends the training before the first epoch that would not finish in time, in the same
            way as a request to stop; None for no limit.

    Raises:
        InputError: The data or the checkpoint are unusable, the dataset changed since the run was
            launched, or the time budget is too short for one epoch. In these cases,
            ``status.json`` contains the reason. If the folder contains no valid run, or if another
            process trains the run, the error is raised and ``status.json`` does not change.
        MemoryError: There was not enough memory; ``status.json`` says what to do. Backends may
            raise errors of other types instead.
    """
    try:
        message = "stopping; the best model so far is kept"
        with run.locked() as setup, stop_on_signals(message) as stop:
            return _train_and_record_failure(setup, run, settings, stop, budget)
    finally:
        continue_queue(settings)


def _train_and_record_failure(
    setup: RunSetup,
    run: RunFolder,
    settings: Settings,
    stop: threading.Event,
    budget: TimeBudget | None,
) -> TrainingOutcome:
    """Train; write the reason for any failure to ``status.json`` and the log."""
    control = RunControl(run, stop)
    try:
        return _train(setup, run, settings, control, budget)
    except BaseException as error:
        is_interrupt = isinstance(error, KeyboardInterrupt)
        reason = "interrupted" if is_interrupt else failure_reason(error, run)
        try:
            run.write_status(
                RunStatus(
                    state="stopped" if is_interrupt else "failed",
                    message=reason,
                    epoch=len(run.read_epochs()),
                    epochs=setup.config.epochs,
                )
            )
        except OSError as status_error:
            print(f"status.json cannot be written: {status_error}", file=sys.stderr)
        _log_failure(error, reason, run)
        raise
    finally:
        with suppress(OSError):
            control.discard_request()


def _train(
    setup: RunSetup,
    run: RunFolder,
    settings: Settings,
    control: RunControl,
    budget: TimeBudget | None,
) -> TrainingOutcome:
    """Load the data, train, write the bundle, and report how the training ended."""
    epochs_done = len(run.read_epochs())
    progress = TrainingProgress(run, setup.config.epochs, clock=control.clock)
    # Write the status before the imports below, which can take seconds. Without the process ID in
    # the status, the process cannot be killed.
    progress.prepare("preparing the data and the network", epochs_done)
    backend = prepare_backend()
    # Imported here, because only a training needs these modules.
    from fer_core.training.bundle_writer import write_bundle
    from fer_core.training.fit import FitContext, fit
    from fer_core.training.starting_model import starting_weights

    print(f"reading {setup.data}", file=sys.stderr, flush=True)
    face_set = load_dataset(setup.data, settings, class_choice=setup.class_choice)
    _check_and_store_fingerprint(setup, face_set, run, progress, epochs_done)
    progress.log(
        f"{setup.recipe} on {setup.data} with {backend}: "
        + (
            f"resuming after epoch {epochs_done}"
            if epochs_done
            else f"up to {setup.config.epochs} epochs"
        )
        + f"; run folder {run.path}"
    )
    vote_record = _vote_record(setup, face_set, run, settings, epochs_done)
    face_set = with_vote_targets(face_set, vote_record)
    curated = _curated_data(setup, face_set, run, settings, epochs_done)
    for sentence in (
        vote_record and vote_record.summary,
        curated.summary and f"curation: {curated.summary}",
        curated.warning,
    ):
        if sentence:
            progress.log(sentence)
    weights = starting_weights(setup, run)
    if setup.start is not None:
        progress.log(_starting_model_text(setup.start, epochs_done, face_set.classes))
    tracking = RunTracking(setup, run)
    try:
        result = fit(
            setup.config,
            curated.faces,
            run,
            FitContext(
                progress=progress,
                should_stop=_stop_check(control, budget),
                has_time_for=budget.is_enough_for if budget is not None else lambda seconds: True,
                clock=control.clock,
                observer=tracking,
            ),
            starting_weights=weights,
        )
    finally:
        tracking.end()
    if control.is_pruned:
        message = f"pruned after epoch {len(result.epochs)}: the search expects no improvement"
        progress.end("pruned", message, len(result.epochs))
        return _outcome(run, "pruned", result, None)
    # Without a request or a signal to stop, the end of the budget has stopped the training.
    is_out_of_time = budget is not None and result.was_stopped and not control.should_stop()
    if budget is not None and is_out_of_time and len(result.epochs) == epochs_done:
        raise InputError(_too_short_message(budget, result))
    bundle = None
    if result.best_epoch is not None:
        progress.log(f"writing the bundle of epoch {result.best_epoch}")
        bundle = write_bundle(setup, face_set, curated, run, result, vote_record=vote_record)
    state: RunState = "stopped" if result.was_stopped else "finished"
    message = _final_message(state, run, result, bundle)
    if budget is not None and is_out_of_time:
        message += (
            f"; the {budget.minutes:g} minutes are over after {len(result.epochs)} of "
            f"{setup.config.epochs} epochs: resume with --resume {run.path} --minutes "
            f"{budget.minutes:g}"
        )
    progress.end(state, message, len(result.epochs))
    return _outcome(run, state, result, bundle)


def _starting_model_text(start: StartingModel, epochs_done: int, classes: Sequence[str]) -> str:
    """Return what the run takes over from its starting model, for the log."""
    verb = "started" if epochs_done else "starting"
    text = f"{verb} from {start.model}, its head {head_change(start.classes, classes)}"
    return text if start.freeze is None else f"{text}, frozen up to {start.freeze}"


def _stop_check(control: RunControl, budget: TimeBudget | None) -> Callable[[], bool]:
    """Return a function that returns True after a request to stop or at the end of the budget."""
    if budget is None:
        return control.should_stop
    return lambda: control.should_stop() or budget.is_used_up()


def _final_message(
    state: RunState, run: RunFolder, result: FitResult, bundle: Bundle | None
) -> str:
    if bundle is None:
        message = (
            "stopped before the first epoch was finished, so there is no model yet; resume with "
            f"--resume {run.path}"
        )
    else:
        metrics = bundle.record.metrics["validation"]
        message = (
            f"{state}: validation accuracy {percent(metrics['accuracy'])}, macro F1 "
            f"{number(metrics['macro_f1'])}{_vote_metrics_text(metrics)}; bundle in {bundle.folder}"
            + (
                ""
                if bundle.served_network.exists()
                else "; it is not complete yet: run 'models export'"
            )
        )
    if result.has_diverged:
        message += (
            "; it ended early because the loss became NaN or infinite: start a new run with a "
            "lower learning rate"
        )
    return message


def _vote_metrics_text(metrics: dict[str, Any]) -> str:
    """Return a text that compares the predictions with the plurality of the votes.

    The text is empty if the run learned labels, or if no validation image has a plurality.
    """
    votes = metrics.get("votes")
    if votes is None or not votes["n"]:
        return ""
    return (
        f" (compared with the plurality of votes: accuracy {percent(votes['accuracy'])}, macro F1 "
        f"{number(votes['macro_f1'])})"
    )


def _too_short_message(budget: TimeBudget, result: FitResult) -> str:
    """Return the message for a budget that was too short for one epoch."""
    last_epoch = ""
    if result.epochs:
        last_epoch = f" (the last finished epoch took {format_duration(result.epochs[-1].seconds)})"
    return (
        f"No epoch was finished in {budget.minutes:g} minutes{last_epoch}, and an unfinished one "
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


def _curated_data(
    setup: RunSetup, face_set: FaceSet, run: RunFolder, settings: Settings, epochs_done: int
) -> CuratedFaceSet:
    """Return the data, curated with the decisions that existed when the run started.

    Only training images are curated, so that validation metrics of different runs are comparable.
    """
    curation = run.read_curation()
    if curation is None:
        curation = Curation()
        # A run with finished epochs and no stored curation was started without curation by an
        # earlier version of this program.
        if setup.config.use_curation and not epochs_done:
            file = curation_file(setup.data, settings)
            if file is not None:
                curation = file.read()
        if curation.problems:
            raise InputError(
                f"The curation of {setup.data} cannot be read completely: {curation.problems[0]} "
                "Correct or delete that line, or train with --set use_curation=false."
            )
        run.write_curation(curation)
    return apply_curation(face_set, curation, ("train",))


def _vote_record(
    setup: RunSetup, face_set: FaceSet, run: RunFolder, settings: Settings, epochs_done: int
) -> VoteRecord | None:
    """Return the votes that the run started with; None if the run learns labels.

    Votes that were imported later are ignored.

    Raises:
        InputError: The run learns from votes, but the dataset has no votes, or the votes that the
            run started with are missing.
    """
    kind = setup.config.targets
    if kind == "labels":
        return None
    votes = run.read_votes(face_set.classes)
    if votes is None:
        if epochs_done:
            raise InputError(
                f"The votes that this run started with are missing in {run.path}; start a new run."
            )
        folder = votes_folder(setup.config, setup.data, settings)
        votes = read_votes(folder, face_set)
        assert votes is not None  # votes_folder has found the file
        run.write_votes(votes)
    return VoteRecord(votes, vote_targets(votes, face_set, kind))


def _check_and_store_fingerprint(
    setup: RunSetup, face_set: FaceSet, run: RunFolder, progress: TrainingProgress, epochs_done: int
) -> None:
    """Compare the data with the fingerprints from the launch and from the run's first start.

    Then store the fingerprint of the data in ``status.json``.

    Raises:
        InputError: The dataset has changed since the launch.
    """
    status = run.read_status()
    first_start_fingerprint = None if status is None else status.fingerprint
    for fingerprint in (setup.fingerprint, first_start_fingerprint):
        if fingerprint is not None and fingerprint != face_set.fingerprint:
            raise InputError(
                f"The dataset {setup.data} has changed since this run was launched (other images, "
                "labels or splits); restore the old dataset, or start a new run with the settings "
                "of this one."
            )
    progress.prepare("preparing the network", epochs_done, fingerprint=face_set.fingerprint)


def _log_failure(error: BaseException, reason: str, run: RunFolder) -> None:
    """Write the reason to the run's log, and the traceback of an unexpected error."""
    is_expected = isinstance(error, (InputError, KeyboardInterrupt))
    try:
        with (run.path / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')} ended: {reason}\n")
            # If standard error goes to the same log, the interpreter writes the traceback there.
            if not is_expected and not writes_to_log(sys.stderr, log):
                log.write("".join(traceback.format_exception(error)))
    except OSError as log_error:
        print(f"{LOG_FILE} cannot be written: {log_error}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Train the run whose folder is the only argument; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        run_training(RunFolder(Path(arguments[0])), load_settings())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if not is_resource_error(error):
            raise
        return 2  # the log and status.json hold the reason
    except KeyboardInterrupt:
        return 130  # the usual exit code after Ctrl-C
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
