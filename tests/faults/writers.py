"""Every operation that writes to the program's folders, with a function that reads its result."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_core.bundle import (
    list_bundles,
    load_bundle,
    publish_bundle,
    set_default_bundle,
    write_calibration,
)
from fer_core.dataset.curation import CurationEntry
from fer_core.dataset.curation_file import CurationFile
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.finding_cache import cached_arrays
from fer_core.dataset.kaggle import import_from_kaggle
from fer_core.dataset.store import DEMO_NAME, dataset_names, import_dataset, load_dataset
from fer_core.dataset.votes_file import import_votes, read_votes, remove_votes
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.cache import CachedPrediction, read_cached, write_cached
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.temperature_scaling import calibrate_bundle
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.files import atomic_write_folder, write_text
from fer_core.model_card import write_evaluation_card
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.control import RunLabel, read_label, write_label
from fer_core.training.launcher import extend_run, launch
from fer_core.training.queue import (
    enqueue,
    move_in_queue,
    pending_runs,
    remove_from_queue,
)
from fer_core.training.registry import list_runs
from fer_core.training.run_deletion import delete_run
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus
from fer_core.vision.detector_files import download_yunet, yunet_path

Action = Callable[[Settings], Any]


@dataclass(frozen=True)
class Writer:
    """An operation that writes.

    Attributes:
        name: Its name in the test's id.
        write: Performs it.
        read: Returns the state that it changes, as the program reads it.
        reports: True if a failure raises an ``InputError``, False if it is ignored because only a
            cache is missing, None if the training that calls it reports it.
    """

    name: str
    write: Action
    read: Action
    reports: bool | None = True


def archive(path: Path) -> Path:
    """Write a zip archive with fourteen faces in class folders."""
    generator = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(14):
            picture = generator.integers(0, 256, (48, 48)).astype(np.uint8)
            content = cv2.imencode(".png", picture)[1].tobytes()
            packed.writestr(f"train/{EMOTIONS[number % 7]}/{number}.png", content)
    return path


def entry(number: int, action: str = "drop") -> CurationEntry:
    return CurationEntry(
        f"train/happy/{number}.png", f"{number:016x}", "train", action, None, "", "gallery", ""
    )


def epoch(number: int) -> EpochRecord:
    recalls: dict[str, float | None] = dict.fromkeys(EMOTIONS, 0.5)
    return EpochRecord(number, 1.5, 0.25, 1.0, 0.5, 0.3, recalls, 0.001, 90, 2.0)


def votes_csv(faces: FaceSet) -> bytes:
    lines = [f"{name}," + ",".join(["1"] * len(VOTE_COLUMNS)) for name in faces.names]
    return "\n".join(["image," + ",".join(VOTE_COLUMNS), *lines]).encode()


def run_named(name: str, settings: Settings) -> RunFolder:
    return RunFolder(settings.runs_root / name)


def prepare(settings: Settings, write_bundle_folder: Callable[..., Path]) -> None:
    """Fill the folders with at least one object of each kind."""
    root = settings.data_root.parent
    import_dataset(archive(root / "faces.zip"), settings, name="kept")
    CurationFile(settings.data_root / "kept").change([entry(1)])
    folder, faces = settings.data_root / "kept", load_dataset("kept", settings)
    import_votes(votes_csv(faces), "votes.csv", folder, faces)
    for name in ("one", "two", "three"):
        run = run_named(name, settings)
        run.create(RunSetup("recipe", "kept", TrainingConfig(epochs=5)))
        run.append_epoch(epoch(1))
        run.write_status(RunStatus("failed", "stopped by an error", process_started=1.0))
        write_label(run, RunLabel(f"the {name}"))
    run_named("one", settings).save_arrays("best.npz", {"a": np.arange(300)})
    enqueue(run_named("two", settings), settings)
    enqueue(run_named("three", settings), settings)
    write_bundle_folder(settings.models_root / "small", temperature=1.5)
    write_bundle_folder(settings.models_root / "other")
    write_bundle_folder(settings.runs_root / "one" / "bundle", temperature=2.0)
    shutil.copy(settings.models_root / "small" / "model.onnx", root / "stranger.onnx")
    (root / "fetched.onnx").write_bytes(bytes(range(256)) * 20)
    set_default_bundle("small", settings)


def _names(settings: Settings) -> list[tuple[str, str]]:
    return [(name, load_dataset(name, settings).fingerprint) for name in dataset_names(settings)]


def _decisions(settings: Settings) -> Any:
    file = CurationFile(settings.data_root / "kept")
    return [(one.name, one.action) for one in file.read().entries]


def _undo(settings: Settings) -> Any:
    CurationFile(settings.data_root / "kept").undo()


def _decide(settings: Settings) -> Any:
    CurationFile(settings.data_root / "kept").change([entry(1, "keep"), entry(2), entry(3)])


def _votes(settings: Settings) -> Any:
    votes = read_votes(settings.data_root / "kept", load_dataset("kept", settings))
    return None if votes is None else votes.source


def _import_votes(settings: Settings) -> Any:
    faces = load_dataset("kept", settings)
    import_votes(votes_csv(faces), "others.csv", settings.data_root / "kept", faces)


def _models(settings: Settings) -> Any:
    (default,) = (settings.models_root / "default").read_text().split()
    return default, sorted((one.name, one.temperature) for one in list_bundles(settings))


def _replace_bundle(settings: Settings) -> None:
    """Replace a run's bundle, as a continued training does at its end."""
    path = settings.runs_root / "one" / "bundle"
    record = (path / "bundle.json").read_text(encoding="utf-8")
    network = (path / "model.onnx").read_bytes()
    with atomic_write_folder(path) as folder:
        (folder / "model.onnx").write_bytes(network)
        write_calibration(folder, 3.0, "validation")
        write_text(folder / "bundle.json", record)


