"""What a training does: one configuration type, and the named recipes that are instances of it.

The train form, ``--set key=value``, the space of a search and the difference of two runs all derive
from the fields of ``TrainingConfig``: a new hyper-parameter is one field here and its use in
``fer_core.training``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fer_core.errors import InputError
from fer_core.networks import ARCHITECTURES
from fer_core.plain_values import read_value, shortened

#: The parts of a training's settings, by key, in the order in which a form shows them.
GROUPS: dict[str, str] = {
    "network": "Network",
    "length": "Length and arithmetic",
    "optimizer": "Optimizer",
    "schedule": "Learning rate schedule",
    "loss": "Loss and rare classes",
    "augmentation": "Augmentation",
    "selection": "Choice of the best epoch",
}


def _setting(
    default: Any,
    group: str,
    label: str,
    description: str,
    *,
    only_for: dict[str, tuple[str, ...]] | None = None,
    is_logarithmic: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """A field with what a form shows of it.

    Args:
        default: Its value where nothing is said.
        group: A key of ``GROUPS``.
        label: Its name for people.
        description: What it does, in one line.
        only_for: Values of other fields without which it has no effect.
        is_logarithmic: Whether steps of equal factors are the sensible ones.
        ge: The least value.
        gt: What a value has to lie above.
        le: The greatest value.
        lt: What a value has to lie below.
    """
    return field(
        default=default,
        metadata={
            "label": label,
            "help": description,
            "group": group,
            "applies": tuple((only_for or {}).items()),
            "is_logarithmic": is_logarithmic,
            "minimum": gt if ge is None else ge,
            "maximum": lt if le is None else le,
            "minimum_is_allowed": gt is None,
            "maximum_is_allowed": lt is None,
        },
    )


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a training goes, but for the data.

    Learning rates follow ``schedule``: *constant*; *steps*, where each of ``schedule_steps`` is
    (first epoch, counted from 0, and the rate from there on); *cosine*, from ``learning_rate`` down
    to ``final_learning_rate`` at the last step, in one descent or in ``cosine_cycles`` equal ones;
    *plateau*, multiplied by ``plateau_factor`` after
    ``plateau_patience`` epochs without a better validation loss. The first ``warmup_epochs`` rise
    linearly from nearly 0, whatever the schedule.

    ``loss`` may be *focal* (Lin et al., "Focal loss for dense object detection", ICCV 2017), which
    looks away from what is easy: ``-(1 - p)^focal_gamma log p``. Its class factor alpha is
    ``imbalance``'s *class_weights*; without them it is 1, so that a gamma of 0 is cross-entropy.

    With ``targets`` other than *labels*, training and validation loss are the cross-entropy to the
    votes, and accuracy, macro F1 and class sizes are those of the votes' plurality (see
    ``fer_core.dataset.vote_targets``). ``imbalance_last_epochs`` is the deferred re-balancing of
    Cao et al., "Learning imbalanced datasets with label-distribution-aware margin loss", NeurIPS
    2019.
    """

    architecture: str = _setting(
        "plain_eight", "network", "Architecture", "Network, a name from fer_core.networks"
    )
    dropout_scale: float = _setting(
        1.0,
        "network",
        "Dropout scale",
        "Factor on the network's own dropout rates (0: none)",
        ge=0.0,
        le=3.0,
    )

    epochs: int = _setting(
        50, "length", "Epochs", "Passes over the training images", ge=1, le=10_000
    )
    batch_size: int = _setting(64, "length", "Batch size", "Images per step", ge=1, le=4096)
    low_resolution_epochs: int = _setting(
        0,
        "length",
        "Low-resolution epochs",
        "First epochs on 36x36 pixels, which cost about half; 0: none",
        ge=0,
        le=10_000,
    )
    seed: int = _setting(0, "length", "Seed", "Seed of every random choice", ge=0, le=2**32 - 1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = _setting(
        "float32",
        "length",
        "Precision",
        "Arithmetic of the training; the bundle is always float32",
    )

    optimizer: Literal["adam", "adamw", "sgd"] = _setting(
        "adam", "optimizer", "Optimizer", "Rule by which the weights follow the gradient"
    )
    learning_rate: float = _setting(
        1e-3,
        "optimizer",
        "Learning rate",
        "Highest learning rate",
        is_logarithmic=True,
        gt=0,
        le=10,
    )
    momentum: float = _setting(
        0.9,
        "optimizer",
        "Momentum",
        "Momentum of sgd (Nesterov's)",
        only_for={"optimizer": ("sgd",)},
        ge=0,
        le=1,
    )
    weight_decay: float = _setting(
        0.0,
        "optimizer",
        "Weight decay",
        "Decoupled decay of kernels (adamw, sgd); 0: none",
        only_for={"optimizer": ("adamw", "sgd")},
        is_logarithmic=True,
        ge=0,
        le=1,
    )
    gradient_clip_norm: float | None = _setting(
        None,
        "optimizer",
        "Gradient clipping",
        "Bound on the gradient's overall norm; none: no bound",
        is_logarithmic=True,
        gt=0,
        le=1e6,
    )
    averaging_momentum: float | None = _setting(
        None,
        "optimizer",
        "Weight averaging",
        "Momentum of the weights' moving average; none: off",
        ge=0.5,
        lt=1,
    )

    schedule: Literal["constant", "steps", "cosine", "plateau"] = _setting(
        "constant", "schedule", "Schedule", "How the learning rate changes"
    )
    schedule_steps: tuple[tuple[int, float], ...] = _setting(
        (),
        "schedule",
        "Steps",
        "For steps: pairs of first epoch (from 0) and learning rate",
        only_for={"schedule": ("steps",)},
    )
    warmup_epochs: float = _setting(
        0.0, "schedule", "Warm-up epochs", "Epochs of linear rise at the start", ge=0, le=10_000
    )
    final_learning_rate: float = _setting(
        0.0,
        "schedule",
        "Final learning rate",
        "For cosine: rate at the end",
        only_for={"schedule": ("cosine",)},
        is_logarithmic=True,
        ge=0,
        le=10,
    )
    cosine_cycles: int = _setting(
        1,
        "schedule",
        "Cosine cycles",
        "For cosine: equal descents, each from the highest rate",
        only_for={"schedule": ("cosine",)},
        ge=1,
        le=100,
    )
    plateau_factor: float = _setting(
        0.5,
        "schedule",
        "Plateau factor",
        "For plateau: factor on the rate",
        only_for={"schedule": ("plateau",)},
        gt=0,
        lt=1,
    )
    plateau_patience: int = _setting(
        5,
        "schedule",
        "Plateau patience",
        "For plateau: epochs without progress",
        only_for={"schedule": ("plateau",)},
        ge=1,
        le=10_000,
    )

    loss: Literal["cross_entropy", "focal"] = _setting(
        "cross_entropy",
        "loss",
        "Loss",
        "What is made small; focal looks away from easy images, a remedy for rare classes",
    )
    focal_gamma: float = _setting(
        2.0,
        "loss",
        "Focal gamma",
        "For focal: how far easy images are looked away from; 0: not at all",
        only_for={"loss": ("focal",)},
        ge=0,
        le=10,
    )
    label_encoding: Literal["integer", "one_hot"] = _setting(
        "one_hot",
        "loss",
        "Label encoding",
        "integer: sparse categorical cross-entropy; one_hot: categorical",
    )
    label_smoothing: float = _setting(
        0.0,
        "loss",
        "Label smoothing",
        "Share of even label mass",
        only_for={"label_encoding": ("one_hot",)},
        ge=0,
        lt=0.5,
    )
    mixup_alpha: float = _setting(
        0.0,
        "augmentation",
        "Mixup",
        "Mixup's Beta parameter; 0: off",
        only_for={"label_encoding": ("one_hot",)},
        ge=0,
        le=5,
    )
    targets: Literal["labels", "votes_majority", "votes_distribution"] = _setting(
        "labels",
        "loss",
        "Targets",
        "What is learned: the dataset's labels, or the votes of its annotators, as their plurality "
        "or as a distribution",
    )
    imbalance: Literal["none", "class_weights", "oversampling", "square_root_sampling"] = _setting(
        "none",
        "loss",
        "Rare classes",
        "Weigh the loss of rare classes, draw all classes equally often, or draw each in "
        "proportion to the square root of its size",
    )
    imbalance_last_epochs: int | None = _setting(
        None,
        "loss",
        "Rare classes: last epochs",
        "Treat rare classes so in the last epochs only (deferred re-balancing); none: in all",
        only_for={"imbalance": ("class_weights", "oversampling", "square_root_sampling")},
        ge=1,
        le=10_000,
    )
    exclude_leaks: bool = _setting(
        False,
        "selection",
        "Leave out leaks",
        "Leave out training images whose pixels also stand in validation or test",
    )

    use_curation: bool = _setting(
        True,
        "selection",
        "Heed the curation",
        "Heed the decisions about training images (dropped, relabelled) that stand beside an "
        "imported dataset",
    )

    flip: bool = _setting(False, "augmentation", "Flip", "Mirror half of the images")
    rotation_degrees: float = _setting(
        0.0, "augmentation", "Rotation (degrees)", "Turn by up to this angle", ge=0, le=180
    )
    shift_share: float = _setting(
        0.0, "augmentation", "Shift", "Move by up to this share of 48 px", ge=0, le=0.5
    )
    zoom_share: float = _setting(
        0.0, "augmentation", "Zoom", "Enlarge or shrink by up to this share", ge=0, lt=1
    )
    brightness_share: float = _setting(
        0.0, "augmentation", "Brightness", "Add up to this share of white, or of black", ge=0, le=1
    )
    contrast_share: float = _setting(
        0.0, "augmentation", "Contrast", "Stretch or flatten grey values by up to this", ge=0, le=1
    )
    blur_probability: float = _setting(
        0.0, "augmentation", "Blur", "Chance of blur, as a distant face shows it", ge=0, le=1
    )
    noise_share: float = _setting(
        0.0, "augmentation", "Noise", "Grain's standard deviation, up to this share", ge=0, le=1
    )
    erasing_probability: float = _setting(
        0.0, "augmentation", "Random erasing", "Chance of a covered rectangle", ge=0, le=1
    )

    monitor: Literal["loss", "accuracy", "macro_f1", "last"] = _setting(
        "loss",
        "selection",
        "Best epoch by",
        "Validation figure that picks the best epoch; last: always the latest epoch",
    )
    early_stopping_patience: int | None = _setting(
        None,
        "selection",
        "Early stopping patience",
        "Stop after so many epochs without a better figure; none: never",
        ge=1,
        le=10_000,
    )
    flip_averaging: bool = _setting(
        False,
        "selection",
        "Flip averaging",
        "Served predictions are the mean over the face and its mirror image",
    )

    def __post_init__(self) -> None:
        """Check every value alone, then all of them together.

        Raises:
            InputError: They are not valid; the sentence says why.
        """
        for setting in setting_fields():
            # A whole number where a fraction is meant, or a list from JSON, is turned into it.
            checked = setting.checked(getattr(self, setting.name))
            object.__setattr__(self, setting.name, checked)
        self._check_together()

    def to_json(self) -> dict[str, Any]:
        """Plain values by field, of which ``validated_config`` makes the same configuration."""
        steps = [list(step) for step in self.schedule_steps]
        return asdict(self) | {"schedule_steps": steps}

    def _check_together(self) -> None:
        if self.label_encoding == "integer" and (self.label_smoothing or self.mixup_alpha):
            raise InputError(
                "label_smoothing and mixup_alpha need label_encoding=one_hot. "
                "Received: label_encoding=integer."
            )
        if self.label_encoding == "integer" and self.loss == "focal":
            raise InputError(
                "loss=focal needs label_encoding=one_hot. Received: label_encoding=integer."
            )
        if self.label_encoding == "integer" and self.targets == "votes_distribution":
            raise InputError(
                "targets=votes_distribution needs label_encoding=one_hot. "
                "Received: label_encoding=integer."
            )
        if self.label_encoding == "integer" and self.low_resolution_epochs:
            raise InputError(
                "low_resolution_epochs needs label_encoding=one_hot. "
                "Received: label_encoding=integer."
            )
        if self.low_resolution_epochs and not ARCHITECTURES[self.architecture].takes_any_size:
            names = ", ".join(name for name, one in ARCHITECTURES.items() if one.takes_any_size)
            raise InputError(
                f"low_resolution_epochs needs an architecture that takes any size ({names}). "
                f"Received: architecture={self.architecture}."
            )
        if self.schedule == "steps" and not self.schedule_steps:
            raise InputError(
                "schedule=steps needs schedule_steps, for example [[20, 0.00025], [30, 0.00005]]."
            )
        epochs = [epoch for epoch, _ in self.schedule_steps]
        if epochs != sorted(set(epochs)) or any(epoch < 0 for epoch in epochs):
            raise InputError(
                f"the epochs of schedule_steps should rise from 0. Received: {epochs}."
            )
        if any(rate <= 0 for _, rate in self.schedule_steps):
            raise InputError("the learning rates of schedule_steps should be above 0.")
        if self.weight_decay and self.optimizer == "adam":
            raise InputError("weight_decay needs optimizer=adamw or sgd. Received: optimizer=adam.")


@dataclass(frozen=True)
class SettingField:
    """One field of ``TrainingConfig`` as a form needs it.

    Attributes:
        name: The field.
        label: Its name for people.
        help: What it does, in one line.
        group: A key of ``GROUPS``.
        kind: Which element asks for it; *steps* are the pairs of ``schedule_steps``.
        default: Its value where nothing is said.
        choices: For *choice*.
        minimum: For numbers.
        maximum: For numbers.
        minimum_is_allowed: False where a value has to lie above ``minimum``.
        maximum_is_allowed: False where a value has to lie below ``maximum``.
        is_optional: Whether None (off) is a value too.
        is_logarithmic: Whether steps of equal factors are the sensible ones.
        applies: Pairs of another field and those of its values with which this one has an effect;
            all pairs have to hold.
    """

    name: str
    label: str
    help: str
    group: str
    kind: Literal["choice", "boolean", "integer", "number", "steps"]
    default: Any
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    minimum_is_allowed: bool = True
    maximum_is_allowed: bool = True
    is_optional: bool = False
    is_logarithmic: bool = False
    applies: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def applies_to(self, values: Mapping[str, Any]) -> bool:
        """Whether the field has an effect beside these values of the other fields."""
        return all(values.get(field) in wanted for field, wanted in self.applies)

    def checked(self, value: Any) -> Any:
        """A value of this field in the field's own type.

        Raises:
            InputError: It does not fit; the sentence says what does.
        """
        if value is None and self.is_optional:
            return None
        if self.kind == "choice":
            if isinstance(value, str) and value in self.choices:
                return value
            raise self._misfit(f"one of {', '.join(self.choices)}", value)
        try:
            checked = read_value(_TYPES[self.kind], value, self.name)
        except ValueError as error:
            raise InputError(f"{error}.") from error
        if self.kind in ("integer", "number") and not self._is_within_bounds(checked):
            raise self._misfit(self._bounds_in_words(), value)
        return checked

    def _is_within_bounds(self, value: float) -> bool:
        assert self.minimum is not None and self.maximum is not None
        above = self.minimum < value or (self.minimum_is_allowed and value == self.minimum)
        return above and (
            value < self.maximum or (self.maximum_is_allowed and value == self.maximum)
        )

    def _bounds_in_words(self) -> str:
        low = f"{'at least' if self.minimum_is_allowed else 'above'} {self.minimum:,.12g}"
        high = f"{'at most' if self.maximum_is_allowed else 'below'} {self.maximum:,.12g}"
        return f"{low} and {high}"

    def _misfit(self, expected: str, value: Any) -> InputError:
        received = f"{self.name}={shortened(value)}"
        return InputError(f"{self.name} should be {expected}. Received: {received}.")


_TYPES: dict[str, Any] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "steps": tuple[tuple[int, float], ...],
}


