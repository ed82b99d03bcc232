"""Compare the analysis of a photo with other programs for the same task.

FER Studio, a plain Keras script and packages from PyPI analyze the same image alternately, each in
a process of its own. Each package is installed into an environment of its own in the given folder.
``python -m benchmarks.peers [--photo FILE] [--peers FOLDER]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.analysis import five_faces
from benchmarks.measurement import Measurement, milliseconds, print_table
from fer_core.settings import PROJECT_ROOT
from fer_core.vision.decode import decode_picture

_ROUNDS = 3
_INSTALL_SECONDS = 3600
_RUN_SECONDS = 600

# The program that runs in each process. The inserted code must define ``analyze``, a function
# that analyzes the photo and returns a list with one element per face.
_PROGRAM = """
import time
start = time.perf_counter()
import json, statistics, sys
{setup_code}
faces = len(analyze())
first = time.perf_counter() - start
durations = []
for _ in range(12):
    start = time.perf_counter()
    analyze()
    durations.append(time.perf_counter() - start)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        megabytes = int(line.split()[1]) / 1024
print(json.dumps([faces, first, statistics.median(durations), megabytes]))
"""
_FER_STUDIO_CODE = """
from pathlib import Path
from fer_core.bundle import find_bundle
from fer_core.predictor import load_predictor
from fer_core.settings import load_settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import make_detector
settings = load_settings()
picture = decode_picture(Path(sys.argv[1]).read_bytes(), "photo")
analyzer = Analyzer(
    load_predictor(find_bundle(None, settings)), make_detector("haar", settings)
)
analyze = lambda: analyzer.analyze(picture)
"""
_PLAIN_SCRIPT_CODE = """
import cv2
from benchmarks.plain_script import PlainScript
picture = cv2.cvtColor(cv2.imread(sys.argv[1]), cv2.COLOR_BGR2RGB)
script = PlainScript()
analyze = lambda: script.classify(picture)
"""
_FER_CODE = """
import cv2
from fer.fer import FER
picture = cv2.imread(sys.argv[1])
detector = FER()
analyze = lambda: detector.detect_emotions(picture)
"""
_DEEPFACE_CODE = """
import cv2
from deepface import DeepFace
picture = cv2.imread(sys.argv[1])
analyze = lambda: DeepFace.analyze(
    picture, actions=["emotion"], detector_backend="opencv", enforce_detection=False, silent=True
)
"""


@dataclass(frozen=True)
class Peer:
    """A program that classifies the emotions in a photo.

    Attributes:
        name: Its name in the table.
        setup_code: The code that defines ``analyze``.
        requirements: The packages that it needs; empty if it needs only this project.
    """

    name: str
    setup_code: str
    requirements: tuple[str, ...] = ()


_FER_STUDIO = Peer("FER Studio", _FER_STUDIO_CODE)
_PLAIN_SCRIPT = Peer("plain Keras script", _PLAIN_SCRIPT_CODE)
# fer imports pkg_resources, which newer versions of setuptools do not contain, and uses the cascade
# classifier, which OpenCV 5 does not contain.
FER = Peer("fer", _FER_CODE, ("fer", "setuptools<81", "opencv-contrib-python<5"))
_PACKAGES = (FER, Peer("deepface", _DEEPFACE_CODE, ("deepface", "tf-keras")))


@dataclass(frozen=True)
class _Run:
    """The measurements of one process.

    Attributes:
        faces: Number of detected faces.
        first: Seconds from the start of the process to the first result.
        later: Median seconds of the following results.
        megabytes: Peak memory.
    """

    faces: int
    first: float
    later: float
    megabytes: float


def measure(photo: Path | None = None, folder: Path | None = None) -> list[Measurement]:
    """Analyze one photo with each program.

    Args:
        photo: The photo, resized to 1280x720; by default a composed one.
        folder: The folder of the packages' environments. Missing ones are created, which takes
            minutes and gigabytes. None omits the packages.
    """
    pythons: dict[Peer, str] = {_FER_STUDIO: sys.executable, _PLAIN_SCRIPT: sys.executable}
    skip_reasons: dict[Peer, str] = {}
    for peer in _PACKAGES:
        if folder is None:
            skip_reasons[peer] = "requires --peers FOLDER"
            continue
        try:
            pythons[peer] = str(install_peer(peer, folder))
        except (subprocess.SubprocessError, OSError) as error:
            skip_reasons[peer] = f"cannot be installed: {_last_line(error)}"
    runs: dict[Peer, list[_Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "photo.png"
        cv2.imwrite(str(path), cv2.cvtColor(_picture(photo), cv2.COLOR_RGB2BGR))
        for _ in range(_ROUNDS):
            for peer, python in pythons.items():
                if peer in skip_reasons:
                    continue
                try:
                    runs[peer].append(_run(peer, python, path))
                except (subprocess.SubprocessError, ValueError) as error:
                    skip_reasons[peer] = f"cannot be run: {_last_line(error)}"
    return [
        _measurement(peer, runs[peer], runs[_FER_STUDIO])
        if peer not in skip_reasons
        else Measurement(f"photo with {peer.name}", "not measured", skip_reasons[peer])
        for peer in (_FER_STUDIO, _PLAIN_SCRIPT, *_PACKAGES)
    ]


def _picture(photo: Path | None) -> NDArray[np.uint8]:
    if photo is None:
        return five_faces()
    picture = decode_picture(photo.read_bytes(), photo.name)
    return np.asarray(cv2.resize(picture, (1280, 720)), dtype=np.uint8)


def install_peer(peer: Peer, folder: Path) -> Path:
    """Return the interpreter of a program's environment; create the environment if necessary.

    Raises:
        subprocess.SubprocessError, OSError: The environment cannot be created.
    """
    environment = folder.resolve() / peer.name
    python = environment / "bin" / "python"
    marker = environment / "installed"
    requirements = " ".join(peer.requirements)
    if marker.is_file() and marker.read_text(encoding="utf-8") == requirements:
        return python
    print(f"installing {requirements} into {environment}", file=sys.stderr, flush=True)
    for command in (
        [sys.executable, "-m", "venv", str(environment)],
        [str(python), "-m", "pip", "install", "--quiet", *peer.requirements],
    ):
        subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS
        )
    marker.write_text(requirements, encoding="utf-8")
    return python


def _run(peer: Peer, python: str, picture: Path) -> _Run:
    done = subprocess.run(
        [python, "-c", _PROGRAM.format(setup_code=peer.setup_code), str(picture)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=_RUN_SECONDS,
    )
    return _Run(*json.loads(done.stdout.splitlines()[-1]))


def _last_line(error: Exception) -> str:
    output = getattr(error, "stderr", None) or str(error)
    lines = [line for line in str(output).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


def _measurement(peer: Peer, runs: list[_Run], ours: list[_Run]) -> Measurement:
    first = statistics.median(run.first for run in runs)
    later = statistics.median(run.later for run in runs)
    megabytes = statistics.median(run.megabytes for run in runs)
    faces = runs[0].faces
    value = f"{milliseconds(later)}, {faces} faces"
    if faces:
        value += f" ({milliseconds(later / faces)} per face)"
    comparison = f"first result of a new process {first:.1f} s, {megabytes:.0f} MB"
    if peer is not _FER_STUDIO and ours:
        comparison += (
            f"; relative to FER Studio: {later / _median(ours, 'later'):.1f} times the time "
            "per photo, "
            f"{first / _median(ours, 'first'):.1f} times the time to the first result, "
            f"{megabytes / _median(ours, 'megabytes'):.1f} times the memory"
        )
    return Measurement(f"photo with {peer.name}", value, comparison)


def _median(runs: list[_Run], name: str) -> float:
    return float(statistics.median(getattr(run, name) for run in runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, help="a photo with faces (default: a composed one)")
    parser.add_argument(
        "--peers", type=Path, help="the folder for the environments of the other programs"
    )
    options = parser.parse_args()
    print_table(measure(options.photo, options.peers))


if __name__ == "__main__":
    main()
