"""Progress of a training: on the terminal, in the log and in ``status.json``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from fer_core.metrics.formatting import percent
from fer_core.phrases import format_duration
from fer_core.training.run_folder import LOG_FILE, EpochRecord, RunFolder, RunState, RunStatus

#: Moves the cursor of a terminal to the start of the line and clears the line.
_CLEAR_LINE = "\r\033[K"
#: If the output is not a terminal: seconds between two printed lines about steps.
_LINE_INTERVAL_SECONDS = 30.0


def writes_to_log(stream: TextIO, log: TextIO) -> bool:
    """Return True if a stream writes to the log, as in a process that the queue started."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.fstat(log.fileno()))
    except (OSError, ValueError):
        return False  # the stream is not a file, for example in a test


class TrainingProgress:
    """Reports the steps and epochs of a run, and estimates the time left."""

    #: Seconds between two writes of ``status.json``, which show that the process is alive.
    STATUS_INTERVAL = 2.0

    def __init__(
        self,
        run: RunFolder,
        epochs: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the reporter. Call ``set_steps`` before the first epoch.

        Args:
            run: The run whose status and log are written.
            epochs: The total number of epochs.
            stream: Where messages go; standard error by default.
            clock: Returns seconds; replaced in tests.
        """
        self._run = run
        self._epochs = epochs
        self._steps = 1
        self._images_per_step = 1
        self._stream = stream if stream is not None else sys.stderr
        self._is_terminal = self._stream.isatty()
        self._clock = clock
        self._epoch_start = clock()
        self._last_status_time = -float("inf")
        self._last_line_time = clock()
        # Time that the previous epoch needed after its steps, for validation and the checkpoint.
        self._seconds_after_steps: float | None = None

    def prepare(self, message: str, epochs_done: int, *, fingerprint: str | None = None) -> None:
        """Report a phase of the preparation before the first step.

        Args:
            message: What happens in this phase.
            epochs_done: Number of finished epochs.
            fingerprint: The dataset's fingerprint, once it is known.
        """
        self._run.write_status(
            RunStatus(
                state="running",
                message=message,
                epoch=epochs_done,
                epochs=self._epochs,
                fingerprint=fingerprint,
            )
        )

    def set_steps(self, steps: int, images_per_step: int) -> None:
        """Set the number of steps per epoch and of images per step."""
        self._steps, self._images_per_step = steps, images_per_step

    def log(self, message: str) -> None:
        """Write a message to the terminal and the log."""
        if self._is_terminal:
            self._stream.write(_CLEAR_LINE)
        with (self._run.path / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')} {message}\n")
            is_logged_already = writes_to_log(self._stream, log)
        if not is_logged_already:
            print(message, file=self._stream, flush=True)

    def begin_epoch(self) -> None:
        """Start the clock of an epoch."""
        self._epoch_start = self._clock()

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Report a finished step.

        Args:
            epoch: The current epoch, from 0.
            step: Number of finished steps of this epoch.
            loss: Mean loss of these steps.
            accuracy: Mean accuracy of these steps.
        """
        now = self._clock()
        if now - self._last_status_time < self.STATUS_INTERVAL and step < self._steps:
            return
        self._last_status_time = now
        seconds_per_step = (now - self._epoch_start) / step
        images_per_second = self._images_per_step / seconds_per_step
        # During the first epoch, validation is assumed to take a tenth of the steps' time.
        seconds_after_steps = self._seconds_after_steps
        if seconds_after_steps is None:
            seconds_after_steps = 0.1 * seconds_per_step * self._steps
        seconds_left_in_epoch = seconds_per_step * (self._steps - step) + seconds_after_steps
        epochs_left = self._epochs - epoch - 1
        seconds_per_epoch = seconds_per_step * self._steps + seconds_after_steps
        seconds_left = seconds_left_in_epoch + epochs_left * seconds_per_epoch
        message = (
            f"epoch {epoch + 1}/{self._epochs}, step {step}/{self._steps}: loss {loss:.3f}, "
            f"accuracy {percent(accuracy)}, {images_per_second:.0f} images/s, about "
            f"{format_duration(seconds_left)} left"
        )
        self._run.write_status(
            RunStatus(
                state="running",
                message=message,
                epoch=epoch + 1,
                epochs=self._epochs,
                step=step,
                steps=self._steps,
                images_per_second=images_per_second,
                seconds_left=seconds_left,
                loss=loss,
                accuracy=accuracy,
            )
        )
        if self._is_terminal:
            self._stream.write(f"{_CLEAR_LINE}{message}")
            self._stream.flush()
        elif now - self._last_line_time > _LINE_INTERVAL_SECONDS:
            self._last_line_time = now
            print(message, file=self._stream, flush=True)

    def end_epoch(self, record: EpochRecord, seconds_of_steps: float, is_best: bool) -> None:
        """Report a finished epoch.

        Args:
            record: The epoch.
            seconds_of_steps: Duration of the epoch's training steps, without the validation.
            is_best: True if it is the best epoch so far.
        """
        self._seconds_after_steps = record.seconds - seconds_of_steps
        self._last_line_time = self._clock()
        seconds_left = record.seconds * (self._epochs - record.epoch)
        self.log(
            f"epoch {record.epoch}/{self._epochs}: loss {record.loss:.3f}, accuracy "
            f"{percent(record.accuracy)}, validation loss {record.validation_loss:.3f}, validation "
            f"accuracy {percent(record.validation_accuracy)}, macro F1 "
            f"{record.validation_macro_f1:.3f}{' (best)' if is_best else ''}; "
            f"{format_duration(record.seconds)}, about {format_duration(seconds_left)} left"
        )

    def end(self, state: RunState, message: str, epochs_done: int) -> None:
        """Report how the run ended."""
        self._run.write_status(
            RunStatus(state=state, message=message, epoch=epochs_done, epochs=self._epochs)
        )
        self.log(message)
