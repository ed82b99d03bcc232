"""A run's folder on disk: the only place where a training's state lies.

``config.json`` is written once, by whoever launches; everything else by the training process alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.curation import Curation, curation_csv, parse_curation
from fer_core.errors import InputError, first_line
from fer_core.files import replaced_file, write_json, write_text
from fer_core.recipes import TrainingConfig, validated_config

RunState = Literal["running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class RunSetup:
    """What a run trains, on what: the content of ``config.json``.

    Attributes:
        recipe: The recipe's name.
        data: The dataset's name or path, as it was given.
        config: The recipe's configuration with the changes that were asked for.
    """

    recipe: str
    data: str
    config: TrainingConfig


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: a line of ``metrics.jsonl``.

    Attributes:
        epoch: Counted from 1.
        loss: Mean training loss over the epoch's augmented batches, regularization included.
        accuracy: On the same batches.
        validation_loss: Cross-entropy on the unchanged validation images, no regularization.
        validation_accuracy: On the same images.
        validation_macro_f1: On the same images.
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
        if (self.path / "config.json").exists():
            raise InputError(
                f"{self.path} already holds a run; continue it with --resume, or name another "
                "folder."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(
                self.path / "config.json",
                {
                    "recipe": setup.recipe,
                    "data": setup.data,
                    "config": setup.config.model_dump(mode="json"),
                },
            )
        except OSError as error:
            raise InputError(
                f"The run folder {self.path} cannot be written ({error.strerror}); name another "
                "with --run-dir."
            ) from error

    def read_setup(self) -> RunSetup:
        """Read ``config.json``.

        Raises:
            InputError: The folder holds no run, or its configuration is damaged or outdated.
        """
        path = self.path / "config.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return RunSetup(
                recipe=str(values["recipe"]),
                data=str(values["data"]),
                config=validated_config(values["config"]),
            )
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

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training in this folder; a dead one lets go by itself.

        Raises:
            InputError: Another process trains in it.
        """
        try:
            import fcntl
        except ImportError:
            yield  # Windows has no such locks; there two trainings in one folder are not noticed
            return
        with (self.path / "config.json").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"{self.path} is being trained by another process; wait for its end, or stop "
                    "it first."
                ) from error
            yield

    def write_status(self, status: RunStatus) -> None:
        """Replace ``status.json``."""
        write_json(self.path / "status.json", asdict(status))

    def read_status(self) -> RunStatus | None:
        """Read ``status.json``; None where there is none or it cannot be understood."""
        try:
            values = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
            return RunStatus(**values)
        except (OSError, ValueError, TypeError):
            return None

    def append_epoch(self, record: EpochRecord) -> None:
        """Add a line to ``metrics.jsonl``, on disk before this returns."""
        path = self.path / "metrics.jsonl"
        line = json.dumps(asdict(record)) + "\n"
        # A line that an earlier process left torn would otherwise spoil this one too.
        if path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size:
            line = "\n" + line
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read_epochs(self) -> list[EpochRecord]:
        """The finished epochs in order; torn and foreign lines are dropped."""
        try:
            text = (self.path / "metrics.jsonl").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        records: dict[int, EpochRecord] = {}
        for line in text.splitlines():
            try:
                record = EpochRecord(**json.loads(line))
            except (ValueError, TypeError):
                continue
            if isinstance(record.epoch, int):
                records[record.epoch] = record
        # What follows a missing epoch cannot be continued from.
        finished: list[EpochRecord] = []
        while len(finished) + 1 in records:
            finished.append(records[len(finished) + 1])
        return finished

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
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:
            # NumPy raises a different type for each way in which a file can be damaged.
            raise InputError(
                f"{path} is missing or damaged ({first_line(error)}); the run cannot go on from it."
            ) from error
