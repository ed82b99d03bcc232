"""The shipped model: complete, small enough, documented, and as accurate as recorded."""

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
    """Run a command on the shipped model and return its JSON document."""
    process = subprocess.run(
        [sys.executable, "-m", "fer_core", *arguments, "--json"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=3000,
    )
    assert process.returncode == 0, process.stderr
    document = json.loads(process.stdout)
    assert isinstance(document, dict)
    return document


def test_the_default_is_a_published_model(shipped: Bundle) -> None:
    assert shipped.folder.parent == SHIPPED.models_root


def test_its_network_can_be_loaded(shipped: Bundle) -> None:
    assert load_predictor(shipped)


def test_its_network_is_small_enough_for_a_repository(shipped: Bundle) -> None:
    assert shipped.served_network.stat().st_size < 30_000_000


def test_its_record_holds_its_metrics_and_its_origin(shipped: Bundle) -> None:
    record = shipped.record
    assert sorted(record.labels) == sorted(EMOTIONS)
    metrics = record.metrics["validation"]
    assert metrics["n"] == 3589
    assert 0.60 < metrics["accuracy"] < 0.80
    assert record.recipe is not None
    assert record.seed is not None
    assert record.dataset["fingerprint"]


def test_its_card_names_the_data_the_limits_and_the_prohibited_use(shipped: Bundle) -> None:
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
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    (file,) = json.loads(process.stdout)["files"]
    assert [face["label"] for face in file["faces"]] == ["happy"]


@pytest.mark.soak
def test_its_recorded_metrics_are_reproduced_on_the_validation_images(
    shipped: Bundle, real_data: Path
) -> None:
    document = answer("evaluate", "--data", str(real_data / "fer2013.zip"), "--split", "validation")
    recorded = shipped.record.metrics["validation"]
    assert document["n"] == 3589
    assert document["accuracy"] > 0.60
    assert document["accuracy"] == pytest.approx(recorded["accuracy"], abs=1e-3)
    assert document["loss"] == pytest.approx(recorded["loss"], abs=1e-3)


def test_it_finds_and_classifies_the_faces_of_real_photos(real_data: Path) -> None:
    files = answer("classify", str(real_data / "photos"))["files"]
    photos = {Path(file["file"]).name: file for file in files}
    assert {name: len(photos[name]["faces"]) for name in FACES} == FACES
    for name in ("one_smiling.jpg", "four_smiling.jpg"):
        assert {face["label"] for face in photos[name]["faces"]} == {"happy"}, name
