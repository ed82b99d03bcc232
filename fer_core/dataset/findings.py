"""``Finding``: the result of any check of a dataset, as pages and commands show it.

A finding contains either groups of images, or single images ranked by a score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.csv_text import csv_text
from fer_core.dataset.duplicates import DuplicateAudit, audit_duplicates, content_keys
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.image_quality import ImageQuality
from fer_core.dataset.near_duplicates import NearDuplicates
from fer_core.errors import InputError

#: Value in ``Finding.suggested`` for an image without a suggested label.
NO_LABEL = -1
#: Value in ``Finding.group_numbers`` if the images form no groups.
NO_GROUP = -1


@dataclass(frozen=True)
class Finding:
    """Images that a check found, sorted by score or group.

    Attributes:
        kind: Short name, used by commands, files and caches.
        title: The heading of the finding.
        explanation: One or two sentences for users who see a finding of this kind for the first
            time.
        score_name: What ``scores`` measure, and their unit or range, such as "entropy of the votes
            in bits".
        rows: Row numbers in the dataset, intp ``[k]``; the rows of a group are adjacent.
        scores: The measured value of each image, float32 ``[k]``.
        reasons: The reason why each of the ``k`` images was found.
        suggested: Suggested label of each image, int8 ``[k]``; ``NO_LABEL`` for none.
        group_numbers: The group of each image, from 0, int32 ``[k]``; ``NO_GROUP`` for all images
            if there are no groups.
        notes: Sentences about the method and its limits.

    Raises:
        ValueError: The attributes of the images do not have the same length.
    """

    kind: str
    title: str
    explanation: str
    score_name: str
    rows: NDArray[np.intp]
    scores: NDArray[np.float32]
    reasons: tuple[str, ...]
    suggested: NDArray[np.int8]
    group_numbers: NDArray[np.int32]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.rows)
        for name in ("scores", "reasons", "suggested", "group_numbers"):
            if len(getattr(self, name)) != count:
                raise ValueError(
                    f"{name} should have {count} values. Received: {len(getattr(self, name))}"
                )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_grouped(self) -> bool:
        """True if the images form groups."""
        return bool(len(self)) and bool((self.group_numbers >= 0).all())

    @property
    def groups(self) -> tuple[NDArray[np.intp], ...]:
        """The rows of each group, in the order of the finding; empty if there are no groups."""
        if not self.is_grouped:
            return ()
        starts = np.flatnonzero(np.diff(self.group_numbers)) + 1
        return tuple(np.split(self.rows, starts))

    def counts(self, face_set: FaceSet) -> dict[str, int]:
        """Return the number of images per split."""
        return face_set.count_by_split(self.rows)

    def filtered(self, mask: NDArray[np.bool_]) -> Finding:
        """Return the finding with only the images for which ``mask``, bool ``[k]``, is true."""
        positions = np.flatnonzero(mask)
        return replace(
            self,
            rows=self.rows[positions],
            scores=self.scores[positions],
            reasons=tuple(self.reasons[position] for position in positions),
            suggested=self.suggested[positions],
            group_numbers=self.group_numbers[positions],
        )

    def of_split(self, face_set: FaceSet, split: str) -> Finding:
        """Return the finding with only the images in a split.

        A group with at least one image in the split stays whole.

        Args:
            face_set: The data.
            split: One of ``SPLITS``, or ``"all"``.

        Raises:
            InputError: There is no such split.
        """
        if split == "all":
            return self
        return self._filtered_by_group(np.isin(self.rows, face_set.rows(split)))

    def of_label(self, face_set: FaceSet, label: str) -> Finding:
        """Return the finding with only the images of a class.

        A group with at least one image of the class stays whole.

        Raises:
            InputError: There is no such class.
        """
        if label not in face_set.classes:
            raise InputError(
                f"There is no class {label!r}; choose from {', '.join(face_set.classes)}."
            )
        return self._filtered_by_group(face_set.labels[self.rows] == face_set.classes.index(label))

    def without(self, rows: Iterable[int]) -> Finding:
        """Return the finding without these images; groups with one remaining image are removed."""
        remaining = self.filtered(~np.isin(self.rows, np.fromiter(rows, np.intp)))
        if not remaining.is_grouped:
            return remaining
        sizes = np.bincount(remaining.group_numbers)
        return remaining.filtered(sizes[remaining.group_numbers] > 1)

    def _filtered_by_group(self, mask: NDArray[np.bool_]) -> Finding:
        """Return the finding filtered by a mask; a group with at least one match stays whole."""
        if self.is_grouped:
            mask = np.isin(self.group_numbers, self.group_numbers[mask])
        return self.filtered(mask)

    def to_json(self, face_set: FaceSet) -> dict[str, Any]:
        """Return the counts and the notes, for the JSON output of a command."""
        return {
            "images": len(self),
            "groups": len(self.groups) if self.is_grouped else None,
            "splits": self.counts(face_set),
            "notes": list(self.notes),
        }

    def to_csv(self, face_set: FaceSet) -> str:
        """Return the finding as the text of a CSV file, one line for each image."""
        return csv_text(
            ("finding", "group", "name", "split", "label", "suggested", "score", "reason"),
            [
                (
                    self.kind,
                    None if group == NO_GROUP else int(group) + 1,
                    face_set.names[row],
                    SPLITS[face_set.splits[row]],
                    face_set.class_of(row),
                    None if suggested == NO_LABEL else face_set.classes[suggested],
                    f"{score:.4f}",
                    reason,
                )
                for row, group, suggested, score, reason in zip(
                    self.rows,
                    self.group_numbers,
                    self.suggested,
                    self.scores,
                    self.reasons,
                    strict=True,
                )
            ],
        )


def ranked_finding(
    kind: str,
    title: str,
    explanation: str,
    *,
    score_name: str,
    rows: NDArray[np.intp],
    scores: NDArray[np.float32],
    reasons: Sequence[str],
    suggested: NDArray[np.int8] | None = None,
    notes: Sequence[str] = (),
) -> Finding:
    """Return a finding about single images. The arguments are the attributes of ``Finding``."""
    return Finding(
        kind=kind,
        title=title,
        explanation=explanation,
        score_name=score_name,
        rows=np.asarray(rows, np.intp),
        scores=np.asarray(scores, np.float32),
        reasons=tuple(reasons),
        suggested=np.full(len(rows), NO_LABEL, np.int8) if suggested is None else suggested,
        group_numbers=np.full(len(rows), NO_GROUP, np.int32),
        notes=tuple(notes),
    )


def _grouped_finding(
    kind: str,
    title: str,
    explanation: str,
    groups: Sequence[NDArray[np.intp]],
    face_set: FaceSet,
    *,
    score_name: str,
    scores: dict[int, float] | None = None,
    notes: Sequence[str] = (),
) -> Finding:
    """Return a finding about groups of images, in the given order.

    ``scores`` contains the score of each row in ``groups``. By default the score of an image is the
    size of its group.
    """
    sizes = [len(group) for group in groups]
    # np.concatenate needs at least one array, but there may be no groups.
    rows = np.concatenate([*groups, np.zeros(0, np.intp)]).astype(np.intp)
    scores_of_rows = (
        np.repeat(np.array(sizes, np.float32), sizes)
        if scores is None
        else np.array([scores[int(row)] for row in rows], np.float32)
    )
    reasons = tuple(
        text for group in groups for text in [_group_text(face_set, group)] * len(group)
    )
    return Finding(
        kind=kind,
        title=title,
        explanation=explanation,
        score_name=score_name,
        rows=rows,
        scores=scores_of_rows,
        reasons=reasons,
        suggested=np.full(len(rows), NO_LABEL, np.int8),
        group_numbers=np.repeat(np.arange(len(groups), dtype=np.int32), sizes),
        notes=tuple(notes),
    )


def _group_text(face_set: FaceSet, group: NDArray[np.intp]) -> str:
    """Describe a group: "3 in train, 1 in validation; happy, sad"."""
    counts = face_set.count_by_split(group)
    parts = [f"{count:,} in {split}" for split, count in counts.items() if count]
    labels = [face_set.classes[label] for label in np.unique(face_set.labels[group])]
    return f"{', '.join(parts)}; {', '.join(labels)}"


def _groups_with_leaks(
    face_set: FaceSet, groups: Sequence[NDArray[np.intp]], leaked: dict[str, NDArray[np.intp]]
) -> list[NDArray[np.intp]]:
    """Return the groups with a leaked image, each sorted by split: test, validation, train."""
    rows = np.concatenate([*leaked.values(), np.zeros(0, np.intp)])
    leaking = [group for group in groups if np.isin(group, rows).any()]
    return [group[np.argsort(-face_set.splits[group], kind="stable")] for group in leaking]


def exact_findings(face_set: FaceSet, audit: DuplicateAudit | None = None) -> dict[str, Finding]:
    """Return findings about exact duplicates, by kind.

    Args:
        face_set: The data.
        audit: The result of ``audit_duplicates``; computed by default.

    Returns:
        *duplicates*: all groups; *conflicts*: groups with different labels; *leaks*: groups with
        both a training image and a validation or test image; *repeats*: groups of two or more equal
        images in the same split.
    """
    audit = audit or audit_duplicates(face_set)
    # The largest groups come first, because they say most about the origin of the data.
    groups = sorted(audit.groups, key=lambda group: (-len(group), int(group[0])))
    conflicts = [group for group in groups if len(np.unique(face_set.labels[group])) > 1]
    repeats = [
        copies_in_split
        for group in groups
        for split in range(len(SPLITS))
        if len(copies_in_split := group[face_set.splits[group] == split]) > 1
    ]
    score_name = "copies in the group"
    return {
        "duplicates": _grouped_finding(
            "duplicates",
            "Exact duplicates",
            "These images have the same pixels.",
            groups,
            face_set,
            score_name=score_name,
        ),
        "conflicts": _grouped_finding(
            "conflicts",
            "Duplicates with conflicting labels",
            "The same pixels were given different labels, so at least one label is wrong.",
            conflicts,
            face_set,
            score_name=score_name,
        ),
        "leaks": _grouped_finding(
            "leaks",
            "Leaks: validation and test images in train",
            "These validation and test images also appear in train. A model has seen them in "
            "training, so its results on them are too optimistic.",
            _groups_with_leaks(face_set, groups, audit.leaked_rows),
            face_set,
            score_name=score_name,
        ),
        "repeats": _grouped_finding(
            "repeats",
            "Repeated images within a split",
            "Each of these images counts several times instead of once.",
            repeats,
            face_set,
            score_name=score_name,
        ),
    }


def near_findings(face_set: FaceSet, near: NearDuplicates) -> dict[str, Finding]:
    """Return findings about near-duplicates: *near_duplicates*, *near_conflicts*, *near_leaks*.

    The score of an image is its correlation with the most similar image.
    """
    # The pairs contain only one image of each group of exact copies. All images of such a group
    # have the same score, so scores are looked up by the pixels.
    keys = content_keys(face_set.images)
    score_by_key: dict[int, float] = {}
    for rows in (near.first, near.second):
        for row, correlation in zip(rows.tolist(), near.correlation.tolist(), strict=True):
            key = int(keys[row])
            score_by_key[key] = max(score_by_key.get(key, -1.0), correlation)
    scores = {int(row): score_by_key[int(keys[row])] for group in near.groups for row in group}
    # Groups with the most similar pairs come first, because less similar pairs are less certain.
    groups = sorted(near.groups, key=lambda group: -max(scores[int(row)] for row in group))
    conflicts = [group for group in groups if len(np.unique(face_set.labels[group])) > 1]
    notes = [
        "Mirrored, brightened, shifted and recompressed copies are found; zoomed ones are not."
    ]
    if not near.is_complete:
        notes.append("So many images look alike that not all pairs were verified.")
    score_name = "correlation with the most similar image (up to 1)"
    return {
        "near_duplicates": _grouped_finding(
            "near_duplicates",
            "Near-duplicates",
            "These images show the same photo, although their pixels differ.",
            groups,
            face_set,
            score_name=score_name,
            scores=scores,
            notes=notes,
        ),
        "near_conflicts": _grouped_finding(
            "near_conflicts",
            "Near-duplicates with conflicting labels",
            "The same photo was given different labels, so at least one label is doubtful.",
            conflicts,
            face_set,
            score_name=score_name,
            scores=scores,
            notes=notes,
        ),
        "near_leaks": _grouped_finding(
            "near_leaks",
            "Near-leaks: near-duplicates across splits",
            "These validation and test images have a near-duplicate in train, so results on them "
            "are too optimistic.",
            _groups_with_leaks(face_set, groups, near.leaked_rows),
            face_set,
            score_name=score_name,
            scores=scores,
            notes=notes,
        ),
    }


def blank_finding(face_set: FaceSet, quality: ImageQuality) -> Finding:
    """Return the finding *blanks*: images that show nothing, then those that show nearly nothing.

    The nearly blank images are sorted by the share of their pixels that have the same intensity,
    the largest first.
    """
    blank, nearly_blank = quality.blank_rows(), quality.nearly_blank_rows()
    order = np.argsort(-quality.uniform_share[nearly_blank], kind="stable")
    nearly_blank = nearly_blank[order]
    rows = np.concatenate([blank, nearly_blank])
    reasons = ["the intensities hardly vary"] * len(blank) + [
        f"{100 * quality.uniform_share[row]:.0f} % of the pixels have one intensity"
        for row in nearly_blank
    ]
    return ranked_finding(
        "blanks",
        "Blank and nearly blank images",
        "There is no face to see; often the image is a placeholder of a deleted photo.",
        score_name="share of pixels with one intensity (0 to 1)",
        rows=rows,
        scores=quality.uniform_share[rows],
        reasons=reasons,
        notes=(f"{len(blank):,} blank, {len(nearly_blank):,} nearly blank.",),
    )
