"""Estimate the time and memory of a training by timing a few of its steps.

The steps run in a separate process (``python -m fer_core.training.estimate``), so that the app
never loads a training library. Results are cached; everything that affects the speed is part of the
cache key.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.dataset.face_set import FACE_SIZE, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.files import read_json, write_json
from fer_core.keras_backend import prepare_backend
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.recipes.architectures import ARCHITECTURES, CLASS_COUNT
from fer_core.settings import PROJECT_ROOT, Settings, module_command
from fer_core.training.batches import LOW_RESOLUTION, TrainingBatches
from fer_core.training.model_setup import StartingWeights, compiled_model
from fer_core.training.queue import active_runs

#: Settings that do not affect the duration of a step.
_NOT_AFFECTING_SPEED = {
    "epochs",
    "seed",
    "learning_rate",
    "momentum",
    "schedule",
    "schedule_steps",
    "warmup_epochs",
    "final_learning_rate",
    "cosine_cycles",
    "plateau_factor",
    "plateau_patience",
    "focal_gamma",
    "label_smoothing",
    "targets",
    "imbalance",
    "imbalance_last_epochs",
    "low_resolution_epochs",
    "exclude_leaks",
    "monitor",
    "early_stopping_patience",
    "flip_averaging",
}

#: Settings of which only one property affects the duration of a step: whether they are off (0 or
#: None) or on.
_SWITCHES = {
    "dropout_scale",
    "weight_decay",
    "gradient_clip_norm",
    "averaging_momentum",
    "mixup_alpha",
    "rotation_degrees",
    "shift_share",
    "zoom_share",
    "brightness_share",
    "contrast_share",
    "blur_probability",
    "noise_share",
    "erasing_probability",
}

#: Number of steps before the timed steps. The network is compiled during these steps.
_WARM_UP_STEPS = 2
#: Steps are timed until they have taken ``_MEASURING_SECONDS`` together. At least ``_MIN_STEPS``
#: and at most ``_MAX_STEPS`` steps are timed.
_MIN_STEPS = 3
_MAX_STEPS = 50
_MEASURING_SECONDS = 4.0
#: Maximum duration in seconds of the process that times the steps.
_TIMEOUT_SECONDS = 180.0
#: Memory of one image, which has one byte per pixel.
_FACE_BYTES = FACE_SIZE * FACE_SIZE


@dataclass(frozen=True)
class Speed:
    """The measured speed of a training.

    Attributes:
        training_seconds: Seconds per training image, augmentation included.
        validation_seconds: Seconds per validation image.
        startup_seconds: Time from the start of the measurement to the end of the warm-up steps.
        memory_bytes: Peak memory of the measuring process, which holds a few batches of images.
        was_busy: True if another training was running during the measurement.
    """

    training_seconds: float
    validation_seconds: float
    startup_seconds: float
    memory_bytes: int
    was_busy: bool = False


@dataclass(frozen=True)
class TrainingEstimate:
    """The expected time and memory of a training on this machine.

    Attributes:
        parameters: Number of the network's parameters.
        memory_bytes: Memory of the process, data included.
        images_per_second: Training images per second, augmentation included.
        seconds_per_epoch: Seconds per epoch, validation included.
        seconds: Seconds of the whole training, including the start.
        epochs: Number of planned epochs.
        may_end_sooner: True if early stopping is enabled.
        training_images: Training images per epoch.
        validation_images: Validation images per epoch.
        was_busy: True if another training was running during the measurement, so that the actual
            time may be shorter.
    """

    parameters: int
    memory_bytes: int
    images_per_second: float
    seconds_per_epoch: float
    seconds: float
    epochs: int
    may_end_sooner: bool
    training_images: int
    validation_images: int
    was_busy: bool

    @property
    def text(self) -> str:
        """The time in words: "about 4 hours on this machine (5 minutes per epoch, 50 epochs)"."""
        text = (
            f"about {_format_estimate(self.seconds)} on this machine "
            f"({_format_estimate(self.seconds_per_epoch)} per epoch, "
            f"{self.epochs:,} epoch{'s' if self.epochs != 1 else ''})"
        )
        if self.may_end_sooner:
            text += "; early stopping may end the training sooner"
        if self.was_busy:
            text += (
                "; measured while another training was running, so the actual time may be shorter"
            )
        return text

    def to_json(self) -> dict[str, Any]:
        """Return what ``train --estimate --json`` prints."""
        return asdict(self) | {"in_words": self.text}


def _format_estimate(seconds: float) -> str:
    """Format a duration in words, rounded because it is an estimate."""
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        hours = seconds / 3600
        return f"{hours:.1f}".removesuffix(".0") + " hours" if hours < 10 else f"{hours:.0f} hours"
    return f"{seconds / 86400:.1f} days"


def cached_estimate(
    config: TrainingConfig,
    training_images: int,
    validation_images: int,
    settings: Settings,
    *,
    class_count: int = CLASS_COUNT,
    freeze: str | None = None,
) -> TrainingEstimate | None:
    """Return the estimate from an earlier measurement; None if there is no such measurement.

    This function is fast, because it never starts a measurement. See ``estimate_training`` for the
    arguments.
    """
    speed = _cached_speed(config, freeze, settings)
    if speed is None:
        return None
    return _estimate(speed, config, training_images, validation_images, class_count)


def estimate_training(
    config: TrainingConfig,
    training_images: int,
    validation_images: int,
    settings: Settings,
    *,
    class_count: int = CLASS_COUNT,
    freeze: str | None = None,
) -> TrainingEstimate:
    """Estimate a training from the duration of a few steps.

    If the cache has no measurement, the steps run in a separate process. A cached measurement that
    another training may have slowed down is repeated if no training is running now.

    Args:
        config: The training.
        training_images: Number of training images.
        validation_images: Number of validation images.
        settings: Settings with the location of ``runs/``, which contains the cache.
        class_count: Number of classes; it affects the number of parameters, not the speed.
        freeze: The stage up to which the network is not trained, which makes a step faster; None to
            train all layers.

    Raises:
        InputError: The steps cannot be executed on this machine; the message says why.
    """
    is_busy = bool(active_runs(settings))
    speed = _cached_speed(config, freeze, settings)
    if speed is None or (speed.was_busy and not is_busy):
        speed = _run_measurement(config, freeze, was_busy=is_busy)
        with suppress(OSError):  # without the file, the next estimate measures again
            write_json(_cache_path(config, freeze, settings), asdict(speed))
    return _estimate(speed, config, training_images, validation_images, class_count)


def _estimate(
    speed: Speed,
    config: TrainingConfig,
    training_images: int,
    validation_images: int,
    class_count: int,
) -> TrainingEstimate:
    batch_size = max(min(config.batch_size, training_images), 1)
    # Rounded up to whole batches, because the last batch is filled up with images of the epoch.
    images = -(-training_images // batch_size) * batch_size
    seconds_of_steps = images * speed.training_seconds
    seconds_per_epoch = seconds_of_steps + validation_images * speed.validation_seconds
    return TrainingEstimate(
        parameters=ARCHITECTURES[config.architecture].parameters_for(class_count),
        # The process holds all images, and a second copy of the training images.
        memory_bytes=speed.memory_bytes + (2 * training_images + validation_images) * _FACE_BYTES,
        images_per_second=1 / speed.training_seconds,
        seconds_per_epoch=seconds_per_epoch,
        seconds=speed.startup_seconds + _full_resolution_epochs(config) * seconds_per_epoch,
        epochs=config.epochs,
        may_end_sooner=config.early_stopping_patience is not None,
        training_images=training_images,
        validation_images=validation_images,
        was_busy=speed.was_busy,
    )


def _full_resolution_epochs(config: TrainingConfig) -> float:
    """Return the length of a training, in epochs at full resolution."""
    low_epochs = min(config.low_resolution_epochs, config.epochs)
    # The time of an epoch is assumed to be proportional to the number of pixels.
    return config.epochs - low_epochs + low_epochs * (LOW_RESOLUTION / FACE_SIZE) ** 2


def _cache_path(config: TrainingConfig, freeze: str | None, settings: Settings) -> Path:
    values = config.to_json()
    key: dict[str, Any] = {
        name: bool(value) if name in _SWITCHES else value
        for name, value in values.items()
        if name not in _NOT_AFFECTING_SPEED
    }
    key |= {"cores": os.cpu_count(), "backend": os.environ.get("KERAS_BACKEND", "")}
    if freeze is not None:
        key["freeze"] = freeze
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return settings.runs_root / ".estimates" / f"{digest[:32]}.json"


def _cached_speed(config: TrainingConfig, freeze: str | None, settings: Settings) -> Speed | None:
    try:
        speed = Speed(**read_json(_cache_path(config, freeze, settings)))
        return speed if speed.training_seconds > 0 else None
    except (OSError, ValueError, TypeError):
        return None


def _run_measurement(config: TrainingConfig, freeze: str | None, *, was_busy: bool) -> Speed:
    """Run ``measure_speed`` in a separate process.

    Raises:
        InputError: The process failed, ran out of memory or took too long.
    """
    try:
        completed = subprocess.run(
            module_command("fer_core.training.estimate"),
            input=json.dumps({"config": config.to_json(), "freeze": freeze}),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"A few steps of {config.architecture} took longer than {_TIMEOUT_SECONDS:.0f} s; "
            "try a smaller batch_size, or wait until the machine is less busy."
        ) from error
    if completed.returncode < 0:
        raise InputError(
            "The process that timed a few steps was killed by the system, probably out of memory; "
            f"try a smaller batch_size. Received: batch_size={config.batch_size}"
        )
    if completed.returncode:
        last_line = (completed.stderr.strip().splitlines() or ["no error message"])[-1]
        raise InputError(f"A few steps of this training could not be timed: {last_line}")
    # Libraries may print lines before the result.
    measured = json.loads(completed.stdout.strip().splitlines()[-1])
    return Speed(**measured, was_busy=was_busy)


def measure_speed(config: TrainingConfig, freeze: str | None = None) -> Speed:
    """Load Keras in this process and time a few steps.

    Args:
        config: The training.
        freeze: The stage up to which the network is not trained; None to train all layers.
    """
    measurement_start = time.perf_counter()
    prepare_backend()
    from fer_core.training.fit import predict_in_batches

    # Votes as targets take the same time as labels. The steps are timed at full resolution.
    config = replace(config, targets="labels", low_resolution_epochs=0)
    # A network takes the same time with random weights as with trained weights.
    starting_weights = None if freeze is None else StartingWeights(None, EMOTIONS, freeze)
    model = compiled_model(config, starting_weights=starting_weights)
    generator = np.random.default_rng(0)
    # An epoch has several batches, as in a real training.
    image_count = config.batch_size * 4
    labels = (np.arange(image_count) % len(EMOTIONS)).astype(np.int8)
    faces = FaceSet(
        images=generator.integers(0, 256, (image_count, FACE_SIZE, FACE_SIZE), dtype=np.uint8),
        labels=labels,
        splits=np.zeros(image_count, dtype=np.int8),
        names=tuple(str(number) for number in range(image_count)),
    )
    batches = TrainingBatches(faces, config)
    durations: list[float] = []
    startup_seconds = 0.0
    # More epochs than needed: the loop ends after enough steps.
    all_batches = (batch for epoch in range(_MAX_STEPS) for batch in batches.epoch(epoch))
    step_start = time.perf_counter()
    for step, batch in enumerate(all_batches, start=1):
        model.train_on_batch(
            batch.pixels, batch.targets, sample_weight=batch.weights, return_dict=True
        )
        now = time.perf_counter()
        if step == _WARM_UP_STEPS:
            startup_seconds = now - measurement_start
        elif step > _WARM_UP_STEPS:
            durations.append(now - step_start)
        step_start = now
        if len(durations) >= _MIN_STEPS and sum(durations) > _MEASURING_SECONDS:
            break
        if len(durations) >= _MAX_STEPS:
            break
    # Time one full batch of predictions.
    images = np.resize(faces.images, (256, FACE_SIZE, FACE_SIZE))
    predict_in_batches(model, images)  # the first call compiles the network
    prediction_start = time.perf_counter()
    predict_in_batches(model, images)
    return Speed(
        # The median, because other programs can slow steps down but cannot speed them up.
        training_seconds=float(np.median(durations)) / batches.images_per_step,
        validation_seconds=(time.perf_counter() - prediction_start) / len(images),
        startup_seconds=startup_seconds,
        memory_bytes=_peak_memory(),
    )


def _peak_memory() -> int:
    """Return the peak physical memory of this process in bytes; on Windows the current memory."""
    try:
        import resource
    except ImportError:
        import psutil

        return int(psutil.Process().memory_info().rss)
    # In bytes on macOS, in units of 1024 bytes on other systems.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _main() -> int:
    try:
        request = json.load(sys.stdin)
        speed = asdict(measure_speed(validated_config(request["config"]), request["freeze"]))
    except (InputError, MemoryError) as error:
        print(str(error) or "not enough memory", file=sys.stderr)
        return 1
    del speed["was_busy"]  # only the parent process knows whether another training is running
    print(json.dumps(speed))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
