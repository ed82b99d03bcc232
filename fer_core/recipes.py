"""What a training does: one configuration type, and the named recipes that are instances of it.

The train form, ``--set key=value`` and the difference of two runs all derive from the fields of
``TrainingConfig``: a new hyper-parameter is one field here and its use in ``fer_core.training``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fer_core.errors import InputError
from fer_core.networks import ARCHITECTURES

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class TrainingConfig(BaseModel):
    """Everything that decides how a training goes, but for the data.

    Learning rates follow ``schedule``: *constant*; *steps*, where each of ``schedule_steps`` is
    (first epoch, counted from 0, and the rate from there on); *cosine*, from ``learning_rate`` down
    to ``final_learning_rate`` at the last step, in one descent or in ``cosine_cycles`` equal ones;
    *plateau*, multiplied by ``plateau_factor`` after
    ``plateau_patience`` epochs without a better validation loss. The first ``warmup_epochs`` rise
    linearly from nearly 0, whatever the schedule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    architecture: str = Field("plain_eight", description="Network, a name from fer_core.networks")
    dropout_scale: float = Field(
        1.0, ge=0.0, le=3.0, description="Factor on the network's own dropout rates (0: none)"
    )

    epochs: int = Field(50, ge=1, le=10_000, description="Passes over the training images")
    batch_size: int = Field(64, ge=1, le=4096, description="Images per step")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of every random choice")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="Arithmetic of the training; the bundle is always float32"
    )

    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="Optimizer")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Highest learning rate")
    momentum: Share = Field(0.9, description="Momentum of sgd (Nesterov's)")
    weight_decay: float = Field(
        0.0, ge=0, le=1, description="Decoupled decay of kernels (adamw, sgd); 0: none"
    )
    gradient_clip_norm: float | None = Field(
        None, gt=0, description="Bound on the gradient's overall norm; none: no bound"
    )
    averaging_momentum: float | None = Field(
        None, ge=0.5, lt=1, description="Momentum of the weights' moving average; none: off"
    )

    schedule: Literal["constant", "steps", "cosine", "plateau"] = Field(
        "constant", description="How the learning rate changes"
    )
    schedule_steps: tuple[tuple[int, float], ...] = Field(
        (), description="For steps: pairs of first epoch (from 0) and learning rate"
    )
    warmup_epochs: float = Field(0.0, ge=0, description="Epochs of linear rise at the start")
    final_learning_rate: float = Field(0.0, ge=0, description="For cosine: rate at the end")
    cosine_cycles: int = Field(
        1, ge=1, le=100, description="For cosine: equal descents, each from the highest rate"
    )
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="For plateau: factor on the rate")
    plateau_patience: int = Field(5, ge=1, description="For plateau: epochs without progress")

    label_encoding: Literal["integer", "one_hot"] = Field(
        "one_hot", description="integer: sparse categorical cross-entropy; one_hot: categorical"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="Share of even label mass")
    mixup_alpha: float = Field(0.0, ge=0, le=5, description="Mixup's Beta parameter; 0: off")
    imbalance: Literal["none", "class_weights", "oversampling"] = Field(
        "none", description="Remedy for rare classes: weigh their loss, or draw them more often"
    )
    exclude_leaks: bool = Field(
        False,
        description="Leave out training images whose pixels also stand in validation or test",
    )

    use_curation: bool = Field(
        True,
        description="Heed the decisions about training images (dropped, relabelled) that stand "
        "beside an imported dataset",
    )

    flip: bool = Field(False, description="Mirror half of the images")
    rotation_degrees: float = Field(0.0, ge=0, le=180, description="Turn by up to this angle")
    shift_share: float = Field(0.0, ge=0, le=0.5, description="Move by up to this share of 48 px")
    zoom_share: float = Field(0.0, ge=0, lt=1, description="Enlarge or shrink by up to this share")
    brightness_share: Share = Field(0.0, description="Add up to this share of white, or of black")
    contrast_share: Share = Field(0.0, description="Stretch or flatten grey values by up to this")
    blur_probability: Share = Field(0.0, description="Chance of blur, as a distant face shows it")
    noise_share: Share = Field(0.0, description="Grain's standard deviation, up to this share")
    erasing_probability: Share = Field(0.0, description="Chance of a covered rectangle")

    monitor: Literal["loss", "accuracy", "macro_f1"] = Field(
        "loss", description="Validation figure that picks the best epoch"
    )
    early_stopping_patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a better figure; none: never"
    )
    flip_averaging: bool = Field(
        False, description="Served predictions are the mean over the face and its mirror image"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture should be one of {', '.join(ARCHITECTURES)}. "
                f"Received: architecture={self.architecture}"
            )
        if self.label_encoding == "integer" and (self.label_smoothing or self.mixup_alpha):
            raise ValueError(
                "label_smoothing and mixup_alpha need label_encoding=one_hot. "
                "Received: label_encoding=integer"
            )
        if self.schedule == "steps" and not self.schedule_steps:
            raise ValueError(
                "schedule=steps needs schedule_steps, for example [[20, 0.00025], [30, 0.00005]]"
            )
        epochs = [epoch for epoch, _ in self.schedule_steps]
        if epochs != sorted(set(epochs)) or any(epoch < 0 for epoch in epochs):
            raise ValueError(f"the epochs of schedule_steps should rise from 0. Received: {epochs}")
        if any(rate <= 0 for _, rate in self.schedule_steps):
            raise ValueError("the learning rates of schedule_steps should be above 0")
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay needs optimizer=adamw or sgd. Received: optimizer=adam")
        return self