@cache
def setting_fields() -> tuple[SettingField, ...]:
    """Every field of ``TrainingConfig``, in its order."""
    hints = get_type_hints(TrainingConfig)
    return tuple(
        _setting_field(one.name, hints[one.name], one.default, one.metadata)
        for one in fields(TrainingConfig)
    )


def _setting_field(
    name: str, annotation: Any, default: Any, shown: Mapping[str, Any]
) -> SettingField:
    types = get_args(annotation)
    is_optional = NoneType in types
    plain = types[0] if is_optional else annotation
    choices: tuple[str, ...] = ()
    kind: Literal["choice", "boolean", "integer", "number", "steps"]
    if name == "architecture":
        kind, choices = "choice", tuple(ARCHITECTURES)
    elif get_origin(plain) is Literal:
        kind, choices = "choice", get_args(plain)
    elif get_origin(plain) is tuple:
        kind = "steps"
    else:
        kinds: dict[Any, Literal["boolean", "integer", "number"]] = {
            bool: "boolean",
            int: "integer",
            float: "number",
        }
        kind = kinds[plain]
    return SettingField(
        name=name, kind=kind, default=default, choices=choices, is_optional=is_optional, **shown
    )


@dataclass(frozen=True)
class ConfigDifference:
    """A setting in which two configurations differ.

    Attributes:
        field: Of ``TrainingConfig``.
        label: Its name for people.
        first: Its value in the first configuration.
        second: Its value in the second.
    """

    field: str
    label: str
    first: Any
    second: Any


