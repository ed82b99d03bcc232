"""Starting, queueing, listing and deleting analyses, and who may see them."""

import io
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn_videos import alternating, drawn_analyzer, settings_for, write_video

from fer_core import job_process
from fer_core.access import Admission, Role
from fer_core.errors import InputError
from fer_core.processes import lock_file
from fer_core.settings import Settings
from fer_core.video.analyses import (
    continue_analysis,
    find_analysis,
    list_analyses,
    make_annotated_video,
    may_see,
    start_analysis,
    summarize_analysis,
)
from fer_core.video.analysis_folder import AnalysisFolder, AnalysisStatus
from fer_core.video.analysis_job import run_analysis
from fer_core.video.analysis_queue import (
    delete_analysis,
    pending_analyses,
    remove_pending_analysis,
    start_next_analysis,
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("a") / "talk.mp4", alternating(0.4, {0.0: "happy"}))


class Spawned:
    """Replaces the start of processes; holds the lock that the process would inherit."""

    def __init__(self) -> None:
        self.locks: dict[str, int] = {}

    def __call__(self, module: str, arguments: list[str], settings: Settings, **rest: Any) -> int:
        assert module == "fer_core.video.analysis_job"
        self.locks[Path(arguments[0]).name] = os.dup(rest["lock"])
        return 1

    def end(self, name: str) -> None:
        os.close(self.locks.pop(name))


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_in = Spawned()
    monkeypatch.setattr(job_process, "spawn", stand_in)
    yield stand_in
    for name in list(stand_in.locks):
        stand_in.end(name)


def visitor(person: str, role: Role = Role.VIEWER, *, requires_login: bool = True) -> Admission:
    return Admission(role, requires_login, person, is_logged_in=True)


def test_one_analysis_runs_and_the_others_wait_in_order(
    settings: Settings, clip: Path, spawned: Spawned
) -> None:
    first, second, third = (start_analysis(settings_for(clip), settings) for _ in range(3))
    assert list(spawned.locks) == [first.id]
    assert pending_analyses(settings) == [second.id, third.id]
    states = {one.folder.id: one.state for one in list_analyses(settings)}
    assert states == {first.id: "starting", second.id: "queued", third.id: "queued"}
    first.write_status(AnalysisStatus(state="running", message="analyzing"))
    assert summarize_analysis(first, []).state == "running"
    remove_pending_analysis(second, settings)
    assert summarize_analysis(second, []).state == "stopped"
    # The process dies without a word.
    spawned.end(first.id)
    summary = summarize_analysis(first, [])
    assert (summary.state, summary.is_queued_or_running) == ("failed", False)
    assert "ended unexpectedly" in summary.message
    start_next_analysis(settings)
    assert list(spawned.locks) == [third.id]
    with pytest.raises(InputError, match="is being analyzed already"):
        continue_analysis(third, settings)
    spawned.end(third.id)
    continue_analysis(first, settings)
    assert list(spawned.locks) == [first.id]


@pytest.mark.parametrize("answers", [(False, False), (True, False, False, False)])
def test_an_analysis_that_ends_while_its_status_is_read_did_not_fail(
    settings: Settings,
    clip: Path,
    spawned: Spawned,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[bool, ...],
) -> None:
    """It reports its end and releases its lock just before the first check that finds it free."""
    folder = start_analysis(settings_for(clip), settings)
    folder.write_status(AnalysisStatus(state="running", message="analyzing"))
    left = iter(answers)

    def is_active(_: AnalysisFolder) -> bool:
        answer = next(left)
        if not answer:
            folder.write_status(AnalysisStatus(state="finished", message="done"))
        return answer

    monkeypatch.setattr(AnalysisFolder, "is_active", property(is_active))
    assert summarize_analysis(folder, []).state == "finished"


def test_an_upload_is_stored_and_invalid_ones_leave_nothing(
    settings: Settings, clip: Path, spawned: Spawned
) -> None:
    analysis = replace(settings_for(clip), video="My talk (1).MP4", source="source")
    folder = start_analysis(analysis, settings, upload=io.BytesIO(clip.read_bytes()))
    assert folder.id.endswith("-My-talk-1")
    stored = folder.path / "source.mp4"
    assert stored.read_bytes() == clip.read_bytes()
    assert folder.read_settings().source == "source.mp4"
    before = sorted(settings.analyses_root.iterdir())
    with pytest.raises(InputError, match=r"My talk \(1\)\.MP4 is not a video"):
        start_analysis(analysis, settings, upload=io.BytesIO(b"nothing " * 100))
    with pytest.raises(InputError, match="the range cannot start at 0:09"):
        start_analysis(replace(analysis, start=9.0), settings, upload=io.BytesIO(clip.read_bytes()))
    assert sorted(settings.analyses_root.iterdir()) == before


