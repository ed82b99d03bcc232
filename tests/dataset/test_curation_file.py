"""``curation.csv``: changed, undone, imported, by several threads and processes at once."""

import json
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.curation import Curation, CurationEntry, entries_for
from fer_core.dataset.curation_csv import curation_csv
from fer_core.dataset.curation_file import UNDO_DEPTH, CurationFile, curation_file
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.finding_cache import cached_arrays
from fer_core.dataset.locking import dataset_lock
from fer_core.dataset.store import delete_dataset, import_dataset, load_dataset
from fer_core.dataset.votes_file import import_votes
from fer_core.errors import InputError
from fer_core.files import delete_folder
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


VOTES = (
    b"image,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_face\n"
    b"train/happy/00.png,0,9,0,0,0,0,0,0,0,0\n"
)


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


def undoable(file: CurationFile) -> str | None:
    batch = file.undoable()
    return batch.summary if batch else None


def test_a_dataset_read_from_a_path_has_no_curation(
    settings: Settings, write_files: Callable[..., Path], png: Callable, tiny_faces: FaceSet
) -> None:
    source = write_files({"train/happy/a.png": png(tiny_faces.images[0])})
    assert curation_file(str(source), settings) is None


def test_changes_replace_and_can_be_undone_one_by_one(file: CurationFile, faces: FaceSet) -> None:
    names = faces.names
    assert file.undoable() is None
    first = file.change(decided(faces, 0, 1))
    assert (first.summary, first.added, first.replaced) == ("2 images dropped", 2, 0)
    second = file.change(decided(faces, 1, 2, action="relabel", label="sad"))
    assert (second.added, second.replaced, second.removed) == (1, 1, 0)
    third = file.remove([second.curation.entries[0].identity])
    assert (third.removed, third.summary) == (1, "1 decision removed")
    assert actions(file) == {names[1]: "relabel", names[2]: "relabel"}
    file.undo()
    assert actions(file) == {names[0]: "drop", names[1]: "relabel", names[2]: "relabel"}
    assert file.undo().summary == "undone: 2 images relabeled"
    assert actions(file) == {names[0]: "drop", names[1]: "drop"}
    assert undoable(file) == "2 images dropped"
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


def test_a_bounded_number_of_changes_can_be_undone(file: CurationFile, faces: FaceSet) -> None:
    for row in range(UNDO_DEPTH + 2):
        file.change(decided(faces, row))
    for _ in range(UNDO_DEPTH):
        file.undo()
    assert file.undoable() is None
    assert len(file.read()) == 2


def test_a_damaged_history_only_prevents_undoing(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, 0))
    (file.folder / "curation-undo.json").write_text('{"batches": [{"words": 1}]}')
    assert file.undoable() is None
    file.change(decided(faces, 1))
    assert len(file.read()) == 2
    assert undoable(file) == "1 image dropped"


def test_all_unreadable_lines_are_kept(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, 0))
    for number, text in enumerate(["my own note\n", '"two\nlines",x,train\n', "last, no break"]):
        with file.path.open("a") as table:
            table.write(text)
        assert f"line {3 + number}" in file.read().problems[0]
        file.change(decided(faces, number + 1))
        assert file.read().problems == ()
        assert len(file.read()) == number + 2
    kept = (file.folder / "curation-unreadable.csv").read_text()
    assert kept == 'my own note\n"two\nlines",x,train\nlast, no break\n'


def test_undo_is_refused_after_a_concurrent_change(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, *range(13)))
    shown = file.undoable()
    assert shown is not None
    file.undo(shown.id)  # the other visitor was faster
    file.change(decided(faces, *range(13, 33), action="relabel", label="sad"))
    with pytest.raises(InputError, match=r"Nothing was undone.*“20 images relabeled”"):
        file.undo(shown.id)
    assert len(file.read()) == 20


def test_an_undo_can_be_redone_until_the_next_change(file: CurationFile, faces: FaceSet) -> None:
    assert file.redoable() is None
    with pytest.raises(InputError, match="left to redo"):
        file.redo()
    file.change(decided(faces, 0, 1))
    file.change(decided(faces, 1, 2, action="relabel", label="sad"))
    after_both = actions(file)
    file.undo()
    file.undo()
    redoable = file.redoable()
    assert redoable is not None
    assert redoable.summary == "2 images dropped"
    assert file.redo(redoable.id).summary == "redone: 2 images dropped"
    assert actions(file) == {faces.names[0]: "drop", faces.names[1]: "drop"}
    with pytest.raises(InputError, match=r"Nothing was redone.*“2 images relabeled”"):
        file.redo(redoable.id)
    file.redo()
    assert actions(file) == after_both
    file.undo()
    assert actions(file) == {faces.names[0]: "drop", faces.names[1]: "drop"}
    file.change(decided(faces, 5))
    assert file.redoable() is None


