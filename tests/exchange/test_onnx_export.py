"""From a bundle's Keras model to the network that is served, or one sentence."""

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import Bundle
from fer_core.errors import InputError
from fer_core.exchange import onnx_export as export
from fer_core.exchange.onnx_export import (
    can_export_onnx,
    export_onnx,
    load_keras_model,
    write_verified_onnx,
)
from fer_core.keras_backend import prepare_backend
from fer_core.predictor import open_onnx_network
from fer_core.recipes.architectures import build_network

prepare_backend()


@pytest.fixture(scope="module")
def network() -> Any:
    return build_network("three_convolutions")


def test_an_exported_network_takes_any_number_of_pictures(network: Any, tmp_path: Path) -> None:
    write_verified_onnx(network, tmp_path / "model.onnx", "mine")
    run = open_onnx_network(tmp_path / "model.onnx", "mine")
    pixels = np.random.default_rng(1).random((9, 48, 48, 1), dtype=np.float32)
    expected = np.asarray(network(pixels, training=False))
    for count in (1, 9):
        np.testing.assert_allclose(run(pixels[:count]), expected[:count], atol=1e-5)


def test_a_network_that_differs_is_not_written(
    network: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.save(bundle.folder / "model.keras")
    before = bundle.served_network.read_bytes()
    monkeypatch.setattr(
        export, "open_onnx_network", lambda *_, **__: lambda pixels: np.full((len(pixels), 7), 0.5)
    )
    with pytest.raises(InputError, match=r"'small' differs from the original by .* not written"):
        export_onnx(bundle)
    assert bundle.served_network.read_bytes() == before
    assert not [file for file in bundle.folder.iterdir() if file.name.startswith(".")]


def test_missing_packages_are_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else found(name)
    )
    assert not can_export_onnx()
    with pytest.raises(InputError, match="Keras models needs tf2onnx, which is not installed"):
        export_onnx(bundle)


def test_a_missing_keras_model_is_reported(bundle: Bundle) -> None:
    with pytest.raises(InputError, match=r"'small' has no model\.keras"):
        export_onnx(bundle)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x05\x06" + bytes(18), b"half"])
def test_a_damaged_keras_model_is_reported_in_one_sentence(
    network: Any, bundle: Bundle, content: bytes
) -> None:
    path = bundle.folder / "model.keras"
    network.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(InputError, match=r"is damaged: .*model\.keras cannot be loaded") as caught:
        load_keras_model(bundle)
    assert "\n" not in str(caught.value)


def test_a_keras_model_with_code_in_it_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    import keras

    evil = keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.Lambda(lambda x: x), keras.layers.Flatten()]
    )
    path = bundle.folder / "model.keras"
    evil.save(path)
    assert zipfile.is_zipfile(path)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_keras_model(bundle)
