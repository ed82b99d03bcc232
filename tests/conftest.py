"""Shared fixtures (generated faces, temporary settings, a bundle without Keras) and scheduling."""

import gc
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import aiortc  # noqa: F401 - before TensorFlow: in the other order, its library libsrtp crashes
import cv2
import hypothesis
import numpy as np
import onnx
import pytest
from answered import Answered
from numpy.typing import NDArray

from fer_core.__main__ import main
from fer_core.bundle import Bundle, BundleRecord, load_bundle
from fer_core.commands import arguments
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings

TESTS = Path(__file__).resolve().parent
REAL_DATA = TESTS.parent.parent / "shared" / "data"

#: Folders and files that take longest. They run first, so that the workers finish together.
_SLOWEST = ("browser", "training", "commands", "exchange", "faults", "pages", "fuzz")
_IS_STARTED = pytest.StashKey[bool]()

# The same examples each time (others with FER_STUDIO_FUZZ_SEED=random), and no limits that depend
# on the machine's speed: a test fails because of a change and not by chance.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    derandomize=os.environ.get("FER_STUDIO_FUZZ_SEED") != "random",
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest folders first when several workers share the tests."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        return _SLOWEST.index(folder) if folder in _SLOWEST else len(_SLOWEST)

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker whole files, and all browser tests to the same worker.

    The browser tests share one Chromium and one server, and two pages at once would slow each
    other down. Files start in the order of collection.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduler(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "tests/browser" if file.startswith("tests/browser/") else file

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Scheduler(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lower the priority of a worker whose first test does not need the browser.

    The browser tests are the longest sequence, and their video and clicks are in real time. They
    are the first tests of their worker, which keeps its priority.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and _IS_STARTED not in item.config.stash:
        item.config.stash[_IS_STARTED] = True
        if item.get_closest_marker("browser") is None:
            os.nice(5)


@pytest.fixture(scope="session", autouse=True)
def _quiet_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> Iterator[None]:
    """Do not wait until each small file is on the disk, which would take minutes in all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # still fails if the file is not open
        yield


@pytest.fixture(scope="module", autouse=True)
def _quick_garbage_collection() -> None:
    """Exclude what earlier files have loaded, such as TensorFlow, from garbage collection.

    A full collection with TensorFlow in memory takes 0.3 s, and a page under test runs several.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_main_module() -> Iterator[None]:
    """Restore the main module, which a page under test replaces: new processes would import it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def one_component_scan() -> Iterator[None]:
    """Let Streamlit search the installed packages for components once, not for each AppTest.

    A search takes longer than most pages.
    """
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        scan = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "data", tmp_path / "runs", tmp_path / "models")


def _draw_faces(
    labels: Sequence[int], *, seed: int = 0, splits: Sequence[str] | str = "train"
) -> FaceSet:
    """Draw noise with a bright square whose position encodes the class: easy to learn."""
    generator = np.random.default_rng(seed)
    count = len(labels)
    images = generator.integers(0, 60, (count, 48, 48)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 3)
        image[row * 16 : row * 16 + 12, column * 16 : column * 16 + 12] += 180
    names = [splits] * count if isinstance(splits, str) else splits
    return FaceSet(
        images=images,
        labels=np.array(labels, dtype=np.int8),
        splits=np.array([SPLITS.index(name) for name in names], dtype=np.int8),
        names=tuple(f"{name}/{number}.png" for number, name in enumerate(names)),
    )


@pytest.fixture(scope="session")
def draw_faces() -> Callable[..., FaceSet]:
    """``draw_faces(labels, seed=0, splits="train")``: a FaceSet of drawn faces."""
    return _draw_faces


@pytest.fixture(scope="session")
def tiny_faces() -> FaceSet:
    """56 training, 21 validation and 14 test images with balanced classes."""
    splits = ["train"] * 56 + ["validation"] * 21 + ["test"] * 14
    return _draw_faces([number % 7 for number in range(91)], splits=splits)


def _png(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


@pytest.fixture(scope="session")
def png() -> Callable[[NDArray[np.uint8]], bytes]:
    """``png(picture)``: the bytes of a PNG file, lossless."""
    return _png


@pytest.fixture
def write_files(tmp_path: Path) -> Callable[..., Path]:
    """``write_files({"train/happy/a.png": content})``: a folder with these files."""

    def write(files: dict[str, bytes], folder: str = "faces") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / folder

    return write


@pytest.fixture
def write_pictures(write_files: Callable[..., Path]) -> Callable[..., Path]:
    """``write_pictures({"train/cat": 3})``: a folder with different pictures in these folders."""

    def write(counts: dict[str, int]) -> Path:
        generator = np.random.default_rng(0)
        return write_files(
            {
                f"{folder}/{number}.png": _png(
                    generator.integers(0, 256, (48, 48)).astype(np.uint8)
                )
                for folder, count in counts.items()
                for number in range(count)
            }
        )

    return write


@pytest.fixture(scope="session")
def zip_bytes() -> Callable[..., bytes]:
    """``zip_bytes({"train/happy/a.png": content})``: an archive with these members."""

    def pack(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    return pack


@pytest.fixture
def write_zip(tmp_path: Path, zip_bytes: Callable[..., bytes]) -> Callable[..., Path]:
    """``write_zip({"train/happy/a.png": content})``: the path of such an archive."""

    def write(files: dict[str, bytes], name: str = "faces.zip") -> Path:
        path = tmp_path / name
        path.write_bytes(zip_bytes(files))
        return path

    return write


def _record(**changes: Any) -> BundleRecord:
    values: dict[str, Any] = {
        "labels": EMOTIONS,
        "input_shape": (48, 48, 1),
        "input_scale": 1 / 255,
        "flip_averaging": False,
        "parameters": 28,
        "recipe": "three-conv-cnn-adam",
        "config": {"architecture": "three_convolutions"},
        "seed": 3,
        "dataset": {"name": "tiny", "fingerprint": "f" * 64},
        "curation": None,
        "training": {"epochs": 2, "best_epoch": 1, "monitor": "loss", "training_images": 56},
        "metrics": {},
        "versions": {"python": "3.11"},
        "created": "2025-01-01T00:00:00+00:00",
    }
    return BundleRecord.from_json(values | changes)


@pytest.fixture(scope="session")
def make_record() -> Callable[..., BundleRecord]:
    """``make_record(flip_averaging=True)``: a record with some fields changed."""
    return _record


def _linear_network(classes: int = 7, *, size: int = 48, batch: int | str = "n") -> onnx.ModelProto:
    """Softmax over (mean of the left half, mean of the right half) times fixed numbers.

    Small enough to compute by hand; a mirrored face gives a different result.
    """
    half = size // 2
    sides = np.zeros((size * size, 2), dtype=np.float32)
    picture = sides.reshape(size, size, 2)
    picture[:, :half, 0] = picture[:, half:, 1] = 1 / (size * half)
    kernel = sides @ np.linspace(-2, 2, 2 * classes, dtype=np.float32).reshape(2, classes) ** 3
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Reshape", ["pixels", "shape"], ["flat"]),
            onnx.helper.make_node("MatMul", ["flat", "kernel"], ["logits"]),
            onnx.helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "linear",
        [
            onnx.helper.make_tensor_value_info(
                "pixels", onnx.TensorProto.FLOAT, [batch, size, size, 1]
            )
        ],
        [
            onnx.helper.make_tensor_value_info(
                "probabilities", onnx.TensorProto.FLOAT, [batch, classes]
            )
        ],
        [
            onnx.numpy_helper.from_array(np.array([-1, size * size], np.int64), "shape"),
            onnx.numpy_helper.from_array(kernel, "kernel"),
        ],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    )


@pytest.fixture(scope="session")
def linear_network() -> Callable[..., onnx.ModelProto]:
    """``linear_network(classes=7, size=48, batch="n")``: a small network with known weights."""
    return _linear_network


@pytest.fixture(scope="session")
def write_bundle_folder() -> Callable[..., Path]:
    """``write_bundle_folder(folder, temperature=2.0, **record fields)``: a complete bundle."""

    def write(folder: Path, *, temperature: float | None = None, **changes: Any) -> Path:
        folder.mkdir(parents=True)
        record = _record(**changes).to_json()
        (folder / "bundle.json").write_text(json.dumps(record), encoding="utf-8")
        onnx.save(_linear_network(), folder / "model.onnx")
        if temperature is not None:
            (folder / "calibration.json").write_text(json.dumps({"temperature": temperature}))
        return folder

    return write


@pytest.fixture
def bundle(settings: Settings, write_bundle_folder: Callable[..., Path]) -> Bundle:
    """A published bundle called "small"."""
    return load_bundle(write_bundle_folder(settings.models_root / "small"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real datasets; skips the test if they are not on this machine."""
    if not (REAL_DATA / "fer2013.zip").is_file():
        pytest.skip("the real FER2013 is not on this machine")
    return REAL_DATA


@pytest.fixture(scope="session")
def real_faces(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaceSet]:
    """FER2013, read once from its archive."""
    root = tmp_path_factory.mktemp("real")
    yield load_dataset(
        str(real_data / "fer2013.zip"), Settings(root / "data", root / "runs", root / "models")
    )


@pytest.fixture
def run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answered]:
    """``run("recipes", "--json")``: a command in this process, with empty folders.

    It prints no lines about the progress, whose number depends on the machine's speed.
    """
    monkeypatch.setattr(arguments, "_PROGRESS_SECONDS", math.inf)
    for name in ("data", "runs", "models", "analyses"):
        monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(getattr(settings, f"{name}_root")))

    def call(*words: object) -> Answered:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as ending:  # raised by argparse
            assert isinstance(ending.code, int)
            code = ending.code
        captured = capsys.readouterr()
        return Answered(code, captured.out, captured.err)

    return call


@pytest.fixture
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings end without the export to ONNX, which takes longer than short trainings.

    Their bundles are as on a machine that cannot export.
    """
    monkeypatch.setattr("fer_core.training.bundle_writer.can_export_onnx", lambda: False)