def test_a_disk_without_space_for_the_upload_is_reported(
    settings: Settings, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 1000))
    with pytest.raises(InputError, match=r"talk\.mp4 has 0 MB and the disk of .* has 0 MB left"):
        start_analysis(settings_for(clip), settings, upload=io.BytesIO(clip.read_bytes()))
    assert list(settings.analyses_root.iterdir()) == []


def test_nobody_sees_the_analyses_of_others_on_a_shared_server(
    settings: Settings, clip: Path, spawned: Spawned
) -> None:
    mine = start_analysis(settings_for(clip, owner="ada@example.org"), settings)
    start_analysis(settings_for(clip, owner="bob@example.org"), settings)
    start_analysis(settings_for(clip), settings)
    ada, editor = visitor("Ada@example.org"), visitor("eve@example.org", Role.EDITOR)
    assert [one.folder.id for one in list_analyses(settings, ada)] == [mine.id]
    assert list_analyses(settings, editor) == []
    assert find_analysis(mine.id, settings, ada) is not None
    assert find_analysis(mine.id, settings, editor) is None
    # An analysis without an owner is from a time without a login: nobody's.
    assert not may_see(settings_for(clip), visitor(""))
    assert not may_see(settings_for(clip), ada)
    local = Admission(Role.EDITOR, requires_login=False)
    assert len(list_analyses(settings, local)) == len(list_analyses(settings)) == 3


def test_an_analysis_is_deleted_with_everything_unless_it_runs(
    settings: Settings, clip: Path, spawned: Spawned
) -> None:
    folder = start_analysis(settings_for(clip), settings)
    with pytest.raises(InputError, match="is running; stop it first"):
        delete_analysis(folder, settings)
    spawned.end(folder.id)
    delete_analysis(folder, settings)
    assert not folder.path.exists() and clip.is_file()
    waiting = start_analysis(settings_for(clip), settings)
    other = start_analysis(settings_for(clip), settings)
    delete_analysis(other, settings)
    assert pending_analyses(settings) == [] and waiting.path.exists()
    with pytest.raises(InputError, match="delete it manually"):
        delete_analysis(AnalysisFolder(clip.parent), settings)


def test_the_annotated_video_can_be_made_later_with_names(
    settings: Settings, clip: Path, spawned: Spawned
) -> None:
    folder = start_analysis(settings_for(clip), settings)
    with pytest.raises(InputError, match="wait until the analysis ends"):
        make_annotated_video(folder, settings, blurs=False)
    spawned.end(folder.id)
    run_analysis(folder, settings, analyzer=drawn_analyzer())
    assert not (folder.path / "annotated.mp4").exists()
    make_annotated_video(folder, settings, blurs=True)
    spawned.end(folder.id)
    assert folder.read_settings().blurs
    analyzer = drawn_analyzer()
    assert run_analysis(folder, settings, analyzer=analyzer).status.state == "finished"
    assert (folder.path / "annotated.mp4").is_file()
    assert analyzer.detector.calls == 0  # type: ignore[attr-defined]
    clip_copy = folder.path / "gone.mp4"
    folder.change_settings(replace(folder.read_settings(), source=str(clip_copy)))
    with pytest.raises(InputError, match="is not stored any more"):
        make_annotated_video(folder, settings, blurs=False)


def test_damaged_and_missing_entries_do_not_block_the_queue(
    settings: Settings, clip: Path, spawned: Spawned
) -> None:
    first = start_analysis(settings_for(clip), settings)
    second = start_analysis(settings_for(clip), settings)
    third = start_analysis(settings_for(clip), settings)
    shutil.rmtree(second.path)
    spawned.end(first.id)
    (first.path / "settings.json").write_text("{")
    start_next_analysis(settings)
    assert list(spawned.locks) == [third.id]
    assert [one.folder.id for one in list_analyses(settings)] == [third.id]


def test_a_process_that_cannot_be_started_is_reported(
    settings: Settings, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(job_process, "spawn", refuse)
    folder = start_analysis(settings_for(clip), settings)
    summary = summarize_analysis(folder, [])
    assert summary.state == "failed" and "temporarily unavailable" in summary.message
    lock = lock_file(folder.path / "settings.json")
    assert lock is not None  # it was released
    os.close(lock)
