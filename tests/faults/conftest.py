"""A data folder with one item of every kind, which each test copies."""

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import writers

from fer_core.dataset import kaggle, store
from fer_core.dataset.face_set import FaceSet
from fer_core.exchange import onnx_trial
from fer_core.settings import Settings
from fer_core.training import launcher
from fer_core.vision import detector_files

NewHome = Callable[[], Settings]


@pytest.fixture(scope="session")
def run_child(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Try an imported network in a child process the first time; repeat its result afterwards."""
    real = onnx_trial.run_child
    network = tmp_path_factory.mktemp("trial") / "network.onnx"
    answers: dict[str, str] = {}

    def call(module: str, arguments: list[str], *limits: object) -> str:
        kind = arguments[0]
        if kind not in answers:
            answers[kind] = real(module, arguments, *limits)  # type: ignore[arg-type]
            if kind == "prepare":
                shutil.copy(arguments[2], network)
        elif kind == "prepare":
            # Written by another process, as by the child: the simulated disk does not count it.
            subprocess.run(["cp", network, arguments[2]], check=True)
        return answers[kind]

    return call


@pytest.fixture(scope="module")
def stand_ins(draw_faces: Callable[..., FaceSet], run_child: Callable[..., str]) -> Iterator[None]:
    """What takes long, or needs a network or a process, answers at once."""
    small = draw_faces([number % 7 for number in range(14)])

    def fetch(folder: Path, token: str | None) -> None:
        folder.mkdir()
        with zipfile.ZipFile(writers.archive(folder.parent / "faces.zip")) as packed:
            packed.extractall(folder)

    fetched = bytes(range(256)) * 20
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "load_demo_set", lambda: small)
        patch.setattr(kaggle, "_fetch", fetch)
        patch.setattr(onnx_trial, "run_child", run_child)
        patch.setattr(launcher, "start_pending_runs", lambda settings: [])
        patch.setattr(launcher, "check_disk_space", lambda config, folder: None)
        patch.setattr(detector_files, "YUNET_BYTES", len(fetched))
        patch.setattr(detector_files, "YUNET_SHA256", hashlib.sha256(fetched).hexdigest())
        yield


@pytest.fixture(scope="module")
def new_home(
    tmp_path_factory: pytest.TempPathFactory,
    write_bundle_folder: Callable[..., Path],
    stand_ins: None,
) -> NewHome:
    """``new_home()``: the program's folders, with something of everything in them."""
    first = tmp_path_factory.mktemp("first")

    def settings_in(root: Path) -> Settings:
        return Settings(root / "data", root / "runs", root / "models")

    writers.prepare(settings_in(first), write_bundle_folder)

    def call() -> Settings:
        root = tmp_path_factory.mktemp("home")
        shutil.copytree(first, root, dirs_exist_ok=True)
        return settings_in(root)

    return call
