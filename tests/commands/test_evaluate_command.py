"""``evaluate``: the JSON document on each split, the written files, and invalid input."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.bundle import Bundle, load_bundle
from fer_core.dataset.store import load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings


@pytest.mark.parametrize(
    ("split", "count"), [("train", 140), ("validation", 28), ("test", 14), ("all", 182)]
)
def test_the_document_of_each_split(
    run: Callable, bundle: Bundle, kaggle_zip: Path, split: str, count: int
) -> None:
    document = run(
        "evaluate", "--model", "small", "--data", kaggle_zip, "--split", split, "--json"
    ).document
    assert {
        "n",
        "accuracy",
        "macro_f1",
        "loss",
        "ece",
        "per_class",
        "confusion",
    } <= set(document)
    assert document["n"] == count
    assert list(document["per_class"]) == list(EMOTIONS)
    for metrics in document["per_class"].values():
        assert set(metrics) == {"precision", "recall", "f1", "support"}
    confusion = np.array(document["confusion"])
    assert confusion.shape == (7, 7)
    assert confusion.sum() == count
    supports = [metrics["support"] for metrics in document["per_class"].values()]
    assert confusion.sum(axis=1).tolist() == supports
    assert document["accuracy"] == pytest.approx(np.trace(confusion) / count)


def test_undefined_metrics_are_null(
    run: Callable,
    bundle: Bundle,
    write_files: Callable[..., Path],
    png: Callable[..., bytes],
) -> None:
    picture = png(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48).astype(np.uint8))
    folder = write_files({"train/happy/Training_1.png": picture})
    document = run(
        "evaluate", "--model", "small", "--data", folder, "--split", "train", "--json"
    ).document
    assert document["n"] == 1
    assert document["per_class"]["sad"]["recall"] is None
    answer = run("evaluate", "--model", "small", "--data", folder, "--split", "train")
    assert "undefined" in answer.out


def test_a_split_without_images_is_a_one_line_error(
    run: Callable,
    bundle: Bundle,
    write_files: Callable[..., Path],
    png: Callable[..., bytes],
) -> None:
    picture = png(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48).astype(np.uint8))
    folder = write_files({"train/happy/Training_1.png": picture})
    refusal = run("evaluate", "--model", "small", "--data", folder, "--split", "test").refusal
    assert "no test images" in refusal


def test_without_a_model_the_error_says_how_to_get_one(run: Callable, kaggle_zip: Path) -> None:
    refusal = run("evaluate", "--data", kaggle_zip, "--split", "all").refusal
    assert "no model yet" in refusal


@pytest.mark.parametrize("damage", ["garbage", "no network", "other labels", "temperature"])
def test_a_damaged_model_is_a_one_line_error(
    run: Callable, bundle: Bundle, kaggle_zip: Path, damage: str
) -> None:
    record = bundle.folder / "bundle.json"
    if damage == "garbage":
        record.write_text("{")
    elif damage == "no network":
        bundle.served_network.unlink()
    elif damage == "other labels":
        record.write_text(
            json.dumps(json.loads(record.read_text()) | {"labels": ["cat", "dog", "cow"]})
        )
    else:
        (bundle.folder / "calibration.json").write_text('{"temperature": "warm"}')
    refusal = run("evaluate", "--model", "small", "--data", kaggle_zip, "--split", "all").refusal
    assert "small" in refusal


def test_a_model_can_be_given_as_a_folder(
    run: Callable, bundle: Bundle, kaggle_zip: Path, settings: Settings
) -> None:
    rows = [
        run("evaluate", "--model", model, "--data", kaggle_zip, "--split", "test", "--json")
        for model in ("small", settings.models_root / "small")
    ]
    assert rows[0].document == rows[1].document


def test_standard_output_contains_only_the_document(
    run_process: Callable,
    kaggle_zip: Path,
    tmp_path: Path,
    write_bundle_folder: Callable[..., Path],
) -> None:
    write_bundle_folder(tmp_path / "models" / "small")
    (tmp_path / "models" / "default").write_text("small\n")
    answer = run_process(
        "evaluate", "--data", kaggle_zip, "--split", "validation", "--json", home=tmp_path
    )
    assert answer.document["n"] == 28
    assert "Traceback" not in answer.err


def test_the_requested_files_are_written(
    run: Callable, bundle: Bundle, kaggle_zip: Path, tmp_path: Path
) -> None:
    answer = run(
        *("evaluate", "--model", "small", "--data", kaggle_zip, "--split", "validation"),
        *("--report", tmp_path / "out" / "report.html", "--robustness", "--write-card"),
        *("--assessment", tmp_path / "all.json", "--predictions", tmp_path / "rows.csv", "--json"),
        *("--latex", tmp_path / "tables.tex", "--bibtex", tmp_path / "works.bib", "--no-faces"),
    )
    document = json.loads((tmp_path / "all.json").read_text())
    assert {key: document[key] for key in answer.document} == answer.document
    assert set(document["robustness"]) >= {"blur", "occlusion"}
    assert document["dataset"] == kaggle_zip.name
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 29
    report = (tmp_path / "out" / "report.html").read_text()
    assert ">Robustness</h2>" in report and "Plotly.newPlot" in report
    assert ">Largest errors</h2>" not in report
    assert (
        r"small on the validation images of drawn faces.zip"
        in (tmp_path / "tables.tex").read_text()
    )
    assert "@software{ferstudio," in (tmp_path / "works.bib").read_text()
    assert (
        "## Evaluation on drawn faces.zip, validation" in (bundle.folder / "README.md").read_text()
    )
    assert f"wrote {tmp_path / 'rows.csv'}" in answer.err


def test_calibration_is_saved_and_applied(run: Callable, bundle: Bundle, kaggle_zip: Path) -> None:
    arguments = ("evaluate", "--model", "small", "--data", kaggle_zip, "--json", "--split")
    before = run(*arguments, "validation").document
    after = run(*arguments, "validation", "--calibrate").document
    assert after["loss"] < before["loss"]
    assert after["accuracy"] == before["accuracy"]
    assert run(*arguments, "validation").document == after
    saved = json.loads((bundle.folder / "calibration.json").read_text())
    assert saved["images"] == 28 and saved["temperature"] != 1
    refusal = run(*arguments, "test", "--calibrate").refusal
    assert "not on test" in refusal


def test_robustness_needs_an_output_file(run: Callable, bundle: Bundle, kaggle_zip: Path) -> None:
    refusal = run(
        *("evaluate", "--model", "small", "--data", kaggle_zip, "--split", "test", "--robustness")
    ).refusal
    assert "add --report, --assessment or --write-card" in refusal


def test_against_votes(
    run: Callable, bundle: Bundle, kaggle_zip: Path, tmp_path: Path, settings: Settings
) -> None:
    run("dataset", "import", kaggle_zip, "--name", "faces")
    names = load_dataset("faces", settings).names
    table = tmp_path / "votes.csv"
    answers = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_face"
    # Happy for all but the first, on which two emotions tie.
    lines = [
        f"{name},{'5,5' if row == 0 else '1,9'},0,0,0,0,0,0,0,0" for row, name in enumerate(names)
    ]
    table.write_text(f"image,{answers}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    arguments = ("evaluate", "--model", "small", "--data", "faces", "--split", "all")
    refusal = run(*arguments, "--against", "votes").refusal
    assert "faces has no votes to evaluate against" in refusal
    run("dataset", "votes", "faces", "--import", table)
    card = ("--write-card", "--assessment", tmp_path / "all.json", "--report", tmp_path / "r.html")
    document = run(*arguments, "--against", "votes", "--json", *card).document
    assert document["n"] == len(names) - 1
    assert document["per_class"]["happy"]["support"] == len(names) - 1
    votes = document["votes"]
    assert (votes["ties"], votes["other_answer"], votes["no_votes"]) == (1, 0, 0)
    assert votes["annotator_agreement"]["value"] == pytest.approx(0.9)
    assert votes["clear"]["n"] == len(names) - 1
    saved = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert saved["votes"] == votes
    assert saved["dataset"] == "faces (votes)"
    text = (bundle.folder / "README.md").read_text(encoding="utf-8")
    assert "## Evaluation on faces (votes), all" in text
    assert "| agreement of one annotator with the plurality of the others | 90.0 %" in text
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    _, after_title = page.split("Agreement of one annotator with the plurality of the others", 1)
    assert "90.0 %" in after_title[:60]
    printed = run(*arguments, "--against", "votes").out
    assert "the remaining annotator 90.0 %" in printed
    refusal = run(*arguments, "--against", "votes", "--curated").refusal
    assert "--curated changes labels" in refusal


def test_calibrating_against_votes_fits_the_emphasis_on_rare_emotions(
    run: Callable, bundle: Bundle, kaggle_zip: Path, tmp_path: Path, settings: Settings
) -> None:
    run("dataset", "import", kaggle_zip, "--name", "faces")
    faces = load_dataset("faces", settings)
    answers = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
    columns = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_face"
    lines = []
    for name, label in zip(faces.names, faces.labels, strict=True):
        voted = answers.get(EMOTIONS[label], EMOTIONS[label])
        lines.append(
            ",".join([name, *("9" if one == voted else "0" for one in columns.split(","))])
        )
    table = tmp_path / "votes.csv"
    table.write_text(f"image,{columns}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    run("dataset", "votes", "faces", "--import", table)
    arguments = ("evaluate", "--model", "small", "--data", "faces", "--split", "validation")
    before = run(*arguments, "--against", "votes", "--json").document
    after = run(*arguments, "--against", "votes", "--calibrate", "--json").document
    calibration = load_bundle(bundle.folder).calibration
    assert calibration.class_prior is not None
    counts = np.bincount(faces.labels[faces.rows("train")], minlength=7)
    np.testing.assert_allclose(calibration.class_prior, counts / counts.sum(), rtol=1e-6)
    assert after["macro_f1"] >= before["macro_f1"]
    assert set(calibration.thresholds) == {"80", "90"}
    document = json.loads((bundle.folder / "calibration.json").read_text(encoding="utf-8"))
    assert document["fitted_on"] == "validation, plurality of votes"
    # A second time gives the same: it is not fitted on top of itself.
    run(*arguments, "--against", "votes", "--calibrate")
    assert load_bundle(bundle.folder).calibration == calibration
    # The card follows the calibration, whichever it had before.
    for _ in range(2):
        run(*arguments, "--against", "votes", "--write-card")
        card = (bundle.folder / "README.md").read_text(encoding="utf-8")
        assert card.count("**Logit adjustment:**") == 1
        exponent = calibration.prior_exponent
        assert (f"^{exponent:g} before temperature" if exponent else "none by default") in card


ANIMALS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


@pytest.fixture
def animals(write_files: Callable[..., Path], draw_faces: Callable, png: Callable) -> Path:
    """A folder of 3 training images of each of seven animals, and 2 of a yak."""
    faces = draw_faces([number % 7 for number in range(21)])
    files = {
        f"train/{ANIMALS[label]}/{number}.png": png(image)
        for number, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True))
    }
    return write_files(files | {f"train/yak/{n}.png": png(faces.images[n]) for n in range(2)})


def test_data_of_a_path_have_the_classes_of_the_model(
    run: Callable, settings: Settings, write_bundle_folder: Callable, animals: Path
) -> None:
    write_bundle_folder(settings.models_root / "animals", labels=ANIMALS)
    evaluate = ("evaluate", "--model", "animals", "--data", animals, "--split", "all", "--json")
    document = run(*evaluate).document
    assert (document["n"], document["left_out"]) == (21, {"yak": 2})
    assert [metrics["support"] for metrics in document["per_class"].values()] == [3] * 7
    # The options of an import change that.
    document = run(*evaluate, "--map", "yak=gnu", "--map", "ant=").document
    supports = {name: metrics["support"] for name, metrics in document["per_class"].items()}
    assert (supports["ant"], supports["gnu"], document["left_out"]) == (0, 5, {})
    refusal = run(*evaluate, "--classes", "emotions").refusal
    assert "import it with --classes folders" in refusal


def test_imported_data_keep_their_classes(run: Callable, bundle: Bundle, animals: Path) -> None:
    assert run("dataset", "import", animals, "--name", "zoo", "--classes", "folders").code == 0
    for option in (("--classes", "folders"), ("--map", "ant=bee")):
        for command in (
            ("evaluate", "--model", "small", "--data", "zoo", "--split", "all"),
            ("dataset", "info", "zoo"),
            ("train", "--recipe", "three-conv-cnn-adam", "--data", "zoo"),
        ):
            refusal = run(*command, *option).refusal
            assert "zoo is an imported dataset and keeps its classes" in refusal


def test_paths_are_counted_and_audited_with_their_own_classes(run: Callable, animals: Path) -> None:
    document = run("dataset", "info", animals, "--classes", "folders", "--json").document
    assert document["classes"] == [*ANIMALS, "yak"]
    audit = run("dataset", "audit", animals, "--classes", "folders", "--exact", "--json").document
    assert audit["duplicate_images"] == 4