def changed_config(config: TrainingConfig, changes: dict[str, Any]) -> TrainingConfig:
    """A copy of a configuration with some fields changed, validated again.

    Args:
        config: Where to start from.
        changes: New values by field; a string is read as the field's type (``"none"`` is None).

    Raises:
        InputError: A field does not exist, or a value does not fit; the sentence says which.
    """
    unknown = [key for key in changes if key not in TrainingConfig.model_fields]
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is no setting of a training; choose from "
            f"{', '.join(TrainingConfig.model_fields)}."
        )
    merged = config.model_dump() | {key: _read_value(key, value) for key, value in changes.items()}
    return validated_config(merged)


def validated_config(values: dict[str, Any]) -> TrainingConfig:
    """Build a configuration from plain values, such as a run's ``config.json``.

    Raises:
        InputError: The values do not make a valid configuration; the sentence says why.
    """
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        received = f" (received: {first['input']!r})" if field else ""
        raise InputError(f"{field + ': ' if field else ''}{message}{received}.") from error


def _read_value(field: str, value: Any) -> Any:
    """Read a command line's text as JSON where it is JSON, and as itself where it is not."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("none", "null"):
        # One field has a choice that is called "none".
        is_optional = NoneType in get_args(TrainingConfig.model_fields[field].annotation)
        return None if is_optional else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


@dataclass(frozen=True)
class Recipe:
    """A named training that anyone can run again.

    Attributes:
        name: What the command line and the train page call it; says what is inside.
        summary: One line for a list.
        published_result: What its author reported, in words; empty for our own.
        config: The training.
    """

    name: str
    summary: str
    published_result: str
    config: TrainingConfig

    @property
    def training_cost(self) -> float:
        """Multiply-adds of the network for one training image over all epochs: orders recipes."""
        return float(self.config.epochs * ARCHITECTURES[self.config.architecture].multiply_adds)


def _recipe_a() -> Recipe:
    """Recipe A: Adam 1e-4, sparse categorical cross-entropy, stop on validation loss.

    Silent on epochs, batch, patience and strengths; chosen are 100 epochs, batch 64, patience 10,
    rotation 10 degrees, zoom 10 % and flips.
    """
    return Recipe(
        name="paired-cnn-adam-early-stopping",
        summary="Paired convolutions with batch normalization; Adam 1e-4, early stopping with the "
        "best weights restored",
        published_result='"satisfactory"; no figure',
        config=TrainingConfig(
            architecture="paired_convolutions",
            epochs=100,
            batch_size=64,
            optimizer="adam",
            learning_rate=1e-4,
            label_encoding="integer",
            flip=True,
            rotation_degrees=10,
            zoom_share=0.1,
            monitor="loss",
            early_stopping_patience=10,
        ),
    )


def _recipe_b() -> Recipe:
    """Recipe B: Adam in steps of 5e-4, 2.5e-4 (epoch 20) and 5e-5 (epoch 30).

    Silent on epochs, batch and augmentation; chosen are 50 epochs, batch 64 and none.
    """
    return Recipe(
        name="four-block-cnn-step-schedule",
        summary="Four blocks of 64 to 512 filters with average pooling and L2; Adam in three steps",
        published_result="none given",
        config=TrainingConfig(
            architecture="four_blocks_average_pooling",
            epochs=50,
            batch_size=64,
            optimizer="adam",
            learning_rate=5e-4,
            schedule="steps",
            schedule_steps=((20, 2.5e-4), (30, 5e-5)),
            monitor="loss",
        ),
    )


def _recipe_c() -> Recipe:
    """Recipe C: Adam 1e-3, 50 epochs, batch 64, random rotation and flip, early stopping.

    Silent on the angle and the patience; chosen are 10 degrees and 10 epochs on validation loss.
    """
    return Recipe(
        name="three-conv-cnn-adam",
        summary="Convolutions 32, 64, 128 and a dense layer; Adam 1e-3, 50 epochs, early stopping",
        published_result="about 57 % validation accuracy",
        config=TrainingConfig(
            architecture="three_convolutions",
            epochs=50,
            batch_size=64,
            optimizer="adam",
            learning_rate=1e-3,
            flip=True,
            rotation_degrees=10,
            monitor="loss",
            early_stopping_patience=10,
        ),
    )


def _recipe_d() -> Recipe:
    """Recipe D: Adam, categorical cross-entropy, 100 epochs, no augmentation.

    Silent on the learning rate and the batch; chosen are Adam's default 1e-3 and 128. Its author
    keeps the last epoch's weights; here, as for all recipes, the best epoch's are kept.
    """
    return Recipe(
        name="wide-cnn-100-epochs",
        summary="Convolutions 128 to 512 with heavy dropout and two dense layers; Adam, 100 epochs",
        published_result="none given",
        config=TrainingConfig(
            architecture="four_convolutions_wide",
            epochs=100,
            batch_size=128,
            optimizer="adam",
            learning_rate=1e-3,
            monitor="loss",
        ),
    )


def _recipe_e() -> Recipe:
    """Recipe E: rotation, zoom, flip, EarlyStopping.

    Silent on optimizer, rate, epochs, batch and strengths; chosen are Adam 1e-3, 60 epochs, batch
    64, 15 degrees, 10 % and a patience of 8.
    """
    return Recipe(
        name="dropout-cnn-early-stopping",
        summary="Convolutions 32, 64, 128 with dropout and one dense layer; Adam, early stopping",
        published_result="accuracy, loss and per-class figures asked for; none given",
        config=TrainingConfig(
            architecture="three_convolutions_dropout",
            epochs=60,
            batch_size=64,
            optimizer="adam",
            learning_rate=1e-3,
            flip=True,
            rotation_degrees=15,
            zoom_share=0.1,
            monitor="loss",
            early_stopping_patience=8,
        ),
    )


def _two_core_recipe() -> Recipe:
    """Our own: the best that two CPU cores give in about two hours.

    What it takes from the strongest published recipes: SGD with Nesterov momentum under a cosine,
    weight decay, label smoothing, strong geometric augmentation, erasing, averaged weights, flip
    averaging. Keras decays weights apart from the momentum, so that 5e-3 here is what other
    programs call 5e-4 with a momentum of 0.9. Blur, noise and
    light are there because faces before a webcam have them.
    """
    return Recipe(
        name="plain-eight-sgd-cosine",
        summary="Eight plain convolutions; SGD under a cosine, strong augmentation, averaged "
        "weights: the best from two CPU cores",
        published_result="",
        config=TrainingConfig(
            architecture="plain_eight",
            epochs=48,
            batch_size=64,
            precision="mixed_bfloat16",
            optimizer="sgd",
            learning_rate=0.05,
            momentum=0.9,
            weight_decay=5e-3,
            averaging_momentum=0.999,
            schedule="cosine",
            warmup_epochs=2,
            label_smoothing=0.1,
            exclude_leaks=True,
            flip=True,
            rotation_degrees=12,
            shift_share=0.1,
            zoom_share=0.15,
            brightness_share=0.15,
            contrast_share=0.25,
            blur_probability=0.1,
            noise_share=0.03,
            erasing_probability=0.25,
            monitor="accuracy",
            flip_averaging=True,
        ),
    )


#: Every recipe by name, the quickest to train first.
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in sorted(
        (
            _recipe_a(),
            _recipe_b(),
            _recipe_c(),
            _recipe_d(),
            _recipe_e(),
            _two_core_recipe(),
        ),
        key=lambda recipe: recipe.training_cost,
    )
}


def recipe_by_name(name: str) -> Recipe:
    """Find a recipe.

    Raises:
        InputError: There is none of that name; the sentence lists those there are.
    """
    if name not in RECIPES:
        raise InputError(f"There is no recipe {name!r}; choose from {', '.join(RECIPES)}.")
    return RECIPES[name]
