"""A reader sees the old content or the new, never half of it."""

import json
import threading
from pathlib import Path

import pytest

from fer_core.files import (
    is_plain_name,
    plain_name,
    read_json,
    replaced_file,
    replaced_folder,
    write_json,
    write_text,
)


def test_a_file_appears_with_its_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "note.txt", "größer")
    assert (tmp_path / "new" / "note.txt").read_text(encoding="utf-8") == "größer"


def test_a_reader_sees_the_old_content_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with replaced_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path  # a rename is whole within one file system only
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="full disk"), replaced_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("full disk")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


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
    with replaced_folder(parent / "mine") as temporary:
        (temporary / "a.txt").write_text("a")
        assert not (parent / "mine").exists()
    assert (parent / "mine" / "a.txt").read_text() == "a"
    assert (parent / "mine").stat().st_mode & 0o777 == 0o755
    assert list(parent.iterdir()) == [parent / "mine"]


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with replaced_folder(path) as temporary:
        (temporary / "new.txt").write_text("new")
        assert (path / "old.txt").exists()
    assert [file.name for file in path.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(RuntimeError, match="full disk"), replaced_folder(path) as temporary:
        (temporary / "new.txt").write_text("half")
        raise RuntimeError("full disk")
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["[" * 200_000, "{", "\ud800"])
def test_what_is_no_json_is_a_value_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"nested too deeply|property name|codec"):
        read_json(path)


@pytest.mark.parametrize(
    ("text", "made"),
    [("FER 2013 (1)", "FER-2013-1"), ("../etc", "etc"), ("表", ""), ("x" * 70, "x" * 64)],
)
def test_a_plain_name_is_made_of_what_can_stand_in_one(text: str, made: str) -> None:
    assert not is_plain_name(text)
    assert plain_name(text) == made
    assert is_plain_name(made) or not made
