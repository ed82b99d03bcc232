"""Sentences about the methods of an evaluation, written from the record of the model.

Most of the private functions return the sentences about the subject that they are named after.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fer_core.bundle import Bundle, BundleRecord
from fer_core.errors import InputError
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import RESAMPLE_COUNT
from fer_core.phrases import counted, format_duration
from fer_core.recipes import TrainingConfig, validated_config
from fer_core.report.references import REFERENCES, cite

# The values of four fields of ``TrainingConfig`` in words, as parts of sentences.
_OPTIMIZERS = {
    "adam": f"Adam {cite('kingma2015adam')}",
    "adamw": f"AdamW {cite('loshchilov2019decoupled')}",
    "sgd": "stochastic gradient descent with Nesterov momentum",
}
_MONITORS = {
    "loss": "the lowest validation loss",
    "accuracy": "the highest validation accuracy",
    "macro_f1": "the highest macro F1 on validation",
}
_IMBALANCE = {
    "class_weights": "weights in the loss that are larger for rare classes",
    "oversampling": "oversampling, so that all classes occur equally often",
    "square_root_sampling": "sampling each class in proportion to the square root of its size",
}
_TARGETS = {
    "votes_majority": "the plurality of the annotator votes",
    "votes_distribution": "the distribution of the annotator votes",
}


@dataclass(frozen=True)
class Methods:
    """The methods section of a report.

    Attributes:
        paragraphs: Paragraphs of plain text.
        keys: The BibTeX keys of the works that the text cites.
    """

    paragraphs: tuple[str, ...]
    keys: tuple[str, ...]


def describe_methods(result: EvaluationResult, bundle: Bundle, data_title: str) -> Methods:
    """Describe data, training, calibration and evaluation in the past tense, as a paper does.

    Args:
        result: The evaluation.
        bundle: The evaluated model.
        data_title: A description of the evaluated images, such as "the test images of fer2013".
    """
    paragraphs = (
        _training(bundle.record),
        _prediction(bundle),
        _evaluation(result, data_title),
    )
    # A work is cited if its citation occurs in the text.
    text = " ".join(paragraphs)
    keys = tuple(key for key, work in REFERENCES.items() if work.citation in text)
    return Methods(paragraphs, keys)


def _training(record: BundleRecord) -> str:
    if record.source is not None or record.recipe is None:
        return _import(record)
    try:
        config = validated_config(record.config)
    except InputError:  # another version of the program wrote the configuration
        return f"The network was trained with the recipe {record.recipe}; its settings are unknown."
    sentences = [
        _network(record, config),
        _data(record, config),
        _optimization(config),
        *_augmentation_and_imbalance(config),
        _selection(record, config),
        _environment(record),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _import(record: BundleRecord) -> str:
    if record.source is None:
        return "The network was imported; its training is not recorded."
    return (
        f"The network was imported from {record.source.file} ({record.source.format}) with "
        f"{record.parameters:,} parameters; its training is not recorded."
    )


def _network(record: BundleRecord, config: TrainingConfig) -> str:
    height, width, _ = record.input_shape
    name = config.architecture.replace("_", " ")
    return (
        f"A convolutional network (architecture {name}, {record.parameters:,} parameters) was "
        f"trained to classify {width}x{height} grayscale images of faces into "
        f"{len(record.classes)} classes: {', '.join(record.classes)}."
    )


def _data(record: BundleRecord, config: TrainingConfig) -> str:
    name = record.dataset.get("name", "an unknown dataset")
    if record.is_demo:
        name = "the demo set of FER Studio, which consists of drawn faces"
    elif re.search(r"fer-?2013", str(name), re.IGNORECASE):
        name = f"{name} {cite('goodfellow2013challenges')}"
    count = record.training.get("training_images")
    images_text = f"{count:,} images of {name}" if isinstance(count, int) else f"{name}"
    text = f"Training used {images_text}"
    if record.curation:
        text += f", {record.curation}"
    text += "."
    if config.targets in _TARGETS:
        source = str(record.targets.get("source", ""))
        citation = f" {cite('barsoum2016training')}" if "ferplus" in source.lower() else ""
        text += f" The targets were {_TARGETS[config.targets]}{citation}."
    if record.start:
        starting_model = str(record.start.get("model", "another model"))
        text += f" The weights were initialized with those of the model {starting_model}"
        freeze = record.start.get("freeze")
        text += f", whose layers up to {freeze} were not changed." if freeze else "."
    return text


def _optimization(config: TrainingConfig) -> str:
    optimizer = _OPTIMIZERS[config.optimizer]
    if config.optimizer == "sgd":
        optimizer += f" {config.momentum:g}"
    decay = f", weight decay {config.weight_decay:g}" if config.weight_decay else ""
    loss = "cross-entropy"
    if config.loss == "focal":
        loss = f"the focal loss {cite('lin2017focal')} with gamma {config.focal_gamma:g}"
    if config.label_smoothing:
        loss += f" with label smoothing {config.label_smoothing:g} {cite('szegedy2016rethinking')}"
    text = (
        f"{optimizer[0].upper()}{optimizer[1:]} minimized {loss} in batches of "
        f"{config.batch_size:,} images for up to {counted(config.epochs, 'epoch')} (learning rate "
        f"{config.learning_rate:g}{_schedule(config)}{decay})."
    )
    if config.averaging_momentum is not None:
        text += " An exponential moving average of the weights was used."
    if config.gradient_clip_norm is not None:
        text += f" Gradients were clipped to a norm of {config.gradient_clip_norm:g}."
    if config.low_resolution_epochs:
        epochs = _first_or_last("first", config.low_resolution_epochs)
        text += f" {epochs[0].upper()}{epochs[1:]} used images of 36x36 pixels."
    return text


def _first_or_last(which: str, epochs: int) -> str:
    """Return text like "the first epoch" or "the last 3 epochs"."""
    return f"the {which} epoch" if epochs == 1 else f"the {which} {epochs} epochs"


def _schedule(config: TrainingConfig) -> str:
    text = ""
    if config.schedule == "cosine":
        text = f", cosine schedule {cite('loshchilov2017sgdr')} to {config.final_learning_rate:g}"
        if config.cosine_cycles > 1:
            text += f" in {config.cosine_cycles} cycles"
    elif config.schedule == "steps":
        steps = ", ".join(
            f"{rate:g} from epoch {epoch + 1}" for epoch, rate in config.schedule_steps
        )
        text = f", then {steps}"
    elif config.schedule == "plateau":
        text = (
            f", multiplied by {config.plateau_factor:g} after "
            f"{counted(config.plateau_patience, 'epoch')} without a lower validation loss"
        )
    if config.warmup_epochs:
        noun = "epoch" if config.warmup_epochs == 1 else "epochs"
        text += f", {config.warmup_epochs:g} warm-up {noun}"
    return text


#: The fields of ``TrainingConfig`` that set augmentations. For each field, a function returns the
#: field's value in words.
_AUGMENTATIONS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("flip", lambda _: "horizontal flips"),
    ("rotation_degrees", lambda value: f"rotation by up to {value:g} degrees"),
    ("shift_share", lambda value: f"shifts by up to {_percent(value)}"),
    ("zoom_share", lambda value: f"zoom by up to {_percent(value)}"),
    ("brightness_share", lambda value: f"brightness changes by up to {_percent(value)}"),
    ("contrast_share", lambda value: f"contrast changes by up to {_percent(value)}"),
    ("blur_probability", lambda value: f"Gaussian blur with probability {value:g}"),
    (
        "noise_share",
        lambda value: f"Gaussian noise with a standard deviation of up to {_percent(value)}",
    ),
    (
        "erasing_probability",
        lambda value: f"random erasing with probability {value:g} {cite('zhong2020erasing')}",
    ),
    ("mixup_alpha", lambda value: f"mixup with alpha {value:g} {cite('zhang2018mixup')}"),
)


def _augmentation_and_imbalance(config: TrainingConfig) -> list[str]:
    augmentations = [
        describe(getattr(config, name))
        for name, describe in _AUGMENTATIONS
        if getattr(config, name)
    ]
    sentences = []
    if augmentations:
        sentences.append(f"Training images were augmented by {_listed(augmentations)}.")
    if config.imbalance in _IMBALANCE:
        text = f"Class imbalance was countered by {_IMBALANCE[config.imbalance]}"
        if config.imbalance_last_epochs is not None:
            epochs = _first_or_last("last", config.imbalance_last_epochs)
            text += f" in {epochs} {cite('cao2019learning')}"
        sentences.append(f"{text}.")
    return sentences


def _selection(record: BundleRecord, config: TrainingConfig) -> str:
    epoch_count, best_epoch = record.training.get("epochs"), record.training.get("best_epoch")
    if config.monitor == "last":
        if epoch_count == 1:
            return "The weights after the only epoch were used."
        return f"The weights after the last of {epoch_count} epochs were used."
    text = f"The weights of the epoch with {_MONITORS[config.monitor]} were used"
    if isinstance(best_epoch, int):
        text += f" (epoch {best_epoch} of {epoch_count})"
    if config.early_stopping_patience is not None:
        text += (
            "; training was set to stop early after "
            f"{counted(config.early_stopping_patience, 'epoch')} without improvement"
        )
    return f"{text}."


def _environment(record: BundleRecord) -> str:
    parts = [f"seed {record.seed}"] if record.seed is not None else []
    keras = record.versions.get("keras")
    if keras is not None:
        backend = str(record.training.get("backend", "an unknown backend"))
        version = record.versions.get(backend, "")
        parts.append(f"Keras {keras} {cite('chollet2015keras')} on {backend} {version}".rstrip())
    seconds = record.training.get("seconds")
    if isinstance(seconds, (int, float)):
        parts.append(f"training time {format_duration(float(seconds))}")
    hardware = record.training.get("hardware")
    if isinstance(hardware, str):
        parts.append(hardware)
    return f"Environment: {', '.join(parts)}." if parts else ""


def _prediction(bundle: Bundle) -> str:
    calibration = bundle.calibration
    sentences = []
    if bundle.record.flip_averaging:
        sentences.append("Predictions were the mean over a face and its mirror image.")
    if calibration.class_prior is not None and calibration.prior_exponent:
        sentences.append(
            "Logits were adjusted by the class shares of the training targets "
            f"{cite('menon2021longtail')} with exponent {calibration.prior_exponent:g}."
        )
    if calibration.temperature == 1:
        sentences.append("Probabilities were those of the network, without calibration.")
    else:
        sentences.append(
            f"Probabilities were calibrated by temperature scaling {cite('guo2017calibration')} "
            f"with a temperature of {calibration.temperature:.3f}."
        )
    return " ".join(sentences)


def _evaluation(result: EvaluationResult, data_title: str) -> str:
    truth = "the plurality of the annotator votes" if result.has_vote_labels else "the labels"
    text = (
        f"The model was evaluated on {data_title} ({result.n:,} images) against {truth}. Macro F1 "
        "is the mean over the classes. Intervals are 95 % percentile bootstrap intervals from "
        f"{RESAMPLE_COUNT:,} resamples of the images {cite('efron1993bootstrap')}."
    )
    if result.human_accuracy:
        text += f" Human accuracy on these images is 65 ± 5 % {cite('goodfellow2013challenges')}."
    if result.leak_free_n is not None and result.split != "train":
        text += (
            f" {result.n - result.leak_free_n:,} of the images are in the train split or have a "
            "copy or near-duplicate there; accuracy is also given without them."
        )
    return text


def _percent(share: float) -> str:
    """Return a share as a percentage without trailing zeros."""
    return f"{100 * share:g} %"


def _listed(parts: list[str]) -> str:
    """Join parts as a list in a sentence: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
