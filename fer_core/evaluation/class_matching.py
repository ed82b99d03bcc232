"""Match the classes of a dataset with the classes of a model, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import match_class
from fer_core.dataset.face_set import FaceSet
from fer_core.errors import InputError


@dataclass(frozen=True)
class MatchedRows:
    """The images of a split whose class the model has.

    Attributes:
        rows: Rows of these images in the dataset, intp ``[n]``.
        labels: True labels as indices into the model's classes, int8 ``[n]``.
        left_out: Number of images, by class, for the classes that the model does not have.
    """

    rows: NDArray[np.intp]
    labels: NDArray[np.int8]
    left_out: dict[str, int]

    @property
    def warning(self) -> str | None:
        """One sentence about the images that are left out; None if there are none."""
        return left_out_text(self.left_out) if self.left_out else None


def left_out_text(left_out: dict[str, int]) -> str:
    """Return one sentence that says which images are left out.

    Args:
        left_out: Number of images, by class, for the classes that the model does not have. At least
            one class.
    """
    total = sum(left_out.values())
    names = ", ".join(f"{name} {count:,}" for name, count in left_out.items())
    return (
        f"{total:,} {'image is' if total == 1 else 'images are'} left out, because the model does "
        f"not have {'this class' if len(left_out) == 1 else 'these classes'}: {names}."
    )


def match_rows(
    face_set: FaceSet, rows: NDArray[np.intp], model_classes: Sequence[str], model_name: str
) -> MatchedRows:
    """Return the images that a model can be evaluated on, with labels in the model's classes.

    Two classes match if their names differ only in upper and lower case, or name the same emotion.

    Args:
        face_set: The data.
        rows: The images of a split, at least one.
        model_classes: The classes of the model.
        model_name: The name of the model, for messages.

    Raises:
        InputError: The model has none of the classes of these images.
    """
    model_indices = _model_indices(face_set.classes, model_classes)
    labels = model_indices[face_set.labels[rows]]
    is_known = labels >= 0
    if not is_known.any():
        raise InputError(
            f"The model {model_name!r} has none of the classes of these images; it has "
            f"{', '.join(model_classes)}, and the dataset has {', '.join(face_set.classes)}. "
            "Choose another model, or import the data with other class names."
        )
    if is_known.all():
        return MatchedRows(rows, labels, {})
    counts = np.bincount(face_set.labels[rows[~is_known]], minlength=len(face_set.classes))
    left_out = {
        name: int(count) for name, count in zip(face_set.classes, counts, strict=True) if count
    }
    return MatchedRows(rows[is_known], labels[is_known], left_out)


def _model_indices(classes: Sequence[str], model_classes: Sequence[str]) -> NDArray[np.int8]:
    """Return the index of each class among the model's classes; -1 if it is not one of them."""
    matches = [match_class(name, model_classes) for name in classes]
    return np.array([-1 if index is None else index for index in matches], np.int8)
