"""The model that the repository ships: whole, small enough, described, and as good as it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fer_core.bundle import Bundle, find_bundle
from fer_core.emotions import EMOTIONS
from fer_core.predictor import load_predictor
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.vision.sample import sample_picture

SHIPPED = Settings(PROJECT_ROOT / "data", PROJECT_ROOT / "runs", PROJECT_ROOT / "models")

FACES = {
    "no_face.jpg": 0,
    "one_smiling.jpg": 1,
    "portrait.jpg": 1,
    "two_faces.jpg": 2,
    "four_smiling.jpg": 4,
    "family_5.jpg": 5,
    "group_26.jpg": 26,
}


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return find_bundle(None, SHIPPED)


def answer(*arguments: str) -> dict:
    """What the command line answers, on the shipped model."""
    process = subprocess.run(
        [sys.executable, "-m", "fer_core", *arguments, "--json"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    document = json.loads(process.stdout)
    assert isinstance(document, dict)
    return document


def test_the_default_is_published_and_not_a_runs_own(shipped: Bundle) -> None:
    assert shipped.folder.parent == SHIPPED.models_root


def test_its_network_opens(shipped: Bundle) -> None:
    assert load_predictor(shipped)


def test_its_network_is_small_enough_for_a_repository(shipped: Bundle) -> None:
    assert shipped.served_network.stat().st_size < 30_000_000


def test_its_record_says_how_good_it_is_and_where_it_came_from(shipped: Bundle) -> None:
    record = shipped.record
    assert sorted(record.labels) == sorted(EMOTIONS)
    figures = record.metrics["validation"]
    assert figures["n"] == 3589
    assert 0.60 < figures["accuracy"] < 0.80
    assert record.recipe is not None
    assert record.seed is not None
    assert record.dataset["fingerprint"]


def test_its_card_names_the_data_the_limits_and_the_ban(shipped: Bundle) -> None:
    card = (shipped.folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {shipped.name}\n")
    for words in ("FER2013", "## Limits", "European Union", "validation"):
        assert words in card, words


def test_it_classifies_without_importing_tensorflow(tmp_path: Path) -> None:
    name, content = sample_picture()
    (tmp_path / name).write_bytes(content)
    program = (
        "import sys\n"
        "from fer_core.__main__ import main\n"
        "code = main(['classify', sys.argv[1], '--json'])\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'jax', 'streamlit'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)\n"
        "sys.exit(code or bool(heavy))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / name)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    (file,) = json.loads(process.stdout)["files"]
    assert [face["label"] for face in file["faces"]] == ["happy"]


def test_it_is_as_good_on_the_real_validation_images_as_it_says(
    shipped: Bundle, real_data: Path
) -> None:
    document = answer("evaluate", "--data", str(real_data / "fer2013.zip"), "--split", "validation")
    recorded = shipped.record.metrics["validation"]
    assert document["n"] == 3589
    assert document["accuracy"] > 0.60
    assert document["accuracy"] == pytest.approx(recorded["accuracy"], abs=1e-3)
    assert document["loss"] == pytest.approx(recorded["loss"], abs=1e-3)


def test_it_reads_real_photos(real_data: Path) -> None:
    files = answer("classify", str(real_data / "photos"))["files"]
    pictures = {Path(file["file"]).name: file for file in files}
    assert {name: len(pictures[name]["faces"]) for name in FACES} == FACES
    for name in ("one_smiling.jpg", "four_smiling.jpg"):
        assert {face["label"] for face in pictures[name]["faces"]} == {"happy"}, name
