"""``dataset import``, ``info`` and ``audit``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings


def test_info_of_a_path_counts_without_importing(
    run: Callable, kaggle_zip: Path, settings: Settings
) -> None:
    document = run("dataset", "info", kaggle_zip, "--json").document
    assert document == {
        "n": 182,
        "splits": {
            "train": dict.fromkeys(EMOTIONS, 20),
            "validation": dict.fromkeys(EMOTIONS, 4),
            "test": dict.fromkeys(EMOTIONS, 2),
        },
        "imbalance_ratio": 1.0,
        "problems": [],
        "split_groups": None,  # the splits are those of the archive
        "classes": list(EMOTIONS),
        "source_classes": [
            {"name": emotion, "count": 26, "becomes": emotion} for emotion in EMOTIONS
        ],
        "warnings": [],
        "notes": [],
        "skipped_files": [],
    }
    assert not settings.data_root.exists()


def test_an_imported_dataset_is_known_by_its_name(
    run: Callable, kaggle_zip: Path, settings: Settings
) -> None:
    imported = run("dataset", "import", kaggle_zip, "--name", "drawn", "--json").document
    assert imported["name"] == "drawn"
    assert imported["n"] == 182
    assert {file.name for file in (settings.data_root / "drawn").iterdir()} == {
        "faces.npz",
        "dataset.json",
    }
    info = run("dataset", "info", "drawn", "--json").document
    assert info == run("dataset", "info", kaggle_zip, "--json").document


def test_without_a_name_the_sources_own_is_made_fit(run: Callable, kaggle_zip: Path) -> None:
    assert run("dataset", "import", kaggle_zip, "--json").document["name"] == "drawn-faces"


def test_a_name_is_given_once(run: Callable, kaggle_zip: Path) -> None:
    assert run("dataset", "import", kaggle_zip, "--name", "drawn").code == 0
    assert "drawn" in run("dataset", "import", kaggle_zip, "--name", "drawn").refusal


def test_the_share_and_the_seed_decide_the_cut(
    run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> None:
    generator = np.random.default_rng(1)
    folder = write_files(
        {
            f"{emotion}/{number}.png": png(generator.integers(0, 256, (48, 48)).astype(np.uint8))
            for emotion in EMOTIONS
            for number in range(10)
        }
    )

    def imported(name: str, *arguments: str) -> dict:
        return run("dataset", "import", folder, "--name", name, "--json", *arguments).document

    by_default = imported("a")
    assert by_default["splits"]["validation"] == dict.fromkeys(EMOTIONS, 1)
    larger = imported("b", "--validation-share", "0.3")
    assert larger["splits"]["validation"] == dict.fromkeys(EMOTIONS, 3)
    assert imported("c")["fingerprint"] == by_default["fingerprint"]
    assert imported("d", "--seed", "5")["fingerprint"] != by_default["fingerprint"]


def test_classes_are_shown_mapped_and_kept(
    run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> None:
    face = png(np.zeros((48, 48), np.uint8))
    folder = write_files(
        {
            f"{name}/{number}.png": face
            for name, count in {"scared": 3, "smug": 2, "sad": 4}.items()
            for number in range(count)
        }
    )
    found = run("dataset", "classes", folder, "--map", "smug=happy", "--json").document
    assert found == {
        "classes": [
            {"name": "scared", "count": 3, "becomes": "fear"},
            {"name": "sad", "count": 4, "becomes": "sad"},
            {"name": "smug", "count": 2, "becomes": "happy"},
        ],
        "problem": None,
        "folders": [],
        "notes": [],
    }
    seven = run("dataset", "import", folder, "--name", "seven")
    assert "skipped: class 'smug' is not one of the seven emotions (2)" in seven.out
    assert "There is no image of angry, disgust, happy, surprise, neutral" in seven.out
    three = run(
        *("dataset", "import", folder, "--name", "three"),
        *("--classes", "folders", "--map", "smug=sad", "--map", "scared=Afraid", "--json"),
    ).document
    assert three["classes"] == ["Afraid", "sad"]
    assert run("dataset", "info", "three", "--json").document["classes"] == ["Afraid", "sad"]
    refused = run("dataset", "import", folder, "--name", "x", "--map", "smug=contempt")
    assert "cannot become 'contempt'" in refused.refusal
    assert "no class 'smg'" in run("dataset", "import", folder, "--map", "smg=sad").refusal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--validation-share", "0.7"), "validation share"),
        (("--validation-share", "nan"), "validation share"),
        (("--seed", "-1"), "seed"),
        (("--seed", "many"), "--seed"),
        (("--name", "../outside"), "../outside"),
    ],
)
def test_an_invalid_choice_gives_a_one_line_error(
    run: Callable, kaggle_zip: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("dataset", "import", kaggle_zip, *arguments).refusal


def test_unusable_pictures_are_named_and_the_others_counted(
    run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> None:
    good = png(np.full((48, 48), 9, np.uint8))
    folder = write_files(
        {
            "train/happy/good.png": good,
            "train/sad/empty.png": b"",
            "train/sad/words.jpg": b"no picture",
            "train/contempt/one.png": good,
        }
    )
    document = run("dataset", "info", folder, "--json").document
    assert document["n"] == 1
    assert {Path(problem["name"]).name for problem in document["problems"]} >= {
        "empty.png",
        "words.jpg",
    }
    assert all(problem["reason"] for problem in document["problems"])


def test_audit_counts_duplicates_conflicts_leaks_and_blanks(
    run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> None:
    generator = np.random.default_rng(2)
    faces = [png(generator.integers(0, 256, (48, 48)).astype(np.uint8)) for _ in range(5)]
    folder = write_files(
        {
            "train/happy/Training_1.png": faces[0],
            "train/happy/Training_2.png": faces[0],
            "train/sad/Training_3.png": faces[1],
            "train/fear/Training_4.png": faces[1],
            "train/fear/Training_5.png": png(np.full((48, 48), 77, np.uint8)),
            "test/happy/PublicTest_1.png": faces[0],
            "test/happy/PublicTest_2.png": faces[2],
            "test/sad/PrivateTest_3.png": faces[1],
            "test/sad/PrivateTest_4.png": faces[3],
        }
    )
    exact = {
        "duplicate_groups": 2,
        "duplicate_images": 6,
        "conflicting_groups": 1,
        "leaks": {"validation": 1, "test": 1},
        "blank_images": 1,
    }
    assert run("dataset", "audit", folder, "--exact", "--json").document == exact
    assert run("dataset", "audit", folder, "--json").document == exact | {
        "near_duplicate_groups": 0,
        "near_duplicate_images": 0,
        "near_duplicate_conflicting_groups": 0,
        "near_leaks": {"validation": 0, "test": 0},
        "nearly_blank_images": 0,
    }


def test_audit_finds_the_same_photo_with_other_pixels(
    run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> None:
    coarse = np.random.default_rng(3).integers(60, 180, (6, 6)).astype(np.uint8)
    face = np.kron(coarse, np.ones((8, 8), np.uint8))
    folder = write_files(
        {
            "train/happy/Training_1.png": png(face),
            "test/sad/PublicTest_1.png": png(face + np.uint8(20)),
        }
    )
    document = run("dataset", "audit", folder, "--json").document
    assert document["duplicate_groups"] == 0
    assert document["near_duplicate_groups"] == 1
    assert document["near_duplicate_images"] == 2
    assert document["near_duplicate_conflicting_groups"] == 1
    assert document["near_leaks"] == {"validation": 1, "test": 0}


def test_an_absent_split_is_an_empty_object(
    run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]
) -> None:
    picture = png(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48).astype(np.uint8))
    folder = write_files({"train/happy/Training_1.png": picture})
    assert run("dataset", "info", folder, "--json").document["splits"] == {
        "train": dict.fromkeys(EMOTIONS, 0) | {"happy": 1},
        "validation": {},
        "test": {},
    }


@pytest.mark.parametrize("command", ["info", "audit"])
def test_a_missing_dataset_gives_a_one_line_error(run: Callable, command: str) -> None:
    assert "nowhere" in run("dataset", command, "nowhere").refusal


def test_a_zip_without_a_usable_picture_is_refused_in_one_line(
    run: Callable, write_zip: Callable[..., Path], settings: Settings
) -> None:
    archive = write_zip({"notes/readme.txt": b"nothing here"}, "nothing.zip")
    for command in ("info", "import"):
        assert "nothing.zip" in run("dataset", command, archive).refusal
    assert not list(settings.data_root.glob("*"))


def test_a_damaged_import_is_refused_in_one_line(
    run: Callable, kaggle_zip: Path, settings: Settings
) -> None:
    run("dataset", "import", kaggle_zip, "--name", "drawn")
    (settings.data_root / "drawn" / "faces.npz").write_bytes(b"torn")
    assert "drawn" in run("dataset", "info", "drawn").refusal


def test_the_text_output_names_every_emotion(run: Callable, kaggle_zip: Path) -> None:
    answer = run("dataset", "info", kaggle_zip)
    assert answer.code == 0
    assert all(emotion in answer.out for emotion in EMOTIONS)
    assert "182 faces" in answer.out


def test_a_source_may_be_deleted_after_its_import(
    run: Callable, kaggle_zip: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.zip"
    shutil.copyfile(kaggle_zip, copy)
    run("dataset", "import", copy, "--name", "drawn")
    copy.unlink()
    assert run("dataset", "info", "drawn", "--json").document["n"] == 182


def test_unknown_folders_are_asked_about_and_explained_by_a_flag(
    run: Callable[..., Any], write_pictures: Callable[..., Path]
) -> None:
    names = ("happy", "sad")
    source = write_pictures(
        {f"{folder}/{name}": 4 for folder in ("train_afew", "hold out") for name in names}
    )
    refused = run("dataset", "import", source, "--name", "afew")
    assert refused.code == 2
    assert "--split 'hold out=train'" in refused.refusal
    classes = run("dataset", "classes", source, "--json").document
    assert classes["folders"] == [
        {"name": "hold out", "count": 8, "split": None},
        {"name": "train_afew", "count": 8, "split": "train"},
    ]
    assert "--split" in classes["problem"]
    assert "(not known)" in run("dataset", "classes", source).out
    document = run(
        *("dataset", "import", source, "--name", "afew", "--json"),
        *("--split", "hold out=validation"),
    ).document
    assert document["splits"]["validation"] == dict.fromkeys(names, 4) | dict.fromkeys(
        set(EMOTIONS) - set(names), 0
    )
    left_out = run(
        *("dataset", "import", f'"{source}"', "--name", "b", "--split", "hold out=", "--json")
    ).document
    assert left_out["n"] == 8


def test_class_numbers_are_named_by_a_flag(
    run: Callable[..., Any], write_pictures: Callable[..., Path]
) -> None:
    source = write_pictures({f"train/{number}": 2 for number in range(1, 8)})
    assert "--class-order ORDER (fer2013" in run("dataset", "import", source).refusal
    document = run(
        *("dataset", "import", source, "--class-order", "raf-db", "--json", "--name", "raf")
    ).document
    assert {one["name"]: one["becomes"] for one in document["source_classes"]} == dict(
        zip(
            "1234567",
            ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"],
            strict=True,
        )
    )
    assert run("dataset", "info", "raf", "--json").document["notes"] == []


def test_notes_about_the_layout_are_shown(
    run: Callable[..., Any], write_pictures: Callable[..., Path], settings: Settings
) -> None:
    source = write_pictures({"a": 0}).parent / "flat"
    source.mkdir()
    drawn = write_pictures({"x": 2})
    for number, name in enumerate(("KA.AN1.39.png", "KM.HA1.2.png")):
        (source / name).write_bytes((drawn / f"x/{number}.png").read_bytes())
    note = "The classes were read from the codes of JAFFE in the file names."
    assert note in run("dataset", "classes", source).out
    assert note in run("dataset", "import", source).out
    assert run("dataset", "info", "flat", "--json").document["notes"] == [note]
