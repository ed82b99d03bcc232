"""Jobs: every file exactly once, whatever dies; one job in a folder; restarts."""

import errno
import json
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from text_work import TextWork

from fer_core.errors import InputError
from fer_core.scale import runner
from fer_core.scale.inputs import Item, list_items
from fer_core.scale.job_folder import JobFolder
from fer_core.scale.local_pool import LocalPool
from fer_core.scale.options import ScaleOptions
from fer_core.scale.pool import Outcome, Task, run_task
from fer_core.scale.runner import JobResult, run_job


class ScriptedPool:
    """Two workers in this process; ``crash`` in a file ends the worker, as ``TextWorker`` does."""

    size = 2

    def __init__(self, work: TextWork, **_: object) -> None:
        self.worker = work.open(threads=1, memory_bytes=0)
        self.tasks: deque[Task] = deque()
        self.submitted: list[int] = []

    def has_free_worker(self) -> bool:
        return len(self.tasks) < 2

    def submit(self, task: Task) -> None:
        self.tasks.append(task)
        self.submitted.append(len(task.items))

    def next_outcome(self) -> Outcome:
        task = self.tasks.pop()  # the last one first: the order of the rows must not depend on it
        if any(Path(item.file).read_text() == "crash" for item in task.items):
            return Outcome(task, None, "the process was ended by SIGKILL")
        try:
            return Outcome(task, run_task(self.worker, task.items))
        except ArithmeticError as error:
            return Outcome(task, None, f"ArithmeticError: {error}")

    def close(self) -> None:
        pass


@pytest.fixture
def texts(write_files: Callable[..., Path]) -> Callable[..., Path]:
    """``texts(20, {3: "crash"})``: a folder of text files, some with a given content."""

    def write(count: int, contents: dict[int, str] | None = None) -> Path:
        files = {f"{n:04}.txt": "x" * n for n in range(count)}
        files |= {f"{n:04}.txt": text for n, text in (contents or {}).items()}
        return write_files({name: text.encode() for name, text in files.items()}, "texts")

    return write


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedPool]:
    """Jobs run in this process; the list has their pools."""
    pools: list[ScriptedPool] = []

    def make(work: TextWork, *_: object) -> ScriptedPool:
        pools.append(ScriptedPool(work))
        return pools[-1]

    monkeypatch.setattr(runner, "_open_pool", make)
    return pools


def run(folder: Path, out: Path | str, work: TextWork | None = None, **options: Any) -> JobResult:
    values = {"files_per_part": 8, "files_per_task": 3} | options
    return run_job(
        work or TextWork(),
        [str(folder)],
        list_items([str(folder)]),
        JobFolder(str(out)),
        ScaleOptions(**values),
    )


def rows(result: JobResult, out: Path | str) -> list[dict[str, Any]]:
    return list(JobFolder(str(out)).rows(result.record))


def test_every_file_has_one_row_in_order(
    texts: Callable[..., Path], tmp_path: Path, scripted: list[ScriptedPool]
) -> None:
    folder, out = texts(20), tmp_path / "out"
    result = run(folder, out)
    assert [row["length"] for row in rows(result, out)] == list(range(20))
    assert [Path(row["file"]).name for row in rows(result, out)] == sorted(
        path.name for path in folder.iterdir()
    )
    assert result.summary == {"files": 20, "rows": 20, "faces": 0, "errors": 0, "parts": 3}
    assert json.loads((out / "_summary.json").read_text()) == result.summary
    assert [pq.read_metadata(out / f"part-{n:05}.parquet").num_rows for n in range(3)] == [8, 8, 4]
    assert scripted[0].submitted == [3, 3, 2, 3, 3, 2, 3, 1]
    # The folder as a whole is a table for other programs.
    assert pq.read_table(out).column("length").to_pylist() == list(range(20))


