"""A run's folder on disk: the only place where a training's state lies.

``config.json`` is written once, by whoever launches (and again, under the run's lock, when a run
is given more epochs); ``control.json`` and ``label.json`` by pages and commands; everything else by
the training process alone.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.curation import Curation
from fer_core.dataset.curation_csv import curation_csv, parse_curation
from fer_core.dataset.votes import Votes
from fer_core.dataset.votes_file import VOTES_FILE
from fer_core.errors import InputError, first_line
from fer_core.files import (
    is_disk_full,
    os_errors_as_input_errors,
    parse_json,
    read_arrays,
    read_json,
    replaced_file,
    write_json,
    write_new_json,
    write_text,
)
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.settings import Settings
from fer_core.training.processes import inherited_lock, lock_file, process_start

RunState = Literal["running", "paused", "finished", "stopped", "pruned", "failed"]

SETUP_FILE = "config.json"
STATUS_FILE = "status.json"
CONTROL_FILE = "control.json"
EPOCHS_FILE = "metrics.jsonl"
LOG_FILE = "train.log"

#: In ``runs/``: a file per waiting run, named after it.
QUEUE_FOLDER = ".queue"

#: A lock that is only looked at is let go at once; one that is kept longer is a training's.
_LOCK_PATIENCE = 0.5


@dataclass(frozen=True)
class Tracking:
    """Where else a run's figures go; has no part in what is trained.

    Attributes:
        tensorboard: Whether to write TensorBoard's event files to ``tensorboard/`` in the run.
        mlflow_uri: The MLflow server, folder or database to log to; None for none.
    """

    tensorboard: bool = False
    mlflow_uri: str | None = None


@dataclass(frozen=True)
class ConfigChange:
    """That a run's configuration was changed after its beginning.

    Attributes:
        when: UTC, ISO 8601.
        after_epoch: How many epochs were finished.
        changes: By field, the value before and the value since.
    """

    when: str
    after_epoch: int
    changes: dict[str, list[Any]]


@dataclass(frozen=True)
class RunSetup:
    """What a run trains, on what: the content of ``config.json``.

    Attributes:
        recipe: The recipe's name; it may be gone since, because ``config`` is whole.
        data: The dataset's name or path, as it was given.
        config: The recipe's configuration with the changes that were asked for.
        tracking: Where else its figures go.
        study: The search that it is a trial of, if any.
        trial: The trial's number in that search.
        changes: What was changed later, in order.
    """

    recipe: str
    data: str
    config: TrainingConfig
    tracking: Tracking = Tracking()
    study: str | None = None
    trial: int | None = None
    changes: tuple[ConfigChange, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The content of ``config.json``."""
        document: dict[str, Any] = {
            "recipe": self.recipe,
            "data": self.data,
            "config": self.config.to_json(),
        }
        if self.tracking != Tracking():
            document["tracking"] = asdict(self.tracking)
        if self.study is not None:
            document |= {"study": self.study, "trial": self.trial}
        if self.changes:
            document["changes"] = [asdict(change) for change in self.changes]
        return document

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunSetup:
        """Read the content of ``config.json``; fields that older versions do not know may miss.

        Raises:
            InputError: The configuration is not valid.
            KeyError, TypeError, ValueError: It is no such content.
        """
        return cls(
            recipe=str(values["recipe"]),
            data=str(values["data"]),
            config=validated_config(values["config"]),
            tracking=Tracking(**values.get("tracking", {})),
            study=values.get("study"),
            trial=values.get("trial"),
            changes=tuple(ConfigChange(**change) for change in values.get("changes", ())),
        )


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: a line of ``metrics.jsonl``.

    Attributes:
        epoch: Counted from 1.
        loss: Mean training loss over the epoch's augmented batches, regularization included.
        accuracy: On the same batches.
        validation_loss: Cross-entropy on the unchanged validation images, no regularization; to
            the votes where a run learns votes.
        validation_accuracy: On the same images; against the votes' plurality where a run learns
            votes, without images on which emotions tie.
        validation_macro_f1: On the same images as the accuracy.
        validation_recall: By emotion; None where validation has none of it.
        learning_rate: At the epoch's last step.
        images_per_second: Of the training steps.
        seconds: Of the whole epoch, validation included.
    """

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_macro_f1: float
    validation_recall: dict[str, float | None]
    learning_rate: float
    images_per_second: float
    seconds: float

    def monitored(self, monitor: str) -> float:
        """The validation figure that picks the best epoch, larger being better."""
        if monitor == "loss":
            return -self.validation_loss
        if monitor == "last":
            return float(self.epoch)
        return self.validation_accuracy if monitor == "accuracy" else self.validation_macro_f1


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands: the content of ``status.json``.

    Attributes:
        state: What it is doing, or how it ended.
        message: One sentence for people.
        epoch: The epoch under way, counted from 1.
        epochs: Epochs in all.
        step: Steps done of this epoch.
        steps: Steps of an epoch.
        images_per_second: Lately.
        seconds_left: Estimated; None before the first estimate and at the end.
        process_id: Of the training process.
        updated: When this was written, UTC, ISO 8601: the heartbeat.
        process_started: When that process began, as ``process_start`` tells it: tells it from a
            later one of the same number; None where the system does not say.
        fingerprint: Of the data that the run began with.
        loss: Mean training loss of the epoch under way; None between epochs.
        accuracy: On the same batches.
    """

    state: RunState
    message: str
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    images_per_second: float | None = None
    seconds_left: float | None = None
    process_id: int = field(default_factory=os.getpid)
    updated: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    process_started: float | None = field(default_factory=lambda: process_start(os.getpid()))
    fingerprint: str | None = None
    loss: float | None = None
    accuracy: float | None = None


