"""The files of a job: folders, patterns, lists and addresses."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from fer_core.errors import InputError
from fer_core.scale.inputs import is_pattern, list_items
from fer_core.scale.options import ScaleOptions, parse_backend
from fer_core.scale.stores import Store, is_address


@pytest.fixture
def tree(write_files: Callable[..., Path]) -> Path:
    names = ("b.png", "a.png", "inner/c.png", "a/d.png", ".hidden", ".folder/e.png")
    return write_files(
        {name: name.encode() for name in (*names, "__MACOSX/f.png", "a b.jpg")}, "photos"
    )


def relative(items: object, root: Path) -> list[str]:
    return [os.path.relpath(item.file, root) for item in items]  # type: ignore[attr-defined]


def test_a_folder_means_every_visible_file_in_the_order_of_classify(tree: Path) -> None:
    items = list(list_items([str(tree)]))
    expected = ["a/d.png", "a b.jpg", "a.png", "b.png", "inner/c.png"]
    assert relative(items, tree) == expected
    assert [item.size for item in items] == [7, 7, 5, 5, 11]
    assert items[0].modified == (tree / "a" / "d.png").stat().st_mtime_ns


def test_patterns_lists_and_repetitions(tree: Path, tmp_path: Path) -> None:
    assert relative(list_items([f"{tree}/**/*.png"]), tree) == [
        "a/d.png",
        "a.png",
        "b.png",
        "inner/c.png",
    ]
    files = tmp_path / "list.txt"
    files.write_text(f"{tree / 'b.png'}\n\n  {tree}/a*  \n{tree / 'gone.png'}\n", "utf-8-sig")
    items = list(list_items([str(tree / "a.png")], [files]))
    assert relative(items, tree) == ["a.png", "b.png", "a/d.png", "a b.jpg", "gone.png"]
    assert (items[-1].size, items[-1].modified) == (None, None)
    odd = tree / "odd[1].png"
    odd.touch()
    assert not is_pattern(str(odd))
    assert relative(list_items([str(odd)]), tree) == ["odd[1].png"]


def test_the_home_folder_in_paths_and_patterns(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    (tree / "odd[1].png").touch()
    assert relative(list_items(["~/b.png"]), tree) == ["b.png"]
    assert relative(list_items(["~/b*.png"]), tree) == ["b.png"]
    assert relative(list_items(["~/odd[1].png"]), tree) == ["odd[1].png"]
    # With a slash at the end, a pattern matches only folders.
    assert relative(list_items(["~/a*/"]), tree) == ["a/d.png"]


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store in this process."""
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


#: What programs store next to the files of the user, in any of its forms.
NOT_THE_USERS = (
    ".DS_Store",
    "._a.png",
    "inner/Thumbs.db",
    "inner/DESKTOP.INI",
    "inner/.thumbnails/a.png",
    "inner/Thumbnails/a.png",
    ".ipynb_checkpoints/a-checkpoint.png",
    "__MACOSX/inner/._a.png",
    "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
    "$RECYCLE.BIN/a.png",
)


def test_one_rule_skips_the_files_of_programs_everywhere(
    write_files: Callable[..., Path], memory: fsspec.AbstractFileSystem
) -> None:
    root = write_files(dict.fromkeys(("a.png", "inner/b.png", *NOT_THE_USERS), b"a"), "mine")
    for name in ("a.png", "inner/b.png", *NOT_THE_USERS):
        memory.pipe_file(f"/bucket/{name}", b"a")
    expected = ["a.png", "inner/b.png"]
    assert relative(list_items([str(root)]), root) == expected
    assert relative(list_items([f"{root}/**"]), root) == expected
    assert relative(list_items([f"{root}/**/*"]), root) == expected
    for address in ("memory://bucket", "memory://bucket/**"):
        assert [item.file.removeprefix("memory://bucket/") for item in list_items([address])] == (
            expected
        )
    # What the user names is read.
    assert relative(list_items([str(root / "inner" / "Thumbs.db")]), root) == ["inner/Thumbs.db"]
    assert relative(list_items([f"{root}/inner/Thumbnails/*"]), root) == ["inner/Thumbnails/a.png"]


def test_inputs_that_cannot_be_read_are_reported(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No file matches '.*gif'"):
        list(list_items([f"{tree}/*.gif"]))
    with pytest.raises(InputError, match=r"list .* cannot be read \(No such file"):
        list(list_items([], [tmp_path / "none.txt"]))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        list(list_items([], [tmp_path / "binary.txt"]))


def test_a_path_that_does_not_exist_is_listed_unless_it_is_the_only_input(
    tree: Path, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone.png")
    assert next(list_items([gone, str(tree / "a.png")])).size is None
    with pytest.raises(InputError, match=r"gone\.png does not exist; check the path\.$"):
        next(list_items([gone, str(tmp_path / "also-gone")]))


def test_addresses_of_object_stores(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.png", "a.png", "inner/c.png", ".hidden"):
        memory.pipe_file(f"/bucket/{name}", name.encode())
    items = list(list_items(["memory://bucket"]))
    assert [item.file for item in items] == [
        "memory://bucket/a.png",
        "memory://bucket/b.png",
        "memory://bucket/inner/c.png",
    ]
    assert [item.size for item in items] == [5, 5, 11]
    find = memory.find
    monkeypatch.setattr(
        memory,
        "find",
        lambda *path, **options: {
            name: info | {"size": None} for name, info in find(*path, **options).items()
        },
    )
    assert [item.size for item in list_items(["memory://bucket"])] == [None, None, None]
    (item,) = list_items(["memory://bucket/b*.png"])
    assert Store(item.file).read(item.file, 3) == b"b.p"
    with pytest.raises(InputError, match="no files at memory://bucket/none"):
        list(list_items(["memory://bucket/none"]))
    with pytest.raises(InputError, match=r"nothing:// are not supported"):
        list(list_items(["nothing://bucket"]))
    with pytest.raises(OSError, match="no such file"):
        Store("memory://bucket").read("memory://bucket/none", 1)
    assert is_address("s3://bucket/key") and not is_address("C:/photos") and not is_address("a.png")


@pytest.mark.parametrize(
    ("text", "variable", "expected"),
    [
        ("local", "", ("local", None)),
        ("ray", "", ("ray", None)),
        ("ray", "10.0.0.1:6379", ("ray", "10.0.0.1:6379")),
        ("ray://head:10001", "", ("ray", "ray://head:10001")),
        ("head:6379", "x:1", ("ray", "head:6379")),
    ],
)
def test_the_place_of_a_job(text: str, variable: str, expected: tuple[str, str | None]) -> None:
    assert parse_backend(text, {"RAY_ADDRESS": variable}) == expected


@pytest.mark.parametrize("text", ["", "cloud", "ray://", "ray://head", "http://head:80/x", ":1"])
def test_an_unknown_place_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--on should be local, ray"):
        parse_backend(text, {})


def test_the_number_of_workers_is_limited_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = type("Memory", (), {"total": 8 * 2**30, "available": 5 * 2**30})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert ScaleOptions(worker_memory_mb=1024).local_worker_count() == 5
    assert ScaleOptions(worker_memory_mb=512, threads=4).local_worker_count() == 4
    assert ScaleOptions(worker_memory_mb=8000).local_worker_count() == 1
    assert ScaleOptions(worker_memory_mb=1024, workers=8).local_worker_count() == 8
    with pytest.raises(InputError, match=r"9 workers of 1024 MB each need more than the 8\.0 GB"):
        ScaleOptions(worker_memory_mb=1024, workers=9).local_worker_count()