def test_messages_of_a_cluster_do_not_reach_standard_output(
    texts: Callable[..., Path],
    tmp_path: Path,
    scripted: list[ScriptedPool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ray prints there that a node has died, with the last lines of the node's log."""
    end = ScriptedPool.next_outcome

    def printing(pool: ScriptedPool) -> Outcome:
        print("(raylet) The node has been marked dead")
        return end(pool)

    monkeypatch.setattr(ScriptedPool, "next_outcome", printing)
    run(texts(2), tmp_path / "out")
    assert capsys.readouterr() == ("", "")


def test_a_file_that_ends_workers_becomes_a_row_and_the_others_are_processed(
    texts: Callable[..., Path], tmp_path: Path, scripted: list[ScriptedPool]
) -> None:
    out = tmp_path / "out"
    result = run(texts(20, {4: "crash", 5: "raise", 17: "crash"}), out)
    by_number = {int(Path(row["file"]).stem): row for row in rows(result, out)}
    assert sorted(by_number) == list(range(20))
    assert {n for n, row in by_number.items() if row["error"]} == {4, 5, 17}
    assert by_number[4]["error"] == (
        "0004.txt could not be processed because the process was ended by SIGKILL; try it alone, "
        "or with more memory for each worker."
    )
    assert "unexpected error (ArithmeticError: a text" in by_number[5]["error"]
    assert result.summary["errors"] == 3


def test_a_file_that_ends_workers_is_not_announced_again_after_its_last_attempt(
    texts: Callable[..., Path],
    tmp_path: Path,
    scripted: list[ScriptedPool],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = texts(2, {1: "crash"})
    run(folder, tmp_path / "out")
    first, second = (folder / f"000{number}.txt" for number in range(2))
    again = "will be processed again (the process was ended by SIGKILL)"
    messages = [one.getMessage() for one in caplog.records if one.name == runner.__name__]
    assert messages == [
        f"2 files, beginning with {first}, {again}",
        f"2 files, beginning with {first}, {again}",
        f"{second} is not processed again (the process was ended by SIGKILL)",
    ]


def test_a_repeated_command_only_processes_what_is_missing(
    texts: Callable[..., Path], tmp_path: Path, scripted: list[ScriptedPool]
) -> None:
    folder, out = texts(20), tmp_path / "out"
    first = run(folder, out)
    assert run(folder, out).processed == 0
    assert len(scripted) == 1  # a complete job starts no workers
    before = (out / "part-00000.parquet").stat().st_mtime_ns
    (out / "part-00001.parquet").unlink()
    (out / "part-00002.parquet").write_bytes(b"half a part")
    (folder / "9999.txt").write_text("a file that was added later")
    second = run(folder, out, files_per_part=5)
    assert second.processed == 12
    assert rows(second, out) == rows(first, out)
    assert (out / "part-00000.parquet").stat().st_mtime_ns == before


def test_a_start_that_ended_while_it_listed_the_files_is_repeated(
    texts: Callable[..., Path], tmp_path: Path, scripted: list[ScriptedPool]
) -> None:
    folder, out = texts(4), tmp_path / "out"
    run(folder, out)
    for path in out.iterdir():
        if path.name not in ("_files.parquet", ".job.lock"):
            path.unlink()
    (folder / "9999.txt").write_text("new")
    assert run(folder, out).summary["files"] == 5


def test_a_folder_with_something_else_is_refused(
    texts: Callable[..., Path], tmp_path: Path, scripted: list[ScriptedPool]
) -> None:
    folder, out = texts(4), tmp_path / "out"
    run(folder, out)
    with pytest.raises(InputError, match=r"another job, with version '1' instead of '2'"):
        run(folder, out, TextWork(version="2"))
    for part in out.glob("part-*"):
        part.unlink()  # to process its files again
    with pytest.raises(InputError, match="another job, with other files"):
        run(tmp_path, out)
    with pytest.raises(InputError, match="is not empty and contains no job"):
        run(folder, folder)
    (out / "_job.json").write_text("[" * 1000)
    with pytest.raises(InputError, match=r"_job\.json in .* is damaged"):
        run(folder, out)
    (out / "_job.json").write_text(
        '{"format": 2, "work": {}, "folder": "", "inputs": [], "files": 1, "part_files": 1}'
    )
    with pytest.raises(InputError, match="written by another version"):
        run(folder, out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="There are no texts to process; give texts, or"):
        run(tmp_path / "empty", tmp_path / "other")


def test_a_job_without_a_finished_part_is_replaced(
    texts: Callable[..., Path],
    tmp_path: Path,
    scripted: list[ScriptedPool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user may have to correct the command after the cluster could not be reached."""
    folder, out = texts(4), tmp_path / "out"

    def unreachable(*_: object) -> None:
        raise InputError("The Ray cluster cannot be reached.")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_open_pool", unreachable)
        with pytest.raises(InputError, match="cannot be reached"):
            run(tmp_path, out)
    assert (out / "_job.json").exists()
    assert run(folder, out, TextWork(version="2")).summary["files"] == 4


def test_relative_paths_belong_to_the_folder_of_the_first_start(
    texts: Callable[..., Path],
    tmp_path: Path,
    scripted: list[ScriptedPool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts(4)
    monkeypatch.chdir(tmp_path)
    run(Path("texts"), tmp_path / "out")
    assert run(Path("../" + tmp_path.name + "/texts").resolve(), tmp_path / "out").processed == 0
    monkeypatch.chdir("/")
    with pytest.raises(InputError, match="other files"):
        run(Path("texts"), tmp_path / "out")


def test_two_jobs_do_not_share_a_folder(
    texts: Callable[..., Path], tmp_path: Path, scripted: list[ScriptedPool]
) -> None:
    folder, out = texts(2), tmp_path / "out"
    with (
        JobFolder(str(out)).locked(),
        pytest.raises(InputError, match="Another job is running in"),
    ):
        run(folder, out)
    assert run(folder, out).processed == 2


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


def test_results_in_an_object_store(
    texts: Callable[..., Path], scripted: list[ScriptedPool], memory: fsspec.AbstractFileSystem
) -> None:
    folder, out = texts(20), "memory://bucket/results/"
    result = run(folder, out)
    assert [row["length"] for row in rows(result, out)] == list(range(20))
    assert run(folder, out).processed == 0
    memory.rm_file("/bucket/results/part-00001.parquet")
    assert run(folder, out).processed == 8
    # The lock of a driver that is alive, and of one that has died.
    lock = "/bucket/results/.job.lock"
    assert not memory.exists(lock)
    memory.pipe_file(lock, json.dumps({"owner": "x", "renewed": time.time()}).encode())
    with pytest.raises(InputError, match="Another job is running in memory://bucket/results"):
        run(folder, out)
    memory.pipe_file(lock, json.dumps({"owner": "x", "renewed": time.time() - 100}).encode())
    assert run(folder, out).processed == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError("When completing: AWS Error ACCESS_DENIED during PutObject operation"),
            "the store denies access",
        ),
        (
            OSError(errno.ENOENT, "AWS Error NO_SUCH_KEY for key 'photos/403.jpg' in bucket 'b'"),
            "there is no such file or bucket",
        ),
        (
            OSError(
                errno.ENOENT,
                "When initiating multiple part upload for key 'x' in bucket 'none': AWS Error "
                "NO_SUCH_BUCKET during CreateMultipartUpload operation (Request ID: EOsLr7P6)",
            ),
            "there is no such file or bucket",
        ),
    ],
)
@pytest.mark.usefixtures("scripted")
def test_a_store_that_refuses_a_file_is_reported_in_one_sentence(
    error: OSError,
    words: str,
    texts: Callable[..., Path],
    memory: fsspec.AbstractFileSystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(memory), "open", refused)
    with pytest.raises(InputError, match=rf"cannot be stored in .*\({words}\); check"):
        run(texts(2), "memory://bucket/results")


@contextmanager
def pool_of(work: TextWork, workers: int) -> Iterator[LocalPool]:
    pool = LocalPool(work, workers=workers, threads=1, memory_bytes=2**30, folder="/")
    try:
        yield pool
    finally:
        pool.close()


def test_processes_of_this_machine_survive_crashes(
    texts: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = texts(30, {3: "crash once", 11: "crash", 12: "raise"}), tmp_path / "out"
    killed: list[int] = []

    def kill_one(pool: LocalPool) -> None:
        killed.append(pool.process_ids[0])
        os.kill(killed[0], signal.SIGKILL)

    result = run_job(
        TextWork(),
        [str(folder)],
        (Item(str(path)) for path in sorted(folder.glob("*.txt"))),
        JobFolder(str(out)),
        ScaleOptions(workers=2, worker_memory_mb=500, files_per_task=5),
        on_start=kill_one,  # type: ignore[arg-type]
    )
    found = Counter(Path(row["file"]).name for row in rows(result, out))
    assert found == Counter({f"{number:04}.txt": 1 for number in range(30)})
    errors = {Path(row["file"]).name for row in rows(result, out) if row["error"]}
    assert errors == {"0011.txt", "0012.txt"}
    assert killed


def test_workers_that_cannot_start_end_the_job_with_the_reason() -> None:
    with (
        pool_of(TextWork(refusal="There is no model."), 1) as pool,
        pytest.raises(InputError, match="There is no model"),
    ):
        pool.next_outcome()
    with (
        pool_of(TextWork(refusal="crash"), 1) as pool,
        pytest.raises(InputError, match=r"end before they are ready \(the process ended with exit"),
    ):
        while True:
            pool.next_outcome()