def _checked_status(status: RunStatus) -> RunStatus:
    """The status itself, if a hand that edited it left it readable.

    Raises:
        ValueError, TypeError: It did not.
    """
    if status.state not in get_args(RunState) or not isinstance(status.message, str):
        raise ValueError
    for value in (status.epoch, status.epochs, status.step, status.steps, status.process_id):
        if not isinstance(value, int):
            raise TypeError
    for figure in (
        status.images_per_second,
        status.seconds_left,
        status.process_started,
        status.loss,
        status.accuracy,
    ):
        if figure is not None and not _is_figure(figure):
            raise ValueError
    datetime.fromisoformat(status.updated)
    return status


def epoch_record(line: str) -> EpochRecord | None:
    """Read a line of ``metrics.jsonl``; None for what is torn or foreign."""
    try:
        record = EpochRecord(**parse_json(line))
    except (ValueError, TypeError, RecursionError):
        return None
    figures = [getattr(record, name) for name in _EPOCH_FIGURES]
    recalls = record.validation_recall
    is_whole = (
        isinstance(record.epoch, int)
        and all(map(_is_figure, figures))
        and isinstance(recalls, dict)
        and all(recall is None or _is_figure(recall) for recall in recalls.values())
    )
    return record if is_whole else None


_EPOCH_FIGURES = tuple(
    entry.name for entry in fields(EpochRecord) if entry.name not in ("epoch", "validation_recall")
)


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def unbroken_epochs(records: dict[int, EpochRecord]) -> list[EpochRecord]:
    """The epochs up to the first missing one: what follows it cannot be continued from."""
    finished: list[EpochRecord] = []
    while len(finished) + 1 in records:
        finished.append(records[len(finished) + 1])
    return finished


def best_epoch(epochs: Sequence[EpochRecord], monitor: str) -> int | None:
    """The first epoch with the best monitored figure, from 1; None where there is none."""
    if not epochs:
        return None
    return max(epochs, key=lambda record: record.monitored(monitor)).epoch


