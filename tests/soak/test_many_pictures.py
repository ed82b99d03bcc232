"""100,000 pictures, of which no row is lost when a worker and then the driver are killed."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_core.bundle import Bundle
from fer_core.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.soak

#: Fewer for a short trial.
_COUNT = int(os.environ.get("FER_STUDIO_PICTURES") or 100_000)
_DISTINCT = 100


def crop(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder tree of pictures; most are further names of the same files."""
    root = tmp_path / "pictures"
    for number in range(_COUNT):
        path = root / f"{number // 1000:03}" / f"{number:06}.png"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        if number < _DISTINCT:
            path.write_bytes(crop(number))
        else:
            name = f"{number % _DISTINCT:06}.png"
            path.hardlink_to(root / "000" / name)
    return root


def parts(out: Path) -> int:
    return len(list(out.glob("part-*.parquet")))


def test_exactly_one_row_for_each_picture(
    pictures: Path,
    bundle: Bundle,
    settings: Settings,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "fer_core", "classify", str(pictures), "--out", str(out)]
    command += ["--model", "small", "--workers", "2", "--part-files", str(max(1, _COUNT // 100))]
    environment = os.environ | {"FER_STUDIO_MODELS": str(settings.models_root)}

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment, stderr=subprocess.DEVNULL
        )

    driver = start()
    while parts(out) < 5:
        assert driver.poll() is None
        time.sleep(0.05)
    # Not the resource tracker of multiprocessing, which is a child as well.
    workers = [
        child
        for child in psutil.Process(driver.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    after_worker = parts(out)
    while parts(out) < after_worker + 5:
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert 10 <= len(finished) < 100
    assert start().wait() == 0
    table = pq.read_table(out, columns=["file", "error"])
    assert table.num_rows == _COUNT
    assert len(set(table.column("file").to_pylist())) == _COUNT
    assert table.column("error").null_count == _COUNT
    for name, written in finished.items():
        assert (out / name).stat().st_mtime_ns == written
