"""The app is killed at several operations of every writer, and started again."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, faulty, some_of
from writers import WRITERS, Writer, content_of, error_of

from fer_core import stale_files
from fer_core.files import TEMPORARY_MARK
from fer_core.settings import Settings
from fer_core.stale_files import remove_stale_temp_files

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

#: At how many operations of a writer it is killed, the first and the last included.
_STEPS = 6


def killed_in(writer: Writer, settings: Settings, step: int) -> None:
    """Run a writer in a process that kills itself before this operation."""
    child = os.fork()
    if child == 0:
        try:
            with faulty(FaultyDisk(settings.data_root.parent, death=step)):
                writer.write(settings)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def temporary_files(settings: Settings) -> list[Path]:
    return list(settings.data_root.parent.rglob(f".*{TEMPORARY_MARK}*"))


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_killed_writer_leaves_the_old_or_the_new_state(
    writer: Writer, new_home: Callable[[], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = new_home()
    before = writer.read(whole)
    disk = FaultyDisk(whole.data_root.parent)
    with faulty(disk):
        writer.write(whole)
    after = writer.read(whole)
    assert after != before  # otherwise the comparisons below could not fail
    for step in some_of(list(range(disk.events)), _STEPS):
        settings = new_home()
        killed_in(writer, settings, step)
        # The app removes stale files when it starts: soon after, and again two days later.
        for seconds in (10.0, 2 * 24 * 3600.0):
            moment = time.time() + seconds
            monkeypatch.setattr(stale_files.time, "time", lambda moment=moment: moment)
            remove_stale_temp_files(settings)
            monkeypatch.undo()
            assert writer.read(settings) in (before, after)
        assert temporary_files(settings) == []
        # The operation can be repeated if it was not completed.
        if writer.read(settings) == before:
            error_of(writer.write, settings)
        assert writer.read(settings) == after
        assert content_of(settings).keys() >= content_of(new_home()).keys() - _removed(writer)


def _removed(writer: Writer) -> set[str]:
    """The files that this writer removes on purpose."""
    return {
        "removal of votes": {"data/kept/votes.npz"},
        "unqueueing": {"runs/.queue/two.json"},
        "deletion": {
            "runs/.queue/two.json",
            *(f"runs/two/{name}" for name in ("config.json", "label.json", "metrics.jsonl")),
            "runs/two/status.json",
        },
    }.get(writer.name, set())


def test_recent_temporary_files_are_kept(
    new_home: Callable[[], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, "recent" may be longer ago than it is for the program.
    monkeypatch.setattr(stale_files, "_MAX_STEP_SECONDS", 600.0)
    settings = new_home()
    young = settings.runs_root / "one" / f".status.1-2{TEMPORARY_MARK}.json"
    young.write_text("half")
    moved = settings.runs_root / "one" / f".bundle.old.abcdefgh{TEMPORARY_MARK}"
    (settings.runs_root / "one" / "bundle").rename(moved)
    assert remove_stale_temp_files(settings) == []
    assert young.exists() and moved.exists()


def test_only_temporary_files_of_the_program_are_removed(new_home: Callable[[], Settings]) -> None:
    settings = new_home()
    kept = [
        settings.data_root / ".mine.abcdefgh",
        settings.runs_root / ".status.1-2.json",
        settings.models_root / f"notes{TEMPORARY_MARK}",
    ]
    for path in kept:
        path.write_text("mine")
        os.utime(path, (1e9, 1e9))
    old = settings.data_root / f".gone.abcdefgh{TEMPORARY_MARK}"
    (old / "inside").mkdir(parents=True)
    link = settings.models_root / f".link{TEMPORARY_MARK}"
    link.symlink_to(settings.data_root / "kept")
    for path in (old / "inside", old, link):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)
    assert set(remove_stale_temp_files(settings)) == {old, link}
    assert all(path.exists() for path in kept)
    assert (settings.data_root / "kept" / "faces.npz").exists()
