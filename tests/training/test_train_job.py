"""A complete training, from a run folder to a bundle that is served."""

import errno
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import find_bundle, publish_bundle
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import _save, delete_dataset, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.evaluate import evaluate_predictor, evaluate_stored_predictions
from fer_core.exchange.onnx_export import TOLERANCE, export_onnx, load_keras_model
from fer_core.image_hashes import IMAGE_HASHES_FILE, read_image_hashes
from fer_core.predictor import load_predictor, open_onnx_network
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.settings import Settings
from fer_core.training.control import RunControl, is_active, request_prune
from fer_core.training.launcher import create_run
from fer_core.training.run_folder import RunFolder, RunSetup, new_run_folder
from fer_core.training.train_job import TrainingOutcome, main, run_training
from fer_core.training.training_progress import TrainingProgress


@dataclass(frozen=True)
class Trained:
    """One tiny training that many tests use."""

    settings: Settings
    data: str
    faces: FaceSet
    outcome: TrainingOutcome


def config(**values: Any) -> TrainingConfig:
    tiny: dict[str, Any] = {"architecture": "three_convolutions", "epochs": 2, "batch_size": 16}
    return TrainingConfig(**(tiny | values))


def rounded(figures: dict[str, Any]) -> Any:
    """Round to four digits; further digits depend on the runtime's threads."""
    return json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 4))


def write_dataset(folder: Path, faces: FaceSet, png: Callable[..., bytes]) -> str:
    for number, image in enumerate(faces.images):
        split, emotion = SPLITS[faces.splits[number]], EMOTIONS[faces.labels[number]]
        path = folder / split / emotion / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return str(folder)


def start(run: RunFolder, data: str, settings: Settings, **values: Any) -> TrainingOutcome:
    run.create(RunSetup("tiny", data, config(**values)))
    return run_training(run, settings)


