"""Small files of every other kind that the program reads, and the functions that read them."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from dataset_files import TABLE, Files, class_folders, encode, packed

from fer_core.bundle import (
    Bundle,
    BundleRecord,
    damaged_bundles,
    default_bundle_name,
    find_bundle,
    list_bundles,
)
from fer_core.dataset.curation import Curation, CurationEntry
from fer_core.dataset.curation_csv import curation_csv, parse_curation
from fer_core.dataset.curation_file import CurationFile
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.finding_cache import cached_arrays
from fer_core.dataset.store import dataset_names, import_dataset, load_dataset, read_record
from fer_core.dataset.votes_file import import_votes, match_votes, parse_votes, read_votes
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.cache import CachedPrediction, read_cached, write_cached
from fer_core.evaluation.evaluate import evaluate_stored_predictions
from fer_core.exchange.labels import read_metadata
from fer_core.exchange.onnx_files import read_onnx_network
from fer_core.predictor import load_predictor
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings, load_settings
from fer_core.training.control import RunLabel, write_label
from fer_core.training.queue import enqueue, pending_runs
from fer_core.training.registry import list_runs, log_tail
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus
from fer_core.training.search import read_study_setup, study_names
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import make_detector
from fer_core.vision.detector_files import YUNET_BYTES, YUNET_FILE_NAME, detector_names

CROPS = np.random.default_rng(3).integers(0, 256, (2, 48, 48)).astype(np.uint8)


def home(folder: Path) -> Settings:
    return Settings(folder / "data", folder / "runs", folder / "models")


def files_in(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


@cache
def faces() -> FaceSet:
    labels = np.arange(14, dtype=np.int8) % 7
    images = np.random.default_rng(4).integers(0, 256, (14, 48, 48)).astype(np.uint8)
    names = tuple(f"train/{EMOTIONS[label]}/{row}.png" for row, label in enumerate(labels))
    return FaceSet(images=images, labels=labels, splits=np.zeros(14, np.int8), names=names)


def decisions() -> Curation:
    entries = [
        CurationEntry(
            *(f"train/happy/{row}.png", f"{row:016x}", "train"),
            *(("relabel", "sad") if row % 2 else ("drop", None)),
            *("a reason; with, signs", "gallery", "2026-01-01T00:00:00+00:00"),
        )
        for row in range(6)
    ]
    return Curation(tuple(entries))


def votes_table() -> bytes:
    lines = [f"{name},{','.join(['1'] * 10)}" for name in faces().names]
    return "\n".join(["image," + ",".join(VOTE_COLUMNS), *lines]).encode()


def make_dataset(folder: Path) -> None:
    archive = folder.parent / "faces.zip"
    archive.write_bytes(packed(class_folders())["faces.zip"])
    settings = home(folder)
    import_dataset(archive, settings, name="kept")
    kept = load_dataset("kept", settings)
    votes = [f"{name},{','.join(['1'] * 10)}" for name in kept.names]
    table = "\n".join(["image," + ",".join(VOTE_COLUMNS), *votes]).encode()
    import_votes(table, "votes.csv", settings.data_root / "kept", kept)
    CurationFile(settings.data_root / "kept").change(decisions().entries)
    labels = np.zeros(3, np.int8)
    probabilities = np.full((3, 7), 1 / 7, np.float32)
    leaks = labels.astype(bool)
    write_cached(settings, "key", CachedPrediction(labels, probabilities, leaks, leaks))
    cached_arrays(settings.data_root / "kept", "kind", "key", lambda: {"a": np.arange(9)})


def each(*reads: Callable[[], object]) -> None:
    """Call all functions, then raise the first ``InputError`` of any of them."""
    errors = []
    for read in reads:
        try:
            read()
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_imported(folder: Path) -> None:
    settings = home(folder)
    read_cached(settings, "key", np.zeros(3, np.int8), 7)
    cached_arrays(settings.data_root / "kept", "kind", "key", lambda: {"a": np.arange(9)})
    assert set(dataset_names(settings)) <= {"kept"}
    kept = CurationFile(settings.data_root / "kept")
    kept.undoable()
    each(
        lambda: read_record("kept", settings),
        kept.read,
        kept.undo,
        lambda: read_votes(kept.folder, load_dataset("kept", settings)),
    )


def linear_network() -> bytes:
    helper = onnx.helper
    kernel = np.random.default_rng(5).normal(size=(48 * 48, 7)).astype(np.float32) / 100
    nodes = [
        helper.make_node("Reshape", ["pixels", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("pixels", kind, ["n", 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", kind, ["n", 7])],
        [
            onnx.numpy_helper.from_array(np.array([-1, 48 * 48], np.int64), "shape"),
            onnx.numpy_helper.from_array(kernel, "kernel"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def make_bundle(folder: Path) -> None:
    bundle = folder / "models" / "small"
    bundle.mkdir(parents=True)
    record = BundleRecord(
        labels=EMOTIONS,
        input_shape=(48, 48, 1),
        input_scale=1 / 255,
        flip_averaging=False,
        parameters=28,
        recipe="three-conv-cnn-adam",
        config={"architecture": "three_convolutions"},
        seed=3,
        dataset={"name": "tiny", "fingerprint": "f" * 64},
        curation=None,
        training={"epochs": 2},
        metrics={"validation": {"accuracy": 0.5}},
        versions={"python": "3.11"},
        created="2025-01-01T00:00:00+00:00",
    )
    (bundle / "bundle.json").write_text(json.dumps(record.to_json()))
    (bundle / "calibration.json").write_text('{"temperature": 1.5, "fitted_on": "validation"}')
    (bundle / "model.onnx").write_bytes(linear_network())
    labels = np.arange(14, dtype=np.int8) % 7
    probabilities = np.full((14, 7), 1 / 7, np.float32)
    np.savez_compressed(bundle / "predictions.npz", labels=labels, probabilities=probabilities)
    (folder / "models" / "default").write_text("small\n")


def read_bundle(folder: Path) -> None:
    settings = home(folder)
    default_bundle_name(settings)
    for sentence in damaged_bundles(settings):
        assert 10 < len(sentence) < 2000
    found: list[Bundle] = list_bundles(settings)
    bundle = found[0] if found else find_bundle(None, settings)
    each(
        lambda: load_predictor(bundle).probabilities(CROPS),
        lambda: evaluate_stored_predictions(bundle),
        lambda: find_bundle(None, settings),
    )


def make_run(folder: Path) -> None:
    settings = home(folder)
    run = RunFolder(settings.runs_root / "one")
    run.create(RunSetup("recipe", "kept", TrainingConfig(epochs=5), study="s", trial=1))
    for number in (1, 2, 3):
        recalls: dict[str, float | None] = dict.fromkeys(EMOTIONS, 0.5)
        run.append_epoch(EpochRecord(number, 1.5, 0.2, 1.0, 0.5, 0.3, recalls, 0.001, 90, 2.0))
    run.write_status(RunStatus("running", "training", epoch=2, epochs=5, step=3, steps=9))
    run.save_arrays("best.npz", {"000": np.arange(30, dtype=np.float32)})
    run.write_curation(decisions())
    write_label(run, RunLabel("a name", "a note"))
    (run.path / "control.json").write_text('{"request": "stop", "requested": 1e9}')
    (run.path / "train.log").write_text("2026-01-01T00:00:00 begins\nepoch 1/5: loss 1.5\n")
    enqueue(run, settings)
    study = settings.runs_root / ".studies" / "looking"
    study.mkdir(parents=True)
    setup = {
        "name": "looking",
        "recipe": "three-conv-cnn-adam",
        "data": "kept",
        "config": TrainingConfig().to_json(),
        "space": {"parameters": [{"field": "batch_size", "low": 16, "high": 64}]},
    }
    (study / "study.json").write_text(json.dumps(setup))


def read_run(folder: Path) -> None:
    settings = home(folder)
    pending_runs(settings)
    for summary in list_runs(settings):
        json.dumps(summary.to_json())
        log_tail(summary.path)
    run = RunFolder(settings.runs_root / "one")
    run.read_epochs()
    each(
        run.read_setup,
        run.read_curation,
        lambda: run.load_arrays("best.npz"),
        *(lambda name=name: read_study_setup(name, settings) for name in study_names(settings)),
    )


def read_picture(path: Path) -> None:
    pixels = decode_picture(path.read_bytes(), path.name)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3


def read_curation(path: Path) -> None:
    curation = parse_curation(path.read_bytes(), path.name)
    for problem in curation.problems:
        assert "\n" not in problem, problem
    again = parse_curation(curation_csv(curation).encode(), "again")
    assert again.entries == curation.entries


def read_vote_table(path: Path) -> None:
    match_votes(parse_votes(path.read_bytes(), path.name), faces(), path.name)


def read_foreign_network(path: Path) -> None:
    read_metadata(path)
    read_onnx_network(path)


def read_detector(folder: Path) -> None:
    settings = home(folder)
    make_detector(detector_names(settings)[0], settings)
    assert detector_names(settings) == ("haar",), "it accepts an unknown file"
    make_detector("yunet", settings)


def read_environment(path: Path) -> None:
    from fer_studio.ui.ice import ICE_VARIABLE, load_ice_servers

    text = path.read_bytes().replace(b"\x00", b"").decode("utf-8", "surrogateescape")
    first, _, second = text.partition("\n")
    os.environ["FER_STUDIO_PARALLEL_RUNS"] = first
    os.environ["FER_STUDIO_IMPORT_ROOTS"] = first
    os.environ[ICE_VARIABLE] = second
    try:
        load_ice_servers()
        load_settings()
    finally:
        for name in ("FER_STUDIO_PARALLEL_RUNS", "FER_STUDIO_IMPORT_ROOTS", ICE_VARIABLE):
            del os.environ[name]


def picture(suffix: str) -> Files:
    generator = np.random.default_rng(6)
    shape = (40, 50) if suffix == ".pgm" else (40, 50, 3)
    return {f"a{suffix}": encode(generator.integers(0, 256, shape).astype(np.uint8), suffix)}


def variables() -> bytes:
    """The number of parallel trainings and, on the next line, the ICE servers."""
    servers = [{"urls": ["turn:a.example:3478"], "username": "u", "credential": "c"}]
    return b"2\n" + json.dumps(servers).encode()


#: For each kind of folder, a function that creates it and one that reads it.
HOMES: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "imported dataset": (make_dataset, read_imported),
    "bundle": (make_bundle, read_bundle),
    "run": (make_run, read_run),
}

#: For each kind of file, an example and the function that reads it.
SINGLE: dict[str, tuple[Files, Callable[[Path], None]]] = {
    **{
        f"picture{suffix}": (picture(suffix), read_picture)
        for suffix in (".png", ".jpg", ".webp", ".bmp", ".tiff")
    },
    "curation": ({"curation.csv": curation_csv(decisions()).encode()}, read_curation),
    "votes": ({"votes.csv": votes_table()}, read_vote_table),
    "foreign network": ({"a.onnx": linear_network()}, read_foreign_network),
    "detector": (
        {
            f"models/detectors/{YUNET_FILE_NAME}": linear_network()[:YUNET_BYTES],
            "models/detectors/note.txt": TABLE[:100],
        },
        read_detector,
    ),
    "environment": ({"environment.txt": variables()}, read_environment),
}