def test_only_the_last_decision_about_one_image_is_undone(
    file: CurationFile, faces: FaceSet
) -> None:
    file.change(decided(faces, 3, action="relabel", label="sad"))
    (identity,) = (entry.identity for entry in file.read().entries)
    file.change(decided(faces, *range(20)))
    done = file.undo_images([identity])
    assert (done.summary, done.replaced) == ("decision about 1 image undone", 1)
    assert actions(file)[faces.names[3]] == "relabel"
    assert len(file.read()) == 20
    file.undo_images([identity])
    assert faces.names[3] not in actions(file)
    assert len(file.read()) == 19
    # As any change it can itself be undone.
    file.undo()
    assert actions(file)[faces.names[3]] == "relabel"


def test_the_decision_is_removed_where_no_change_is_recorded(
    file: CurationFile, faces: FaceSet
) -> None:
    entry, *_ = file.change(decided(faces, 0)).curation.entries
    (file.folder / "curation-undo.json").unlink()
    file.undo_images([entry.identity])
    assert len(file.read()) == 0


def test_a_history_of_an_earlier_version_can_be_undone(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, 0, 1))
    path = file.folder / "curation-undo.json"
    document = json.loads(path.read_text())
    del document["undone"]
    for batch in document["batches"]:
        del batch["id"]
    path.write_text(json.dumps(document))
    shown = file.undoable()
    assert shown is not None
    file.undo(shown.id)
    assert len(file.read()) == 0


def test_a_change_may_depend_on_earlier_decisions(file: CurationFile, faces: FaceSet) -> None:
    file.change(decided(faces, 0))
    file.change_with(lambda curation: decided(faces, len(curation), len(curation) + 1))
    assert list(actions(file)) == list(faces.names[:3])

    def refuse(curation: Curation) -> tuple[CurationEntry, ...]:
        raise InputError("nothing to do")

    with pytest.raises(InputError, match="nothing to do"):
        file.change_with(refuse)
    assert len(file.read()) == 3


def test_an_import_adds_decisions_and_reports_unusable_lines(
    file: CurationFile, faces: FaceSet
) -> None:
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


def test_a_deleted_dataset_is_not_recreated(file: CurationFile, faces: FaceSet) -> None:
    shutil.rmtree(file.folder)
    with pytest.raises(InputError, match="no longer exists"):
        file.change(decided(faces, 0))
    assert not file.folder.exists()


def test_deleting_waits_for_a_change_and_no_write_recreates_the_folder(
    settings: Settings, file: CurationFile, faces: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion in the middle of a change used to leave a folder with curation.csv only."""
    deleting = threading.Thread(target=delete_dataset, args=("drawn", settings))
    started = threading.Event()
    write = CurationFile._write

    def delete_and_write(self: CurationFile, *arguments: Any) -> None:
        if not started.is_set():
            started.set()
            deleting.start()
            deleting.join(0.3)  # with the lock held it cannot end
            assert deleting.is_alive()
        write(self, *arguments)

    monkeypatch.setattr(CurationFile, "_write", delete_and_write)
    file.change(decided(faces, 0))
    deleting.join(120)
    assert not file.folder.exists()
    for late in (
        lambda: file.change(decided(faces, 1)),
        lambda: import_votes(VOTES, "votes.csv", file.folder, faces),
    ):
        with pytest.raises(InputError, match="no longer exists"):
            late()
    made = cached_arrays(file.folder, "near", "key", lambda: {"a": np.zeros(3)})
    assert list(made) == ["a"]
    assert not file.folder.exists()


def test_a_change_that_waited_for_the_deletion_is_refused(
    file: CurationFile, faces: FaceSet
) -> None:
    refused: list[str] = []

    def change() -> None:
        try:
            file.change(decided(faces, 0))
        except InputError as error:
            refused.append(str(error))

    waiting = threading.Thread(target=change)
    with dataset_lock(file.folder):
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        delete_folder(file.folder)
    waiting.join(120)
    assert "no longer exists" in refused[0]
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


def _change_in_process(folder: Path, faces: FaceSet, rows: range, start: Any) -> None:
    start.wait(120)
    for row in rows:
        CurationFile(folder).change(decided(faces, row))


def test_nothing_is_lost_between_processes(file: CurationFile, faces: FaceSet) -> None:
    # A forked process could wait forever for a lock that a thread of earlier tests holds.
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [
        context.Process(
            target=_change_in_process, args=(file.folder, faces, range(n, 20, 2), start)
        )
        for n in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(180)
        assert process.exitcode == 0
    assert len(file.read()) == 20