def config_difference(first: TrainingConfig, second: TrainingConfig) -> list[ConfigDifference]:
    """In which settings two configurations differ, in the fields' order."""
    return [
        ConfigDifference(
            field.name, field.label, getattr(first, field.name), getattr(second, field.name)
        )
        for field in setting_fields()
        if getattr(first, field.name) != getattr(second, field.name)
    ]


def changed_config(config: TrainingConfig, changes: dict[str, Any]) -> TrainingConfig:
    """A copy of a configuration with some fields changed, validated again.

    Args:
        config: Where to start from.
        changes: New values by field; a string is read as the field's type (``"none"`` is None).

    Raises:
        InputError: A field does not exist, or a value does not fit; the sentence says which.
    """
    by_name = {setting.name: setting for setting in setting_fields()}
    unknown = [key for key in changes if key not in by_name]
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is no setting of a training; choose from {', '.join(by_name)}."
        )
    read = {key: _read_text(by_name[key], value) for key, value in changes.items()}
    return validated_config(config.to_json() | read)


def validated_config(values: Any) -> TrainingConfig:
    """Build a configuration from plain values, such as a run's ``config.json``.

    Raises:
        InputError: The values do not make a valid configuration; the sentence says why.
    """
    if not isinstance(values, dict):
        raise InputError(f"A configuration should be a JSON object. Received: {shortened(values)}.")
    unknown = [key for key in values if key not in {field.name for field in setting_fields()}]
    if unknown:
        raise InputError(f"{shortened(unknown[0])} is no setting of a training; remove it.")
    return TrainingConfig(**values)


