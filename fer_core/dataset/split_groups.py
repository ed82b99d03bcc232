"""Create missing splits so that copies and images of one person stay in one split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.disjoint_sets import DisjointSets
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.near_search import first_copies, join_near_duplicates
from fer_core.dataset.persons import Person
from fer_core.dataset.split_record import EXACT_COPIES, NEAR_DUPLICATES, PERSONS, SplitGroups
from fer_core.dataset.splitting import SplitChoice, create_missing_splits
from fer_core.progress import ProgressReport

#: Maximum deviation of a split, as a fraction of its requested size, that is not reported.
_TOLERATED_DEVIATION = 0.25


def create_grouped_splits(
    images: NDArray[np.uint8],
    labels: NDArray[np.int8],
    splits: NDArray[np.int8],
    *,
    persons: Sequence[Person | None],
    classes: Sequence[str],
    choice: SplitChoice,
    report: ProgressReport | None = None,
) -> tuple[NDArray[np.int8], SplitGroups | None]:
    """Create each missing split from groups of training images.

    Images of one person, near-duplicates and exact copies are one group. If there are fewer groups
    than splits (all images show one person, for example), persons and then near-duplicates are
    ignored, with a warning.

    Args:
        images: uint8 ``[n, 48, 48]``.
        labels: int8 ``[n]``, indices into ``classes``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        persons: The person in each image, if known.
        classes: Class names, for warnings.
        choice: Shares and seed.
        report: Called with the progress of the comparison of the images.

    Returns:
        The new splits, int8 ``[n]``, and how the images were grouped; the same splits and None if
        no split is missing.
    """
    rows = np.flatnonzero(splits == SPLITS.index("train"))
    missing = choice.missing_splits(splits)
    if not missing or not len(rows):
        return splits, None
    ungrouped = create_missing_splits(labels, splits, choice)
    images_of_persons = _PersonRows(persons, rows)
    notes: list[str] = []
    for groups in _groupings(images, rows, images_of_persons, report):
        roots = groups.sets.roots()
        created = create_missing_splits(labels, splits, choice, roots)
        # If a split is empty even without groups, there are too few images to fill it.
        if not any(
            (ungrouped == split).any() and not (created == split).any() for split in missing
        ):
            break
        notes.append(groups.reason_to_ignore)
    sizes = np.unique(roots[rows], return_counts=True)[1]
    warnings = (
        *notes,
        *([] if groups.is_complete else [_INCOMPLETE]),
        *_empty_warnings(created, missing),
        *_size_warnings(created, missing, len(rows)),
        *_class_warnings(labels, created, ungrouped, missing, classes),
    )
    return created, SplitGroups(
        created=tuple(SPLITS[split] for split in missing if (created == split).any()),
        kept_together=groups.kinds,
        groups=len(sizes),
        grouped_images=int(sizes[sizes > 1].sum()),
        largest_group=int(sizes.max()),
        persons=len(images_of_persons.names),
        images_with_person=len(images_of_persons.rows),
        person_sources=images_of_persons.sources,
        is_complete=groups.is_complete,
        warnings=warnings,
    )


_INCOMPLETE = (
    "So many images look alike that not all pairs were compared: near-duplicates may be in "
    "different splits."
)


class _PersonRows:
    """The rows with a known person.

    Args:
        persons: The person in each image, if known.
        rows: The images to divide.
    """

    def __init__(self, persons: Sequence[Person | None], rows: NDArray[np.intp]) -> None:
        known = [(row, person) for row in rows.tolist() if (person := persons[row]) is not None]
        numbers: dict[Person, int] = {}
        self.rows = np.array([row for row, _ in known], np.intp)
        #: A number for the person in each of ``rows``.
        self.keys = np.array(
            [numbers.setdefault(person, len(numbers)) for _, person in known], np.int64
        )
        self.names = tuple(numbers)
        self.sources = tuple(sorted({person.source for person in numbers}))


@dataclass(frozen=True)
class _Grouping:
    """One of the possible groupings of the images.

    Attributes:
        sets: The groups.
        kinds: As ``SplitGroups.kept_together``.
        reason_to_ignore: The warning if these groups cannot be divided.
        is_complete: Whether all near-duplicates were verified.
    """

    sets: DisjointSets
    kinds: tuple[str, ...]
    reason_to_ignore: str
    is_complete: bool = True


def _groupings(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    persons: _PersonRows,
    report: ProgressReport | None,
) -> Iterator[_Grouping]:
    """Yield the possible groupings of the images, the strictest first."""
    keys = content_keys(images, rows)
    first = rows[first_copies(keys)]

    def exact_groups() -> DisjointSets:
        sets = DisjointSets(len(images))
        sets.join_equal(keys, rows)
        return sets

    # Near-duplicates are searched once, also among the images of one person, so that they are known
    # if persons must be ignored.
    near = exact_groups()
    is_complete = join_near_duplicates(images, first, near, report)
    if len(persons.names):
        sets = exact_groups()
        sets.join_equal(near.roots(), None)
        sets.join_equal(persons.keys, persons.rows)
        count = len(persons.names)
        count_text = "one person" if count == 1 else f"{count:,} persons"
        yield _Grouping(
            sets,
            (PERSONS, NEAR_DUPLICATES, EXACT_COPIES),
            f"The images show {count_text} (from {' and '.join(persons.sources)}), too few groups "
            "for separate splits: images of one person are in several splits, so expect worse "
            "results on other persons.",
            is_complete,
        )
    yield _Grouping(
        near,
        (NEAR_DUPLICATES, EXACT_COPIES),
        "Nearly all images are near-duplicates of each other, so they are in several splits, and "
        "results on validation and test will be far too optimistic.",
        is_complete,
    )
    yield _Grouping(
        exact_groups(),
        (EXACT_COPIES,),
        "Nearly all images are copies of a few: copies are in several splits, so results on "
        "validation and test will be far too optimistic.",
    )
    yield _Grouping(DisjointSets(len(images)), (), "")


def _empty_warnings(created: NDArray[np.int8], missing: dict[int, float]) -> Iterator[str]:
    """Report splits for which there are too few images."""
    for split, share in missing.items():
        if not (created == split).any():
            yield (
                f"There is no {SPLITS[split]} split, because {share:.0%} of the images of each "
                "class are less than one image; import more images, or choose a larger share."
            )


def _size_warnings(
    created: NDArray[np.int8], missing: dict[int, float], count: int
) -> Iterator[str]:
    """Report splits whose size differs from the requested one."""
    for split, share in missing.items():
        requested, size = share * count, int((created == split).sum())
        if size and abs(size - requested) > max(_TOLERATED_DEVIATION * requested, 2):
            yield (
                f"{SPLITS[split].capitalize()} has {size / count:.1%} of the images instead of "
                f"{share:.1%}, because groups stay together."
            )


def _class_warnings(
    labels: NDArray[np.int8],
    created: NDArray[np.int8],
    ungrouped: NDArray[np.int8],
    missing: dict[int, float],
    classes: Sequence[str],
) -> Iterator[str]:
    """Report classes that would be in a split if groups did not stay together."""
    for split in missing:
        absent = np.setdiff1d(labels[ungrouped == split], labels[created == split])
        if len(absent) and (created == split).any():
            names = ", ".join(classes[label] for label in absent)
            yield (
                f"{SPLITS[split].capitalize()} has no images of {names}: all of them are in groups "
                "that stay in another split."
            )
