"""Facts that a reader must know to interpret metrics, such as the origin of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.class_matching import MatchedRows
from fer_core.evaluation.seen_images import SeenImages

#: Numbers of images per emotion in the three splits of FER2013, in the order of ``EMOTIONS``. They
#: identify the dataset in any file layout.
FER2013_COUNTS: dict[str, tuple[int, ...]] = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "validation": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}


@dataclass(frozen=True)
class ResultFacts:
    """Facts about an evaluation that change the meaning of its metrics.

    Attributes:
        is_demo: True if the data is the drawn demo set, or the model was trained on the demo set.
            The metrics then do not apply to real faces.
        is_fer2013: True if the images are FER2013's, on which human accuracy is 65 ± 5 %.
        is_test: True if test images are included.
        is_training_data: True if the model was trained on some of the images.
        warnings: Sentences for display: about drawn faces, test images, a model that was selected
            on these images, a model whose training images are unknown, classes that the model or
            the images lack, and a single image.
        left_out: Number of images, by class, that are not evaluated because the model does not have
            their class.
    """

    is_demo: bool = False
    is_fer2013: bool = False
    is_test: bool = False
    is_training_data: bool = False
    warnings: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)


def facts_on_dataset(
    bundle: Bundle,
    face_set: FaceSet,
    split: str,
    *,
    is_demo_data: bool,
    matched: MatchedRows,
    seen: SeenImages | None = None,
) -> ResultFacts:
    """Return the facts about the metrics of a bundle on a split of a dataset.

    Args:
        bundle: The model.
        face_set: The data.
        split: One of ``SPLITS`` or ``all``.
        is_demo_data: True if the data is the drawn demo set.
        matched: The images of the split that are evaluated.
        seen: Which of these images the model has seen; None if unknown. The result does not include
            the warnings of ``seen``.
    """
    rows = face_set.rows(split)
    present_splits = {SPLITS[index] for index in np.unique(face_set.splits[rows])}
    warnings = [matched.warning] if matched.warning else []
    if is_demo_data:
        warnings.append(_DRAWN_FACES)
    elif bundle.record.is_demo:
        warnings.append(
            "The model was trained on drawn faces, and these are photos: the metrics do not show "
            "what a model trained on photos reaches."
        )
    if "test" in present_splits:
        warnings.append(
            "These are test images. Evaluate on them once, for the final report: metrics become "
            "too optimistic if you use them to choose a model."
        )
    if seen is None:
        warnings.append(_unknown_training_warning(bundle))
    return ResultFacts(
        is_demo=is_demo_data or bundle.record.is_demo,
        is_fer2013=bool(present_splits)
        and all(
            is_fer2013_split(face_set.labels[face_set.rows(name)], name, face_set.classes)
            for name in sorted(present_splits)
        ),
        is_test="test" in present_splits,
        is_training_data=seen is not None and seen.includes_training_images,
        warnings=(*warnings, *_count_warnings(matched.labels, bundle.record.classes)),
        left_out=matched.left_out,
    )


def facts_on_stored_predictions(bundle: Bundle, labels: NDArray[np.int8]) -> ResultFacts:
    """Return the facts about the validation predictions stored in a bundle."""
    return ResultFacts(
        is_demo=bundle.record.is_demo,
        is_fer2013=is_fer2013_split(labels, "validation", bundle.record.classes),
        is_test=False,
        is_training_data=False,
        warnings=(
            *((_DRAWN_FACES,) if bundle.record.is_demo else ()),
            _SELECTED_ON_VALIDATION,
            *_count_warnings(labels, bundle.record.classes),
        ),
    )


def is_fer2013_split(labels: NDArray[np.int8], split: str, classes: Sequence[str]) -> bool:
    """Return True if the class counts of the labels equal those of a split of FER2013."""
    if tuple(classes) != EMOTIONS:
        return False
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    return tuple(counts.tolist()) == FER2013_COUNTS[split]


_DRAWN_FACES = "These are drawn faces: the metrics do not apply to real faces."
_SELECTED_ON_VALIDATION = (
    "The checkpoint and the temperature of the model were selected on these validation images: "
    "expect slightly worse metrics on new images."
)


def _unknown_training_warning(bundle: Bundle) -> str:
    """Return the warning that the training images of a model are not recorded."""
    if bundle.record.recipe is None:
        return (
            "The training data of this imported model is unknown. If it included these images, "
            "these metrics are too optimistic."
        )
    name = bundle.record.dataset.get("name", "unknown data")
    return (
        f"The model was trained on {name}, and its record does not list the images. If the model "
        "was trained on these images, these metrics are too optimistic."
    )


def _count_warnings(labels: NDArray[np.int8], classes: Sequence[str]) -> list[str]:
    """Return warnings about classes without images, and about a single image."""
    absent = [name for index, name in enumerate(classes) if not (labels == index).any()]
    sentences = []
    if absent:
        sentences.append(
            f"These images do not include {', '.join(absent)}: metrics that need "
            f"{'this class' if len(absent) == 1 else 'these classes'} are undefined."
        )
    if len(labels) == 1:
        sentences.append("This is a single image: intervals are undefined.")
    return sentences
