"""Imported datasets on disk: they are loaded unchanged, or with a one-sentence error."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.store import dataset_names, import_dataset, load_dataset, validated_name
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings


@pytest.fixture
def source(write_files: Callable[..., Path], png: Callable[[NDArray[np.uint8]], bytes]) -> Path:
    generator = np.random.default_rng(0)
    files = {
        f"{emotion}/{number}.png": png(generator.integers(0, 256, (48, 48)).astype(np.uint8))
        for emotion in ("happy", "sad", "Ärger")
        for number in range(10)
    }
    return write_files(files, "My faces (1)")


def test_imported_data_are_loaded_unchanged(source: Path, settings: Settings) -> None:
    choice = SplitChoice(0.2, 0.3, seed=7)
    name, imported = import_dataset(source, settings, name="faces", split_choice=choice)
    loaded = load_dataset("faces", settings)
    assert name == "faces"
    assert loaded.fingerprint == imported.fingerprint
    assert loaded.names == imported.names
    assert loaded.problems == imported.problems
    (left_out,) = loaded.problems  # the class that is none of the seven
    assert (left_out.name, left_out.count) == ("class 'Ärger'", 10)
    assert loaded.source_classes == imported.source_classes
    assert loaded.classes == EMOTIONS
    assert dataset_names(settings) == ["faces"]


def test_the_record_says_where_the_data_came_from(source: Path, settings: Settings) -> None:
    _, faces = import_dataset(
        source, settings, name="faces", split_choice=SplitChoice(0.2, 0.3, seed=7)
    )
    record = json.loads((settings.data_root / "faces" / "dataset.json").read_text("utf-8"))
    assert record["source"] == "My faces (1)"
    assert record["fingerprint"] == faces.fingerprint
    assert [record[key] for key in ("validation_share", "test_share", "seed")] == [0.2, 0.3, 7]


def test_the_name_comes_from_the_source(source: Path, settings: Settings) -> None:
    assert import_dataset(source, settings)[0] == "My-faces-1"


def test_a_dataset_can_be_read_in_place_and_by_the_folder_of_an_import(
    source: Path, settings: Settings
) -> None:
    direct = load_dataset(str(source), settings)
    assert dataset_names(settings) == []
    import_dataset(source, settings, name="faces")
    by_path = load_dataset(str(settings.data_root / "faces"), settings)
    assert direct.fingerprint == by_path.fingerprint


def test_a_taken_name_is_refused_and_the_data_stay(source: Path, settings: Settings) -> None:
    import_dataset(source, settings, name="faces", split_choice=SplitChoice(seed=1))
    before = load_dataset("faces", settings).fingerprint
    with pytest.raises(InputError, match="already a dataset 'faces'"):
        import_dataset(source, settings, name="faces", split_choice=SplitChoice(seed=2))
    assert load_dataset("faces", settings).fingerprint == before


@pytest.mark.parametrize("name", ["fer2013", "a", "A.b_c-1", "x" * 64])
def test_names_that_can_name_a_folder(name: str) -> None:
    assert validated_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "a/b", "a b", "-x", "x" * 65, "fer\n", "ü", "a\\b", "_x"]
)
def test_names_that_cannot(name: str, source: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match="cannot be a name"):
        validated_name(name)
    if name:  # an empty one means the source's own
        with pytest.raises(InputError, match="cannot be a name"):
            import_dataset(source, settings, name=name)
    assert not settings.data_root.exists()


def test_a_failed_import_leaves_nothing(
    write_files: Callable[..., Path], settings: Settings
) -> None:
    with pytest.raises(InputError, match="no usable picture"):
        import_dataset(write_files({"a.txt": b"x"}), settings)
    assert not settings.data_root.exists()


def test_neither_a_dataset_nor_a_path(source: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match=r"no dataset and no path 'fer2013'; .*none so far"):
        load_dataset("fer2013", settings)
    import_dataset(source, settings, name="faces")
    with pytest.raises(InputError, match="imported datasets: faces"):
        load_dataset("fer2013", settings)


@pytest.mark.parametrize("data", ["~nobody-of-this-name/faces", "x" * 5000, "a\0b", ""])
def test_an_invalid_path_is_reported(
    data: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        load_dataset(data, settings)


def test_names_that_are_not_valid_text_are_imported(
    write_files: Callable[..., Path],
    png: Callable[[NDArray[np.uint8]], bytes],
    settings: Settings,
) -> None:
    picture = png(np.zeros((48, 48), np.uint8))
    folder = write_files({"happy/two\nlines.png": picture})
    (folder / "happy" / "f\udcfcr.png").write_bytes(picture)
    (folder / "happy" / "b\udcfcd.png").write_bytes(b"")
    _, imported = import_dataset(folder, settings, name="faces")
    loaded = load_dataset("faces", settings)
    assert loaded.names == imported.names
    assert loaded.problems == imported.problems


@pytest.mark.parametrize("file", ["faces.npz", "dataset.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "half", "folder"])
def test_damage_gives_a_one_sentence_error(
    source: Path, settings: Settings, file: str, damage: str
) -> None:
    import_dataset(source, settings, name="faces")
    path = settings.data_root / "faces" / file
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(
            {"empty": b"", "garbage": b"\x80garbage" * 99, "half": content[:99]}[damage]
        )
    message = (
        "no dataset and no path" if not path.is_file() and file == "dataset.json" else "damaged"
    )
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("faces", settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "record", ["null", "[]", '"text"', "{}", '{"problems": 3}', '{"problems": [["a"]]}']
)
def test_a_record_of_another_form_is_damage(source: Path, settings: Settings, record: str) -> None:
    import_dataset(source, settings, name="faces")
    (settings.data_root / "faces" / "dataset.json").write_text(record)
    with pytest.raises(InputError, match="is damaged"):
        load_dataset("faces", settings)


def test_a_flipped_bit_in_the_arrays_gives_data_or_a_one_sentence_error(
    write_files: Callable[..., Path],
    png: Callable[[NDArray[np.uint8]], bytes],
    settings: Settings,
) -> None:
    folder = write_files({"happy/a.png": png(np.zeros((48, 48), np.uint8))})
    import_dataset(folder, settings, name="faces")
    path = settings.data_root / "faces" / "faces.npz"
    content = path.read_bytes()
    # Headers and directory; the pixels lie behind a checksum that is tested with them.
    positions = [place for place in range(len(content)) if content[place] or place % 50 == 0]
    for place in np.random.default_rng(0).choice(positions, 400, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(place % 8)
        path.write_bytes(damaged)
        try:
            assert len(load_dataset("faces", settings)) == 1
        except InputError as error:
            assert "is damaged" in str(error)
            assert "\n" not in str(error)