def _run_one(settings: Settings) -> Any:
    run = run_named("one", settings)
    status = run.read_status()
    return (
        run.read_setup().config.epochs,
        len(run.read_epochs()),
        None if status is None else status.message,
        read_label(run).name,
        run.load_arrays("best.npz")["a"].sum(),
    )


def _runs(settings: Settings) -> Any:
    """The started and queued runs; one that was never started may be missing."""
    return sorted(
        (one.title, one.state == "damaged") for one in list_runs(settings) if one.state != "new"
    )


def _queue(settings: Settings) -> Any:
    return [run.path.name for run in pending_runs(settings)]


def _launch(settings: Settings) -> None:
    launch(RunSetup("recipe", "kept", TrainingConfig()), settings, name="the fourth")


def _cache_findings(settings: Settings) -> Any:
    folder = settings.data_root / "kept"
    made = cached_arrays(folder, "kind", "key", lambda: {"a": np.arange(100)})
    assert made["a"].sum() == 4950


def _cached_findings(settings: Settings) -> Any:
    """The sum of the cached array; None if nothing is cached."""

    def not_cached() -> Any:
        raise LookupError

    try:
        found = cached_arrays(settings.data_root / "kept", "kind", "key", not_cached)
    except LookupError:
        return None
    return int(found["a"].sum())


_CACHED_LABELS = np.arange(20, dtype=np.int8) % 7


def _cache_evaluation(settings: Settings) -> Any:
    probabilities = np.full((20, 7), 1 / 7, np.float32)
    leaks = _CACHED_LABELS == 3
    prediction = CachedPrediction(_CACHED_LABELS, probabilities, leaks, leaks)
    write_cached(settings, "key", prediction)


def _cached_evaluation(settings: Settings) -> Any:
    """The number of images and of leaked ones that are cached; None if nothing is."""
    found = read_cached(settings, "key", _CACHED_LABELS, 7)
    return None if found is None else (len(found.raw_probabilities), int(found.is_leaked.sum()))


