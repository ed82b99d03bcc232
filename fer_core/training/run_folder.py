"""A run's folder on disk, which contains the whole state of a training.

The launcher writes ``config.json`` and copies the starting model. If a user changes the number of
epochs, the launcher locks the run and writes ``config.json`` again. Pages and commands write
``control.json`` and ``label.json``. If a run cannot be started, the queue writes its
``status.json``. Only the training job writes the other files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.curation import Curation
from fer_core.dataset.curation_csv import curation_csv, parse_curation
from fer_core.dataset.votes import Votes
from fer_core.dataset.votes_file import VOTES_FILE
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError, first_line, system_reason
from fer_core.files import (
    atomic_write_file,
    create_numbered_folder,
    is_disk_full,
    os_errors_as_input_errors,
    parse_json,
    read_arrays,
    read_errors_as_input_errors,
    read_json,
    write_json,
    write_new_json,
    write_text,
)
from fer_core.job_process import take_job_lock
from fer_core.processes import process_start
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.settings import Settings
from fer_core.validation import (
    FORBID_UNKNOWN,
    IGNORE_UNKNOWN,
    Flag,
    Integer,
    Number,
    Text,
    from_dict,
)

RunState = Literal["running", "paused", "finished", "stopped", "pruned", "failed"]

SETUP_FILE = "config.json"
STATUS_FILE = "status.json"
CONTROL_FILE = "control.json"
EPOCHS_FILE = "metrics.jsonl"
LOG_FILE = "train.log"
STARTING_MODEL_FILE = "start.keras"
STARTING_MODEL_HASHES_FILE = "start_image_hashes.npz"

#: Folder in ``runs/`` with a file for each pending run, named after the run.
QUEUE_FOLDER = ".queue"


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class Tracking:
    """The tools to which a run's metrics are also logged; they do not affect the training.

    Attributes:
        tensorboard: Whether to write TensorBoard event files to ``tensorboard/`` in the run's
            folder.
        mlflow_uri: The MLflow server, folder or database to log to; None to log nothing to MLflow.
    """

    tensorboard: Flag = False
    mlflow_uri: Text | None = None


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class ConfigChange:
    """A change of a run's configuration after its start.

    Attributes:
        when: Time of the change, UTC, ISO 8601.
        after_epoch: Number of finished epochs at that time.
        changes: For each changed field, a list of the old and the new value.
    """

    when: Text
    after_epoch: Integer
    changes: dict[Text, list[Any]]


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class StartingModel:
    """The trained model whose weights a run starts from.

    Attributes:
        model: Name of the model at the launch. The run's folder contains a copy, ``start.keras``.
        architecture: Architecture of the model.
        classes: Classes of the model, in the order of its outputs.
        digest: SHA-256 of the model's Keras file.
        freeze: The last frozen stage. It and all stages before it are not trained. None to train
            all layers.
        datasets: Name, fingerprint and class counts of the dataset on which the model was trained.
            If its training started from another model, the datasets of that model follow.
    """

    model: Text
    architecture: Text
    classes: tuple[Text, ...]
    digest: Text
    freeze: Text | None = None
    datasets: tuple[dict[Text, Any], ...] = ()


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class RunSetup:
    """The configuration and data of a run: the content of ``config.json``.

    Attributes:
        recipe: The recipe's name; the recipe may no longer exist, because ``config`` is complete.
        data: The dataset's name or path, as the user wrote it.
        config: The recipe's configuration with the requested changes.
        tracking: The tools to which the run's metrics are also logged.
        study: The search of which the run is a trial; None if the run is not a trial.
        trial: The trial's number in the search; None if the run is not a trial.
        changes: Changes of ``config`` after the launch, in order.
        fingerprint: The imported dataset's fingerprint at the launch; None if it was unknown.
        start: The model whose weights the run starts from; None for random weights.
        class_choice: For data that is read from a path, how the classes of the source become the
            classes of the dataset; None for the seven emotions. For an imported dataset, always
            None, because its classes were chosen on import.
    """

    recipe: Text
    data: Text
    config: TrainingConfig
    tracking: Tracking = Tracking()
    study: Text | None = None
    trial: Integer | None = None
    changes: tuple[ConfigChange, ...] = ()
    fingerprint: Text | None = None
    start: StartingModel | None = None
    class_choice: ClassChoice | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``config.json``."""
        document: dict[str, Any] = {
            "recipe": self.recipe,
            "data": self.data,
            "config": self.config.to_json(),
        }
        if self.tracking != Tracking():
            document["tracking"] = asdict(self.tracking)
        if self.study is not None:
            document |= {"study": self.study, "trial": self.trial}
        if self.fingerprint is not None:
            document["fingerprint"] = self.fingerprint
        if self.start is not None:
            document["start"] = asdict(self.start)
        if self.class_choice is not None and self.class_choice != ClassChoice():
            document["class_choice"] = asdict(self.class_choice)
        if self.changes:
            document["changes"] = [asdict(change) for change in self.changes]
        return document

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunSetup:
        """Read the content of ``config.json``; fields that later versions added may be missing.

        Raises:
            InputError: The configuration is not valid.
            KeyError, TypeError, ValueError: The content is damaged.
        """
        return from_dict(cls, values | {"config": validated_config(values["config"])})


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class EpochRecord:
    """One finished epoch: a line of ``metrics.jsonl``.

    Attributes:
        epoch: Number of the epoch, from 1.
        loss: Mean training loss over the epoch's augmented batches, regularization included.
        accuracy: Accuracy on the same batches.
        validation_loss: Cross-entropy on the unmodified validation images, without regularization.
            The targets are the labels, or the votes if the run learns votes.
        validation_accuracy: Accuracy on the validation images. If the run learns votes, the
            accuracy against the plurality of the votes, without images on which classes tie.
        validation_macro_f1: Macro F1 on the same images as ``validation_accuracy``.
        validation_recall: Recall by class; None for a class without validation images.
        learning_rate: Learning rate of the epoch's last step.
        images_per_second: Speed of the training steps.
        seconds: Duration of the whole epoch, validation included.
    """

    epoch: Integer
    loss: Number
    accuracy: Number
    validation_loss: Number
    validation_accuracy: Number
    validation_macro_f1: Number
    validation_recall: dict[Text, Number | None]
    learning_rate: Number
    images_per_second: Number
    seconds: Number

    def score(self, monitor: str) -> float:
        """Return the score by which epochs are compared; a higher score is better.

        The score is the monitored validation metric; the loss is negated. For *last*, the score is
        the number of the epoch, so that the last epoch is the best.
        """
        if monitor == "loss":
            return -self.validation_loss
        if monitor == "last":
            return float(self.epoch)
        return self.validation_accuracy if monitor == "accuracy" else self.validation_macro_f1


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class RunStatus:
    """The state of a run: the content of ``status.json``.

    Attributes:
        state: What the run is doing, or how it ended.
        message: One sentence for the user.
        epoch: The current epoch, counted from 1. During the preparation and at the end, when
            ``steps`` is 0, the number of finished epochs.
        epochs: Total number of epochs.
        step: Number of finished steps of the current epoch.
        steps: Number of steps per epoch.
        images_per_second: Current speed; None during the preparation and at the end.
        seconds_left: Estimated time left; None before the first estimate and at the end.
        process_id: ID of the training process.
        updated: When the status was written, UTC, ISO 8601; shows that the process is alive.
        process_started: Start time of the training process from ``process_start``; it distinguishes
            the process from a later process with the same ID. None if the system does not tell it.
        fingerprint: Fingerprint of the data that the run started with; None before it is known.
        loss: Mean training loss of the current epoch so far; None during the preparation and
            at the end.
        accuracy: Training accuracy of the current epoch so far; None during the preparation and
            at the end.
    """

    state: RunState
    message: Text
    epoch: Integer = 0
    epochs: Integer = 0
    step: Integer = 0
    steps: Integer = 0
    images_per_second: Number | None = None
    seconds_left: Number | None = None
    process_id: Integer = Field(default_factory=os.getpid)
    updated: Text = Field(default_factory=lambda: datetime.now(UTC).isoformat())
    process_started: Number | None = Field(default_factory=lambda: process_start(os.getpid()))
    fingerprint: Text | None = None
    loss: Number | None = None
    accuracy: Number | None = None

    @field_validator("updated")
    @classmethod
    def _check_time(cls, value: str) -> str:
        datetime.fromisoformat(value)  # raises ValueError
        return value


