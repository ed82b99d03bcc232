"""``models import`` and ``models export`` on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_core.bundle import Bundle
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings

LABELS = ",".join(EMOTIONS)


def test_a_network_is_imported_and_exported(
    run: Callable, sample: Any, tmp_path: Path, settings: Settings
) -> None:
    answer = run("models", "import", sample.file(".h5"), "--labels", LABELS, "--json")
    document = answer.document
    assert (document["name"], document["recipe"], document["served"]) == ("tiny", None, True)
    assert document["labels"] == list(EMOTIONS)
    assert document["source"]["file"] == "tiny.h5"
    assert "tiny: it expects pixel intensities from 0 to 1" in answer.err
    assert "imported" in run("models").out
    out = tmp_path / "out.json"
    document = run(
        "models", "export", "tiny", "--format", "json", "--output", out, "--json"
    ).document
    assert document["files"] == [
        str(tmp_path / name) for name in ("out.json", "out.meta.json", "out.weights.h5")
    ]
    assert document["largest_difference"] <= 1e-5
    again = run("models", "import", out, "--name", "again", "--json")
    assert again.document["name"] == "again"
    assert again.err == ""
    assert run("models", "default", "again", "--json").document["default"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give them in their order, for example --labels angry,"),
        (("--labels", "angry,happy"), "returns 7 values for each image, and there are 2 labels"),
        (("--labels", LABELS.replace("fear", "Angry")), "differ only in case"),
        (("--labels", LABELS, "--scale", "loud"), "one of unit, bytes, signed. Received: 'loud'"),
        (("--labels", LABELS, "--name", "a/b"), "'a/b' cannot be the name of a model"),
        (("--labels", LABELS, "--weights", "x.h5"), "omit --weights"),
    ],
)
def test_an_invalid_request_is_reported_in_one_line(
    run: Callable, sample: Any, settings: Settings, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("models", "import", sample.file(".keras"), *arguments).refusal
    assert run("models", "--json").document == []


def test_synonyms_are_understood(run: Callable, sample: Any) -> None:
    labels = "anger, disgust, fear, happiness, sadness, surprise, neutral"
    document = run("models", "import", sample.file(".onnx"), "--labels", labels, "--json").document
    assert document["labels"] == labels.split(", ")


def test_options_of_a_model_file_are_refused_for_a_bundle(run: Callable, bundle: Bundle) -> None:
    refusal = run("models", "import", bundle.folder, "--labels", LABELS).refusal
    assert "omit --weights, --labels, --scale, --mean and --std" in refusal


def test_an_output_needs_a_format(run: Callable, bundle: Bundle) -> None:
    assert "--output needs --format" in run("models", "export", "small", "--output", "x").refusal
    assert "paint" in run("models", "export", "small", "--format", "paint").refusal
    assert "no Keras model" in run("models", "export", "small", "--format", "litert").refusal


def test_the_accuracy_of_each_scaling_is_shown_and_nothing_imported(
    run: Callable, sample: Any
) -> None:
    arguments = ("models", "import", sample.file(".onnx"), "--labels", LABELS, "--check-on", "demo")
    document = run(*arguments, "--mean", "99", "--json").document
    candidates = document["candidates"]
    assert document["split"] == "validation"
    assert {one["scale"] for one in candidates} == {"unit", "signed", "bytes"}
    assert [one["mean"] for one in candidates].count([99.0]) == 1
    accuracies = [one["accuracy"] for one in candidates]
    assert accuracies == sorted(accuracies, reverse=True)
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    assert run("models", "--json").document == []
    text = run(*arguments).out
    assert "--scale bytes --mean 128" in text
    assert "nothing was imported" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mean", "1,2"), "--mean should be one number, or three"),
        (("--mean", "nan"), "--mean should be one number"),
        (("--std", "0"), "each above 0. Received: '0'"),
        (("--mean", "0.4,0.5,0.6"), "one channel"),
        (("--check-on", "nowhere"), "nowhere"),
    ],
)
def test_an_invalid_scaling_is_reported(
    run: Callable, sample: Any, arguments: tuple[str, ...], words: str
) -> None:
    path = sample.file(".onnx")
    assert words in run("models", "import", path, "--labels", LABELS, *arguments).refusal
