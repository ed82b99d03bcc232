"""``dataset curate``, ``dataset findings``, ``dataset votes`` and ``evaluate --curated``."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.bundle import Bundle
from fer_core.settings import Settings

VOTES = "image,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_face\n"


@pytest.fixture
def drawn(run: Callable, write_files: Callable[..., Path], png: Callable[..., bytes]) -> Callable:
    """An imported dataset called "drawn": one training image also appears in validation."""
    generator = np.random.default_rng(2)
    faces = [png(generator.integers(0, 256, (48, 48)).astype(np.uint8)) for _ in range(6)]
    folder = write_files(
        {
            "train/happy/Training_1.png": faces[0],
            "train/sad/Training_2.png": faces[1],
            "train/fear/Training_3.png": faces[2],
            "test/happy/PublicTest_1.png": faces[0],
            "test/sad/PublicTest_2.png": faces[3],
            "test/sad/PrivateTest_3.png": faces[4],
        }
    )
    assert run("dataset", "import", folder, "--name", "drawn").code == 0
    return run


def entries(run: Callable) -> dict[str, str]:
    document = run("dataset", "curate", "list", "drawn", "--json").document
    return {Path(entry["name"]).stem: entry["action"] for entry in document["entries"]}


def name_of(run: Callable, stem: str) -> str:
    document = run("dataset", "findings", "drawn", "leaks", "--json").document
    (name,) = [row["name"] for row in document["rows"] if Path(row["name"]).stem == stem]
    return str(name)


def test_decisions_by_hand_and_back(drawn: Callable) -> None:
    one = name_of(drawn, "Training_1")
    answer = drawn("dataset", "curate", "drop", "drawn", one, "--reason", "copy", "--json").document
    assert (answer["change"], answer["added"]) == ("1 image dropped", 1)
    drawn("dataset", "curate", "relabel", "drawn", one, "--to", "sad")
    assert entries(drawn) == {"Training_1": "relabel"}
    listed = drawn("dataset", "curate", "list", "drawn", "--json").document
    assert listed["effect"]["relabelled"] == {"train": 1, "validation": 0, "test": 0}
    drawn("dataset", "curate", "undo", "drawn")
    assert entries(drawn) == {"Training_1": "drop"}
    listed = drawn("dataset", "curate", "list", "drawn", "--json").document
    assert (listed["undo"], listed["redo"]) == ("1 image dropped", "1 image relabeled")
    drawn("dataset", "curate", "redo", "drawn")
    assert entries(drawn) == {"Training_1": "relabel"}
    assert "left to redo" in drawn("dataset", "curate", "redo", "drawn").refusal
    drawn("dataset", "curate", "keep", "drawn", one)
    assert drawn("dataset", "curate", "apply", "drawn", "drop-train-copies").code == 0
    assert entries(drawn) == {"Training_1": "keep"}
    drawn("dataset", "curate", "remove", "drawn", one)
    assert entries(drawn) == {}
    assert "was decided" in drawn("dataset", "curate", "remove", "drawn", one).refusal


def test_a_quick_fix_exported_and_imported(drawn: Callable, tmp_path: Path) -> None:
    answer = drawn("dataset", "curate", "apply", "drawn", "drop-train-copies", "--json").document
    assert answer["counts"] == {"drop": 1, "relabel": 0, "keep": 0}
    assert entries(drawn) == {"Training_1": "drop"}
    file = tmp_path / "mine.csv"
    assert drawn("dataset", "curate", "export", "drawn", file, "--json").document["entries"] == 1
    drawn("dataset", "curate", "undo", "drawn")
    with file.open("a") as text:
        text.write("gone.png,00112233445566aa,train,drop,,,,\nbroken\n")
    answer = drawn("dataset", "curate", "import", "drawn", file, "--json").document
    assert answer["added"] == 2
    assert "mine.csv, line 4" in answer["warnings"][0]
    assert "gone.png" in answer["warnings"][1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("drop", "drawn", "nothing.png"), "no image 'nothing.png'"),
        (("undo", "drawn"), "no change of the curation"),
        (("apply", "drawn", "burn"), "no quick fix 'burn'"),
        (("import", "drawn", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("list", "nowhere"), "nowhere"),
    ],
)
def test_invalid_requests_give_a_one_line_error(
    drawn: Callable, arguments: tuple[str, ...], words: str
) -> None:
    assert words in drawn("dataset", "curate", *arguments).refusal


def test_a_dataset_read_from_its_path_has_neither_curation_nor_votes(
    run: Callable, kaggle_zip: Path, bundle: Bundle
) -> None:
    assert "has no curation" in run("dataset", "curate", "list", kaggle_zip).refusal
    assert "cannot have votes" in run("dataset", "votes", kaggle_zip).refusal
    arguments = ("--model", bundle.name, "--data", kaggle_zip, "--split", "validation")
    assert "has no curation" in run("evaluate", *arguments, "--curated").refusal


def test_evaluation_is_curated_only_on_request(
    drawn: Callable, settings: Settings, bundle: Bundle
) -> None:
    name = name_of(drawn, "PublicTest_1")
    drawn("dataset", "curate", "drop", "drawn", name)
    arguments = ("evaluate", "--model", bundle.name, "--data", "drawn", "--split", "validation")
    plain = drawn(*arguments, "--json").document
    assert plain["n"] == 2
    assert "curation" not in plain
    curated = drawn(*arguments, "--curated", "--json").document
    assert curated["n"] == 1
    assert curated["curation"]["dropped"]["validation"] == 1


def test_findings_as_a_list_and_as_a_table(drawn: Callable, tmp_path: Path) -> None:
    file = tmp_path / "leaks.csv"
    document = drawn("dataset", "findings", "drawn", "leaks", "--csv", file, "--json").document
    assert (document["images"], document["groups"]) == (2, 1)
    with file.open(newline="") as text:
        assert [row["split"] for row in csv.DictReader(text)] == ["validation", "train"]
    assert drawn("dataset", "findings", "drawn", "near_leaks", "--json").document["images"] == 0
    assert drawn("dataset", "findings", "drawn", "blanks", "--json").document["images"] == 0
    assert "--split" in drawn("dataset", "findings", "drawn", "mislabelled").refusal


def test_non_faces_through_a_bundle(drawn: Callable, bundle: Bundle) -> None:
    arguments = ("dataset", "findings", "drawn", "non_faces", "--model", bundle.name)
    assert drawn(*arguments, "--json").document["images"] == 6
    assert drawn(*arguments, "--split", "test", "--json").document["images"] == 1


def test_votes_are_imported_shown_and_removed(drawn: Callable, tmp_path: Path) -> None:
    assert "has no votes" in drawn("dataset", "votes", "drawn").refusal
    file = tmp_path / "votes.csv"
    file.write_text(VOTES + "Training_1.png,0,9,0,0,1,0,0,0,0,0\n")
    document = drawn("dataset", "votes", "drawn", "--import", file, "--json").document
    assert document["matched"] == 2  # the copy in validation has the same pixels
    assert document["classes"]["happy"] == {
        "voted": 2,
        "agreeing": 2,
        "share": 1.0,
        "mean_label_share": pytest.approx(0.9),
    }
    assert (
        drawn("dataset", "votes", "drawn", "--split", "train", "--json").document["classes"][
            "happy"
        ]["voted"]
        == 1
    )
    assert drawn("dataset", "findings", "drawn", "disputed", "--json").document["images"] == 0
    both = drawn("dataset", "votes", "drawn", "--remove", "--import", "votes.csv")
    assert "omit it, or omit --import" in both.refusal
    assert drawn("dataset", "votes", "drawn", "--remove").code == 0
    assert "has no votes" in drawn("dataset", "votes", "drawn").refusal
