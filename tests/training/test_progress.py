"""Progress of a training: messages, status and estimates."""

import io
from pathlib import Path

import pytest

from fer_core.training.run_folder import EpochRecord, RunFolder
from fer_core.training.training_progress import TrainingProgress


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(epoch: int, seconds: float) -> EpochRecord:
    return EpochRecord(epoch, 1.5, 0.25, 1.25, 0.5, 0.4, {}, 0.001, 100.0, seconds)


def reporter(
    run: RunFolder, epochs: int, steps: int, stream: io.StringIO, clock: Clock
) -> TrainingProgress:
    progress = TrainingProgress(run, epochs, stream=stream, clock=clock)
    progress.set_steps(steps, images_per_step=16)
    return progress


def test_the_estimate_adds_steps_and_validation_of_all_epochs_to_come(tmp_path: Path) -> None:
    run, clock = RunFolder(tmp_path), Clock()
    progress = reporter(run, 3, 10, io.StringIO(), clock)
    progress.begin_epoch()
    clock.now = 20.0
    progress.step(0, 5, 1.5, 0.25)
    status = run.read_status()
    assert status is not None
    # 4 s a step, an epoch's validation guessed at a tenth of its 40 s.
    assert status.seconds_left == pytest.approx(20 + 4 + 2 * (40 + 4))
    assert status.images_per_second == pytest.approx(4.0)
    assert (status.state, status.epoch, status.epochs) == ("running", 1, 3)
    assert (status.step, status.steps) == (5, 10)


def test_the_estimate_in_the_second_epoch_includes_validation(tmp_path: Path) -> None:
    run, clock = RunFolder(tmp_path), Clock()
    progress = reporter(run, 3, 10, io.StringIO(), clock)
    progress.end_epoch(record(1, seconds=55.0), seconds_of_steps=40.0, is_best=True)
    progress.begin_epoch()
    clock.now = 20.0
    progress.step(1, 5, 1.5, 0.25)
    status = run.read_status()
    assert status is not None
    assert status.seconds_left == pytest.approx(20 + 15 + (40 + 15))


def test_the_status_is_a_heartbeat_and_not_written_at_every_step(tmp_path: Path) -> None:
    run, clock = RunFolder(tmp_path), Clock()
    progress = reporter(run, 1, 100, io.StringIO(), clock)
    written = []
    for step in range(1, 101):
        clock.now += 0.5
        progress.step(0, step, 1.0, 0.5)
        status = run.read_status()
        assert status is not None
        written.append(status.step)
    assert len(set(written)) == pytest.approx(26, abs=1)
    assert written[-1] == 100  # the last step always counts


def test_messages_go_to_the_stream_and_the_log(tmp_path: Path) -> None:
    stream = io.StringIO()
    progress = reporter(RunFolder(tmp_path), 2, 10, stream, Clock())
    progress.end_epoch(record(1, seconds=60.0), seconds_of_steps=50.0, is_best=True)
    progress.end("finished", "done: größer", 2)
    log = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert stream.getvalue().splitlines() == [line.partition(" ")[2] for line in log]
    assert "epoch 1/2" in log[0]
    assert "(best)" in log[0]
    assert log[0].endswith("60 s, about 60 s left")
    status = RunFolder(tmp_path).read_status()
    assert status is not None
    assert (status.state, status.message, status.epoch) == ("finished", "done: größer", 2)


def test_a_terminal_shows_one_line_that_is_written_over(tmp_path: Path) -> None:
    terminal, clock = Terminal(), Clock()
    progress = reporter(RunFolder(tmp_path), 1, 3, terminal, clock)
    for step in (1, 2, 3):
        clock.now += 5
        progress.step(0, step, 1.0, 0.5)
    assert terminal.getvalue().count("\r\033[K") == 3
    assert "\n" not in terminal.getvalue()


def test_a_log_file_receives_progress_lines_at_intervals(tmp_path: Path) -> None:
    stream, clock = io.StringIO(), Clock()
    progress = reporter(RunFolder(tmp_path), 1, 100, stream, clock)
    for step in range(1, 101):
        clock.now += 1
        progress.step(0, step, 1.0, 0.5)
    assert 2 <= len(stream.getvalue().splitlines()) <= 4
