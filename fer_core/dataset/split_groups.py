"""Create missing splits so that near-duplicates and images of one person stay in one split."""

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

#: Maximum deviation of a split from its requested size, as a fraction of this size. A larger
#: deviation causes a warning if it is also more than two images.
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

    Images of one person are in one group, and so are near-duplicates and exact copies. If there are
    too few groups for all splits, for example because all images show one person, persons are
    ignored. If there are still too few groups, near-duplicates are ignored, and finally exact
    copies. Each of these steps adds a warning.

    Args:
        images: uint8 ``[n, 48, 48]``.
        labels: int8 ``[n]``, indices into ``classes``.
        splits: int8 ``[n]``, indices into ``SPLITS``.
        persons: The person in each image; None if not known.
        classes: The names of the classes, for warnings.
        choice: The shares of the new splits, and the seed.
        report: Called with the progress of comparing the images.

    Returns:
        The new splits, int8 ``[n]``, and how the images were grouped. If no split is missing, or if
        there are no training images, the result is ``splits`` and None.
    """
    rows = np.flatnonzero(splits == SPLITS.index("train"))
    missing_shares = choice.missing_shares(splits)
    if not missing_shares or not len(rows):
        return splits, None
    ungrouped_splits = create_missing_splits(labels, splits, choice)
    person_rows = _PersonRows(persons, rows)
    grouping_warnings: list[str] = []
    for grouping in _groupings(images, rows, person_rows, report):
        roots = grouping.groups.roots()
        new_splits = create_missing_splits(labels, splits, choice, roots)
        # If a split is empty even without groups, there are too few images for it.
        is_a_split_empty_due_to_groups = any(
            (ungrouped_splits == split).any() and not (new_splits == split).any()
            for split in missing_shares
        )
        if not is_a_split_empty_due_to_groups:
            break
        grouping_warnings.append(grouping.warning_if_ignored)
    sizes = np.unique(roots[rows], return_counts=True)[1]
    warnings = (
        *grouping_warnings,
        *([] if grouping.is_complete else [_INCOMPLETE_WARNING]),
        *_empty_warnings(new_splits, missing_shares),
        *_size_warnings(new_splits, missing_shares, len(rows)),
        *_class_warnings(labels, new_splits, ungrouped_splits, missing_shares, classes),
    )
    return new_splits, SplitGroups(
        created=tuple(SPLITS[split] for split in missing_shares if (new_splits == split).any()),
        kept_together=grouping.kinds,
        groups=len(sizes),
        grouped_images=int(sizes[sizes > 1].sum()),
        largest_group=int(sizes.max()),
        persons=len(person_rows.persons),
        images_with_person=len(person_rows.rows),
        person_sources=person_rows.sources,
        is_complete=grouping.is_complete,
        warnings=warnings,
    )


_INCOMPLETE_WARNING = (
    "So many images look alike that not all pairs were compared: near-duplicates may be in "
    "different splits."
)


class _PersonRows:
    """The images with a known person.

    Args:
        persons: The person in each image of the dataset; None if not known.
        rows: The row numbers of the images to divide into splits.

    Attributes:
        rows: The row numbers of the images with a known person, intp ``[k]``.
        person_numbers: A number for the person in each of these images, int64 ``[k]``.
        persons: The different persons.
        sources: Where the persons come from, see ``Person.source``.
    """

    def __init__(self, persons: Sequence[Person | None], rows: NDArray[np.intp]) -> None:
        known = [(row, person) for row in rows.tolist() if (person := persons[row]) is not None]
        numbers: dict[Person, int] = {}
        self.rows = np.array([row for row, _ in known], np.intp)
        self.person_numbers = np.array(
            [numbers.setdefault(person, len(numbers)) for _, person in known], np.int64
        )
        self.persons = tuple(numbers)
        self.sources = tuple(sorted({person.source for person in numbers}))


@dataclass(frozen=True)
class _Grouping:
    """One of the possible groupings of the images.

    Attributes:
        groups: The groups.
        kinds: The kinds of images that form a group, as in ``SplitGroups.kept_together``.
        warning_if_ignored: The warning to show if there are too few of these groups for all splits
            and the next grouping is used instead.
        is_complete: False if so many images look alike that not all pairs were compared, so that
            near-duplicates may be in different groups.
    """

    groups: DisjointSets
    kinds: tuple[str, ...]
    warning_if_ignored: str
    is_complete: bool = True


def _groupings(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    person_rows: _PersonRows,
    report: ProgressReport | None,
) -> Iterator[_Grouping]:
    """Yield the possible groupings of the images, the one with the largest groups first."""
    keys = content_keys(images, rows)
    first_rows = rows[first_copies(keys)]

    def groups_of_copies() -> DisjointSets:
        groups = DisjointSets(len(images))
        groups.join_equal(keys, rows)
        return groups

    # Near-duplicates are searched once, also among the images of one person, so that they are known
    # if persons must be ignored.
    near_duplicate_groups = groups_of_copies()
    is_complete = join_near_duplicates(images, first_rows, near_duplicate_groups, report)
    if person_rows.persons:
        groups = groups_of_copies()
        groups.join_equal(near_duplicate_groups.roots())
        groups.join_equal(person_rows.person_numbers, person_rows.rows)
        count = len(person_rows.persons)
        count_text = "one person" if count == 1 else f"{count:,} persons"
        yield _Grouping(
            groups,
            (PERSONS, NEAR_DUPLICATES, EXACT_COPIES),
            f"The images show {count_text} (from {' and '.join(person_rows.sources)}), too few for "
            "separate splits: images of one person are in several splits, so expect worse results "
            "on other persons.",
            is_complete,
        )
    yield _Grouping(
        near_duplicate_groups,
        (NEAR_DUPLICATES, EXACT_COPIES),
        "Nearly all images are near-duplicates of each other, so they are in several splits, and "
        "results on validation and test will be far too optimistic.",
        is_complete,
    )
    yield _Grouping(
        groups_of_copies(),
        (EXACT_COPIES,),
        "Nearly all images are copies of a few: copies are in several splits, so results on "
        "validation and test will be far too optimistic.",
    )
    # Without groups, the images can always be divided.
    yield _Grouping(DisjointSets(len(images)), (), "")


def _empty_warnings(
    new_splits: NDArray[np.int8], missing_shares: dict[int, float]
) -> Iterator[str]:
    """Yield a warning for each split for which there are too few images."""
    for split, share in missing_shares.items():
        if not (new_splits == split).any():
            yield (
                f"There is no {SPLITS[split]} split, because {100 * share:.0f} % of the images of "
                "each class are less than one image; import more images, or choose a larger share."
            )


def _size_warnings(
    new_splits: NDArray[np.int8], missing_shares: dict[int, float], image_count: int
) -> Iterator[str]:
    """Yield a warning for each split whose size differs too much from the requested size."""
    for split, share in missing_shares.items():
        requested, size = share * image_count, int((new_splits == split).sum())
        if size and abs(size - requested) > max(_TOLERATED_DEVIATION * requested, 2):
            yield (
                f"{SPLITS[split].capitalize()} has {100 * size / image_count:.1f} % of the images "
                f"instead of {100 * share:.1f} %, because groups stay together."
            )


def _class_warnings(
    labels: NDArray[np.int8],
    new_splits: NDArray[np.int8],
    ungrouped_splits: NDArray[np.int8],
    missing_shares: dict[int, float],
    classes: Sequence[str],
) -> Iterator[str]:
    """Yield a warning for each split that lacks classes only because groups stay together."""
    for split in missing_shares:
        absent = np.setdiff1d(labels[ungrouped_splits == split], labels[new_splits == split])
        if len(absent) and (new_splits == split).any():
            names = ", ".join(classes[label] for label in absent)
            yield (
                f"{SPLITS[split].capitalize()} has no images of {names}: all of them are in groups "
                "that stay in another split."
            )
