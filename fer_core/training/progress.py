"""Telling how far a training is: on the terminal, in the log and in ``status.json``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from fer_core.training.run_folder import LOG_FILE, EpochRecord, RunFolder, RunState, RunStatus


def duration_in_words(seconds: float) -> str:
    """A duration as people say it: "45 s", "12 min", "3 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def is_open_file(stream: TextIO, log: TextIO) -> bool:
    """Whether a stream goes into the log already, as it does in a process started by the queue."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.fstat(log.fileno()))
    except (OSError, ValueError):
        return False  # no file at all, such as a test's


class TrainingProgress:
    """Reports steps and epochs of a run, and estimates the time left."""

    #: Seconds between two writes of ``status.json``: the page's heartbeat.
    STATUS_INTERVAL = 2.0

    def __init__(
        self,
        run: RunFolder,
        epochs: int,
        steps: int,
        images_per_step: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to report.

        Args:
            run: Whose status and log are written.
            epochs: Epochs in all.
            steps: Steps of an epoch.
            images_per_step: Images of a step.
            stream: Where messages go; standard error by default.
            clock: Seconds; exchanged in tests.
        """
        self._run = run
        self._epochs = epochs
        self._steps = steps
        self._images_per_step = images_per_step
        self._stream = stream if stream is not None else sys.stderr
        self._is_terminal = self._stream.isatty()
        self._clock = clock
        self._epoch_start = clock()
        self._last_status = -float("inf")
        self._last_line = clock()
        self._seconds_after_steps: float | None = None

    def say(self, message: str) -> None:
        """Give a message to the terminal and the log."""
        if self._is_terminal:
            self._stream.write("\r\033[K")
        with (self._run.path / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')} {message}\n")
            is_same = is_open_file(self._stream, log)
        if not is_same:
            print(message, file=self._stream, flush=True)

    def begin_epoch(self) -> None:
        """Start an epoch's clock."""
        self._epoch_start = self._clock()

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """Report that a step is done.

        Args:
            epoch: The epoch under way, from 0.
            step: Steps done of it.
            loss: Mean of the epoch so far.
            accuracy: Mean of the epoch so far.
        """
        now = self._clock()
        if now - self._last_status < self.STATUS_INTERVAL and step < self._steps:
            return
        self._last_status = now
        per_step = (now - self._epoch_start) / step
        speed = self._images_per_step / per_step
        # Before the first epoch is through, validation is guessed at a tenth of its steps.
        after_steps = self._seconds_after_steps
        if after_steps is None:
            after_steps = 0.1 * per_step * self._steps
        epoch_left = per_step * (self._steps - step)
        epochs_to_come = self._epochs - epoch - 1
        left = epoch_left + after_steps + epochs_to_come * (per_step * self._steps + after_steps)
        message = (
            f"epoch {epoch + 1}/{self._epochs}, step {step}/{self._steps}: loss {loss:.3f}, "
            f"accuracy {accuracy:.1%}, {speed:.0f} images/s, about {duration_in_words(left)} left"
        )
        self._run.write_status(
            RunStatus(
                state="running",
                message=message,
                epoch=epoch + 1,
                epochs=self._epochs,
                step=step,
                steps=self._steps,
                images_per_second=speed,
                seconds_left=left,
                loss=loss,
                accuracy=accuracy,
            )
        )
        if self._is_terminal:
            self._stream.write(f"\r\033[K{message}")
            self._stream.flush()
        elif now - self._last_line > 30:
            self._last_line = now
            print(message, file=self._stream, flush=True)

    def end_epoch(self, record: EpochRecord, seconds_of_steps: float, is_best: bool) -> None:
        """Report a finished epoch."""
        self._seconds_after_steps = record.seconds - seconds_of_steps
        self._last_line = self._clock()
        left = record.seconds * (self._epochs - record.epoch)
        self.say(
            f"epoch {record.epoch}/{self._epochs}: loss {record.loss:.3f}, accuracy "
            f"{record.accuracy:.1%}, validation loss {record.validation_loss:.3f}, validation "
            f"accuracy {record.validation_accuracy:.2%}, macro F1 "
            f"{record.validation_macro_f1:.3f}{' (best)' if is_best else ''}; "
            f"{duration_in_words(record.seconds)}, about {duration_in_words(left)} left"
        )

    def end(self, state: RunState, message: str, epochs_done: int) -> None:
        """Report how the run ended."""
        self._run.write_status(
            RunStatus(state=state, message=message, epoch=epochs_done, epochs=self._epochs)
        )
        self.say(message)
