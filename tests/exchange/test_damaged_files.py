"""Truncated, mutated and foreign files: one sentence each, nothing left behind, no crash."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.exchange.keras_files import build_keras_model, open_keras_parts
from fer_core.exchange.onnx_files import read_onnx_network, write_served
from fer_core.exchange.probe import run_network
from fer_core.predictor import open_onnx_network
from fer_core.settings import Settings

#: Mutations of each format, and the seconds for more: as long as each of the other readers has.
MUTATIONS = 12
SECONDS = float(os.environ.get("FER_STUDIO_FUZZ_SECONDS", "0")) / 20


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx", ".json", ".txt", ""])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"garbage", b"PK\x03\x04" + bytes(40), b"\x89HDF\r\n\x1a\n" + bytes(99), b"[1]"],
)
def test_garbage_is_refused_in_one_sentence(
    settings: Settings, tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"garbage{suffix}"
    path.write_bytes(content)
    (tmp_path / "garbage.weights.h5").write_bytes(b"garbage")
    with pytest.raises(InputError) as caught:
        import_model(path, settings, ImportRequest(labels=EMOTIONS))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not settings.models_root.is_dir() or list(settings.models_root.iterdir()) == []


def test_a_file_that_is_not_there_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.h5 cannot be read \(No such file"):
        import_model(tmp_path / "nowhere.h5", settings)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(
    sample: Any, settings: Settings, tmp_path: Path, suffix: str, share: float
) -> None:
    whole = sample.file(suffix).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="is damaged"):
        import_model(path, settings, ImportRequest(labels=EMOTIONS))
    assert list(settings.models_root.iterdir()) == []


def mutate(whole: bytes, generator: np.random.Generator) -> bytes:
    content = bytearray(whole)
    match generator.integers(4):
        case 0:
            del content[int(generator.integers(1, len(content))) :]
        case 1:
            for place in generator.integers(0, len(content), 8):
                content[place] ^= 1 << int(generator.integers(8))
        case 2:  # where the structure is described
            for place in generator.integers(0, min(2000, len(content)), 4):
                content[place] = int(generator.integers(256))
        case _:
            start = int(generator.integers(0, len(content) - 64))
            content[start : start + 64] = generator.bytes(64)
    return bytes(content)


def use_keras(path: Path, pixels: np.ndarray) -> None:
    with open_keras_parts(path) as parts:
        build_keras_model(parts)


def use_onnx(path: Path, pixels: np.ndarray) -> None:
    network = read_onnx_network(path)
    served = path.with_name("served.onnx")
    write_served(network, served)
    run = open_onnx_network(served, "mutant", input_shape=network.input_shape)
    if network.input_shape == (48, 48, 1):
        run_network(run, pixels, "The mutant")


@pytest.mark.parametrize(
    ("suffix", "use"), [(".keras", use_keras), (".h5", use_keras), (".onnx", use_onnx)]
)
def test_mutated_files_are_used_or_refused_but_nothing_else(
    sample: Any, tmp_path: Path, suffix: str, use: Callable[[Path, np.ndarray], None]
) -> None:
    whole = sample.file(suffix).read_bytes()
    generator = np.random.default_rng(11)
    pixels = generator.random((2, 48, 48, 1)).astype(np.float32)
    path = tmp_path / f"mutant{suffix}"
    end = time.monotonic() + SECONDS
    refused = tried = 0
    while tried < MUTATIONS or time.monotonic() < end:
        path.write_bytes(mutate(whole, generator))
        tried += 1
        try:
            use(path, pixels)
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > tried / 4


def test_a_crash_of_the_hdf5_library_is_reported(
    sample: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = tmp_path / "crash"
    crash.write_text(f"#!{sys.executable}\nimport os\nos.abort()\n")
    crash.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crash))
    with (
        pytest.raises(InputError, match=r"tiny\.h5 is damaged: .*the HDF5 library crashes"),
        open_keras_parts(sample.file(".h5")),
    ):
        pass
