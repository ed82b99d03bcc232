"""The bill's parts hold together; what they measure is not measured here."""

import importlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.__main__ import _PARTS
from benchmarks.live_camera import HEIGHT, WIDTH, sample_loop
from benchmarks.measurement import Measurement, table_row
from benchmarks.peers import Peer, _last_line, _measurement, _Run, _run
from benchmarks.scale import write_photos
from fer_core.settings import PROJECT_ROOT
from fer_core.vision.haar import HaarDetector


@pytest.mark.parametrize("name", list(_PARTS))
def test_every_part_has_a_module_that_measures(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{_PARTS[name].module}")
    assert callable(module.measure)


def test_a_part_without_its_data_names_the_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "import", "audit"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "| import | not measured | requires --data |" in done.stdout
    assert "| audit | not measured |" in done.stdout


def test_a_part_that_fails_is_a_row_and_the_command_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks",
            "--only",
            "import",
            "--data",
            str(tmp_path / "none.zip"),
        ],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "| import | failed |" in done.stdout
    assert "none.zip" in done.stderr


def test_the_sample_video_shows_one_face_in_every_frame() -> None:
    loop = sample_loop(seconds=1)
    assert len(loop) == 28
    assert {picture.shape for picture in loop} == {(HEIGHT, WIDTH, 3)}
    assert not (loop[0] == loop[14]).all()
    detector = HaarDetector()
    assert [len(detector.detect(picture)) for picture in loop[:15:7]] == [1, 1, 1]


def test_the_photos_have_faces_and_the_requested_number(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 55)
    files = sorted((tmp_path / "photos").iterdir())
    assert len(files) == 55
    assert files[50].read_bytes() == files[0].read_bytes()
    picture = cv2.imread(str(files[2]))
    assert picture is not None and picture.shape == (480, 640, 3)
    assert len(HaarDetector().detect(np.asarray(picture[:, :, ::-1], np.uint8))) == 2


def test_a_peer_is_run_in_a_separate_process_and_compared() -> None:
    peer = Peer("a peer", "analyze = lambda: [1, 2]\n")
    run = _run(peer, sys.executable, PROJECT_ROOT / "app.py")
    assert run.faces == 2
    assert 0 <= run.later <= run.first
    assert run.megabytes > 1
    ours, theirs = _Run(1, 0.5, 0.010, 100.0), _Run(2, 2.0, 0.060, 300.0)
    assert _measurement(peer, [theirs], [ours]) == Measurement(
        "photo with a peer",
        "60.0 ms, 2 faces (30.0 ms per face)",
        "first result of a new process 2.0 s, 300 MB; relative to FER Studio: 6.0 times the time "
        "per photo, 4.0 times the time to the first result, 3.0 times the memory",
    )


def test_a_failing_peer_is_reported_with_its_last_line() -> None:
    with pytest.raises(subprocess.CalledProcessError) as broken:
        _run(Peer("broken", "raise OSError('no weights')\n"), sys.executable, PROJECT_ROOT)
    assert _last_line(broken.value) == "OSError: no weights"


def test_a_row_is_a_line_of_the_table() -> None:
    assert table_row(Measurement("name", "1 s", "limit 2 s")) == "| name | 1 s | limit 2 s |"