@pytest.fixture(scope="module")
def trained(
    tiny_faces: FaceSet, png: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    settings = Settings(root / "data", root / "runs", root / "models")
    data = write_dataset(root / "drawn", tiny_faces, png)
    outcome = start(
        RunFolder(settings.runs_root / "first"),
        data,
        settings,
        learning_rate=3e-3,
        flip_averaging=True,
        exclude_leaks=True,
        precision="mixed_bfloat16",
        seed=5,
    )
    return Trained(settings, data, load_dataset(data, settings), outcome)


def test_it_ends_with_a_bundle_that_is_found_by_the_runs_name(trained: Trained) -> None:
    bundle = trained.outcome.bundle
    assert bundle is not None
    assert find_bundle("first", trained.settings) == bundle
    assert sorted(file.name for file in bundle.folder.iterdir()) == [
        "README.md",
        "bundle.json",
        "calibration.json",
        "image_hashes.npz",
        "metrics.jsonl",
        "model.keras",
        "model.onnx",
        "predictions.npz",
    ]
    published = publish_bundle(trained.outcome.run.path, trained.settings, name="tiny")
    assert published.record == bundle.record
    assert published.temperature == bundle.temperature


def test_the_bundle_records_its_images(trained: Trained) -> None:
    bundle = trained.outcome.bundle
    assert bundle is not None
    hashes = read_image_hashes(bundle.folder / IMAGE_HASHES_FILE)
    assert hashes is not None and hashes.is_complete and not len(hashes.start)
    keys, faces = content_keys(trained.faces.images), trained.faces
    assert hashes.train.tolist() == sorted(set(keys[faces.rows("train")].tolist()))
    assert hashes.validation.tolist() == sorted(set(keys[faces.rows("validation")].tolist()))


def test_the_served_network_equals_the_keras_model(trained: Trained) -> None:
    bundle = trained.outcome.bundle
    assert bundle is not None
    pixels = trained.faces.images.astype(np.float32)[..., np.newaxis] / np.float32(255)
    served = open_onnx_network(bundle.served_network, "first")(pixels)
    model = load_keras_model(bundle)
    assert model.dtype_policy.name == "float32"
    expected = np.asarray(model(pixels, training=False))
    assert np.abs(served - expected).max() <= TOLERANCE
    assert served.std(axis=0).max() > 1e-3  # it does look at the pictures


def test_predictions_give_the_recorded_figures(trained: Trained) -> None:
    bundle = trained.outcome.bundle
    assert bundle is not None
    with np.load(bundle.folder / "predictions.npz", allow_pickle=False) as arrays:
        labels, probabilities = arrays["labels"], arrays["probabilities"]
    rows = trained.faces.rows("validation")
    np.testing.assert_array_equal(labels, trained.faces.labels[rows])
    np.testing.assert_allclose(
        probabilities,
        load_predictor(bundle).probabilities(trained.faces.images[rows], calibrated=False),
        atol=1e-6,
    )
    metrics = evaluate_stored_predictions(bundle).to_json() | {"leak_free": None}
    recorded = bundle.record.metrics["validation"] | {"leak_free": None}
    assert rounded(metrics) == rounded(recorded)


def test_evaluating_the_bundle_gives_the_recorded_figures(trained: Trained) -> None:
    bundle = trained.outcome.bundle
    assert bundle is not None
    report = evaluate_predictor(load_predictor(bundle), trained.faces, "validation").to_json()
    assert rounded(report) == rounded(bundle.record.metrics["validation"])


def test_the_record_describes_the_training(trained: Trained) -> None:
    bundle, run = trained.outcome.bundle, trained.outcome.run
    assert bundle is not None
    record = bundle.record
    assert record.labels == EMOTIONS
    assert record.input_shape == (48, 48, 1)
    assert record.parameters == 355_847
    assert (record.recipe, record.seed, record.flip_averaging) == ("tiny", 5, True)
    assert validated_config(record.config) == run.read_setup().config
    assert record.dataset["fingerprint"] == trained.faces.fingerprint
    assert record.dataset["name"] == "drawn"
    assert record.dataset["counts"]["train"] == dict.fromkeys(EMOTIONS, 8)
    assert record.training["epochs"] == 2
    assert record.training["best_epoch"] == trained.outcome.best_epoch
    assert record.training["training_images"] == 56
    assert record.training["backend"] == "tensorflow"
    assert record.curation is not None
    assert {"python", "keras", "numpy", "onnxruntime"} <= set(record.versions)
    # The test split is not looked at.
    assert list(record.metrics) == ["validation"]


def test_the_model_card_names_the_run(trained: Trained) -> None:
    bundle = trained.outcome.bundle
    assert bundle is not None
    card = (bundle.folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# first\n")
    assert "56 training images" in card


def test_the_status_says_that_it_is_finished(trained: Trained) -> None:
    status = trained.outcome.run.read_status()
    assert status is not None
    assert (status.state, status.epoch, status.epochs) == ("finished", 2, 2)
    assert trained.outcome.bundle is not None
    accuracy = trained.outcome.bundle.record.metrics["validation"]["accuracy"]
    assert f"validation accuracy {100 * accuracy:.1f} %, macro F1 " in status.message
    assert trained.outcome.state == "finished"


def test_the_outcome_is_a_json_document(trained: Trained) -> None:
    document = json.loads(json.dumps(trained.outcome.to_json()))
    assert document["state"] == "finished"
    assert document["epochs"] == 2
    assert document["run_dir"] == str(trained.outcome.run.path)
    assert document["validation"]["n"] == 21
    assert Path(document["bundle"]).is_dir()


def test_the_log_reports_the_training(trained: Trained) -> None:
    log = (trained.outcome.run.path / "train.log").read_text(encoding="utf-8")
    assert "up to 2 epochs" in log
    assert "epoch 2/2" in log
    assert "writing the bundle" in log


def test_a_missing_network_is_exported_again_and_equal(trained: Trained, tmp_path: Path) -> None:
    settings = Settings(tmp_path / "data", tmp_path / "runs", tmp_path / "models")
    bundle = publish_bundle(trained.outcome.run.path, settings)
    before = load_predictor(bundle).probabilities(trained.faces.images[:5])
    bundle.served_network.unlink()
    assert export_onnx(bundle) == bundle.served_network
    np.testing.assert_allclose(
        load_predictor(bundle).probabilities(trained.faces.images[:5]), before, atol=1e-6
    )
    assert not [file for file in bundle.folder.iterdir() if file.name.startswith(".")]


def test_the_first_signal_ends_a_training_cleanly_with_the_best_model_so_far(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_onnx: None
) -> None:
    # The signal comes when the first epoch is through.
    appended = RunFolder.append_epoch

    def append_and_interrupt(run: RunFolder, record: Any) -> None:
        appended(run, record)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(RunFolder, "append_epoch", append_and_interrupt)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    run = RunFolder(tmp_path / "run")
    outcome = start(run, trained.data, trained.settings, epochs=50)
    assert (outcome.state, outcome.epochs, outcome.best_epoch) == ("stopped", 1, 1)
    assert outcome.bundle is not None
    assert outcome.bundle.record.training["stopped_early_by_request"] is True
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    status = run.read_status()
    assert status is not None
    assert status.state == "stopped"

    # This machine cannot export the network, so its bundle is to be completed elsewhere.
    assert not outcome.bundle.served_network.exists()
    assert "models export" in status.message
    with pytest.raises(InputError, match="models export run"):
        load_predictor(outcome.bundle)
    export_onnx(outcome.bundle)
    result = evaluate_predictor(load_predictor(outcome.bundle), trained.faces, "validation")
    recorded = outcome.bundle.record.metrics["validation"]
    assert result.to_json()["loss"] == pytest.approx(recorded["loss"], rel=1e-4)


def test_stopped_before_the_first_epoch_there_is_not_a_bundle(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingProgress, "step", lambda *_: signal.raise_signal(signal.SIGINT))
    run = RunFolder(tmp_path / "run")
    outcome = start(run, trained.data, trained.settings)
    assert (outcome.state, outcome.bundle, outcome.epochs) == ("stopped", None, 0)
    assert outcome.to_json()["validation"] is None
    assert not run.bundle_path.exists()
    status = run.read_status()
    assert status is not None
    assert status.state == "stopped"
    assert "--resume" in status.message


def test_data_that_are_not_there_fail_with_the_reason(settings: Settings, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match="no dataset and no path 'nowhere'"):
        start(run, "nowhere", settings)
    status = run.read_status()
    assert status is not None
    assert status.state == "failed"
    assert "nowhere" in status.message


def test_a_dataset_that_was_replaced_while_its_run_was_pending_is_noticed(
    settings: Settings, tiny_faces: FaceSet, draw_faces: Callable[..., FaceSet]
) -> None:
    """Issue 18, row 9: it used to train on the other data without a warning."""

    def import_as_faces(faces: FaceSet) -> None:
        folder = settings.data_root / "faces"
        folder.mkdir(parents=True)
        _save(faces, folder, {"source": "drawn"})

    import_as_faces(tiny_faces)
    run = create_run(RunSetup("tiny", "faces", config()), settings)
    assert run.read_setup().fingerprint == tiny_faces.fingerprint
    delete_dataset("faces", settings)
    import_as_faces(draw_faces([*range(7)] * 3, splits=["train"] * 14 + ["validation"] * 7))
    with pytest.raises(InputError, match="faces has changed since this run was launched"):
        run_training(run, settings)
    status = run.read_status()
    assert status is not None
    assert status.state == "failed"


def test_the_job_reports_a_failure_as_an_exit_code(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(RunSetup("tiny", str(tmp_path / "nowhere"), config()))
    assert main([str(run.path)]) == 2
    assert main([str(tmp_path / "no run")]) == 2
    status = run.read_status()
    assert status is not None
    assert status.state == "failed"


def test_the_end_of_a_run_starts_the_pending_ones(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    run = RunFolder(tmp_path / "run")
    run.create(RunSetup("tiny", "nowhere", config()))
    monkeypatch.setattr(
        "fer_core.training.train_job.continue_queue", lambda _: held.append(is_active(run))
    )
    with pytest.raises(InputError):
        run_training(run, settings)
    assert held == [False]  # after the run's lock was released, so that its slot is free


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("a defect"), ("failed", "a defect")),
        (
            MemoryError(),
            (
                "failed",
                "There was not enough memory; no epoch was finished yet: close other programs and "
                "continue the run, or start a new one with a smaller batch_size.",
            ),
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "checkpoint-00001.npz"),
            (
                "failed",
                "The disk is full; no epoch was finished yet: free some space and continue the "
                "run.",
            ),
        ),
        (KeyboardInterrupt(), ("stopped", "interrupted")),
    ],
)
def test_every_end_of_a_run_is_recorded_in_its_folder(
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    expected: tuple[str, str],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("fer_core.training.fit.fit", broken)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(type(error)):
        start(run, trained.data, trained.settings)
    status = run.read_status()
    assert status is not None
    assert (status.state, status.message) == expected
    log = (run.path / "train.log").read_text(encoding="utf-8")
    assert f"ended: {expected[1]}" in log
    # The complete traceback of an unexpected error.
    assert ("Traceback" in log) == (not isinstance(error, KeyboardInterrupt))


def test_a_full_disk_leaves_the_finished_epochs_from_which_the_run_resumes(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_onnx: None
) -> None:
    save = RunFolder.save_arrays

    def full(run: RunFolder, name: str, arrays: dict[str, Any]) -> None:
        if name == "checkpoint-00002.npz":
            raise OSError(errno.ENOSPC, "No space left on device", name)
        save(run, name, arrays)

    run = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(RunFolder, "save_arrays", full)
        start(run, trained.data, trained.settings)
    status = run.read_status()
    assert status is not None
    assert status.message.startswith("The disk is full; epoch 1 is saved")
    assert (run.path / "checkpoint-00001.npz").is_file()
    assert run_training(run, trained.settings).epochs == 2


def test_a_run_that_its_search_prunes_ends_without_a_model(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended = RunFolder.append_epoch

    def append_and_prune(run: RunFolder, record: Any) -> None:
        appended(run, record)
        request_prune(run)

    monkeypatch.setattr(RunFolder, "append_epoch", append_and_prune)
    monkeypatch.setattr(RunControl, "INTERVAL", 0.0)
    run = RunFolder(tmp_path / "run")
    outcome = start(run, trained.data, trained.settings, epochs=50)
    assert (outcome.state, outcome.epochs, outcome.bundle) == ("pruned", 1, None)
    status = run.read_status()
    assert status is not None
    assert status.state == "pruned"
    assert not (run.path / "control.json").exists()


def test_a_disk_with_too_little_space_is_reported_before_the_training(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_core.training.resource_errors._OTHER_BYTES", 10**18)
    with pytest.raises(InputError, match="MB left and the run needs about"):
        create_run(RunSetup("tiny", trained.data, config()), trained.settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_run_cannot_be_trained(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no run"):
        run_training(RunFolder(tmp_path), settings)
    assert list(tmp_path.iterdir()) == []


def test_new_run_folders_do_not_meet(settings: Settings) -> None:
    paths = []
    for _ in range(3):
        run = new_run_folder("a recipe/with signs", settings)
        run.create(RunSetup("tiny", "drawn", config()))
        paths.append(run.path)
    assert len(set(paths)) == 3
    assert all(path.parent == settings.runs_root for path in paths)
    assert all("a-recipe-with-signs" in path.name for path in paths)


def test_nothing_temporary_is_left_in_the_runs_folder(trained: Trained) -> None:
    assert sorted(path.name for path in trained.outcome.run.path.iterdir()) == [
        "best.npz",
        "bundle",
        "checkpoint-00002.npz",
        "config.json",
        "curation.csv",
        "metrics.jsonl",
        "status.json",
        "train.log",
    ]
