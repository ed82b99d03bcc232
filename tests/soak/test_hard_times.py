"""Trainings that are killed repeatedly, and a real disk that is full."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.settings import PROJECT_ROOT

pytestmark = pytest.mark.soak

EPOCHS, KILLS = 6, 12
SMALL = ("--recipe", "three-conv-cnn-adam", "--set", "batch_size=4", "--set", "seed=7")
TIMINGS = {"seconds", "images_per_second"}


@pytest.fixture
def faces_zip(
    tiny_faces: FaceSet, write_zip: Callable[..., Path], png: Callable[..., bytes]
) -> Path:
    splits = ("train", "validation", "test")
    return write_zip(
        {
            f"{splits[tiny_faces.splits[row]]}/{EMOTIONS[tiny_faces.labels[row]]}/{row}.png": png(
                image
            )
            for row, image in enumerate(tiny_faces.images)
        }
    )


def train(*arguments: object, home: Path) -> "subprocess.Popen[str]":
    roots = {f"FER_STUDIO_{name.upper()}": str(home / name) for name in ("data", "runs", "models")}
    return subprocess.Popen(
        [sys.executable, "-m", "fer_core", "train", *map(str, arguments)],
        cwd=PROJECT_ROOT,
        env=os.environ | roots,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMINGS} for line in lines]


def test_a_training_killed_at_random_moments_gives_the_uninterrupted_result(
    tmp_path: Path, faces_zip: Path
) -> None:
    whole = train(
        *SMALL, "--data", faces_zip, "--epochs", EPOCHS, "--run-dir", tmp_path / "w", home=tmp_path
    )
    begin = time.monotonic()
    assert whole.wait() == 0
    length = time.monotonic() - begin
    run = tmp_path / "killed"
    process = train(
        *SMALL, "--data", faces_zip, "--epochs", EPOCHS, "--run-dir", run, home=tmp_path
    )
    moments = random.Random(5)
    for _ in range(KILLS):
        try:
            process.wait(timeout=moments.uniform(0.2, 1.0) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if process.returncode == 0:
            break
        before = metrics_of(run) if (run / "metrics.jsonl").exists() else []
        again = ("--resume", run)
        if not (run / "config.json").exists():
            again = (*SMALL, "--data", faces_zip, "--epochs", EPOCHS, "--run-dir", run)
        process = train(*again, home=tmp_path)
        assert before == metrics_of(tmp_path / "w")[: len(before)]  # finished epochs are kept
    assert process.wait() == 0, process.stderr.read() if process.stderr else ""
    assert metrics_of(run) == metrics_of(tmp_path / "w")
    assert (run / "bundle" / "bundle.json").is_file()


#: A script on a small disk that exists only in its own mount namespace; works without root, too.
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size={megabytes}m none {home}
cp {archive} {home}/faces.zip
cd {project}
export FER_STUDIO_DATA={home}/data FER_STUDIO_RUNS={home}/runs FER_STUDIO_MODELS={home}/models
{python} -m fer_core dataset import {home}/faces.zip --name faces
{before}
set +e
{command} 2>&1
echo "exit code $?"
cat {home}/runs/one/status.json 2>/dev/null
rm -f {home}/filler
{after} 2>&1
echo "exit code $?"
{python} -m fer_core dataset info faces > /dev/null && echo "the dataset is whole"
find {home} -name '*.fer-part*'
"""


@pytest.fixture
def on_a_small_disk(tmp_path: Path, faces_zip: Path) -> Callable[..., str]:
    """``on_a_small_disk(60, before=…, command=…, after=…)``: the output of the script."""
    unshare = shutil.which("unshare")
    ways: list[list[str]] = [[unshare, "-m"], [unshare, "-Urm"]] if unshare else []
    home = tmp_path / "disk"
    home.mkdir()
    mount = f"mount -t tmpfs -o size=1m none {home}"
    for way in ways:
        if subprocess.run([*way, "sh", "-c", mount], check=False, capture_output=True).returncode:
            continue

        def run(megabytes: int, way: list[str] = way, **commands: str) -> str:
            places = {
                "home": home,
                "archive": faces_zip,
                "project": PROJECT_ROOT,
                "python": f"{sys.executable} -W ignore",
            }
            commands = {name: text.format(**places) for name, text in commands.items()}
            script = ON_A_SMALL_DISK.format(megabytes=megabytes, **places, **commands)
            done = subprocess.run(
                [*way, "sh", "-c", script], check=False, capture_output=True, text=True, timeout=900
            )
            return done.stdout + done.stderr

        return run
    pytest.skip("a disk cannot be mounted here")


def test_a_full_disk_ends_a_training_which_can_be_resumed(
    on_a_small_disk: Callable[..., str],
) -> None:
    # The disk is filled after the first epoch.
    out = on_a_small_disk(
        400,
        before="(while ! [ -s {home}/runs/one/metrics.jsonl ]; do sleep 0.2; done; "
        "cat /dev/zero > {home}/filler) 2>/dev/null &",
        command="{python} -m fer_core train --recipe three-conv-cnn-adam --set batch_size=4 "
        "--data faces --epochs 200 --run-dir {home}/runs/one",
        after="timeout -s INT 60 {python} -m fer_core train --resume {home}/runs/one",
    )
    assert "The disk is full" in out, out
    assert "is saved" in out, out
    assert "Traceback" not in out, out
    assert "the dataset is whole" in out, out
    assert "resuming after epoch" in out, out
    assert "; bundle in" in out, out


def test_a_search_on_a_full_disk_stops_after_one_failed_trial(
    on_a_small_disk: Callable[..., str],
) -> None:
    out = on_a_small_disk(
        3,
        before="true",
        command="{python} -m fer_core search start looking --recipe three-conv-cnn-adam "
        "--data faces --trials 5 "
        '--space \'[{{"field": "batch_size", "low": 4, "high": 8}}]\'',
        after="{python} -m fer_core search show looking",
    )
    assert "free some space" in out, out
    assert "Traceback" not in out, out
    assert out.count("failed") <= 2, out  # one trial, and not all five


def test_importing_keras_files_on_a_full_disk_is_reported_in_one_sentence(
    on_a_small_disk: Callable[..., str], tmp_path: Path
) -> None:
    from fer_core.keras_backend import prepare_backend

    prepare_backend()
    import keras

    inputs = keras.Input((48, 48, 1))
    outputs = keras.layers.Dense(7, activation="softmax")(
        keras.layers.Dense(200, activation="relu")(keras.layers.Flatten()(inputs))
    )
    keras.Model(inputs, outputs).save(tmp_path / "mine.keras")
    labels = ",".join(EMOTIONS)
    out = on_a_small_disk(
        2,
        before="true",
        command=f"{{python}} -m fer_core models import {tmp_path / 'mine.keras'} --labels {labels}",
        after="{python} -m fer_core models",
    )
    assert "Traceback" not in out, out
    assert "No space left on device" in out, out
    assert "exit code 2" in out, out
