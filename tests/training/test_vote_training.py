"""Training on annotator votes: batches, validation and the bundle's record."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import PREDICTIONS_FILE
from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.store import import_dataset
from fer_core.dataset.votes_file import import_votes, remove_votes
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.errors import InputError
from fer_core.evaluation.annotators import evaluate_against_votes
from fer_core.evaluation.evaluate import evaluate_split, stored_votes
from fer_core.files import read_arrays
from fer_core.keras_backend import prepare_backend
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.settings import Settings
from fer_core.training.batches import Batch, TrainingBatches, class_weights, epoch_order
from fer_core.training.fit import FitContext, fit
from fer_core.training.launcher import create_run
from fer_core.training.run_folder import RunFolder, RunSetup
from fer_core.training.train_job import TrainingOutcome, run_training
from fer_core.training.training_data import training_rows, validation_rows

prepare_backend()


def config(**values: Any) -> TrainingConfig:
    tiny = {"architecture": "plain_eight", "epochs": 2, "batch_size": 16}
    return TrainingConfig(**(tiny | {"targets": "votes_distribution"} | values))


@pytest.fixture
def voted(tiny_faces: FaceSet) -> FaceSet:
    """The tiny faces; three of four annotators chose the next emotion, and one has no votes."""
    following = (tiny_faces.labels + 1) % 7
    eye = np.eye(7, dtype=np.float32)
    targets = 0.75 * eye[following] + 0.25 * eye[tiny_faces.labels]
    targets[3] = 0
    return replace(tiny_faces, targets=targets.astype(np.float32))


def epoch_of(faces: FaceSet, number: int, **values: Any) -> list[Batch]:
    return list(TrainingBatches(faces, config(**values)).epoch(number))


def test_images_without_votes_are_left_out(voted: FaceSet, tiny_faces: FaceSet) -> None:
    assert 3 not in training_rows(voted, config())
    assert len(training_rows(voted, config())) == 55
    assert 3 in training_rows(voted, config(targets="labels"))
    assert len(validation_rows(voted, config())) == 21
    with pytest.raises(InputError, match=r"targets=votes_distribution needs a dataset with votes"):
        training_rows(tiny_faces, config())


def test_each_image_brings_its_own_distribution(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0] * 6)
    images = faces.images.copy()
    images[:, 0, 0] = np.arange(6) * 40
    targets = np.zeros((6, 7), np.float32)
    targets[np.arange(6), np.arange(6)], targets[:, 6] = 0.9, 0.1
    faces = replace(faces, images=images, targets=targets)
    (batch,) = epoch_of(faces, 0)
    rows = np.round(batch.pixels[:, 0, 0, 0] * 255 / 40).astype(int)
    np.testing.assert_array_equal(batch.targets, targets[rows])


def test_mixup_blends_distributions(draw_faces: Callable[..., FaceSet]) -> None:
    faces = draw_faces([0] * 8)
    images = np.zeros_like(faces.images)
    images[4:] = 255
    targets = np.zeros((8, 7), np.float32)
    targets[:4, [0, 1]] = 0.6, 0.4
    targets[4:, [3, 1]] = 0.8, 0.2
    (batch,) = epoch_of(replace(faces, images=images, targets=targets), 0, mixup_alpha=1.0)
    share = batch.pixels[:, 5, 5, 0]
    assert ((share > 0.01) & (share < 0.99)).any()
    np.testing.assert_allclose(batch.targets[:, 3], 0.8 * share, atol=1e-6)
    np.testing.assert_allclose(batch.targets[:, 1], 0.2 * share + 0.4 * (1 - share), atol=1e-6)


def test_class_weights_and_integer_labels_are_those_of_the_plurality(voted: FaceSet) -> None:
    part = voted.subset(training_rows(voted, config()))
    assert part.targets is not None
    labels = part.targets.argmax(axis=1).astype(np.int8)
    expected = class_weights(labels, 7)
    for batch in epoch_of(part, 0, imbalance="class_weights", batch_size=8):
        assert batch.weights is not None
        np.testing.assert_allclose(batch.weights, expected[batch.targets.argmax(axis=1)])
    found = epoch_of(part, 0, targets="votes_majority", label_encoding="integer", batch_size=55)
    assert Counter(found[0].targets.tolist()) == Counter(labels.tolist())
    with pytest.raises(InputError, match="votes_distribution needs label_encoding=one_hot"):
        validated_config({"targets": "votes_distribution", "label_encoding": "integer"})


def test_square_root_sampling_computed_by_hand() -> None:
    # Square roots 10, 5, 1 of 126 images: 78.75, 39.375 and 7.875.
    labels = np.repeat([0, 3, 6], [100, 25, 1]).astype(np.int8)
    values = config(imbalance="square_root_sampling")
    for epoch in range(5):
        order = epoch_order(labels, values, epoch)
        assert len(order) == 126
        shown = Counter(labels[order].tolist())
        assert shown[0] in (78, 79) and shown[3] in (39, 40) and shown[6] in (7, 8)
        times = Counter(order.tolist())
        assert max(times[row] for row in range(100)) == 1
    again = epoch_order(labels, values, 4)
    np.testing.assert_array_equal(order, again)


def test_rare_classes_are_treated_in_the_last_epochs_only() -> None:
    labels = np.repeat([0, 3], [90, 10]).astype(np.int8)
    values = config(imbalance="oversampling", imbalance_last_epochs=2, epochs=6)
    counts = [int((labels[epoch_order(labels, values, epoch)] == 3).sum()) for epoch in range(6)]
    assert counts == [10, 10, 10, 10, 50, 50]
    weighted = config(imbalance="class_weights", imbalance_last_epochs=1, targets="labels")
    faces = FaceSet(np.zeros((100, 48, 48), np.uint8), labels, np.zeros(100, np.int8), ("a",) * 100)
    batches = TrainingBatches(faces, weighted)
    assert next(batches.epoch(0)).weights is None
    assert next(batches.epoch(1)).weights is not None


def test_low_resolution_epochs_show_the_mean_of_each_area(
    draw_faces: Callable[..., FaceSet],
) -> None:
    faces = draw_faces([0])
    values = {"targets": "labels", "low_resolution_epochs": 1}
    (small,), (full,) = epoch_of(faces, 0, **values), epoch_of(faces, 1, **values)
    assert (small.pixels.shape, full.pixels.shape) == ((1, 36, 36, 1), (1, 48, 48, 1))
    # Four pixels become three; three of a row share the area of four.
    four = faces.images[0, :4, :4].astype(np.float64) / 255
    weights = np.array([[3, 1, 0, 0], [0, 2, 2, 0], [0, 0, 1, 3]]) / 4
    np.testing.assert_allclose(small.pixels[0, :3, :3, 0], weights @ four @ weights.T, atol=1e-5)
    with pytest.raises(ValueError, match=r"low_resolution_epochs needs an .* \(.*plain_eight"):
        config(architecture="three_convolutions", low_resolution_epochs=1)


def timeless(result: Any) -> list[Any]:
    return [replace(record, seconds=0.0, images_per_second=0.0) for record in result.epochs]


def two_convolutions(dropout_scale: float, shape: Any, class_count: int) -> Any:
    """Build a network for any size with layers of plain_eight's kinds, but few."""
    import keras
    from keras import layers

    inputs = tensor = keras.Input(shape)
    for filters in (4, 8):
        tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False)(tensor)
        tensor = layers.ReLU()(layers.BatchNormalization()(tensor))
        tensor = layers.MaxPooling2D()(tensor)
    tensor = layers.GlobalAveragePooling2D()(tensor)
    tensor = layers.Dropout(0.3 * dropout_scale)(tensor)
    return keras.Model(inputs, layers.Softmax()(layers.Dense(class_count)(tensor)))


