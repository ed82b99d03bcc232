"""Temporary files of processes that died are removed, those of living ones are not."""

import os
import signal
import time

import pytest

from fer_core import stale_files
from fer_core.files import TEMPORARY_MARK, temporary_folder
from fer_core.settings import Settings
from fer_core.stale_files import remove_stale_temp_files

HOUR = 3600.0

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that forks")


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    moment = time.time() + seconds
    monkeypatch.setattr(stale_files.time, "time", lambda: moment)


@forks
def test_the_upload_of_a_killed_process_is_removed_at_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, "just" may be longer ago than it is for the program.
    monkeypatch.setattr(stale_files, "_MAX_STEP_SECONDS", 600.0)
    settings.data_root.mkdir()
    child = os.fork()
    if child == 0:
        with temporary_folder("upload", settings.data_root) as folder:
            (folder / "faces.zip").write_bytes(bytes(1000))
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    (left,) = settings.data_root.iterdir()
    assert (left / "faces.zip").is_file()
    assert remove_stale_temp_files(settings) == []  # it may just have been created
    later(monkeypatch, 1000.0)
    assert remove_stale_temp_files(settings) == [left]
    assert list(settings.data_root.iterdir()) == []


@pytest.mark.parametrize("seconds", [10.0, 30 * HOUR])
def test_the_folder_of_a_living_process_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    settings.data_root.mkdir()
    with temporary_folder("upload", settings.data_root) as folder:
        (folder / "faces.zip").write_bytes(b"x")
        later(monkeypatch, seconds)
        assert remove_stale_temp_files(settings) == []
        assert (folder / "faces.zip").is_file()
    assert list(settings.data_root.iterdir()) == []


def test_other_temporary_files_are_removed_after_a_day(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.data_root.mkdir()
    file = settings.data_root / f".curation.1-2{TEMPORARY_MARK}.csv"
    folder = settings.data_root / f".faces.x{TEMPORARY_MARK}"
    file.write_text("half")
    (folder / "inside").mkdir(parents=True)
    kept = settings.data_root / ".hidden"
    kept.write_text("mine")
    later(monkeypatch, 23 * HOUR)
    assert remove_stale_temp_files(settings) == []
    later(monkeypatch, 25 * HOUR)
    assert set(remove_stale_temp_files(settings)) == {file, folder}
    assert list(settings.data_root.iterdir()) == [kept]


def test_a_folder_moved_aside_is_moved_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = settings.models_root / f".small.old.12345678{TEMPORARY_MARK}"
    aside.mkdir(parents=True)
    (aside / "bundle.json").write_text("{}")
    later(monkeypatch, 10.0)
    assert remove_stale_temp_files(settings) == [aside]
    assert (settings.models_root / "small" / "bundle.json").is_file()
