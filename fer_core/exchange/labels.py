"""The order of a network's labels and the range of its input, which a model file does not define.

If this program exported the model, ``NAME.meta.json`` next to the file contains both. For other
models, the user gives them.
"""

from __future__ import annotations

import csv
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from fer_core.calibration import Calibration
from fer_core.classes import MAX_CLASSES, MIN_CLASSES, canonical_classes, validated_classes
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError, first_line
from fer_core.files import read_json
from fer_core.validation import IGNORE_UNKNOWN, Flag, Integer, Number, Text, from_dict

Scale = Literal["unit", "bytes", "signed"]
#: Options that an error of the import can be about. The train page writes its own messages for
#: these errors, because it has input fields instead of options.
ModelOption = Literal["labels", "scale"]

#: Factor and offset that turn intensities of 0 to 255 into the range that a network expects.
SCALES: dict[Scale, tuple[float, float]] = {
    "unit": (1 / 255, 0.0),
    "bytes": (1.0, 0.0),
    "signed": (2 / 255, -1.0),
}
#: The same ranges in words.
SCALE_RANGES: dict[Scale, str] = {"unit": "0 to 1", "bytes": "0 to 255", "signed": "-1 to 1"}

META_SUFFIX = ".meta.json"
_ALPHABETICAL = tuple(sorted(EMOTIONS))


class ModelOptionError(InputError):
    """An import needs an option that is missing or wrong.

    Attributes:
        option: The option.
        reason: Why the option is needed or wrong, as a part of the page's message. For the option
            "labels", this is the rest of a sentence that begins with the name of the file. For the
            option "scale", this is a description of the network's first operations.
    """

    def __init__(self, message: str, option: ModelOption, reason: str) -> None:
        super().__init__(message)
        self.option: ModelOption = option
        self.reason = reason


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class ExportMetadata:
    """The content of ``NAME.meta.json``: the input and output of an exported network.

    Attributes:
        model: The name of the bundle.
        labels: The labels of the outputs, in their order.
        input_shape: Height, width and channels of the input.
        input_scale: Factor for pixel intensities of 0 to 255.
        input_offset: The number that is added after the multiplication.
        flip_averaging: True if the program that runs the network should use the mean of its outputs
            for a face and for the mirror image of the face.
        temperature: Divisor of the logarithms of the outputs, for calibration.
        class_prior: Share of each class in the training targets, in the order of
            ``canonical_classes(labels)``; None if unknown.
        prior_exponent: The outputs are divided by ``class_prior`` to this power, before the
            temperature is applied.
    """

    model: Text
    labels: tuple[Text, ...]
    input_shape: tuple[Integer, Integer, Integer]
    input_scale: Annotated[Number, Field(gt=0)]
    input_offset: Number = 0.0
    flip_averaging: Flag = False
    temperature: Number = Field(default=1.0, ge=0.01, le=100)
    class_prior: tuple[Number, ...] | None = None
    prior_exponent: Number = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        count = len(validated_classes(self.labels))
        prior = self.class_prior
        if prior is not None and (len(prior) != count or abs(sum(prior) - 1) > 0.01):
            raise ValueError(f"class_prior should be {count} shares that sum to 1")
        return self

    @property
    def calibration(self) -> Calibration:
        """Logit adjustment and temperature, as stored in a bundle."""
        return Calibration(
            self.temperature,
            self.class_prior,
            self.prior_exponent,
            classes=canonical_classes(self.labels),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``NAME.meta.json``."""
        return asdict(self)


def read_metadata(path: Path) -> ExportMetadata | None:
    """Read ``NAME.meta.json`` next to a model file; return None if the file does not exist.

    Raises:
        InputError: The file is damaged.
    """
    metadata_path = path.with_name(path.stem + META_SUFFIX)
    if not metadata_path.is_file():
        return None
    try:
        return from_dict(ExportMetadata, read_json(metadata_path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{metadata_path} is invalid ({first_line(error)}); restore or delete it."
        ) from error


def parse_labels(text: str) -> tuple[str, ...]:
    """Parse ``--labels``: names separated by commas, in the order of the outputs.

    A name that contains a comma is put in double quotes.

    Raises:
        InputError: The names are not a class list.
    """
    try:
        return validated_classes(next(csv.reader([text], skipinitialspace=True), []))
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"The labels {text!r} are not valid: {first_line(error)}; list {MIN_CLASSES} to "
            f"{MAX_CLASSES} different names in the order of the outputs."
        ) from error


def check_label_count(path: Path, labels: tuple[str, ...], output_count: int) -> None:
    """Check that a network has one output for each label.

    Raises:
        ModelOptionError: The network has more or fewer outputs.
    """
    if len(labels) != output_count:
        reason = (
            f"returns {output_count} values for each image, and there are {len(labels)} labels "
            f"({', '.join(labels)})"
        )
        raise ModelOptionError(
            f"{path} {reason}; give one label for each output, in their order (--labels).",
            "labels",
            reason,
        )


def parse_scale(text: str) -> Scale:
    """Parse ``--scale``.

    Raises:
        InputError: The scale is unknown.
    """
    for scale in SCALES:
        if scale == text:
            return scale
    raise InputError(f"The scale should be one of {', '.join(SCALES)}. Received: {text!r}.")


def parse_channels(text: str, option: str, *, must_be_positive: bool = False) -> tuple[float, ...]:
    """Parse a mean or standard deviation: one number, or one for each of three channels.

    Args:
        text: The numbers, separated by commas or spaces.
        option: The name of the option or field, for messages.
        must_be_positive: True to reject numbers that are not above 0.

    Raises:
        InputError: The text is not one or three numbers, or a number is rejected.
    """
    try:
        values = tuple(float(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        values = ()
    is_valid = len(values) in (1, 3) and all(math.isfinite(value) for value in values)
    if not is_valid or (must_be_positive and min(values) <= 0):
        raise InputError(
            f"{option} should be one number, or three separated by commas, one for each channel"
            f"{', each above 0' if must_be_positive else ''}. Received: {text!r}."
        )
    return values


def scale_needed(path: Path, reason: str) -> ModelOptionError:
    """Return the error that asks for the range of the pixel intensities.

    Args:
        path: The file of the model.
        reason: A description of the network's first operations.
    """
    ranges = ", ".join(
        f"--scale {name} ({description})" for name, description in SCALE_RANGES.items()
    )
    return ModelOptionError(
        f"{path} does not show which pixel intensities it was trained on ({reason}); give their "
        f"range with one of {ranges}, and --mean and --std if they were standardized, or compare "
        "the accuracy of all ranges on a dataset with --check-on DATA.",
        "scale",
        reason,
    )


def labels_needed(path: Path) -> ModelOptionError:
    """Return the error that asks for the order of the labels."""
    reason = "does not define the labels of its outputs"
    return ModelOptionError(
        f"{path} {reason}; give them in their order, "
        f"for example --labels {','.join(EMOTIONS)} (the order of FER2013) or --labels "
        f"{','.join(_ALPHABETICAL)} (alphabetical, as Keras reads folders).",
        "labels",
        reason,
    )
