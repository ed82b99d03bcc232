"""What a network's file does not say: the order of its labels and the range of its grey values.

An exported model carries both in ``NAME.meta.json`` beside it; a stranger's is asked for them.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from fer_core.emotions import EMOTIONS, emotion_from_name, positions_in_emotion_order
from fer_core.errors import InputError, first_line
from fer_core.files import read_json
from fer_core.validation import IGNORE_UNKNOWN, Flag, Integer, Number, Text, from_dict

Scale = Literal["unit", "bytes", "signed"]

#: Factor and offset that bring grey values 0 to 255 to what a network was trained on.
SCALES: dict[Scale, tuple[float, float]] = {
    "unit": (1 / 255, 0.0),
    "bytes": (1.0, 0.0),
    "signed": (2 / 255, -1.0),
}
SCALE_WORDS: dict[Scale, str] = {"unit": "0 to 1", "bytes": "0 to 255", "signed": "-1 to 1"}

META_SUFFIX = ".meta.json"
_ALPHABETICAL = tuple(sorted(EMOTIONS))


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class FileNotes:
    """The content of ``NAME.meta.json``: how an exported network is to be fed and read.

    Attributes:
        model: The bundle's name.
        labels: What its outputs mean, in their order.
        input_shape: Height, width and channels of its pictures.
        input_scale: Factor on grey values 0 to 255 before they go in.
        input_offset: Added to them after that.
        flip_averaging: Whether the figures hold for the mean over a face and its mirror image.
        temperature: What the logarithms of its outputs are to be divided by, for calibration.
    """

    model: Text
    labels: tuple[Text, ...]
    input_shape: tuple[Integer, Integer, Integer]
    input_scale: Annotated[Number, Field(gt=0)]
    input_offset: Number = 0.0
    flip_averaging: Flag = False
    temperature: Number = Field(default=1.0, ge=0.01, le=100)

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if positions_in_emotion_order(self.labels) is None:
            raise ValueError(f"labels should name each of {', '.join(EMOTIONS)} once")
        return self

    def to_json(self) -> dict[str, Any]:
        """The content of ``NAME.meta.json``."""
        return asdict(self)


def read_notes(path: Path) -> FileNotes | None:
    """The notes beside a model's file; None where there are none.

    Raises:
        InputError: They are damaged.
    """
    place = path.with_name(path.stem + META_SUFFIX)
    if not place.is_file():
        return None
    try:
        return from_dict(FileNotes, read_json(place))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{place} cannot be understood ({first_line(error)}); restore or delete it."
        ) from error


def parse_labels(text: str) -> tuple[str, ...]:
    """Read ``--labels``: seven names, separated by commas, in the network's order.

    Raises:
        InputError: They do not name each emotion once.
    """
    names = tuple(name.strip() for name in text.split(","))
    if positions_in_emotion_order(names) is None:
        unknown = [name for name in names if emotion_from_name(name) is None]
        what = f"{unknown[0]!r} is no emotion" if unknown else f"there are {len(names)} of them"
        raise InputError(
            f"The labels {text!r} do not name each of {', '.join(EMOTIONS)} once ({what}); give "
            "the seven in the network's order."
        )
    return names


def parse_scale(text: str) -> Scale:
    """Read ``--scale``.

    Raises:
        InputError: There is no such scale.
    """
    for scale in SCALES:
        if scale == text:
            return scale
    raise InputError(f"The scale should be one of {', '.join(SCALES)}; received is {text!r}.")


def labels_needed(path: Path) -> InputError:
    """The question for the order of labels."""
    return InputError(
        f"{path} does not say what its seven outputs mean; give the labels in the network's order, "
        f"such as --labels {','.join(EMOTIONS)} (FER2013's own order) or --labels "
        f"{','.join(_ALPHABETICAL)} (alphabetical, as Keras reads folders)."
    )
