"""An evaluation as JSON, CSV and in the model card."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import Bundle, load_bundle, write_calibration
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.tables import classes_csv, evaluation_document, predictions_csv
from fer_core.model_card import model_card, write_evaluation_card

MakeResult = Callable[..., EvaluationResult]


def test_the_document_contains_the_document_of_evaluate(random_result: MakeResult) -> None:
    result = random_result(200)
    document = evaluation_document(result)
    short = result.to_json()
    assert {key: document[key] for key in short} == short
    # The coverage curve contains NaN without accepted predictions; JSON must not.
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["coverage"]["accuracy"][-1] is None
    assert document["headline"]["accuracy"]["value"] == short["accuracy"]
    assert document["calibration"]["in_force"]["ece"]["value"] == short["ece"]
    assert list(document["classes"]) == list(EMOTIONS)
    assert (document["model"], document["dataset"], document["slices"]) == ("small", "tiny", {})


def test_unknown_leaks_are_null(random_result: MakeResult) -> None:
    document = evaluation_document(random_result(30, is_leaked=None))
    assert document["leak_free"] is None
    assert document["headline"]["leak_free_accuracy"] is None


def test_a_line_per_image(make_result: MakeResult) -> None:
    rows = np.full((3, 7), 0.05)
    rows[[0, 1, 2], [3, 3, 6]] = 0.7
    names = ("a.png", '=cmd("x"), y', "b,\nc.png")
    leaked = np.array([True, False, False])
    result = make_result([3, 4, 6], rows, names=names, rows=np.array([7, 8, 9]), is_leaked=leaked)
    lines = list(csv.DictReader(io.StringIO(predictions_csv(result))))
    assert [line["row"] for line in lines] == ["7", "8", "9"]
    # A spreadsheet would execute the second name.
    assert [line["name"] for line in lines] == ["a.png", "'" + names[1], names[2]]
    assert [line["true"] for line in lines] == ["happy", "sad", "neutral"]
    assert [line["predicted"] for line in lines] == ["happy", "happy", "neutral"]
    assert [line["correct"] for line in lines] == ["true", "false", "true"]
    assert [line["in_train"] for line in lines] == ["true", "false", "false"]
    assert float(lines[1]["sad"]) == pytest.approx(0.05)
    own = make_result([3, 4, 6], rows, names=(), is_leaked=None)
    (line, *_) = csv.DictReader(io.StringIO(predictions_csv(own)))
    assert (line["name"], line["in_train"]) == ("", "")


def test_a_line_per_emotion(make_result: MakeResult) -> None:
    result = make_result([3, 3], np.eye(7)[[3, 4]])
    lines = {row["emotion"]: row for row in csv.DictReader(io.StringIO(classes_csv(result)))}
    assert float(lines["happy"]["recall"]) == 0.5
    assert (lines["happy"]["support"], lines["sad"]["predicted"]) == ("2", "1")
    assert (lines["sad"]["recall"], lines["fear"]["f1"], lines["sad"]["auc"]) == ("", "", "")


@pytest.fixture
def document(random_result: MakeResult) -> dict[str, Any]:
    return evaluation_document(random_result(200))


def test_the_card_gets_a_section_and_keeps_other_text(
    bundle: Bundle, document: dict[str, Any]
) -> None:
    card = bundle.folder / "README.md"
    card.write_text(
        model_card("small", bundle.record, 1.0).replace(
            "## Limits", "Added manually: hello.\n\n## Limits"
        )
    )
    assert write_evaluation_card(bundle, document) == card
    text = card.read_text()
    accuracy = document["headline"]["accuracy"]
    value, low = 100 * accuracy["value"], 100 * accuracy["low"]
    assert f"| accuracy | {value:.1f} % ({low:.1f} % to " in text
    assert "Added manually: hello." in text
    assert text.index("## Evaluation on tiny, validation") < text.index("## Limits")
    assert text.count("## Limits") == 1


def test_a_new_evaluation_of_the_same_split_replaces_the_old_one(
    bundle: Bundle, document: dict[str, Any]
) -> None:
    card = write_evaluation_card(bundle, document)
    once = card.read_text()
    write_evaluation_card(bundle, document)
    assert card.read_text() == once
    write_evaluation_card(bundle, document | {"split": "test"})
    both = card.read_text()
    assert both.count("## Evaluation on tiny") == 2
    changed = document | {"warnings": ["Now with a warning."]}
    write_evaluation_card(bundle, changed)
    text = card.read_text()
    assert text.count("## Evaluation on tiny") == 2 and "- Now with a warning." in text


def test_a_bundle_without_a_card_gets_one(
    bundle: Bundle, document: dict[str, Any], make_record: Callable[..., Any]
) -> None:
    record = make_record(metrics={"validation": {"accuracy": 0.5}})
    (bundle.folder / "bundle.json").write_text(json.dumps(record.to_json()))
    (bundle.folder / "README.md").unlink(missing_ok=True)
    text = write_evaluation_card(load_bundle(bundle.folder), document).read_text()
    assert "On validation: accuracy 50.0 %." in text
    assert "## Evaluation on tiny, validation" in text


def test_measured_robustness_is_in_the_card(bundle: Bundle, document: dict[str, Any]) -> None:
    assert "Robustness" not in write_evaluation_card(bundle, document).read_text()
    point = {"low": 0.1, "high": 0.9}
    curve = {
        "unit": "pixels, in any direction",
        "n": 1200,
        "points": [
            {"strength": 0, "accuracy": point | {"value": 0.75}},
            {"strength": 1.5, "accuracy": point | {"value": 0.5}},
        ],
    }
    text = write_evaluation_card(bundle, document | {"robustness": {"shift": curve}}).read_text()
    assert "accuracy on 1,200 of these images under corruptions" in text
    assert "| shift (pixels, in any direction) | 0: 75.0 %, 1.5: 50.0 % |" in text


def test_names_of_data_cannot_break_the_card(bundle: Bundle, document: dict[str, Any]) -> None:
    name = "a|b --> <img src=x> `c`\n# d"
    text = write_evaluation_card(bundle, document | {"dataset": name}).read_text()
    assert "<img" not in text and "\n# d" not in text
    assert write_evaluation_card(bundle, document | {"dataset": name}).read_text() == text


def test_a_new_temperature_is_updated_in_the_card(bundle: Bundle, document: dict[str, Any]) -> None:
    write_calibration(bundle.folder, 1.6, "validation")
    card = bundle.folder / "README.md"
    card.write_text(model_card("small", bundle.record, 1.25))
    assert "Temperature 1.250" in card.read_text()
    text = write_evaluation_card(load_bundle(bundle.folder), document).read_text()
    assert "Temperature 1.600" in text and "1.250" not in text


def test_the_card_of_an_imported_model_is_updated_after_calibration(
    bundle: Bundle, document: dict[str, Any], make_record: Callable[..., Any]
) -> None:
    record = make_record(recipe=None, config={}, seed=None, dataset={}, training={})
    (bundle.folder / "bundle.json").write_text(json.dumps(record.to_json()))
    card = bundle.folder / "README.md"
    current = model_card("small", record, 1.0)
    uncalibrated = "None: the probabilities are those of the network."
    assert uncalibrated in current
    write_calibration(bundle.folder, 1.6, "validation")
    # The second sentence was written by earlier versions.
    for sentence in (uncalibrated, "None: the probabilities are the network's own."):
        card.write_text(current.replace(uncalibrated, sentence))
        text = write_evaluation_card(load_bundle(bundle.folder), document).read_text()
        assert sentence not in text and "Temperature 1.600, fitted on" in text


def test_a_card_of_another_model_or_not_readable_is_an_input_error(
    bundle: Bundle, document: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="not to 'small'"):
        write_evaluation_card(bundle, document | {"model": "another"})
    (bundle.folder / "README.md").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        write_evaluation_card(bundle, document)
    (bundle.folder / "README.md").unlink()
    (bundle.folder / "README.md").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        write_evaluation_card(bundle, document)
