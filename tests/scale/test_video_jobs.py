"""Many videos: the tables of ``video`` in one process, from worker processes."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn_videos import room, write_video

from fer_core.bundle import Bundle
from fer_core.files import temporary_folder
from fer_core.scale import videos
from fer_core.scale.inputs import Item, list_items
from fer_core.scale.portable_analyzer import portable_analyzer
from fer_core.scale.videos import VideoWork, stored_videos
from fer_core.settings import Settings
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.sample import sample_path

#: Ten frames of the sample, in which a drawn person is visible.
OPTIONS = ("--every", "5/s", "--from", "1", "--to", "3", "--model", "small")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with faces, one without, and a file that is not a video."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "inner").mkdir()
    (folder / "inner" / "talk.mp4").write_bytes(sample_path().read_bytes())
    write_video(folder / "empty room.mp4", [(n / 10, room()) for n in range(30)])
    (folder / "broken.mp4").write_bytes(b"broken")
    (folder / "notes.txt").write_text("not listed")
    return folder


@pytest.fixture
def work(settings: Settings, bundle: Bundle) -> VideoWork:
    analyzer = portable_analyzer(settings, model="small", detector="haar")
    common = AnalysisSettings(
        video="",
        source="",
        model=analyzer.model,
        classes=analyzer.classes,
        detector=analyzer.detector,
        per_second=5,
        start=1.0,
        end=3.0,
    )
    return VideoWork(analyzer, common)


@pytest.mark.usefixtures("bundle")
def test_worker_processes_give_the_tables_of_one_process(
    clips: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    expected = run("video", clips, *OPTIONS, "--out", tmp_path / "one", "--json").document
    out = tmp_path / "many"
    command = ("video", clips, *OPTIONS, "--out", out, "--workers", 2)
    answer = run(*command, "--json")
    assert "analyzing with 2 workers" in answer.err
    document = answer.document
    folders = {entry["file"]: entry.pop("out") for entry in expected["videos"]}
    parts = {entry["file"]: entry.pop("out") for entry in document["videos"]}
    assert document["videos"] == expected["videos"]
    assert [Path(file).name for file in parts] == ["broken.mp4", "empty room.mp4", "talk.mp4"]
    assert [len(entry["persons"]) for entry in document["videos"]] == [0, 0, 1]
    rows = pq.read_table(out)
    talk = str(clips / "inner" / "talk.mp4")
    table = pq.read_table(Path(folders[talk]) / "faces.parquet")
    many = rows.filter(np.array(rows.column("file").to_pylist()) == talk)
    assert many.select(table.column_names).to_pylist() == table.to_pylist()
    assert len(pq.read_table(parts[talk])) == len(table) == document["summary"]["faces"] > 5
    assert document["summary"] == {
        "files": 3,
        "rows": len(table) + 2,
        "faces": len(table),
        "errors": 1,
        "parts": 3,
    }
    text = run(*command).out
    assert text.splitlines() == [
        f"3 videos with {len(table)} detected faces; 1 could not be analyzed",
        f"3 parts in {out}",
        "3 videos were already processed",
    ]
    assert "another job, with start 1.0 instead of 0.0" in run(*command, "--from", "0").refusal
    single = ("video", clips, *OPTIONS, "--out", out)
    assert "contains the results of a job with worker processes" in run(*single).refusal


def test_rows_without_faces_and_files_with_an_error(clips: Path, work: VideoWork) -> None:
    talk = clips / "inner" / "talk.mp4"
    (item,) = list_items([str(talk)])
    items = [
        Item(str(clips / "empty room.mp4")),
        replace(item, size=1),
        Item(str(clips)),
        Item(str(clips / "gone.mp4")),
    ]
    worker = work.open(threads=1, memory_bytes=2**30)
    table = worker.process(items)
    assert table.schema.equals(work.schema())
    rows = table.to_pylist()
    assert [row["error"] for row in rows] == [
        None,
        "talk.mp4 was changed after the job listed it; analyze it again.",
        f"{clips.name} is not a file; check the path {clips}.",
        f"gone.mp4 does not exist; check the path {clips / 'gone.mp4'}.",
    ]
    assert (rows[0]["video"], rows[0]["person"], rows[0]["happy"]) == ("empty room.mp4", None, None)
    assert (rows[0]["video_width"], rows[0]["video_frames"], rows[0]["notes"]) == (320, 10, [])
    first, *failed = stored_videos(table, work)
    assert (first.frames, first.error, len(first.table)) == (10, None, 0)
    assert [video.error is None for video in failed] == [False] * 3


def test_a_video_that_changes_while_it_is_analyzed_has_no_rows(
    tmp_path: Path, work: VideoWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(sample_path().read_bytes())
    (item,) = list_items([str(path)])
    analyze = videos.VideoWorker._check_memory

    def changed(self: videos.VideoWorker, info: Any) -> None:
        os.utime(path, (1, 1))
        analyze(self, info)

    monkeypatch.setattr(videos.VideoWorker, "_check_memory", changed)
    (row,) = work.open(threads=1, memory_bytes=2**30).process([item]).to_pylist()
    assert "was changed after the job listed it" in row["error"]


def test_a_video_that_needs_more_memory_than_a_worker_has_is_a_row(
    tmp_path: Path, work: VideoWork
) -> None:
    path = tmp_path / "large.mp4"
    write_video(path, [(0.0, np.zeros((2400, 4000, 3), np.uint8))])
    whole = VideoWork(work.analyzer, replace(work.settings, start=0.0, end=None))
    (row,) = whole.open(threads=1, memory_bytes=800 * 2**20).process([Item(str(path))]).to_pylist()
    assert row["error"] == (
        "large.mp4 has frames of 4000x2400 pixels and may need 815 MB of memory, more than the "
        "800 MB of a worker; raise --worker-memory."
    )


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store in this process."""
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


