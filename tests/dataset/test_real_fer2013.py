"""The real FER2013, if it is available: its known counts, and the time to read it."""

import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_core.dataset.duplicates import audit_duplicates, leaking_training_rows
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.readers import read_dataset
from fer_core.dataset.statistics import class_counts, imbalance_ratio
from fer_core.dataset.store import import_dataset, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings

pytestmark = pytest.mark.soak


def test_its_images_per_split_and_class(real_faces: FaceSet) -> None:
    counts = class_counts(real_faces)
    assert len(real_faces) == 32_298
    assert counts["train"] == dict(
        zip(EMOTIONS, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True)
    )
    assert sum(counts["train"].values()) == 28_709
    assert sum(counts["validation"].values()) == 3_589
    assert counts["test"] == {}
    assert imbalance_ratio(real_faces) == pytest.approx(16.5, abs=0.05)
    assert real_faces.problems == ()


def test_its_duplicates_and_leaks(real_faces: FaceSet) -> None:
    document = audit_duplicates(real_faces).to_json()
    assert document["duplicate_groups"] == 1_273
    assert document["duplicate_images"] == 2_805
    assert document["conflicting_groups"] == 47
    assert document["leaks"] == {"validation": 280, "test": 0}
    assert len(leaking_training_rows(real_faces)) > 0


def test_an_import_is_loaded_unchanged_and_fast(
    real_data: Path, real_faces: FaceSet, tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "data", tmp_path / "runs", tmp_path / "models")
    name, imported = import_dataset(real_data / "fer2013.zip", settings)
    assert name == "fer2013"
    assert imported.fingerprint == real_faces.fingerprint
    # Processor time: on a busy machine, this process may have to wait.
    start = time.process_time()
    loaded = load_dataset(name, settings)
    seconds = time.process_time() - start
    assert loaded.fingerprint == real_faces.fingerprint
    assert loaded.names == real_faces.names
    assert seconds < 5  # half a second on a quiet machine


def test_the_archive_its_folder_and_its_table_give_the_same_faces(
    real_data: Path, real_faces: FaceSet, tmp_path: Path
) -> None:
    with zipfile.ZipFile(real_data / "fer2013.zip") as archive:
        archive.extractall(tmp_path / "faces")
    folder = read_dataset(tmp_path / "faces")
    assert folder.fingerprint == real_faces.fingerprint
    assert folder.names == real_faces.names
    assert folder.problems == ()

    # The table has another order. Each reader keeps that of its source, so rows are matched.
    order = np.random.default_rng(0).permutation(len(real_faces))
    write_table(real_faces.subset(order), tmp_path / "fer2013.csv")
    table = read_dataset(tmp_path / "fer2013.csv")
    assert table.names[0] == "fer2013.csv:2"
    assert table.problems == ()
    assert table.subset(np.argsort(order)).fingerprint == real_faces.fingerprint


def write_table(faces: FaceSet, path: Path) -> None:
    words = [str(value) for value in range(256)]
    usages = ("Training", "PublicTest", "PrivateTest")
    with path.open("w", encoding="ascii") as file:
        file.write("emotion,pixels,Usage\n")
        for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True):
            values = " ".join([words[value] for value in image.tobytes()])
            file.write(f"{label},{values},{usages[split]}\n")