def has_stalled(epochs: Sequence[EpochRecord], config: TrainingConfig) -> bool:
    """Whether early stopping's patience is over."""
    best = best_epoch(epochs, config.monitor)
    if best is None or config.early_stopping_patience is None:
        return False
    return len(epochs) - best >= config.early_stopping_patience


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def bundle_path(self) -> Path:
        """Where the finished bundle lies."""
        return self.path / "bundle"

    def create(self, setup: RunSetup) -> None:
        """Make the folder and write ``config.json``.

        Raises:
            InputError: The folder already holds a run, or cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            is_new = write_new_json(self.path / SETUP_FILE, setup.to_json())
        except OSError as error:
            remedy = "free some space" if is_disk_full(error) else "name another with --run-dir"
            raise InputError(
                f"The run folder {self.path} cannot be written ({error.strerror}); {remedy}."
            ) from error
        if not is_new:
            raise InputError(
                f"{self.path} already holds a run; continue it with --resume, or name another "
                "folder."
            )

    def change_setup(self, setup: RunSetup) -> None:
        """Replace ``config.json``; only for whoever holds the run.

        Raises:
            InputError: The folder cannot be written.
        """
        with os_errors_as_input_errors(f"The run in {self.path} cannot be changed"):
            write_json(self.path / SETUP_FILE, setup.to_json())

    def read_setup(self) -> RunSetup:
        """Read ``config.json``.

        Raises:
            InputError: The folder holds no run, or its configuration is damaged or outdated.
        """
        path = self.path / SETUP_FILE
        try:
            return RunSetup.from_json(read_json(path))
        except FileNotFoundError as error:
            raise InputError(
                f"{self.path} holds no run (config.json is missing); name a run's folder."
            ) from error
        except InputError as error:
            raise InputError(f"{path} is no valid configuration: {error}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); start a new run.") from error

    def keep_curation(self, curation: Curation) -> None:
        """Keep what the run trains by, so that later decisions about the data do not change it."""
        write_text(self.path / "curation.csv", curation_csv(curation))

    def read_curation(self) -> Curation | None:
        """The curation that the run was begun with; None if it was not begun with any.

        Raises:
            InputError: It is damaged.
        """
        path = self.path / "curation.csv"
        try:
            curation = parse_curation(path.read_bytes(), str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from error
        if curation.problems:
            raise InputError(f"The run cannot go on as it began: {curation.problems[0]}")
        return curation

    def keep_votes(self, votes: Votes) -> None:
        """Keep what the run learns from, so that later votes for the data do not change it."""
        arrays = {
            "counts": votes.counts,
            "source": np.array(votes.source),
            "note": np.array(votes.note),
        }
        self.save_arrays(VOTES_FILE, arrays)

    def read_votes(self) -> Votes | None:
        """The votes that the run was begun with; None if it was not begun with any.

        Raises:
            InputError: They are damaged.
        """
        path = self.path / VOTES_FILE
        if not path.is_file():
            return None
        arrays = self.load_arrays(VOTES_FILE)
        try:
            return Votes(arrays["counts"], str(arrays["source"]), str(arrays["note"]))
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({first_line(error)}); the run cannot go on from it."
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training in this folder; a dead one lets go by itself.

        A request that lies there was not for whoever takes the run now, and is forgotten. Who
        starts a process with the run in its hands sees to that before, because from then on a
        request may be for it.

        Raises:
            InputError: Another process trains in it.
        """
        path = self.path / SETUP_FILE
        descriptor = inherited_lock(path)
        is_handed_over = descriptor is not None
        if descriptor is None:
            descriptor = lock_file(path, _LOCK_PATIENCE)
        if descriptor is None:
            raise InputError(
                f"{self.path} is being trained by another process; wait for its end, or stop "
                "it first."
            )
        try:
            if not is_handed_over:
                with suppress(OSError):  # where nothing can be removed nothing will be trained
                    (self.path / CONTROL_FILE).unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)

    def write_status(self, status: RunStatus) -> None:
        """Replace ``status.json``; the data's fingerprint stays unless another is given."""
        if status.fingerprint is None:
            earlier = self.read_status()
            if earlier is not None and earlier.fingerprint is not None:
                status = replace(status, fingerprint=earlier.fingerprint)
        write_json(self.path / STATUS_FILE, asdict(status))

    def read_status(self) -> RunStatus | None:
        """Read ``status.json``; None where there is none or it cannot be understood."""
        try:
            values = read_json(self.path / STATUS_FILE)
            return _checked_status(RunStatus(**values))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def append_epoch(self, record: EpochRecord) -> None:
        """Add a line to ``metrics.jsonl``, on disk before this returns."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with (self.path / EPOCHS_FILE).open("a+b") as file:
            # A line that an earlier process left torn would otherwise spoil this one too.
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read_epochs(self) -> list[EpochRecord]:
        """The finished epochs in order; torn and foreign lines are dropped."""
        try:
            text = (self.path / EPOCHS_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        records = map(epoch_record, text.splitlines())
        return unbroken_epochs({record.epoch: record for record in records if record is not None})

    def save_arrays(self, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Replace a file of arrays, such as a checkpoint."""
        with replaced_file(self.path / name) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def load_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read a file of arrays.

        Raises:
            InputError: It is missing or damaged.
        """
        path = self.path / name
        try:
            return read_arrays(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path} is missing or damaged ({first_line(error)}); the run cannot go on from it."
            ) from error


def new_run_folder(recipe: str, settings: Settings) -> RunFolder:
    """A folder of one's own under ``runs/``, named after the moment and the recipe.

    Raises:
        InputError: ``runs/`` cannot be written.
    """
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9-]+', '-', recipe)[:60]}"
    with os_errors_as_input_errors(f"No run can be made in {settings.runs_root}"):
        settings.runs_root.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            path = settings.runs_root / (stem if number == 1 else f"{stem}-{number}")
            with suppress(FileExistsError):
                path.mkdir()  # made at once, so that nobody else gets it
                break
    return RunFolder(path)