def test_a_run_on_votes_is_resumed_exactly(
    voted: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(ARCHITECTURES["plain_eight"], build=two_convolutions)
    monkeypatch.setitem(ARCHITECTURES, "plain_eight", small)
    values = config(
        epochs=3,
        low_resolution_epochs=1,
        imbalance="square_root_sampling",
        imbalance_last_epochs=2,
        mixup_alpha=0.3,
        label_smoothing=0.05,
        averaging_momentum=0.9,
        optimizer="sgd",
        learning_rate=0.02,
        schedule="cosine",
        monitor="last",
    )

    def run_in(name: str) -> RunFolder:
        run = RunFolder(tmp_path / name)
        run.create(RunSetup("tiny", "drawn", values))
        return run

    run = run_in("whole")
    cut = tmp_path / "cut"

    def has_time_for(seconds: float) -> bool:
        if len(run.read_epochs()) == 1:
            shutil.copytree(run.path, cut)  # as if the process had died here
        return True

    whole = fit(values, voted, run, FitContext(has_time_for=has_time_for))
    resumed = fit(values, voted, RunFolder(cut))
    assert [record.epoch for record in whole.epochs] == [1, 2, 3]
    assert timeless(resumed) == timeless(whole)
    assert resumed.best_epoch == whole.best_epoch == 3


def test_validation_is_measured_against_the_votes(voted: FaceSet, tmp_path: Path) -> None:
    values = config(epochs=8, architecture="three_convolutions", learning_rate=3e-3)
    run = RunFolder(tmp_path / "run")
    run.create(RunSetup("tiny", "drawn", values))
    last = fit(values, voted, run).epochs[-1]
    # The votes and not the labels are learned, so the plurality is right and the labels are not.
    assert last.validation_accuracy > 0.9
    # At best the cross-entropy is the entropy of the votes.
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert entropy < last.validation_loss < entropy + 0.4


@pytest.fixture
def imported(
    settings: Settings,
    write_files: Callable[..., Path],
    png: Callable[..., bytes],
    tiny_faces: FaceSet,
) -> FaceSet:
    """The tiny faces as the dataset "drawn", with imported votes."""
    return import_voted(settings, write_files, png, tiny_faces)


def import_voted(
    settings: Settings,
    write_files: Callable[..., Path],
    png: Callable[..., bytes],
    tiny_faces: FaceSet,
    **options: Any,
) -> FaceSet:
    files = {
        f"{SPLITS[split]}/{EMOTIONS[label]}/{row:03}.png": png(image)
        for row, (image, label, split) in enumerate(
            zip(tiny_faces.images, tiny_faces.labels, tiny_faces.splits, strict=True)
        )
    }
    _, faces = import_dataset(write_files(files), settings, name="drawn", **options)
    import_votes(votes_file(faces, 8).encode(), "votes.csv", settings.data_root / "drawn", faces)
    return faces


def votes_file(faces: FaceSet, most: int) -> str:
    """``most`` votes for each label, two for neutral; the first image is no face.

    With contempt among the classes, every tenth image has votes for it.
    """
    columns = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
    lines = ["image," + ",".join(VOTE_COLUMNS)]
    for row, (name, label) in enumerate(zip(faces.names, faces.labels, strict=True)):
        votes = dict.fromkeys(VOTE_COLUMNS, 0)
        votes["neutral"] = 2
        emotion = faces.classes[label]
        if "contempt" in faces.classes and row % 10 == 9:
            emotion = "contempt"
        votes[columns.get(emotion, emotion) if row else "not_face"] = most
        lines.append(name + "," + ",".join(map(str, votes.values())))
    return "\n".join(lines) + "\n"


def train(settings: Settings, name: str, **values: Any) -> TrainingOutcome:
    run = RunFolder(settings.runs_root / name)
    run.create(
        RunSetup(
            "tiny", "drawn", config(architecture="three_convolutions", batch_size=28, **values)
        )
    )
    return run_training(run, settings)


def test_the_bundle_says_what_was_learned(
    settings: Settings, imported: FaceSet, without_onnx: None
) -> None:
    outcome = train(settings, "voted", epochs=1)
    assert outcome.bundle is not None
    record = outcome.bundle.record
    assert record.learned_votes
    assert record.targets["kind"] == "votes_distribution"
    assert record.targets["source"] == "votes.csv"
    left_out = record.targets["left_out"]
    assert sum(left_out["train"].values()) + sum(left_out["validation"].values()) <= 1
    assert record.training["training_images"] == 56 - sum(left_out["train"].values())
    votes = record.metrics["validation"]["votes"]
    assert votes["n"] + votes["ties"] == 21 - sum(left_out["validation"].values())
    assert votes["n"] == sum(one["support"] for one in votes["per_class"].values())
    card = (outcome.bundle.folder / "README.md").read_text(encoding="utf-8")
    assert "Targets: the distribution of annotator votes (votes.csv), without answers" in card
    assert "Against the labels." in card and "Against the plurality of annotator votes." in card
    arrays = read_arrays(outcome.bundle.folder / PREDICTIONS_FILE)
    assert arrays["votes"].shape == (21, 10)
    log = (outcome.run.path / "train.log").read_text(encoding="utf-8")
    assert "targets: votes_distribution of votes.csv" in log


def test_a_training_without_its_votes_is_refused_at_the_launch(
    settings: Settings, imported: FaceSet, write_files: Callable[..., Path]
) -> None:
    run = create_run(RunSetup("tiny", "drawn", config()), settings)
    assert run.path.is_dir()
    remove_votes(settings.data_root / "drawn")
    for data, words in {
        "drawn": r"drawn has none; import them on .* or with 'dataset votes drawn --import FILE'",
        str(settings.data_root.parent): r"has none; import the dataset with 'dataset import /",
    }.items():
        setup = RunSetup("tiny", data, config())
        with pytest.raises(InputError, match=words):
            create_run(setup, settings)
    create_run(RunSetup("tiny", "drawn", config(targets="labels")), settings)
    assert len(list(settings.runs_root.glob("[!.]*"))) == 2


def test_contempt_is_learned_from_votes_as_an_eighth_class(
    settings: Settings,
    write_files: Callable[..., Path],
    png: Callable[..., bytes],
    tiny_faces: FaceSet,
) -> None:
    faces = import_voted(
        settings, write_files, png, tiny_faces, class_choice=ClassChoice("emotions8")
    )
    assert faces.classes == EMOTIONS8
    outcome = train(settings, "eight", epochs=1)
    assert outcome.bundle is not None
    assert outcome.bundle.record.labels == EMOTIONS8
    assert outcome.bundle.calibration.class_prior is not None
    prior = dict(zip(EMOTIONS8, outcome.bundle.calibration.class_prior, strict=True))
    assert 0.05 < prior["contempt"] < 0.12
    votes = outcome.bundle.record.metrics["validation"]["votes"]
    assert votes["per_class"]["contempt"]["support"] > 0
    assert list(outcome.run.read_epochs()[0].validation_recall) == list(EMOTIONS8)
    result = evaluate_split(outcome.bundle, faces, "validation", settings, dataset_name="drawn")
    assert result.classes == EMOTIONS8
    counts = stored_votes(outcome.bundle)
    assert counts is not None
    assert evaluate_against_votes(result, counts).result.n == votes["n"]


def test_a_run_keeps_the_votes_of_its_start(
    settings: Settings, imported: FaceSet, without_onnx: None
) -> None:
    first = train(settings, "begun", epochs=1)
    remove_votes(settings.data_root / "drawn")
    again = run_training(first.run, settings)
    assert first.bundle is not None and again.bundle is not None
    assert again.bundle.record.targets == first.bundle.record.targets
    with pytest.raises(InputError, match="drawn has none; import them on the dataset page"):
        train(settings, "without")
    (first.run.path / "votes.npz").unlink()
    with pytest.raises(InputError, match="votes that this run started with are missing"):
        run_training(first.run, settings)


def test_bundles_and_runs_from_before_targets_are_read(make_record: Callable[..., Any]) -> None:
    assert not make_record().learned_votes
    values = TrainingConfig().to_json()
    for name in ("targets", "imbalance_last_epochs", "low_resolution_epochs"):
        del values[name]
    assert validated_config(values) == TrainingConfig()