def test_videos_of_an_object_store_are_copied_for_the_time_of_their_analysis(
    clips: Path,
    work: VideoWork,
    memory: fsspec.AbstractFileSystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = sample_path().read_bytes()
    for name in ("talk.mp4", "notes.txt"):
        memory.pipe_file(f"/bucket/clips/{name}", content)
    items = list(list_items(["memory://bucket/clips"], extensions=("mp4",)))
    assert [item.file for item in items] == ["memory://bucket/clips/talk.mp4"]
    with temporary_folder(videos._TEMPORARY_PREFIX, tmp_path) as used:
        dead = tmp_path / used.name.replace(
            videos._TEMPORARY_PREFIX, f"{videos._TEMPORARY_PREFIX}.dead"
        )
        dead.mkdir()
        (dead / ".writer.lock").touch()
        os.utime(dead / ".writer.lock", (1, 1))
        os.utime(dead, (1, 1))
        worker = work.open(threads=1, memory_bytes=2**30)
        assert (used.exists(), dead.exists()) == (True, False)
    changed = replace(items[0], size=len(content) - 1)
    gone = replace(items[0], file="memory://bucket/clips/gone.mp4")
    of_unknown_size = replace(items[0], size=None)
    remote = worker.process([*items, of_unknown_size, changed, gone])
    (local,) = list_items([str(clips / "inner" / "talk.mp4")])
    columns = [name for name in remote.column_names if name != "file"]
    expected = worker.process([local]).select(columns).to_pylist()
    rows = remote.select(columns).to_pylist()
    assert rows[:-2] == [*expected, *expected]
    assert "was changed after the job listed it" in rows[-2]["error"]
    assert "gone.mp4 cannot be read (there is no such file" in rows[-1]["error"]
    assert not list(tmp_path.glob(f".{videos._TEMPORARY_PREFIX}*"))


def test_a_full_temporary_folder_is_reported(
    work: VideoWork, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe_file("/bucket/talk.mp4", bytes(3_000_000))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fer_core.scale.stores.Store.copy", full)
    (item,) = list_items(["memory://bucket/talk.mp4"])
    (row,) = work.open(threads=1, memory_bytes=2**30).process([item]).to_pylist()
    assert row["error"].startswith("talk.mp4 (3 MB) does not fit into the temporary folder ")
    assert row["error"].endswith("; set TMPDIR to a folder with more space.")


def test_a_class_with_the_name_of_a_column_of_the_job(work: VideoWork) -> None:
    named = replace(work.analyzer, classes=("error", "label", "happy"))
    other = VideoWork(named, replace(work.settings, classes=named.classes))
    names = other.schema().names
    assert len(names) == len(set(names))
    assert {"error", "class_error", "class_label", "label", "smoothed_error"} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "video needs at least one VIDEO, or a list of files"),
        (("{clips}/*.avi",), "No file matches"),
        (("{clips}", "--on", "moon"), "--on should be local, ray"),
        (("{clips}", "--workers", "0"), "workers should be at least 1"),
        (
            ("{clips}", "--workers", "1", "--blur"),
            "--annotate and --blur cannot be combined with patterns",
        ),
        (("{clips}", "--workers", "1", "--every", "often"), "--every expects frames per second"),
        (("{clips}", "--workers", "1", "--model", "none"), "There is no model 'none'"),
        (("{empty}", "--workers", "1"), "There are no videos to process; give videos, or folders"),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_an_invalid_job_is_refused_in_one_line(
    clips: Path, run: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"clips": clips, "empty": tmp_path / "empty"}
    model = () if "--model" in arguments else ("--model", "small")
    given = [one.format(**places) for one in arguments]
    assert words in run("video", *given, *model, "--out", tmp_path / "out").refusal


@pytest.mark.usefixtures("bundle")
def test_a_job_without_a_single_video_that_could_be_analyzed_is_an_error(
    clips: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    answer = run(
        *("video", clips / "broken.mp4", clips / "gone.mp4", "--model", "small"),
        *("--workers", 1, "--out", tmp_path / "out"),
    )
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.splitlines()[-1] == (
        "error: No video was analyzed: broken.mp4 is not a video that can be read (Invalid data "
        "found when processing input); choose an MP4, MOV, MKV, WebM or AVI file."
    )
