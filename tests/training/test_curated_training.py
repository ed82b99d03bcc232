"""A training applies the curation of its start, and its bundle records it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.dataset.curation import Curation, entries_for
from fer_core.dataset.curation_file import CurationFile
from fer_core.dataset.duplicates import leaking_training_rows
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.quick_fixes import quick_fix_entries
from fer_core.dataset.store import import_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.run_folder import RunFolder, RunSetup
from fer_core.training.train_job import TrainingOutcome, run_training
from fer_core.training.training_data import training_size


@pytest.fixture
def faces(
    settings: Settings, write_files: Callable[..., Path], png: Callable, tiny_faces: FaceSet
) -> FaceSet:
    """The tiny faces, imported as "drawn", where two validation images also appear in train."""
    files = {}
    for row, image in enumerate(tiny_faces.images):
        split, emotion = SPLITS[tiny_faces.splits[row]], EMOTIONS[tiny_faces.labels[row]]
        source = image if row not in (56, 57) else tiny_faces.images[row - 56]
        files[f"{split}/{emotion}/{row:03}.png"] = png(source)
    return import_dataset(write_files(files), settings, name="drawn")[1]


def train(settings: Settings, name: str, **values: Any) -> TrainingOutcome:
    config = TrainingConfig(architecture="three_convolutions", epochs=1, batch_size=28, **values)
    run = RunFolder(settings.runs_root / name)
    run.create(RunSetup("tiny", "drawn", config))
    return run_training(run, settings)


def test_dropped_train_copies_are_named_in_the_record(
    settings: Settings, faces: FaceSet, without_onnx: None
) -> None:
    file = CurationFile(settings.data_root / "drawn")
    change = file.change(quick_fix_entries("drop-train-copies", faces, Curation()))
    outcome = train(settings, "curated")
    assert outcome.bundle is not None
    record = outcome.bundle.record
    assert record.curation == ("2 training images dropped (copies of validation or test images)")
    assert record.training["training_images"] == 54
    size = training_size(faces, outcome.run.read_setup().config, change.curation, None)
    assert (size.imported, size.training, size.validation, size.dropped) == (56, 54, 21, 2)
    assert size.text == (
        "54 of 56 training and 21 validation images. Left out: 2 dropped by your decisions."
    )
    assert record.dataset["fingerprint"] == faces.fingerprint
    assert record.dataset["curation"]["fingerprint"] == change.curation.fingerprint
    assert record.dataset["curation"]["train_copies_dropped"] == 2
    assert record.curation in (outcome.bundle.folder / "README.md").read_text()
    assert "curation: 2 training images dropped" in (outcome.run.path / "train.log").read_text()

    # Decisions made since do not change what the run trains on.
    file.change(entries_for(faces, [10, 11], "drop", reason="", source=""))
    kept = outcome.run.read_curation()
    assert kept is not None
    assert kept.fingerprint == change.curation.fingerprint
    again = run_training(outcome.run, settings)
    assert again.bundle is not None
    assert again.bundle.record.curation == record.curation

    plain = train(settings, "plain", use_curation=False)
    assert plain.bundle is not None
    assert plain.bundle.record.curation is None
    assert plain.bundle.record.training["training_images"] == 56


def test_the_size_of_a_training_counts_each_reason(faces: FaceSet) -> None:
    config = TrainingConfig(architecture="three_convolutions", exclude_leaks=True)
    copy = int(leaking_training_rows(faces)[0])  # one of two
    sad = int(np.flatnonzero((faces.splits == 0) & (faces.labels == EMOTIONS.index("sad")))[0])
    decisions = Curation(
        (
            *entries_for(faces, [copy], "drop", reason="", source=""),
            *entries_for(faces, [sad], "relabel", label="happy", reason="", source=""),
        )
    )
    size = training_size(faces, config, decisions, None)
    assert (size.training, size.dropped, size.leaking, size.relabeled) == (54, 1, 1, 1)
    assert size.text == (
        "54 of 56 training and 21 validation images. Left out: 1 dropped by your decisions, 1 also "
        "in validation or test. 1 has a new label."
    )
    unused = replace(config, use_curation=False, exclude_leaks=False)
    assert training_size(faces, unused, decisions, None).text == (
        "56 training and 21 validation images."
    )


def test_a_curation_that_cannot_be_read_completely_is_reported_before_training(
    settings: Settings, faces: FaceSet
) -> None:
    file = CurationFile(settings.data_root / "drawn")
    file.change(entries_for(faces, [0], "drop", reason="", source=""))
    with file.path.open("a") as text:
        text.write("broken\n")
    with pytest.raises(InputError, match=r"cannot be read completely: curation\.csv, line 3"):
        train(settings, "broken")
