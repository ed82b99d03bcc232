"""``curation.csv``: changed, undone, imported, by several threads and processes at once."""

import multiprocessing
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_core.dataset.curation import CurationEntry, entries_for
from fer_core.dataset.curation_csv import curation_csv
from fer_core.dataset.curation_file import UNDO_DEPTH, CurationFile, curation_file
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import import_dataset, load_dataset
from fer_core.errors import InputError
from fer_core.settings import Settings


@pytest.fixture
def faces(
    settings: Settings, write_files: Callable[..., Path], png: Callable, tiny_faces: FaceSet
) -> FaceSet:
    """An imported dataset of 40 images, called "drawn"."""
    source = write_files(
        {f"train/happy/{row:02}.png": png(tiny_faces.images[row]) for row in range(40)}
    )
    import_dataset(source, settings, name="drawn")
    return load_dataset("drawn", settings)


@pytest.fixture
def file(faces: FaceSet, settings: Settings) -> CurationFile:
    found = curation_file("drawn", settings)
    assert found is not None
    return found


def decided(
    faces: FaceSet, *rows: int, action: str = "drop", label: str | None = None
) -> tuple[CurationEntry, ...]:
    return entries_for(faces, rows, action, label=label, reason="", source="test")


def actions(file: CurationFile) -> dict[str, str]:
    return {entry.name: entry.action for entry in file.read().entries}


def test_a_dataset_read_from_a_path_has_no_curation(
    settings: Settings, write_files: Callable[..., Path], png: Callable, tiny_faces: FaceSet
) -> None:
    source = write_files({"train/happy/a.png": png(tiny_faces.images[0])})
    assert curation_file(str(source), settings) is None


def test_changes_replace_and_can_be_taken_back_one_by_one(
    file: CurationFile, faces: FaceSet
) -> None:
    names = faces.names
    assert file.undoable() is None
    first = file.change(decided(faces, 0, 1))
    assert (first.in_words, first.added, first.replaced) == ("2 images dropped", 2, 0)
    second = file.change(decided(faces, 1, 2, action="relabel", label="sad"))
    assert (second.added, second.replaced, second.removed) == (1, 1, 0)
    third = file.remove([second.curation.entries[0].identity])
    assert (third.removed, third.in_words) == (1, "1 decision taken back")
    assert actions(file) == {names[1]: "relabel", names[2]: "relabel"}
    file.undo()
    assert actions(file) == {names[0]: "drop", names[1]: "relabel", names[2]: "relabel"}
    assert file.undo().in_words == "taken back: 2 images relabelled"
    assert actions(file) == {names[0]: "drop", names[1]: "drop"}
    assert file.undoable() == "2 images dropped"
    file.undo()
    assert actions(file) == {}
    with pytest.raises(InputError, match="no change of the curation left"):
        file.undo()


def test_the_key_changes_with_the_decisions(file: CurationFile, faces: FaceSet) -> None:
    keys = [file.content_key]
    for row in range(2):
        file.change(decided(faces, row))
        keys.append(file.content_key)
    assert len(set(keys)) == 3


def test_a_bounded_number_of_changes_can_be_taken_back(file: CurationFile, faces: FaceSet) -> None:
    for row in range(UNDO_DEPTH + 2):
        file.change(decided(faces, row))
    for _ in range(UNDO_DEPTH):
        file.undo()
    assert file.undoable() is None
    assert len(file.read()) == 2


def test_a_damaged_record_of_changes_costs_only_the_undoing(
    file: CurationFile, faces: FaceSet
) -> None:
    file.change(decided(faces, 0))
    (file.folder / "curation-undo.json").write_text('{"batches": [{"words": 1}]}')
    assert file.undoable() is None
    file.change(decided(faces, 1))
    assert len(file.read()) == 2
    assert file.undoable() == "1 image dropped"


def test_lines_that_cannot_be_read_are_not_lost(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, 0))
    with file.path.open("a") as text:
        text.write("my own note\n")
    assert "line 3" in file.read().problems[0]
    file.change(decided(faces, 1))
    assert file.read().problems == ()
    assert len(file.read()) == 2
    assert "my own note" in (file.folder / "curation-unreadable.csv").read_text()


def test_an_import_adds_and_tells_what_it_could_not_use(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, 0, 1))
    text = curation_csv(file.read())
    file.undo()
    text += "gone.png,00112233445566aa,train,drop,,,,\nx.png,1,train,drop,,,,\n"
    done = file.import_csv(text.encode(), "mine.csv", faces)
    assert done.change.added == 3
    assert done.warning is not None
    assert "gone.png" in done.warning
    assert len(done.problems) == 1
    assert "line 5" in done.problems[0]
    file.undo()
    assert len(file.read()) == 0
    with pytest.raises(InputError, match=r"Nothing was imported.*line 2"):
        file.import_csv(b"name,key,action\na,b,c\n", "mine.csv", faces)
    with pytest.raises(InputError, match="no decisions"):
        file.import_csv(b"name,key,action\n", "mine.csv", faces)


def test_a_deleted_dataset_does_not_come_back(file: CurationFile, faces: FaceSet) -> None:
    shutil.rmtree(file.folder)
    with pytest.raises(InputError, match="not there any more"):
        file.change(decided(faces, 0))
    assert not file.folder.exists()


def test_nothing_is_lost_between_threads(file: CurationFile, faces: FaceSet) -> None:
    def change(rows: range) -> None:
        for row in rows:
            CurationFile(file.folder).change(decided(faces, row))

    threads = [threading.Thread(target=change, args=(range(n, 20, 4),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read()) == 20
    assert not list(file.folder.glob(".curation.*.csv"))


def _change_in_process(folder: Path, faces: FaceSet, rows: range) -> None:
    for row in rows:
        CurationFile(folder).change(decided(faces, row))


def test_nothing_is_lost_between_processes(file: CurationFile, faces: FaceSet) -> None:
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_change_in_process, args=(file.folder, faces, range(n, 20, 2)))
        for n in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert len(file.read()) == 20
