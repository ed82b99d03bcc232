"""Compare the training loop with the training steps alone and with typical tutorial code.

``four-block-cnn-step-schedule`` on random images: images per second of ``fit`` (with augmentation,
metrics, checkpoints and progress), of ``train_on_batch`` on prepared random tensors (the upper
bound), and of ``model.fit`` with a Python generator that loads and augments one JPEG at a time with
SciPy, as in tutorials. ``python -m benchmarks.training``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Measurement, median_seconds, print_table
from fer_core.dataset.face_set import FACE_SIZE, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.keras_backend import prepare_backend
from fer_core.recipes import TrainingConfig, changed_config, recipe_by_name
from fer_core.training.run_folder import RunFolder, RunSetup
from fer_core.training.training_progress import TrainingProgress

_RECIPE = "four-block-cnn-step-schedule"
_WARM_UP = 3

#: The numbers of images in FER2013.
_TRAINING_IMAGES = 28_709
_VALIDATION_IMAGES = 3_589


def measure(steps: int = 24, rounds: int = 3) -> list[Measurement]:
    """Measure loop, steps and tutorial code alternately: other work then slows them down equally.

    Args:
        steps: Number of steps per measurement.
        rounds: Number of measurements of each of them; the best one is used.
    """
    prepare_backend()
    from fer_core.training.model_setup import compiled_model

    # The recipe has no augmentation. That of typical tutorials is added, as it slows the loop down.
    config = changed_config(
        recipe_by_name(_RECIPE).config,
        {"epochs": 1, "flip": True, "rotation_degrees": 10, "zoom_share": 0.1},
    )
    faces = _faces(steps * config.batch_size, validation_count=_VALIDATION_IMAGES)
    model = compiled_model(config)
    steps_only, loop, overhead, tutorial = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        pictures = _write_pictures(faces, Path(folder) / "pictures")
        for number in range(rounds):
            steps_only.append(_steps_only(model, config, steps))
            speed, epoch_seconds, extra_seconds = _loop_epoch(
                config, faces, Path(folder) / f"run-{number}"
            )
            loop.append(speed)
            overhead.append(extra_seconds / epoch_seconds)
            tutorial.append(_tutorial_steps(model, pictures, config, steps))
    return [
        Measurement(
            f"{_RECIPE} with augmentation, training loop",
            f"{max(loop):.1f} images/s",
            f"{max(loop) / max(steps_only):.3f} of the steps alone ({max(steps_only):.1f}); "
            "limit 0.93",
        ),
        Measurement(
            "metrics, checkpoints and progress",
            f"{min(overhead):.2%} of an epoch of FER2013",
            "limit 3 %",
        ),
        Measurement(
            "tutorial code: one JPEG at a time, SciPy, model.fit",
            f"{max(tutorial):.1f} images/s",
            f"{max(tutorial) / max(steps_only):.3f} of the steps alone",
        ),
    ]


def _faces(training_count: int, validation_count: int) -> FaceSet:
    generator = np.random.default_rng(0)
    count = training_count + validation_count
    return FaceSet(
        images=generator.integers(0, 256, (count, FACE_SIZE, FACE_SIZE), dtype=np.uint8),
        labels=(np.arange(count) % len(EMOTIONS)).astype(np.int8),
        splits=np.repeat([0, 1], [training_count, validation_count]).astype(np.int8),
        names=tuple(str(number) for number in range(count)),
    )


def _steps_only(model: Any, config: TrainingConfig, steps: int) -> float:
    """Return images per second of ``train_on_batch`` on one prepared batch."""
    generator = np.random.default_rng(0)
    pixels = generator.random((config.batch_size, FACE_SIZE, FACE_SIZE, 1), dtype=np.float32)
    targets = np.eye(len(EMOTIONS), dtype=np.float32)[np.arange(config.batch_size) % 7]
    for _ in range(_WARM_UP):
        model.train_on_batch(pixels, targets, return_dict=True)
    start = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(pixels, targets, return_dict=True)
    return steps * config.batch_size / (time.perf_counter() - start)


def _loop_epoch(config: TrainingConfig, faces: FaceSet, folder: Path) -> tuple[float, float, float]:
    """Train one epoch with ``fit``.

    Returns:
        Images per second of the steps, without the first ones, in which Keras compiles; the
        seconds that the steps of an epoch of FER2013 take at that speed; and the seconds per epoch
        for metrics, checkpoints and progress.
    """
    from fer_core.training import fit as fit_module

    run = RunFolder(folder)
    run.create(RunSetup(_RECIPE, "random", config))
    step_times: list[float] = []

    def record_step() -> bool:
        step_times.append(time.perf_counter())
        return False

    prediction_times: list[float] = []
    predict = fit_module.predict_in_batches

    def timed_prediction(model: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        result = predict(model, images)
        prediction_times.append(time.perf_counter())
        return result

    fit_module.predict_in_batches = timed_prediction
    try:
        fit_module.fit(config, faces, run, fit_module.FitContext(should_stop=record_step))
    finally:
        fit_module.predict_in_batches = predict
    end = time.perf_counter()
    speed = (
        (len(step_times) - 1 - _WARM_UP)
        * config.batch_size
        / (step_times[-1] - step_times[_WARM_UP])
    )
    after_validation_seconds = end - prediction_times[0]  # metrics, best weights, checkpoint, log
    epoch_seconds = _TRAINING_IMAGES / speed
    # The status is written at a fixed interval, independent of the length of the epoch.
    status_writes = epoch_seconds / TrainingProgress.STATUS_INTERVAL
    status_seconds = status_writes * _status_write_seconds(run)
    return speed, epoch_seconds, after_validation_seconds + status_seconds


def _status_write_seconds(run: RunFolder) -> float:
    status = run.read_status()
    assert status is not None
    return median_seconds(lambda: run.write_status(status))


def _write_pictures(faces: FaceSet, folder: Path) -> list[Path]:
    folder.mkdir()
    paths = []
    for number, image in enumerate(faces.images):
        paths.append(folder / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), image)
    return paths


def _tutorial_steps(model: Any, paths: list[Path], config: TrainingConfig, steps: int) -> float:
    """Return images per second of ``model.fit`` with a generator that loads one image at a time."""
    import keras
    from scipy import ndimage

    class SingleImageLoader(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return steps

        def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            generator = np.random.default_rng(index)
            pictures, targets = [], []
            first = index * config.batch_size
            for number, path in enumerate(paths[first : first + config.batch_size], start=first):
                picture = keras.utils.img_to_array(
                    keras.utils.load_img(path, color_mode="grayscale")
                )[..., 0]
                picture = ndimage.rotate(
                    picture, generator.uniform(-10, 10), reshape=False, mode="nearest"
                )
                zoom = generator.uniform(0.9, 1.1)
                offset = (1 - 1 / zoom) * FACE_SIZE / 2
                picture = ndimage.affine_transform(
                    picture, np.eye(2) / zoom, offset=offset, mode="nearest"
                )
                if generator.random() < 0.5:
                    picture = picture[:, ::-1]
                pictures.append(picture / 255)
                targets.append(np.eye(len(EMOTIONS), dtype=np.float32)[number % 7])
            return np.stack(pictures)[..., np.newaxis].astype(np.float32), np.stack(targets)

    start = time.perf_counter()
    model.fit(SingleImageLoader(), epochs=1, verbose=0)
    return steps * config.batch_size / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure training speed.")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print_table(measure(arguments.steps, arguments.rounds))


if __name__ == "__main__":
    main()
