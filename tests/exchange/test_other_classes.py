"""Import of networks with other outputs than the seven emotions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from fer_core.emotions import EMOTIONS8
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.exchange.labels import parse_labels
from fer_core.predictor import load_predictor
from fer_core.settings import Settings

pytestmark = pytest.mark.usefixtures("no_child_process")

FERPLUS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt"


def test_a_network_of_ferplus_has_the_eight_emotions(
    linear_network: Callable[..., onnx.ModelProto], settings: Settings, tmp_path: Path
) -> None:
    onnx.save(linear_network(8), tmp_path / "ferplus.onnx")
    request = ImportRequest(labels=parse_labels(FERPLUS))
    bundle = import_model(tmp_path / "ferplus.onnx", settings, request)
    assert bundle.record.classes == EMOTIONS8
    assert "eight facial emotions" in (bundle.folder / "README.md").read_text("utf-8")
    crop = np.zeros((1, 48, 48), np.uint8)
    crop[0, :, :24] = 255
    predictor = load_predictor(bundle)
    assert predictor.classes == EMOTIONS8
    logits = np.linspace(-2, 2, 16)[:8] ** 3
    expected = np.exp(logits) / np.exp(logits).sum()
    # The outputs are in FER+'s order, the probabilities in that of the emotions.
    order = [4, 5, 6, 1, 3, 2, 0, 7]
    np.testing.assert_allclose(predictor.probabilities(crop)[0], expected[order], atol=1e-5)


def test_a_network_with_other_classes_keeps_its_labels(
    linear_network: Callable[..., onnx.ModelProto], settings: Settings, tmp_path: Path
) -> None:
    onnx.save(linear_network(3), tmp_path / "pets.onnx")
    request = ImportRequest(labels=parse_labels('cat, "dog, small", 鳥'))
    bundle = import_model(tmp_path / "pets.onnx", settings, request)
    assert bundle.record.classes == ("cat", "dog, small", "鳥")


@pytest.mark.parametrize("labels", ["cat,dog", "a,b,c,d"])
def test_labels_and_outputs_should_be_equally_many(
    linear_network: Callable[..., onnx.ModelProto],
    settings: Settings,
    tmp_path: Path,
    labels: str,
) -> None:
    onnx.save(linear_network(3), tmp_path / "pets.onnx")
    count = len(labels.split(","))
    with pytest.raises(InputError, match=f"returns 3 values .* there are {count} labels"):
        import_model(tmp_path / "pets.onnx", settings, ImportRequest(labels=parse_labels(labels)))
    assert list(settings.models_root.glob("[!.]*")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("happy", "2 to 20 classes. Received: 1"),
        (",".join(f"c{number}" for number in range(21)), "Received: 21"),
        ("Happy,happy", "differ only in case"),
        ("a,,b", "no visible character"),
        (f"a,{'x' * 41}", "longer than 40"),
    ],
)
def test_invalid_labels_are_named(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_labels(text)


@pytest.mark.parametrize("outputs", [1, 21])
def test_other_numbers_of_outputs_are_refused(
    linear_network: Callable[..., onnx.ModelProto],
    settings: Settings,
    tmp_path: Path,
    outputs: int,
) -> None:
    onnx.save(linear_network(outputs), tmp_path / "other.onnx")
    with pytest.raises(InputError, match="one value for each of 2 to 20 classes"):
        import_model(tmp_path / "other.onnx", settings, ImportRequest(labels=parse_labels("a,b")))
