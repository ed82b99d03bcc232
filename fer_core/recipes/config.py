"""The configuration of a training: a dataclass whose fields have bounds and descriptions.

The train form, ``--set key=value``, search spaces and the comparison of two runs are derived from
the fields of ``TrainingConfig``. To add a hyperparameter, add a field here and use it in
``fer_core.training``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.validation import FORBID_UNKNOWN, Flag, Integer, Number, Text

#: The groups of settings by key, in the order in which a form shows them.
GROUPS: dict[str, str] = {
    "data": "Data",
    "network": "Network",
    # The training form shows the setting ``epochs`` of this group next to the recipe, so this
    # title does not mention it.
    "run": "Batch size, seed, precision",
    "optimizer": "Optimizer",
    "schedule": "Learning rate schedule",
    "loss": "Loss",
    "augmentation": "Augmentation",
    "selection": "Checkpoint selection",
}


def _setting(
    default: Any,
    group: str,
    label: str,
    description: str,
    *,
    only_for: dict[str, tuple[str, ...]] | None = None,
    is_logarithmic: bool = False,
    **bounds: Any,
) -> Any:
    """Define a field of ``TrainingConfig``.

    Args:
        default: Default value of the field.
        group: A key of ``GROUPS``.
        label: Label of the field in forms.
        description: What the setting does, in one line. Values such as "class_weights" are written
            as in the form: "class weights".
        only_for: The fields on which this field depends, each with the values for which this field
            has an effect.
        is_logarithmic: True if the field is best varied on a logarithmic scale.
        bounds: ``ge``, ``gt``, ``le`` and ``lt``, as in ``pydantic.Field``.
    """
    extra: Any = {
        "group": group,
        "conditions": tuple((only_for or {}).items()),
        "is_logarithmic": is_logarithmic,
    }
    return Field(
        default=default,
        title=label,
        description=description,
        json_schema_extra=extra,  # read by ``setting_fields``
        **bounds,
    )


def _known_architecture(name: str) -> str:
    if name not in ARCHITECTURES:
        raise ValueError(f"should be one of {', '.join(ARCHITECTURES)}")
    return name


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class TrainingConfig:
    """All parameters of a training, except the data.

    The learning rate depends on ``schedule``:

    - "constant": The rate does not change.
    - "steps": Each of ``schedule_steps`` is a pair of an epoch, counted from 0, and the rate from
      the beginning of this epoch on. Before the first of these epochs, the rate is
      ``learning_rate``.
    - "cosine": The training is divided into ``cosine_cycles`` parts of equal length. In each part,
      the rate falls from ``learning_rate`` to ``final_learning_rate``.
    - "plateau": The rate is multiplied by ``plateau_factor`` after ``plateau_patience`` epochs
      without a better validation loss.

    With every schedule, the rate first rises linearly from nearly 0 during ``warmup_epochs``.

    If ``loss`` is "focal", the loss of easy images is reduced: ``-(1 - p)^focal_gamma log p`` (Lin
    et al., "Focal loss for dense object detection", ICCV 2017). The factor alpha of this loss is
    the class weight if ``imbalance`` is "class_weights", and otherwise 1. With an alpha of 1 and a
    gamma of 0, focal loss equals cross-entropy.

    If ``targets`` is not "labels", the targets of training and validation loss are the
    distributions of the votes or their pluralities. Accuracy, macro F1 and class sizes then refer
    to the pluralities (see ``fer_core.dataset.vote_targets``). ``imbalance_last_epochs`` is the
    deferred re-balancing of Cao et al., "Learning imbalanced datasets with
    label-distribution-aware margin loss", NeurIPS 2019.

    Raises:
        pydantic.ValidationError: A value is not valid; ``validated_config`` turns it into an
            ``InputError`` with one sentence.
    """

    architecture: Annotated[Text, AfterValidator(_known_architecture)] = _setting(
        "plain_eight", "network", "Architecture", "The network"
    )
    dropout_scale: Number = _setting(
        1.0,
        "network",
        "Dropout scale",
        "Factor on the dropout rates of the architecture; 0: no dropout",
        ge=0.0,
        le=3.0,
    )

    epochs: Integer = _setting(
        50, "run", "Epochs", "Passes over the training images", ge=1, le=10_000
    )
    batch_size: Integer = _setting(64, "run", "Batch size", "Images per step", ge=1, le=4096)
    low_resolution_epochs: Integer = _setting(
        0,
        "run",
        "Low-resolution epochs",
        "First epochs at 36x36 pixels, which take about half the time; 0: none",
        ge=0,
        le=10_000,
    )
    seed: Integer = _setting(0, "run", "Seed", "Seed of all random numbers", ge=0, le=2**32 - 1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = _setting(
        "float32",
        "run",
        "Precision",
        "Floating-point precision of the training; the bundle is always float32",
    )

    optimizer: Literal["adam", "adamw", "sgd"] = _setting(
        "adam", "optimizer", "Optimizer", "The optimization algorithm"
    )
    learning_rate: Number = _setting(
        1e-3,
        "optimizer",
        "Learning rate",
        "The largest learning rate; for steps: the rate before the first step",
        is_logarithmic=True,
        gt=0,
        le=10,
    )
    momentum: Number = _setting(
        0.9,
        "optimizer",
        "Momentum",
        "Nesterov momentum of sgd",
        only_for={"optimizer": ("sgd",)},
        ge=0,
        le=1,
    )
    weight_decay: Number = _setting(
        0.0,
        "optimizer",
        "Weight decay",
        "Decoupled weight decay of kernels (adamw, sgd); 0: none",
        only_for={"optimizer": ("adamw", "sgd")},
        is_logarithmic=True,
        ge=0,
        le=1,
    )
    gradient_clip_norm: Number | None = _setting(
        None,
        "optimizer",
        "Gradient clipping",
        "Upper bound on the global norm of the gradient; none: off",
        is_logarithmic=True,
        gt=0,
        le=1e6,
    )
    averaging_momentum: Number | None = _setting(
        None,
        "optimizer",
        "Weight averaging",
        "Momentum of the exponential moving average of the weights; reduced if a training has too "
        "few steps for it; none: off",
        ge=0.5,
        lt=1,
    )

    schedule: Literal["constant", "steps", "cosine", "plateau"] = _setting(
        "constant", "schedule", "Schedule", "How the learning rate changes during the training"
    )
    schedule_steps: tuple[tuple[Integer, Number], ...] = _setting(
        (),
        "schedule",
        "Steps",
        "For steps: pairs of first epoch (from 0) and learning rate",
        only_for={"schedule": ("steps",)},
    )
    warmup_epochs: Number = _setting(
        0.0,
        "schedule",
        "Warm-up epochs",
        "Epochs with a linearly rising learning rate at the start",
        ge=0,
        le=10_000,
    )
    final_learning_rate: Number = _setting(
        0.0,
        "schedule",
        "Final learning rate",
        "For cosine: learning rate at the end",
        only_for={"schedule": ("cosine",)},
        is_logarithmic=True,
        ge=0,
        le=10,
    )
    cosine_cycles: Integer = _setting(
        1,
        "schedule",
        "Cosine cycles",
        "For cosine: number of equal descents from the largest rate",
        only_for={"schedule": ("cosine",)},
        ge=1,
        le=100,
    )
    plateau_factor: Number = _setting(
        0.5,
        "schedule",
        "Plateau factor",
        "For plateau: factor on the learning rate",
        only_for={"schedule": ("plateau",)},
        gt=0,
        lt=1,
    )
    plateau_patience: Integer = _setting(
        5,
        "schedule",
        "Plateau patience",
        "For plateau: epochs without a better validation loss",
        only_for={"schedule": ("plateau",)},
        ge=1,
        le=10_000,
    )

    loss: Literal["cross_entropy", "focal"] = _setting(
        "cross_entropy",
        "loss",
        "Loss",
        "The loss function; focal reduces the weight of easy images, which helps rare classes",
    )
    focal_gamma: Number = _setting(
        2.0,
        "loss",
        "Focal gamma",
        "For focal: how strongly the loss of easy images is reduced; 0: not at all",
        only_for={"loss": ("focal",)},
        ge=0,
        le=10,
    )
    label_encoding: Literal["integer", "one_hot"] = _setting(
        "one_hot",
        "loss",
        "Label encoding",
        "integer: sparse categorical cross-entropy; one hot: categorical cross-entropy",
    )
    label_smoothing: Number = _setting(
        0.0,
        "loss",
        "Label smoothing",
        "Fraction of the target that is spread evenly over all classes",
        only_for={"label_encoding": ("one_hot",)},
        ge=0,
        lt=0.5,
    )
    mixup_alpha: Number = _setting(
        0.0,
        "augmentation",
        "Mixup",
        "Parameter alpha of the Beta distribution from which mixup draws; 0: off",
        only_for={"label_encoding": ("one_hot",)},
        ge=0,
        le=5,
    )
    targets: Literal["labels", "votes_majority", "votes_distribution"] = _setting(
        "labels",
        "data",
        "Targets",
        "What the network learns: the dataset's labels, the plurality of its annotator votes, or "
        "the distribution of the votes",
    )
    imbalance: Literal["none", "class_weights", "oversampling", "square_root_sampling"] = _setting(
        "none",
        "data",
        "Class imbalance",
        "class weights: larger loss for rare classes; oversampling: all classes equally often; "
        "square root sampling: each class in proportion to the square root of its size",
    )
    imbalance_last_epochs: Integer | None = _setting(
        None,
        "data",
        "Class imbalance: last epochs",
        "Number of epochs at the end in which the method for class imbalance applies (deferred "
        "re-balancing); none: all epochs",
        only_for={"imbalance": ("class_weights", "oversampling", "square_root_sampling")},
        ge=1,
        le=10_000,
    )
    exclude_leaks: Flag = _setting(
        False,
        "data",
        "Exclude leaks",
        "Exclude training images that also appear in validation or test",
    )

    use_curation: Flag = _setting(
        True,
        "data",
        "Apply my data-cleaning decisions",
        "Exclude the training images that you dropped and use the new labels of those that you "
        "relabeled",
    )

    flip: Flag = _setting(False, "augmentation", "Flip", "Mirror half of the images")
    rotation_degrees: Number = _setting(
        0.0, "augmentation", "Rotation (degrees)", "Rotate by up to this angle", ge=0, le=180
    )
    shift_share: Number = _setting(
        0.0, "augmentation", "Shift", "Shift by up to this fraction of 48 px", ge=0, le=0.5
    )
    zoom_share: Number = _setting(
        0.0, "augmentation", "Zoom", "Scale up or down by up to this fraction", ge=0, lt=1
    )
    brightness_share: Number = _setting(
        0.0,
        "augmentation",
        "Brightness",
        "Change the intensities by up to this fraction of their range",
        ge=0,
        le=1,
    )
    contrast_share: Number = _setting(
        0.0, "augmentation", "Contrast", "Change the contrast by up to this fraction", ge=0, le=1
    )
    blur_probability: Number = _setting(
        0.0,
        "augmentation",
        "Blur",
        "Probability of Gaussian blur, as in small or distant faces",
        ge=0,
        le=1,
    )
    noise_share: Number = _setting(
        0.0,
        "augmentation",
        "Noise",
        "Gaussian noise with a standard deviation of up to this fraction of the intensity range",
        ge=0,
        le=1,
    )
    erasing_probability: Number = _setting(
        0.0,
        "augmentation",
        "Random erasing",
        "Probability that a rectangle of the image is covered",
        ge=0,
        le=1,
    )

    monitor: Literal["loss", "accuracy", "macro_f1", "last"] = _setting(
        "loss",
        "selection",
        "Select best epoch by",
        "Validation metric that selects the best epoch; last: always the last epoch",
    )
    early_stopping_patience: Integer | None = _setting(
        None,
        "selection",
        "Early stopping patience",
        "Stop after this many epochs without improvement; none: never",
        ge=1,
        le=10_000,
    )
    flip_averaging: Flag = _setting(
        False,
        "selection",
        "Flip averaging",
        "Average the predictions for the face and its mirror image",
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        # For settings that need label_encoding=one_hot: the beginning of the error message, and
        # whether the settings are used.
        needs_one_hot = {
            "label_smoothing and mixup_alpha need": self.label_smoothing or self.mixup_alpha,
            "loss=focal needs": self.loss == "focal",
            "targets=votes_distribution needs": self.targets == "votes_distribution",
            "low_resolution_epochs needs": self.low_resolution_epochs,
        }
        for requirement, is_used in needs_one_hot.items():
            if is_used and self.label_encoding == "integer":
                raise ValueError(
                    f"{requirement} label_encoding=one_hot. Received: label_encoding=integer"
                )
        if self.low_resolution_epochs and not ARCHITECTURES[self.architecture].takes_any_size:
            names = ", ".join(
                name for name, architecture in ARCHITECTURES.items() if architecture.takes_any_size
            )
            raise ValueError(
                f"low_resolution_epochs needs an architecture that takes any size ({names}). "
                f"Received: architecture={self.architecture}"
            )
        if self.schedule == "steps" and not self.schedule_steps:
            raise ValueError(
                "schedule=steps needs schedule_steps, for example [[20, 0.00025], [30, 0.00005]]"
            )
        epochs = [epoch for epoch, _ in self.schedule_steps]
        if epochs != sorted(set(epochs)) or any(epoch < 0 for epoch in epochs):
            raise ValueError(
                f"the epochs of schedule_steps should be 0 or more and increase. Received: {epochs}"
            )
        if any(rate <= 0 for _, rate in self.schedule_steps):
            raise ValueError("the learning rates of schedule_steps should be above 0")
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay needs optimizer=adamw or sgd. Received: optimizer=adam")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return a plain value for each field, as ``validated_config`` accepts them."""
        steps = [list(step) for step in self.schedule_steps]
        return asdict(self) | {"schedule_steps": steps}
