"""The job: resuming, stopping, failures, retention, sound, and what it stores."""

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from drawn_videos import (
    GREEN,
    SIDE,
    Image,
    Person,
    alternating,
    at_rate,
    drawn_analyzer,
    scene,
    settings_for,
    write_video,
)

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.video import analysis_job
from fer_core.video.analysis_folder import AnalysisFolder, AnalysisStatus
from fer_core.video.analysis_job import AnalysisOutcome, run_analysis
from fer_core.video.face_table import FaceTable, read_table

Analyze = Callable[..., AnalysisOutcome]


def crossing(count: int) -> list[tuple[float, Image]]:
    """Two persons, one of whom leaves and returns."""
    images = []
    for number in range(count):
        persons = [Person(40 + number / 2, 60, "happy" if number % 40 < 20 else "sad")]
        if not 30 <= number < 45:
            persons.append(Person(200, 70, "angry", GREEN))
        images.append(scene(*persons))
    return at_rate(images)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, with sound."""
    return write_video(tmp_path_factory.mktemp("job") / "talk.mp4", crossing(75), has_sound=True)


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis_job, "SEGMENT_SECONDS", 0.8)


def assert_same(first: FaceTable, second: FaceTable) -> None:
    for name in ("frame", "seconds", "duration", "person", "boxes", "probabilities", "smoothed"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


def new_folder(tmp_path: Path, clip: Path, name: str, **changes: Any) -> AnalysisFolder:
    folder = AnalysisFolder(tmp_path / "analyses" / name)
    folder.create(settings_for(clip, **changes))
    return folder


class Killed(BaseException):
    """Ends a job without any cleanup of its own."""


def kill_after(folder: AnalysisFolder, settings: Settings, frames: int) -> None:
    """Run a job that dies after some frames."""
    analyzer = drawn_analyzer()
    probabilities = analyzer.predictor.probabilities
    seen = 0

    def count(crops: Image) -> Any:
        nonlocal seen
        seen += len(crops)
        if seen > frames:
            raise Killed
        return probabilities(crops)

    analyzer.predictor.probabilities = count  # type: ignore[method-assign]
    with pytest.raises(Killed):
        run_analysis(folder, settings, analyzer=analyzer)


@pytest.mark.usefixtures("short_segments")
def test_a_killed_job_continues_after_its_last_segment_with_the_same_result(
    settings: Settings, tmp_path: Path, clip: Path, analyze: Analyze
) -> None:
    whole = analyze(clip, "whole", smoothing_seconds=0.2)
    folder = new_folder(tmp_path, clip, "killed", smoothing_seconds=0.2)
    kill_after(folder, settings, 70)
    done = folder.count_segments()
    assert 1 <= done < whole.folder.count_segments() == 4
    assert not folder.table_path.exists()
    analyzer = drawn_analyzer()
    outcome = run_analysis(folder, settings, analyzer=analyzer)
    assert_same(outcome.table, whole.table)
    assert outcome.status.frames == whole.status.frames == 75
    # Only the missing segments were classified again.
    assert sum(analyzer.predictor.batches) < len(whole.table)  # type: ignore[attr-defined]
    assert folder.portrait_path(1) is not None and folder.portrait_path(2) is not None


def test_segments_do_not_change_persons(analyze: Analyze, clip: Path) -> None:
    table = analyze(clip).table
    assert table.persons == [1, 2]
    assert len(table.of_person(1)) == 75
    assert list(table.of_person(2).frame) == [*range(30), *range(45, 75)]


@pytest.mark.usefixtures("short_segments")
def test_the_same_file_gives_the_same_table(
    analyze: Analyze, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = analyze(clip, "first")
    monkeypatch.setattr("fer_core.video.reader._THREADS", 1)
    second = analyze(clip, "second")
    assert_same(first.table, second.table)
    content = [one.folder.table_path.read_bytes() for one in (first, second)]
    assert content[0] == content[1]


@pytest.mark.usefixtures("short_segments")
def test_a_stopped_job_keeps_the_finished_part_and_can_be_continued(
    settings: Settings, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_job, "_STATUS_SECONDS", 0.0)
    folder = new_folder(tmp_path, clip, "stopped")

    def stop_later(done: float, total: float) -> None:
        assert total == pytest.approx(3.0, abs=0.1)
        if done > 1.8:
            folder.request_stop()

    outcome = run_analysis(folder, settings, analyzer=drawn_analyzer(), progress=stop_later)
    assert outcome.status.state == "stopped"
    assert "continue the analysis to complete it" in outcome.status.message
    assert list(outcome.table.of_person(1).frame) == list(range(40))
    assert not folder.is_stop_requested()
    again = run_analysis(folder, settings, analyzer=drawn_analyzer())
    assert (again.status.state, len(again.table.of_person(1))) == ("finished", 75)


def test_a_finished_analysis_is_not_repeated(
    settings: Settings, clip: Path, analyze: Analyze
) -> None:
    folder = analyze(clip).folder
    analyzer = drawn_analyzer()
    outcome = run_analysis(folder, settings, analyzer=analyzer)
    assert outcome.status.state == "finished" and outcome.status.frames == 75
    assert analyzer.detector.calls == 0  # type: ignore[attr-defined]


def test_two_jobs_never_work_on_one_analysis(
    settings: Settings, tmp_path: Path, clip: Path
) -> None:
    folder = new_folder(tmp_path, clip, "busy")
    with folder.locked():
        assert folder.is_active
        with pytest.raises(InputError, match=r"talk\.mp4 is being analyzed by another process"):
            run_analysis(folder, settings, analyzer=drawn_analyzer())
    assert not folder.is_active


def test_a_file_that_disappears_is_named_and_the_finished_part_stays(
    settings: Settings, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_job, "SEGMENT_SECONDS", 0.8)
    source = tmp_path / "usb.mp4"
    source.write_bytes(clip.read_bytes())
    folder = new_folder(tmp_path, source, "usb")
    kill_after(folder, settings, 70)
    done = folder.count_segments()
    source.unlink()
    with pytest.raises(InputError, match=r"usb\.mp4 does not exist any more at .*; put it there"):
        run_analysis(folder, settings, analyzer=drawn_analyzer())
    status = folder.read_status()
    assert status is not None and status.state == "failed" and "does not exist" in status.message
    assert folder.count_segments() == done > 0


def test_a_full_disk_is_reported_and_the_job_continues_afterwards(
    settings: Settings, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_folder(tmp_path, clip, "full")
    write = AnalysisFolder.write_segment

    def fail(self: AnalysisFolder, number: int, segment: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(AnalysisFolder, "write_segment", fail)
    with pytest.raises(OSError):
        run_analysis(folder, settings, analyzer=drawn_analyzer())
    status = folder.read_status()
    assert status is not None and status.state == "failed"
    assert status.message == (
        "The disk is full; the finished part of talk.mp4 is kept: free some space and continue the "
        "analysis."
    )
    monkeypatch.setattr(AnalysisFolder, "write_segment", write)
    assert run_analysis(folder, settings, analyzer=drawn_analyzer()).status.state == "finished"


def test_an_unexpected_error_is_logged_and_explained(
    settings: Settings, tmp_path: Path, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = new_folder(tmp_path, clip, "defect")
    analyzer = drawn_analyzer()
    analyzer.detector.detect = lambda image: 1 / 0  # type: ignore
    with pytest.raises(ZeroDivisionError):
        run_analysis(folder, settings, analyzer=analyzer)
    status = folder.read_status()
    assert status is not None and "unexpected error" in status.message
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("keeps", [True, False])
def test_a_stored_video_is_kept_or_deleted_as_chosen(
    settings: Settings, tmp_path: Path, clip: Path, keeps: bool
) -> None:
    folder = AnalysisFolder(tmp_path / "analyses" / "stored")
    folder.path.mkdir(parents=True)
    stored = folder.upload_path(".MP4")
    stored.write_bytes(clip.read_bytes())
    folder.create(settings_for(clip, source=stored.name, keeps_video=keeps))
    run_analysis(folder, settings, analyzer=drawn_analyzer())
    assert stored.is_file() == keeps
    near = folder.thumbnail_near(1.2)
    assert near is not None and near[0] == pytest.approx(1.0, abs=0.05)


def test_a_video_outside_the_analysis_is_never_deleted(
    settings: Settings, tmp_path: Path, clip: Path
) -> None:
    folder = new_folder(tmp_path, clip, "outside", keeps_video=False)
    run_analysis(folder, settings, analyzer=drawn_analyzer())
    assert clip.is_file()


def sound_of(path: Path) -> list[tuple[int, bytes]]:
    with av.open(str(path)) as container:
        return [
            (packet.pts, bytes(packet))
            for packet in container.demux(audio=0)
            if packet.pts is not None
        ]


def frames_of(path: Path) -> list[tuple[float, Image]]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return [
            (float(frame.time or 0.0), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def test_the_annotated_video_has_all_frames_labels_and_the_original_sound(
    analyze: Analyze, clip: Path
) -> None:
    outcome = analyze(clip, annotates=True, per_second=5)
    annotated = outcome.folder.path / "annotated.mp4"
    frames = frames_of(annotated)
    assert len(frames) == 75
    assert [moment for moment, _ in frames] == pytest.approx(np.arange(75) / 25, abs=0.002)
    original = crossing(75)
    # A label above the first person's face, also between analyzed frames; nothing on the wall.
    for number in (0, 12, 50):
        difference = np.abs(frames[number][1].astype(int) - original[number][1].astype(int))
        x = round(40 + number / 2)
        assert difference[40:60, x : x + 40].max() > 60
        assert difference[:30, 260:].max() < 40
    assert sound_of(annotated) == sound_of(clip)
    assert "Person 1: happy 88 %" in (outcome.folder.path / "emotions.vtt").read_text()


def test_a_range_of_the_annotated_video_starts_at_zero(analyze: Analyze, clip: Path) -> None:
    outcome = analyze(clip, annotates=True, start=1.0, end=2.0)
    assert list(outcome.table.of_person(1).frame) == list(range(25, 50))
    frames = frames_of(outcome.folder.path / "annotated.mp4")
    assert [moment for moment, _ in frames] == pytest.approx(np.arange(25) / 25, abs=0.002)
    times = [pts / 8000 for pts, _ in sound_of(outcome.folder.path / "annotated.mp4")]
    assert 0 <= times[0] < 0.2 and 0.7 < times[-1] <= 1.0


def test_other_sound_is_encoded(tmp_path: Path, analyze: Analyze) -> None:
    path = write_video(
        tmp_path / "camera.mov", crossing(25), has_sound=True, sound_codec="pcm_s16le"
    )
    annotated = analyze(path, annotates=True).folder.path / "annotated.mp4"
    with av.open(str(annotated)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        count = sum(frame.samples for frame in container.decode(audio=0))
    assert count == pytest.approx(24 / 25 * 8000, abs=2100)


def test_blurred_faces_lose_their_details(analyze: Analyze, clip: Path) -> None:
    outcome = analyze(clip, annotates=True, blurs=True)
    image = frames_of(outcome.folder.path / "annotated.mp4")[10][1]
    original = crossing(11)[10][1]
    face = slice(70, 60 + SIDE - 10), slice(210, 200 + SIDE - 10)
    assert np.abs(np.diff(original[face].astype(int), axis=1)).max() > 90
    assert np.abs(np.diff(image[face].astype(int), axis=1)).max() < 45


def test_what_browsers_do_not_play_gets_a_copy_for_the_player(
    tmp_path: Path, analyze: Analyze
) -> None:
    path = write_video(tmp_path / "talk.mkv", crossing(10))
    folder = analyze(path, prepares_player=True).folder
    assert len(frames_of(folder.path / "player.mp4")) == 10


def test_notes_about_a_truncated_file_are_part_of_the_status(
    tmp_path: Path, analyze: Analyze
) -> None:
    whole = write_video(
        tmp_path / "whole.mp4",
        alternating(4.0, {0.0: "happy"}),
        options={"preset": "ultrafast", "g": "5"},
        container_options={"movflags": "+faststart"},
    )
    path = tmp_path / "part.mp4"
    path.write_bytes(whole.read_bytes()[: round(0.6 * whole.stat().st_size)])
    status = analyze(path).status
    assert status.state == "finished"
    assert any(note.startswith("part.mp4 ends early") for note in status.notes)


def test_a_video_without_faces_gives_an_empty_table(tmp_path: Path, analyze: Analyze) -> None:
    outcome = analyze(write_video(tmp_path / "empty.mp4", at_rate([scene()] * 10)))
    assert len(outcome.table) == 0
    assert outcome.status.message == "finished: no face was found in 10 frames"
    assert read_table(outcome.folder.table_path).classes == outcome.table.classes


def test_a_terminate_signal_ends_the_job_cleanly(
    settings: Settings, tmp_path: Path, clip: Path
) -> None:
    folder = new_folder(tmp_path, clip, "signal")
    stop = threading.Event()
    analyzer = drawn_analyzer()
    detect = analyzer.detector.detect

    def interrupting(image: Image) -> Any:
        if not stop.is_set():
            stop.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return detect(image)

    analyzer.detector.detect = interrupting  # type: ignore[method-assign]
    assert threading.current_thread() is threading.main_thread()
    outcome = run_analysis(folder, settings, analyzer=analyzer)
    assert outcome.status.state == "stopped"
    assert "nothing was finished yet" in outcome.status.message


def test_a_damaged_status_or_segment_is_ignored(
    settings: Settings, tmp_path: Path, clip: Path, analyze: Analyze
) -> None:
    folder = analyze(clip).folder
    (folder.path / "status.json").write_text("{")
    (folder.path / "segments" / "00000.npz").write_bytes(b"PK damaged")
    folder.table_path.unlink()
    assert folder.read_status() is None
    outcome = run_analysis(folder, settings, analyzer=drawn_analyzer())
    assert outcome.status.state == "finished" and len(outcome.table.of_person(1)) == 75


def test_status_is_written_and_read(tmp_path: Path) -> None:
    folder = AnalysisFolder(tmp_path)
    status = AnalysisStatus(state="running", phase="analyzing", done=3.5, notes=("a", "b"))
    folder.write_status(status)
    assert folder.read_status() == status
