"""What a reader must be told about figures: whose images they are, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.statistics import class_counts
from fer_core.emotions import EMOTIONS

#: Images per emotion in FER2013's three parts: its signature, whatever layout it came in.
FER2013_COUNTS: dict[str, tuple[int, ...]] = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "validation": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}


@dataclass(frozen=True)
class ResultFacts:
    """What figures are measured on, as far as it changes what they mean.

    Attributes:
        is_demo: Data or model is the drawn demo set: the figures say nothing about real faces.
        is_fer2013: These are FER2013's images, on which people reach 65 ± 5 %.
        is_test: Test images are among them.
        is_training_data: The model was trained on some of them.
        warnings: The same and more for people, a sentence each.
    """

    is_demo: bool
    is_fer2013: bool
    is_test: bool
    is_training_data: bool
    warnings: tuple[str, ...]


def facts_on_dataset(
    bundle: Bundle,
    face_set: FaceSet,
    split: str,
    *,
    is_demo_data: bool,
    imported: FaceSet | None = None,
) -> ResultFacts:
    """The facts about a bundle's figures on a split of a dataset.

    Args:
        bundle: The model.
        face_set: The data.
        split: One of ``SPLITS`` or ``all``.
        is_demo_data: Whether the data are the drawn demo set.
        imported: The data before a curation was applied to them, which changes their fingerprint
            and counts; None if none was.
    """
    rows = face_set.rows(split)
    present = {SPLITS[index] for index in np.unique(face_set.splits[rows])}
    same = _is_data_of(bundle, face_set if imported is None else imported)
    trained = same and "train" in present
    warnings = []
    if is_demo_data != bundle.record.is_demo:
        warnings.append(
            "The model was trained on drawn faces and these are photos, or the other way round: "
            "the figures say little."
            if bundle.record.recipe is not None
            else "These are drawn faces: the figures say nothing about real ones."
        )
    elif is_demo_data:
        warnings.append("These are drawn faces: the figures say nothing about real ones.")
    if trained:
        warnings.append(
            "The model was trained on train images: on these its figures flatter by far."
        )
    if same and "validation" in present:
        warnings.append(_CHOSEN_ON_VALIDATION)
    if "test" in present:
        warnings.append(
            "These are test images: read them once, for the report; every choice made by looking "
            "at them makes their figures too good."
        )
    if bundle.record.recipe is None:
        warnings.append(
            "What this imported model was trained and chosen on is unknown: if these images were "
            "among it, the figures flatter."
        )
    elif not same:
        name = bundle.record.dataset.get("name", "unknown data")
        warnings.append(f"The model was trained on other data than these ({name}).")
    labels = face_set.labels[rows]
    return ResultFacts(
        is_demo=is_demo_data or bundle.record.is_demo,
        is_fer2013=bool(present)
        and all(
            is_fer2013_part(face_set.labels[face_set.rows(part)], part) for part in sorted(present)
        ),
        is_test="test" in present,
        is_training_data=trained,
        warnings=(*warnings, *_about_counts(labels)),
    )


def facts_on_own_predictions(bundle: Bundle, labels: NDArray[np.int8]) -> ResultFacts:
    """The facts about the validation predictions that lie in a bundle."""
    drawn = ("These are drawn faces: the figures say nothing about real ones.",)
    return ResultFacts(
        is_demo=bundle.record.is_demo,
        is_fer2013=is_fer2013_part(labels, "validation"),
        is_test=False,
        is_training_data=False,
        warnings=(
            *(drawn if bundle.record.is_demo else ()),
            _CHOSEN_ON_VALIDATION,
            *_about_counts(labels),
        ),
    )


def is_fer2013_part(labels: NDArray[np.int8], split: str) -> bool:
    """Whether labels are as many of each emotion as in this part of FER2013."""
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    return tuple(counts.tolist()) == FER2013_COUNTS[split]


_CHOSEN_ON_VALIDATION = (
    "The model's best epoch and its temperature were chosen on these validation images: on new "
    "images expect figures slightly worse."
)


def _is_data_of(bundle: Bundle, face_set: FaceSet) -> bool:
    """Whether a bundle was trained on this dataset, in whatever order its images come."""
    recorded = bundle.record.dataset
    if not recorded.get("fingerprint"):
        return False
    return bool(
        recorded["fingerprint"] == face_set.fingerprint
        or recorded.get("counts") == class_counts(face_set)
    )


def _about_counts(labels: NDArray[np.int8]) -> list[str]:
    absent = [emotion for index, emotion in enumerate(EMOTIONS) if not (labels == index).any()]
    sentences = []
    if absent:
        sentences.append(
            f"There is no image of {', '.join(absent)} among these: what hangs on "
            f"{'it' if len(absent) == 1 else 'them'} is undefined."
        )
    if len(labels) == 1:
        sentences.append("This is a single image: no interval can be given.")
    return sentences
