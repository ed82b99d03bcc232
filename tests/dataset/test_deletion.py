"""Deleting datasets, and importing only from the folders that are meant for it."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fer_core.dataset.store
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.store import (
    dataset_names,
    delete_dataset,
    import_dataset,
    load_dataset,
    path_within_roots,
    read_record,
)
from fer_core.errors import InputError
from fer_core.settings import Settings


@pytest.fixture
def source(write_files: Callable[..., Path], png: Callable[[NDArray[np.uint8]], bytes]) -> Path:
    picture = png(np.full((48, 48), 77, np.uint8))
    return write_files({f"happy/{number}.png": picture for number in range(12)})


@pytest.fixture
def imported(source: Path, settings: Settings) -> Settings:
    import_dataset(source, settings, name="faces", split_choice=SplitChoice(0.2, 0.3, 7))
    import_dataset(source, settings, name="others")
    return settings


def test_deleting_a_dataset_removes_all_its_files(imported: Settings) -> None:
    (imported.data_root / "faces" / "curation.csv").write_text("decisions")
    delete_dataset("faces", imported)
    assert {path.name for path in imported.data_root.iterdir()} == {"others", ".locks"}
    assert dataset_names(imported) == ["others"]
    assert len(load_dataset("others", imported)) == 12


@pytest.mark.parametrize("name", ["..", "../data", "a/b", ".", "", "others/../faces", "/tmp", "~"])
def test_an_invalid_name_deletes_nothing(imported: Settings, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a name"):
        delete_dataset(name, imported)
    assert dataset_names(imported) == ["faces", "others"]


def test_folders_that_are_not_datasets_are_not_deleted(imported: Settings) -> None:
    (imported.data_root / "notes").mkdir()
    with pytest.raises(InputError, match=r"no dataset 'notes'; imported datasets: faces, others"):
        delete_dataset("notes", imported)
    assert (imported.data_root / "notes").is_dir()


def test_the_target_of_a_link_is_not_deleted(imported: Settings, tmp_path: Path) -> None:
    elsewhere = (imported.data_root / "faces").rename(tmp_path / "elsewhere")
    (imported.data_root / "linked").symlink_to(elsewhere)
    with pytest.raises(InputError, match="is a link"):
        delete_dataset("linked", imported)
    assert (elsewhere / "faces.npz").is_file()


def test_a_dataset_that_the_system_protects_stays(
    imported: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match=r"cannot be deleted \(Permission denied\)"):
        delete_dataset("faces", imported)
    monkeypatch.undo()
    assert len(load_dataset("faces", imported)) == 12


def test_the_record_is_read_back(imported: Settings) -> None:
    record = read_record("faces", imported)
    assert record.source == "faces"
    assert record.split_choice == SplitChoice(0.2, 0.3, 7)
    assert record.fingerprint == load_dataset("faces", imported).fingerprint


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": "x", "seed": 0}', "\x80"])
def test_a_damaged_record_is_reported(imported: Settings, text: str) -> None:
    (imported.data_root / "faces" / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="is damaged") as caught:
        read_record("faces", imported)
    assert "\n" not in str(caught.value)


def test_of_two_imports_under_one_name_the_first_stays(
    source: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, both_are_reading = fer_core.dataset.store.read_dataset, threading.Barrier(2)

    def slow_read(*arguments: Any, **options: Any) -> FaceSet:
        faces = read(*arguments, **options)
        both_are_reading.wait(timeout=120)  # neither has written when the other begins
        return faces

    monkeypatch.setattr(fer_core.dataset.store, "read_dataset", slow_read)
    outcomes: list[str] = []

    def run(seed: int) -> None:
        try:
            import_dataset(source, settings, name="faces", split_choice=SplitChoice(seed=seed))
            outcomes.append(f"imported {seed}")
        except InputError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = next(text for text in outcomes if text.startswith("imported"))
    (refusal,) = [text for text in outcomes if text != first]
    assert "already a dataset 'faces'" in refusal
    choice = read_record("faces", settings).split_choice
    assert choice is not None
    assert f"imported {choice.seed}" == first
    assert [path.name for path in settings.data_root.iterdir()] == ["faces"]


@pytest.fixture
def bounded(settings: Settings, tmp_path: Path) -> Settings:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    (tmp_path / "one" / "faces.zip").write_bytes(b"zip")
    (tmp_path / "two" / "deeper").mkdir()
    (tmp_path / "secret.zip").write_bytes(b"zip")
    return replace(settings, import_roots=(tmp_path / "one", tmp_path / "two"))


def test_paths_within_the_roots_are_found(bounded: Settings, tmp_path: Path) -> None:
    one = (tmp_path / "one" / "faces.zip").resolve()
    assert path_within_roots(str(one), bounded) == one
    assert path_within_roots("faces.zip", bounded) == one
    assert path_within_roots("  faces.zip ", bounded) == one
    assert path_within_roots("deeper", bounded) == (tmp_path / "two" / "deeper").resolve()
    assert path_within_roots(str(tmp_path / "two"), bounded) == (tmp_path / "two").resolve()


def test_paths_outside_the_roots_are_refused_like_missing_ones(
    bounded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one" / "way-out").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    texts = (
        str(tmp_path / "secret.zip"),
        "../secret.zip",
        "secret.zip",
        "way-out/secret.zip",
        str(tmp_path / "one" / ".." / "secret.zip"),
        "/etc/passwd",
        "nothing.zip",
        "~nobody-of-this-name/x",
        "a\0b",
        "x" * 5000,
        "",
        "   ",
    )
    for text in texts:
        with pytest.raises(InputError, match="There is nothing to import at") as caught:
            path_within_roots(text, bounded)
        assert str(tmp_path / "one") in str(caught.value)


def test_a_sibling_that_begins_like_a_root_is_none(bounded: Settings, tmp_path: Path) -> None:
    (tmp_path / "one-more").mkdir()
    with pytest.raises(InputError):
        path_within_roots(f"{tmp_path}{os.sep}one-more", bounded)


def test_without_roots_nothing_can_be_imported_by_path(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none configured"):
        path_within_roots(str(tmp_path), settings)
