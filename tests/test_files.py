"""A reader sees the old content or the new, never half of it."""

import errno
import io
import json
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_core.errors import InputError
from fer_core.files import (
    atomic_write_file,
    atomic_write_folder,
    create_numbered_folder,
    delete_folder,
    is_plain_name,
    new_folder,
    os_errors_as_input_errors,
    parse_json,
    read_arrays,
    read_errors_as_input_errors,
    read_json,
    to_plain_name,
    write_json,
    write_new_json,
    write_text,
)


def test_a_file_appears_with_its_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "note.txt", "größer")
    assert (tmp_path / "new" / "note.txt").read_text(encoding="utf-8") == "größer"


def test_a_reader_sees_the_old_content_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with atomic_write_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path  # a rename is whole within one file system only
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="full disk"), atomic_write_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("full disk")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_content_is_on_the_disk_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    seen: list[tuple[bytes, str]] = []

    def fsync(descriptor: int) -> None:
        seen.append((os.pread(descriptor, 10, 0), path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(path, "new")
    assert seen == [(b"new", "old")]


def test_threads_may_replace_one_file_at_the_same_time(tmp_path: Path) -> None:
    # Two people before one app: Streamlit gives each a thread of the same process.
    path = tmp_path / "note.json"
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(100):
                write_json(path, [number] * 100)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(json.loads(path.read_text()))) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_json_keeps_every_character_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Gesichtsausdrücke", "n": 1})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "Gesichtsausdrücke" in text
    assert json.loads(text) == {"name": "Gesichtsausdrücke", "n": 1}


def test_a_folder_appears_whole_and_as_readable_as_its_parent(tmp_path: Path) -> None:
    parent = tmp_path / "models"
    parent.mkdir(mode=0o755)
    parent.chmod(0o755)
    with atomic_write_folder(parent / "mine") as temporary:
        (temporary / "a.txt").write_text("a")
        assert not (parent / "mine").exists()
    assert (parent / "mine" / "a.txt").read_text() == "a"
    assert (parent / "mine").stat().st_mode & 0o777 == 0o755
    assert list(parent.iterdir()) == [parent / "mine"]


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with atomic_write_folder(path) as temporary:
        (temporary / "new.txt").write_text("new")
        assert (path / "old.txt").exists()
    assert [file.name for file in path.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_one_and_no_temporary_folder(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(RuntimeError, match="full disk"), atomic_write_folder(path) as temporary:
        (temporary / "new.txt").write_text("half")
        raise RuntimeError("full disk")
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": 1' + "0" * 400 + "}"])
def test_unusable_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def _arrays(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def _npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117).encode() + b"\n"


HUGE = _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000000000,), }")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (0,), }"),
        _arrays(a_npy=HUGE),
        _arrays(a_txt=b"no array"),
        _arrays(a_npy=bytes(200)).replace(b"\x00\x00\x00\x00\x00\xc8", b"\x00\x00\x07\x07\x00\xc8"),
    ],
    ids=["empty", "cut", "one array", "more than there is memory", "text", "other bytes"],
)
def test_an_invalid_archive_of_arrays_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        read_arrays(path)


def test_arrays_are_read_whole(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(3), b=np.array("words"))
    arrays = read_arrays(tmp_path / "a.npz")
    assert arrays["a"].tolist() == [0, 1, 2] and str(arrays["b"]) == "words"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "make it writable"),
        (errno.EIO, "check its permissions"),
    ],
)
def test_a_refusal_says_what_to_do(number: int, remedy: str) -> None:
    with pytest.raises(InputError) as caught, os_errors_as_input_errors("It cannot be kept"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith(f"It cannot be kept ({os.strerror(number)}); nothing was")
    assert remedy in str(caught.value)


def test_a_new_file_is_complete_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    assert write_new_json(path, {"a": 1})
    assert not write_new_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    path.unlink()
    monkeypatch.setattr("fer_core.files.write_text", fill_up)
    with pytest.raises(OSError, match="full"):
        write_new_json(path, {"a": 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "link to nowhere"])
def test_a_new_folder_replaces_nothing(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    with pytest.raises(FileExistsError), new_folder(place) as folder:
        (folder / "new").touch()
        # Another process takes the name at the last moment.
        if kind == "file":
            place.write_text("old")
        elif kind == "link to nowhere":
            place.symlink_to("nowhere")
        else:
            place.mkdir()
            if kind == "folder":
                (place / "old").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert not (place / "new").exists()


def test_the_rename_of_a_new_folder_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is taken between the last look and the rename."""
    place = tmp_path / "place"
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    with pytest.raises(FileExistsError), new_folder(place) as folder:
        (folder / "new").touch()
        place.mkdir()
        (place / "old").touch()
    assert [path.name for path in place.iterdir()] == ["old"]


def test_a_new_folder_is_complete_or_absent(tmp_path: Path) -> None:
    with new_folder(tmp_path / "data" / "one") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "data" / "one").exists()
    assert (tmp_path / "data" / "one" / "file").read_text() == "x"
    with pytest.raises(RuntimeError), new_folder(tmp_path / "data" / "two") as folder:
        (folder / "file").write_text("x")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["one"]


def test_a_new_folder_gets_the_first_free_name(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    made = [create_numbered_folder(root, "20260101-plain") for _ in range(3)]
    assert [path.name for path in made] == [
        "20260101-plain", "20260101-plain-2", "20260101-plain-3",
    ]  # fmt: skip
    assert all(path.is_dir() and path.parent == root for path in made)


def test_a_folder_is_deleted_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("c")
    delete_folder(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_take_the_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old.txt").write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "a bad disk")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="a bad disk"), atomic_write_folder(path) as temporary:
        (temporary / "new.txt").write_text("new")
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["[" * 200_000, "{", "\ud800"])
def test_invalid_json_is_a_value_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"nested too deeply|property name|codec"):
        read_json(path)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("labels"), "a.json is damaged ('labels'); start again."),
        (FileNotFoundError(errno.ENOENT, "gone"), "There is nothing."),
        (InputError("It is too old."), "It is too old."),
    ],
)
def test_a_failed_read_becomes_a_sentence(error: Exception, sentence: str) -> None:
    with (
        pytest.raises(InputError) as caught,
        read_errors_as_input_errors(Path("a.json"), "start again", missing="There is nothing."),
    ):
        raise error
    assert str(caught.value) == sentence


def test_a_file_without_permission_is_not_called_damaged() -> None:
    with (
        pytest.raises(InputError, match=r"^a\.json cannot be read \(no\); check its permissions"),
        read_errors_as_input_errors(Path("a.json"), "start again"),
    ):
        raise PermissionError(errno.EACCES, "no")


@pytest.mark.parametrize(
    ("text", "made"),
    [("FER 2013 (1)", "FER-2013-1"), ("../etc", "etc"), ("表", ""), ("x" * 70, "x" * 64)],
)
def test_a_plain_name_keeps_valid_characters_only(text: str, made: str) -> None:
    assert not is_plain_name(text)
    assert to_plain_name(text) == made
    assert is_plain_name(made) or not made
