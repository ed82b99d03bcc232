"""Trainings that start from a trained model: its weights, its head, frozen stages, resume."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.bundle import KERAS_MODEL_FILE, Bundle, BundleRecord
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.image_hashes import IMAGE_HASHES_FILE, ImageHashes, write_image_hashes
from fer_core.keras_backend import prepare_backend
from fer_core.recipes import TrainingConfig
from fer_core.recipes.architectures import ARCHITECTURES, build_network, freeze_stages
from fer_core.recipes.fine_tuning import fine_tuning_config, head_change
from fer_core.settings import Settings
from fer_core.training.bundle_writer import _image_hashes
from fer_core.training.fit import BEST_WEIGHTS_FILE, FitContext, fit
from fer_core.training.launcher import create_run
from fer_core.training.model_setup import StartingWeights, adapted_weights, compiled_model
from fer_core.training.run_folder import RunFolder, RunSetup, StartingModel
from fer_core.training.starting_model import (
    starting_model,
    starting_model_problem,
    starting_weights,
)

prepare_backend()

Weights = list[NDArray[Any]]


def config(**values: Any) -> TrainingConfig:
    tiny: dict[str, Any] = {"architecture": "three_convolutions", "epochs": 2, "batch_size": 16}
    return TrainingConfig(**(tiny | values))


@pytest.fixture(scope="module")
def trained() -> Weights:
    """Weights that differ from those of a network with the seed of a training."""
    generator = np.random.default_rng(1)
    return [
        generator.normal(0, 0.05, weight.shape).astype(np.float32)
        for weight in build_network("three_convolutions").get_weights()
    ]


@pytest.mark.parametrize(
    ("model_classes", "data_classes", "change"),
    [
        (("a", "b", "c"), ("a", "b", "c"), "kept"),
        (("a", "b", "c"), ("c", "a", "b"), "reordered"),
        (("a", "b", "c"), ("a", "b"), "replaced"),
        (("a", "b"), ("a", "b", "c"), "replaced"),
        (("a", "b"), ("a", "d"), "replaced"),
    ],
)
def test_the_head_follows_the_names_of_the_classes(
    model_classes: tuple[str, ...], data_classes: tuple[str, ...], change: str
) -> None:
    assert head_change(model_classes, data_classes) == change
    body = np.arange(6.0).reshape(2, 3)
    kernel = np.arange(3.0 * len(model_classes)).reshape(3, -1)
    bias = np.arange(float(len(model_classes))) * 10
    fresh = [body * 0, np.full((3, len(data_classes)), -1.0), np.full(len(data_classes), -2.0)]
    adapted = adapted_weights([body, kernel, bias], fresh, model_classes, data_classes)
    np.testing.assert_array_equal(adapted[0], body)
    for position, name in enumerate(data_classes):
        if change == "replaced":
            assert (adapted[1][:, position] == -1).all() and adapted[2][position] == -2
        else:
            origin = model_classes.index(name)
            np.testing.assert_array_equal(adapted[1][:, position], kernel[:, origin])
            assert adapted[2][position] == bias[origin]


def test_weights_of_another_network_are_an_input_error(trained: Weights) -> None:
    start = StartingWeights(trained, EMOTIONS)
    with pytest.raises(InputError, match="do not fit its architecture"):
        compiled_model(config(architecture="three_convolutions_dropout"), starting_weights=start)


def test_a_reordered_head_predicts_the_same_classes(trained: Weights) -> None:
    order = EMOTIONS[::-1]
    pixels = np.random.default_rng(0).random((4, 48, 48, 1), np.float32)
    as_trained = compiled_model(config(), starting_weights=StartingWeights(trained, EMOTIONS))
    reordered = compiled_model(config(), starting_weights=StartingWeights(trained, order))
    np.testing.assert_allclose(
        np.asarray(as_trained(pixels))[:, ::-1], np.asarray(reordered(pixels)), atol=1e-6
    )


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_stages_cover_the_network_and_freeze_in_order(name: str) -> None:
    from keras import layers

    model = build_network(name)
    kernels = [one for one in model.layers if isinstance(one, (layers.Conv2D, layers.Dense))]
    stages = ARCHITECTURES[name].stages
    assert sum(stages.values()) == len(kernels) - 1  # all but the head
    weights = len(model.get_weights())
    expected = 0
    for stage, count in stages.items():
        expected += count
        freeze_stages(model, name, stage)
        assert [one.trainable for one in kernels] == [
            position >= expected for position in range(len(kernels))
        ]
        # The pictures become smaller after a stage, and only there.
        sizes = {one.input.shape[1] for one in kernels[:expected] if len(one.input.shape) == 4}
        later = {one.input.shape[1] for one in kernels[expected:] if len(one.input.shape) == 4}
        if "residual" not in name:  # attention works at 1x1
            assert not sizes & later
        # The normalization of a frozen convolution is frozen as well, that of others is not.
        frozen = [one for one in model.layers if not one.trainable]
        normalizations = [one for one in frozen if isinstance(one, layers.BatchNormalization)]
        convolutions = [one for one in frozen if isinstance(one, layers.Conv2D)]
        if any(isinstance(one, layers.BatchNormalization) for one in model.layers):
            with_bias = sum(one.use_bias for one in convolutions)
            assert len(normalizations) >= len(convolutions) - with_bias
    # The order of the weights, in which checkpoints store them, does not change.
    assert len(model.get_weights()) == weights
    unfrozen = build_network(name)
    assert [w.shape for w in unfrozen.get_weights()] == [w.shape for w in model.get_weights()]


def test_frozen_stages_do_not_change_and_the_run_resumes_exactly(
    tiny_faces: FaceSet, trained: Weights, tmp_path: Path
) -> None:
    settings = config(
        epochs=3, optimizer="sgd", averaging_momentum=0.9, weight_decay=1e-3, flip=True
    )
    start = StartingWeights(trained, EMOTIONS, freeze="stage2")

    def run_in(folder: str) -> RunFolder:
        run = RunFolder(tmp_path / folder)
        run.create(RunSetup("tiny", "drawn", settings))
        return run

    def weights(run: RunFolder) -> Weights:
        return list(run.load_arrays(BEST_WEIGHTS_FILE).values())

    whole, interrupted = run_in("whole"), run_in("interrupted")
    fit(settings, tiny_faces, whole, starting_weights=start)
    for position, (before, after) in enumerate(zip(trained, weights(whole), strict=True)):
        is_frozen = position < 4  # kernel and bias of two convolutions
        assert np.array_equal(before, after) == is_frozen
    steps = iter(range(100))
    stopped = fit(
        settings,
        tiny_faces,
        interrupted,
        FitContext(should_stop=lambda: next(steps) == 5),
        starting_weights=start,
    )
    assert len(stopped.epochs) == 1
    # The weights of the starting model are no longer needed.
    fit(settings, tiny_faces, interrupted, starting_weights=replace(start, weights=None))
    for ours, theirs in zip(weights(interrupted), weights(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_tenth_of_the_learning_rate_and_the_architecture_of_the_model() -> None:
    tuned = fine_tuning_config(
        config(
            architecture="plain_nine",
            low_resolution_epochs=4,
            learning_rate=3e-3,
            final_learning_rate=1e-5,
            schedule="steps",
            schedule_steps=((20, 2.5e-4), (30, 5e-5)),
        ),
        "three_convolutions",
    )
    assert tuned.architecture == "three_convolutions"
    assert tuned.low_resolution_epochs == 0  # it takes 48x48 pixels only
    assert (tuned.learning_rate, tuned.final_learning_rate) == (3e-4, 1e-6)
    assert tuned.schedule_steps == ((20, 2.5e-5), (30, 5e-6))


@pytest.fixture
def make_bundle(make_record: Callable[..., BundleRecord], tmp_path: Path) -> Callable[..., Bundle]:
    def make(**changes: Any) -> Bundle:
        folder = tmp_path / "trained"
        folder.mkdir(exist_ok=True)
        return Bundle("trained", folder, make_record(**changes))

    return make


def test_models_that_no_training_can_start_from(make_bundle: Callable[..., Bundle]) -> None:
    for changes, message in (
        ({"input_shape": (64, 64, 3)}, "has an input of 64x64x3 values"),
        ({"recipe": None, "config": {}}, "was imported from another program"),
        ({"config": {"architecture": "unknown"}}, "not have an architecture"),
        ({}, "has no model.keras"),
    ):
        bundle = make_bundle(**changes)
        problem = starting_model_problem(bundle)
        assert problem is not None and message in problem
        with pytest.raises(InputError, match="trained"):
            starting_model(bundle)


def test_the_run_keeps_its_own_copy_and_checks_it(
    make_bundle: Callable[..., Bundle], trained: Weights, tmp_path: Path
) -> None:
    bundle = make_bundle(start={"datasets": [{"name": "older", "fingerprint": "e" * 64}]})
    model = build_network("three_convolutions")
    model.set_weights(trained)
    model.save(bundle.folder / KERAS_MODEL_FILE)
    start, path = starting_model(bundle, "stage1")
    assert path == bundle.folder / KERAS_MODEL_FILE
    assert (start.architecture, start.freeze) == ("three_convolutions", "stage1")
    assert [one["name"] for one in start.datasets] == ["tiny", "older"]
    run = RunFolder(tmp_path / "run")
    setup = RunSetup("tiny", "drawn", config(), start=start)
    run.create(setup)
    assert run.read_setup() == setup
    with pytest.raises(InputError, match="The starting model cannot be loaded"):
        starting_weights(setup, run)
    run.starting_model_path.write_bytes(path.read_bytes())
    found = starting_weights(setup, run)
    assert found is not None and found.weights is not None
    for ours, theirs in zip(found.weights, trained, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    run.starting_model_path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not the model 'trained'"):
        starting_weights(setup, run)
    assert starting_weights(RunSetup("tiny", "drawn", config()), run) is None


def test_a_record_without_a_start_is_read(tmp_path: Path) -> None:
    setup = RunSetup("tiny", "drawn", config())
    assert "start" not in setup.to_json()
    assert RunSetup.from_json(setup.to_json()).start is None
    values = setup.to_json() | {
        "start": {"model": "m", "architecture": "plain_eight", "classes": ["a"], "digest": "d"}
    }
    assert RunSetup.from_json(values).start == StartingModel("m", "plain_eight", ("a",), "d")


def test_the_images_of_the_starting_model_are_recorded(
    settings: Settings, tmp_path: Path, tiny_faces: FaceSet
) -> None:
    start = StartingModel("first", "three_convolutions", EMOTIONS, "d")
    setup = RunSetup("tiny", "demo", config(), start=start)
    (tmp_path / "first").mkdir()
    starting_model_file = tmp_path / "first" / KERAS_MODEL_FILE
    starting_model_file.write_bytes(b"weights")

    def recorded(name: str) -> ImageHashes:
        run = create_run(setup, settings, tmp_path / name, starting_model_file=starting_model_file)
        return _image_hashes(setup, tiny_faces, tiny_faces, run)

    unknown = recorded("one")
    assert not unknown.is_complete and not len(unknown.start)
    # The first model had itself started from another one.
    hashes = ImageHashes(np.array([5, 3]), np.array([7]), np.array([9]))
    write_image_hashes(starting_model_file.with_name(IMAGE_HASHES_FILE), hashes)
    known = recorded("two")
    assert known.is_complete and known.start.tolist() == [3, 5, 9]
    keys = content_keys(tiny_faces.images[tiny_faces.rows("train")])
    assert set(known.train.tolist()) == set(keys.tolist())