def epoch_record(line: str) -> EpochRecord | None:
    """Read a line of ``metrics.jsonl``; return None if it is incomplete or not a valid epoch."""
    try:
        return from_dict(EpochRecord, parse_json(line))
    except (ValueError, RecursionError):
        return None


def consecutive_epochs(records: dict[int, EpochRecord]) -> list[EpochRecord]:
    """Return the epochs from 1 to the last epoch before the first missing number."""
    finished: list[EpochRecord] = []
    while len(finished) + 1 in records:
        finished.append(records[len(finished) + 1])
    return finished


def best_epoch(epochs: Sequence[EpochRecord], monitor: str) -> int | None:
    """Return the number, from 1, of the first epoch with the best metric; None without epochs."""
    if not epochs:
        return None
    return max(epochs, key=lambda record: record.score(monitor)).epoch


def is_stopped_early(epochs: Sequence[EpochRecord], config: TrainingConfig) -> bool:
    """Return True if early stopping ends the training after these epochs."""
    best = best_epoch(epochs, config.monitor)
    if best is None or config.early_stopping_patience is None:
        return False
    return len(epochs) - best >= config.early_stopping_patience


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def starting_model_path(self) -> Path:
        """The copy of the model that the run starts from."""
        return self.path / STARTING_MODEL_FILE

    @property
    def starting_model_hashes_path(self) -> Path:
        """The copy of the starting model's image hashes; missing if the model has no hashes."""
        return self.path / STARTING_MODEL_HASHES_FILE

    @property
    def bundle_path(self) -> Path:
        """The folder of the finished bundle."""
        return self.path / "bundle"

    def create(self, setup: RunSetup) -> None:
        """Create the folder and write ``config.json``.

        Raises:
            InputError: The folder already contains a run, or cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            is_new = write_new_json(self.path / SETUP_FILE, setup.to_json())
        except OSError as error:
            action = "free some space" if is_disk_full(error) else "choose another with --run-dir"
            raise InputError(
                f"The run folder {self.path} cannot be written ({system_reason(error)}); {action}."
            ) from error
        if not is_new:
            raise InputError(
                f"{self.path} already contains a run; continue it with --resume, or choose another "
                "folder."
            )

    def change_setup(self, setup: RunSetup) -> None:
        """Replace ``config.json``; call this only while this process holds the run's lock.

        Raises:
            InputError: The folder cannot be written.
        """
        with os_errors_as_input_errors(f"The run in {self.path} cannot be changed"):
            write_json(self.path / SETUP_FILE, setup.to_json())

    def read_setup(self) -> RunSetup:
        """Read ``config.json``.

        Raises:
            InputError: The folder contains no run, or its configuration is damaged or outdated.
        """
        path = self.path / SETUP_FILE
        missing = (
            f"{self.path} contains no run (config.json is missing); choose the folder of a run."
        )
        with read_errors_as_input_errors(path, "start a new run", missing=missing):
            try:
                return RunSetup.from_json(read_json(path))
            except InputError as error:
                raise InputError(f"{path} is not a valid configuration: {error}") from error

    def write_curation(self, curation: Curation) -> None:
        """Store the run's curation, so that later decisions on the data do not affect the run."""
        write_text(self.path / "curation.csv", curation_csv(curation))

    def read_curation(self) -> Curation | None:
        """Return the curation that the run started with; None if it did not store one.

        Raises:
            InputError: The file is damaged.
        """
        path = self.path / "curation.csv"
        try:
            curation = parse_curation(path.read_bytes(), str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path} cannot be read ({system_reason(error)}).") from error
        if curation.problems:
            raise InputError(f"The curation in {path} is damaged: {curation.problems[0]}")
        return curation

    def write_votes(self, votes: Votes) -> None:
        """Store the run's votes, so that votes that are imported later do not affect the run."""
        arrays = {
            "counts": votes.counts,
            "source": np.array(votes.source),
            "note": np.array(votes.note),
        }
        self.save_arrays(VOTES_FILE, arrays)

    def read_votes(self, classes: tuple[str, ...] = EMOTIONS) -> Votes | None:
        """Return the votes that the run started with; None if it started without votes.

        Args:
            classes: The classes of the dataset.

        Raises:
            InputError: The votes are damaged.
        """
        path = self.path / VOTES_FILE
        if not path.is_file():
            return None
        arrays = self.load_arrays(VOTES_FILE)
        try:
            return Votes(arrays["counts"], str(arrays["source"]), str(arrays["note"]), classes)
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({first_line(error)}); the run cannot be resumed."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[RunSetup]:
        """Lock the run for this process, and read its setup under the lock.

        The system releases the lock when the process ends, even after a crash.

        Yields:
            The content of ``config.json``.

        Raises:
            InputError: The folder contains no run, the configuration is damaged, or another process
                trains the run.
        """
        try:
            descriptor = take_job_lock(
                self.path / SETUP_FILE,
                requests_path=self.path / CONTROL_FILE,
                busy_message=f"{self.path} is being trained by another process; wait for its end, "
                "or stop it first.",
            )
        except OSError:
            self.read_setup()  # raises an error with a better message
            raise
        try:
            yield self.read_setup()
        finally:
            os.close(descriptor)

    def write_status(self, status: RunStatus) -> None:
        """Replace ``status.json``. Without a new fingerprint, the stored fingerprint is kept."""
        if status.fingerprint is None:
            earlier = self.read_status()
            if earlier is not None and earlier.fingerprint is not None:
                status = replace(status, fingerprint=earlier.fingerprint)
        write_json(self.path / STATUS_FILE, asdict(status))

    def read_status(self) -> RunStatus | None:
        """Read ``status.json``; return None if it is missing or damaged."""
        try:
            return from_dict(RunStatus, read_json(self.path / STATUS_FILE))
        except (OSError, ValueError, RecursionError):
            return None

    def append_epoch(self, record: EpochRecord) -> None:
        """Append a line to ``metrics.jsonl``. The line is on disk when this method returns."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with (self.path / EPOCHS_FILE).open("a+b") as file:
            # If an earlier process left an incomplete line, the new record starts on its own line.
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read_epochs(self) -> list[EpochRecord]:
        """Return the finished epochs in order; incomplete and invalid lines are dropped."""
        try:
            text = (self.path / EPOCHS_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        records = map(epoch_record, text.splitlines())
        return consecutive_epochs(
            {record.epoch: record for record in records if record is not None}
        )

    def save_arrays(self, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Replace a file of arrays, such as a checkpoint."""
        with atomic_write_file(self.path / name) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def load_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read a file of arrays.

        Raises:
            InputError: The file is missing or damaged.
        """
        path = self.path / name
        try:
            return read_arrays(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path} is missing or damaged ({first_line(error)}); the run cannot be resumed; "
                "start a new one."
            ) from error


def new_run_folder(recipe: str, settings: Settings) -> RunFolder:
    """Create a new folder under ``runs/``, named after the current time and the recipe.

    Raises:
        InputError: ``runs/`` cannot be written.
    """
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9-]+', '-', recipe)[:60]}"
    with os_errors_as_input_errors(f"No run can be created in {settings.runs_root}"):
        return RunFolder(create_numbered_folder(settings.runs_root, stem))
