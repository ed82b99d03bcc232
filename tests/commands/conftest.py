"""The command line as people start it, and in this process where that is enough."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from answered import Answered

from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.settings import PROJECT_ROOT


@pytest.fixture(scope="session")
def start() -> Callable[..., "subprocess.Popen[str]"]:
    """``start("train", …, home=folder)``: a command as a separate process.

    ``program="…"`` runs this code instead of the module's own.
    """

    def call(*arguments: object, home: Path, program: str | None = None) -> "subprocess.Popen[str]":
        environment = os.environ | {
            "FER_STUDIO_DATA": str(home / "data"),
            "FER_STUDIO_RUNS": str(home / "runs"),
            "FER_STUDIO_MODELS": str(home / "models"),
            # As in most languages' own locales: what is no text cannot be written.
            "PYTHONIOENCODING": "utf-8:strict",
        }
        code = ("-m", "fer_core") if program is None else ("-c", program)
        return subprocess.Popen(
            [sys.executable, *code, *map(str, arguments)],
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    return call


@pytest.fixture(scope="session")
def run_process(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., Answered]:
    """``run_process("recipes", "--json", home=folder)``: such a process, to its end."""

    def call(*arguments: object, home: Path) -> Answered:
        process = start(*arguments, home=home)
        out, err = process.communicate(timeout=300)
        return Answered(process.returncode, out, err)

    return call


@pytest.fixture
def run_at(
    run: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answered]:
    """``run_at("models", "--json", home=folder)``: a command in this process, in these folders.

    It saves the import of TensorFlow, about six seconds per process.
    """

    def call(*arguments: object, home: Path) -> Answered:
        for name in ("data", "runs", "models"):
            monkeypatch.setenv(f"FER_STUDIO_{name.upper()}", str(home / name))
        return run(*arguments)

    return call


@pytest.fixture(scope="session")
def kaggle_zip(
    tmp_path_factory: pytest.TempPathFactory,
    draw_faces: Callable[..., FaceSet],
    png: Callable[..., bytes],
    zip_bytes: Callable[..., bytes],
) -> Path:
    """An archive laid out as Kaggle's: 140 drawn faces to train on, 28 and 14 held out."""
    faces = draw_faces([number % 7 for number in range(182)])
    files = {}
    for number, (image, label) in enumerate(
        zip(faces.images, np.asarray(faces.labels), strict=True)
    ):
        if number < 140:
            place = f"train/{EMOTIONS[label]}/Training_{number}.png"
        else:
            prefix = "PublicTest" if number < 168 else "PrivateTest"
            place = f"test/{EMOTIONS[label]}/{prefix}_{number}.png"
        files[place] = png(image)
    path = tmp_path_factory.mktemp("kaggle") / "drawn faces.zip"
    path.write_bytes(zip_bytes(files))
    return path
