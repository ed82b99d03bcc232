"""The memory that an import of 100,000 images of 20 classes needs."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_core.settings import PROJECT_ROOT

IMAGES, CLASSES = 100_000, 20
PIXELS_MB = IMAGES * 48 * 48 / 1e6
#: Beyond the pixels, for Python, its libraries, the names and the labels.
ALLOWED_MB = 300

#: Imports in a process of its own, whose peak memory is that of the import.
IMPORT = """
import json, resource, sys, time
from dataclasses import replace
from pathlib import Path
from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.store import import_dataset
from fer_core.settings import load_settings

settings = replace(load_settings(), data_root=Path(sys.argv[2]))
start = time.perf_counter()
_, faces = import_dataset(Path(sys.argv[1]), settings, class_choice=ClassChoice("folders"))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(json.dumps([len(faces), len(faces.classes), peak, seconds]))
"""


@pytest.mark.soak
def test_an_import_needs_little_more_than_its_pixels(
    tmp_path: Path, png: Callable[..., bytes]
) -> None:
    generator = np.random.default_rng(0)
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for number in range(IMAGES):
            picture = generator.integers(0, 256, (48, 48)).astype(np.uint8)
            target.writestr(f"set/class {number % CLASSES}/{number:06}.png", png(picture))
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT, str(archive), str(tmp_path / "data")],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    count, classes, peak, seconds = json.loads(answer.stdout)
    print(f"{count:,} images of {classes} classes: {peak:.0f} MB at most, {seconds:.1f} s")
    assert (count, classes) == (IMAGES, CLASSES)
    assert peak < PIXELS_MB + ALLOWED_MB