def _read_text(setting: SettingField, value: Any) -> Any:
    """Read a command line's text as JSON where it is JSON, and as itself where it is not."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("none", "null"):
        # One field has a choice that is called "none".
        return None if setting.is_optional else value
    if setting.kind == "boolean":
        return _TRUTH_VALUES.get(value.lower(), value)
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


_TRUTH_VALUES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


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


def _gpu_recipe() -> Recipe:
    """Our own, for a graphics processor: what the strongest published recipes share, together.

    SGD with Nesterov momentum from 0.1 under a warm-up and one cosine, weight decay (5e-3 here is
    5e-4 elsewhere, as in the two-core recipe), 240 epochs in batches of 128, label smoothing,
    mixup, averaged weights, flip averaging. Shifts, zoom, rotation and erasing are a little
    stronger than in the two-core recipe, because five times the epochs on twice the depth leave
    more to be learnt by heart.
    """
    shorter = _two_core_recipe()
    return Recipe(
        name="residual-attention-sgd-cosine-mixup",
        summary="Eleven residual convolutions with channel attention; SGD under a cosine, mixup, "
        "240 epochs: for a GPU",
        published_result="",
        config=replace(
            shorter.config,
            architecture="residual_eleven_attention",
            epochs=240,
            batch_size=128,
            learning_rate=0.1,
            warmup_epochs=5,
            mixup_alpha=0.2,
            rotation_degrees=15,
            shift_share=0.12,
            zoom_share=0.2,
            erasing_probability=0.3,
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
            _gpu_recipe(),
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