def _evaluation(settings: Settings) -> EvaluationResult:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, 300).astype(np.int8)
    logits = generator.normal(size=(300, 7)) + 2 * np.eye(7)[labels]
    exponentials = np.exp(logits)
    return EvaluationResult(
        bundle_name="small",
        dataset_name="kept",
        split="validation",
        labels=labels,
        unscaled_probabilities=(exponentials / exponentials.sum(axis=1, keepdims=True)).astype(
            "f4"
        ),
        temperature=1.5,
        rows=np.arange(300),
        names=tuple(map(str, range(300))),
        is_leaked=np.zeros(300, bool),
        data_fingerprint="f" * 64,
        facts=ResultFacts(False, False, False, False, ()),
    )


def _calibrate(settings: Settings) -> None:
    calibrate_bundle(load_bundle(settings.models_root / "small"), _evaluation(settings))


def _write_card(settings: Settings) -> None:

    from fer_core.evaluation.tables import evaluation_document

    bundle = load_bundle(settings.models_root / "small")
    write_evaluation_card(bundle, evaluation_document(_evaluation(settings)))


def _card(settings: Settings) -> Any:
    path = settings.models_root / "small" / "README.md"
    return path.read_text(encoding="utf-8").count("## ") if path.is_file() else None


def _import_model(settings: Settings) -> None:
    source = settings.data_root.parent / "stranger.onnx"
    import_model(source, settings, ImportRequest(name="mine", labels=EMOTIONS, scale="unit"))


def _detector(settings: Settings) -> Any:
    path = yunet_path(settings)
    return path.stat().st_size if path.exists() else None


def _fetch_detector(settings: Settings) -> None:
    download_yunet(settings, (settings.data_root.parent / "fetched.onnx").as_uri())


WRITERS = (
    Writer(
        "dataset",
        lambda s: import_dataset(s.data_root.parent / "faces.zip", s, name="new"),
        _names,
    ),
    Writer("demo set", lambda s: load_dataset(DEMO_NAME, s), _names),
    Writer("download", lambda s: import_from_kaggle(s, name="kaggled"), _names),
    Writer("curation", _decide, _decisions),
    Writer("undo", _undo, _decisions),
    Writer("votes", _import_votes, _votes),
    Writer("removal of votes", lambda s: remove_votes(s.data_root / "kept"), _votes),
    Writer("launch", _launch, _runs),
    Writer("label", lambda s: write_label(run_named("one", s), RunLabel("renamed")), _run_one),
    Writer("more epochs", lambda s: extend_run(run_named("one", s), 9), _run_one),
    Writer("queueing", lambda s: enqueue(run_named("one", s), s), _queue),
    Writer("order", lambda s: move_in_queue(run_named("three", s), s, 1), _queue),
    Writer("unqueueing", lambda s: remove_from_queue(run_named("two", s), s), _queue),
    Writer("deletion", lambda s: delete_run(run_named("two", s), s), _runs),
    Writer(
        "status",
        lambda s: run_named("one", s).write_status(RunStatus("running", "in epoch 2")),
        _run_one,
        reports=None,
    ),
    Writer("epoch", lambda s: run_named("one", s).append_epoch(epoch(2)), _run_one, reports=None),
    Writer(
        "checkpoint",
        lambda s: run_named("one", s).save_arrays("best.npz", {"a": np.arange(500)}),
        _run_one,
        reports=None,
    ),
    Writer("bundle of a run", _replace_bundle, _models, reports=None),
    Writer("default", lambda s: set_default_bundle("other", s), _models),
    Writer(
        "publication", lambda s: publish_bundle(s.runs_root / "one", s, name="published"), _models
    ),
    Writer("model", _import_model, _models),
    Writer("calibration", _calibrate, _models),
    Writer("card", _write_card, _card),
    Writer("detector", _fetch_detector, _detector),
    Writer("cache of findings", _cache_findings, _cached_findings, reports=False),
    Writer("cache of evaluations", _cache_evaluation, _cached_evaluation, reports=False),
)


def content_of(settings: Settings) -> dict[str, bytes]:
    """Every file with its content, without the lock files."""
    root = settings.data_root.parent
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


def error_of(action: Action, settings: Settings) -> str | None:
    """Return the message of the ``InputError``; None if the action succeeds."""
    try:
        action(settings)
    except InputError as error:
        return str(error)
    return None
