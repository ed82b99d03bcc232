"""Curation: decisions about single images, and a dataset with these decisions applied.

The pixels and labels of an imported dataset never change. Decisions are stored separately and can
be undone. The decision *drop* excludes an image, *relabel* gives an image another class, and *keep*
marks an image as checked and correct. Quick fixes, which are rules that drop all images of a kind
of finding, do not change a kept image.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.errors import InputError
from fer_core.phrases import counted

ACTIONS: tuple[str, ...] = ("drop", "relabel", "keep")

#: Maximum length of a reason or a source, in characters. Longer texts would be hard to read in a
#: spreadsheet.
_MAX_TEXT_LENGTH = 500

#: The name of an image and the key of its pixels. Both together identify the image.
Identity = tuple[str, str]


@dataclass(frozen=True)
class CurationEntry:
    """One decision about one image.

    Attributes:
        name: The image's name in its dataset.
        key: Sixteen hexadecimal digits of a hash of the image's pixels.
        split: The split of the image when the decision was made, one of ``SPLITS``.
        action: One of ``ACTIONS``.
        label: For *relabel*, the new class; otherwise None.
        reason: Why the decision was made.
        source: Where the decision was made: a finding, the gallery, the command line.
        time: When the decision was made, UTC, ISO 8601.

    Raises:
        ValueError: A value is invalid.
    """

    name: str
    key: str
    split: str
    action: str
    label: str | None
    reason: str
    source: str
    time: str

    def __post_init__(self) -> None:
        if not self.name or "\n" in self.name:
            raise ValueError("name should be one line that is not empty")
        if len(self.key) != 16 or not set(self.key) <= set("0123456789abcdef"):
            raise ValueError(f"key should be 16 hexadecimal digits. Received: {self.key!r}")
        if self.split not in SPLITS:
            raise ValueError(f"split should be one of {', '.join(SPLITS)}. Received: {self.split}")
        if self.action not in ACTIONS:
            raise ValueError(
                f"action should be one of {', '.join(ACTIONS)}. Received: {self.action!r}"
            )
        if self.action == "relabel" and not self.label:
            raise ValueError("label should be the new class of the image. Received: nothing")
        if self.action != "relabel" and self.label is not None:
            raise ValueError(f"{self.action} takes no label. Received: {self.label!r}")

    @property
    def identity(self) -> Identity:
        """The identity of the image that the decision is about."""
        return self.name, self.key


@dataclass(frozen=True)
class Curation:
    """All decisions about the images of a dataset, at most one per image.

    Attributes:
        entries: The decisions, oldest first.
        problems: A sentence for each of the first thousand lines of the file that could not be
            read, and one sentence with the number of further unreadable lines.
        unreadable_lines: The text of every line of the file that could not be read.
    """

    entries: tuple[CurationEntry, ...] = ()
    problems: tuple[str, ...] = ()
    unreadable_lines: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    def counts(self) -> dict[str, int]:
        """Return the number of decisions per action."""
        counts = Counter(entry.action for entry in self.entries)
        return {action: counts[action] for action in ACTIONS}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all decisions except *keep*, which has no effect on a dataset.

        Reasons, sources, times and the order of the decisions do not change the fingerprint.
        """
        lines = sorted(
            json.dumps([entry.name, entry.key, entry.split, entry.action, entry.label])
            for entry in self.entries
            if entry.action != "keep"
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def key_text(key: int) -> str:
    """Format a key of ``content_keys`` as sixteen hexadecimal digits."""
    # The mask converts the signed key to an unsigned number.
    return f"{int(key) & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def now_text() -> str:
    """Return the current time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def entries_for(
    face_set: FaceSet,
    rows: Iterable[int],
    action: str,
    *,
    label: str | None = None,
    reason: str,
    source: str,
) -> tuple[CurationEntry, ...]:
    """Return decisions with the same action about several images, one for each image.

    Args:
        face_set: The dataset as imported.
        rows: The row numbers of the images.
        action: One of ``ACTIONS``.
        label: For *relabel*, the new class.
        reason: Why the decisions were made.
        source: Where the decisions were made.

    Raises:
        ValueError: The action does not fit the label, the dataset has no such class, or a row is
            out of range.
    """
    row_numbers = [int(row) for row in rows]
    return _entries(
        face_set,
        row_numbers,
        [action] * len(row_numbers),
        [label] * len(row_numbers),
        reason=reason,
        source=source,
    )


def relabel_entries(
    face_set: FaceSet,
    rows: Sequence[int] | NDArray[np.intp],
    labels: NDArray[np.int8],
    *,
    reason: str,
    source: str,
) -> tuple[CurationEntry, ...]:
    """Return *relabel* decisions about several images, whose new labels may differ.

    There is no decision about an image whose label does not change.

    Args:
        face_set: The dataset as imported.
        rows: The row numbers of the ``k`` images.
        labels: int8 ``[k]``, the new label of each image; -1 to leave its label unchanged.
        reason: Why the decisions were made.
        source: Where the decisions were made.
    """
    pairs = [
        (int(row), int(label))
        for row, label in zip(rows, labels, strict=True)
        if label >= 0 and label != face_set.labels[row]
    ]
    return _entries(
        face_set,
        [row for row, _ in pairs],
        ["relabel"] * len(pairs),
        [face_set.classes[label] for _, label in pairs],
        reason=reason,
        source=source,
    )


def _entries(
    face_set: FaceSet,
    rows: list[int],
    actions: list[str],
    labels: Sequence[str | None],
    *,
    reason: str,
    source: str,
) -> tuple[CurationEntry, ...]:
    if any(not 0 <= row < len(face_set) for row in rows):
        raise ValueError(f"rows should be in 0 to {len(face_set) - 1}")
    for label in labels:
        if label is not None and label not in face_set.classes:
            raise ValueError(
                f"label should be one of {', '.join(face_set.classes)}. Received: {label!r}"
            )
    keys = content_keys(face_set.images, rows)
    time = now_text()
    return tuple(
        CurationEntry(
            name=face_set.names[row],
            key=key_text(key),
            split=SPLITS[face_set.splits[row]],
            action=action,
            label=label,
            reason=one_line(reason),
            source=one_line(source),
            time=time,
        )
        for row, key, action, label in zip(rows, keys, actions, labels, strict=True)
    )


def one_line(text: str) -> str:
    """Return a text without line breaks, cut to the maximum length of a reason or source."""
    return " ".join(text.split())[:_MAX_TEXT_LENGTH]


@dataclass(frozen=True)
class CurationMatch:
    """Decisions matched with the images of a dataset.

    Attributes:
        by_row: The decision about each image that has a decision, by row number.
        unknown: Decisions about images that the dataset does not have, or that cannot be
            distinguished from equal images.
    """

    by_row: dict[int, CurationEntry]
    unknown: tuple[CurationEntry, ...]

    @property
    def warning(self) -> str | None:
        """One sentence about the unknown images; None if there are none."""
        if not self.unknown:
            return None
        names = ", ".join(entry.name for entry in self.unknown[:3])
        more = f" and {len(self.unknown) - 3:,} more" if len(self.unknown) > 3 else ""
        is_single = len(self.unknown) == 1
        return (
            f"The curation names {counted(len(self.unknown), 'image')} that the "
            f"dataset does not have or that are equal to others ({names}{more}); "
            f"{'this decision is' if is_single else 'these decisions are'} ignored, "
            "all others apply."
        )


def match_curation(curation: Curation, face_set: FaceSet) -> CurationMatch:
    """Find the images that the decisions of a curation are about.

    A decision applies to the image with the name and pixels that the decision stores. If the same
    data were imported from another layout, the names may differ, and there is no such image. The
    decision then applies to the image with the same pixels in the same split. Equal images in one
    split cannot be distinguished without their names, so they are matched only if each of them has
    a decision and all these decisions are the same.
    """
    if not curation.entries:
        return CurationMatch({}, ())
    keys = [key_text(key) for key in content_keys(face_set.images)]
    # An archive may contain two files with the same name and content, so an identity may have
    # several rows.
    rows_by_identity: dict[Identity, list[int]] = {}
    for row, identity in enumerate(zip(face_set.names, keys, strict=True)):
        rows_by_identity.setdefault(identity, []).append(row)
    by_row: dict[int, CurationEntry] = {}
    # Decisions whose name and pixels match no image, by split and key.
    unmatched: dict[tuple[str, str], list[CurationEntry]] = {}
    for entry in curation.entries:
        rows = rows_by_identity.get(entry.identity)
        if rows:
            by_row |= dict.fromkeys(rows, entry)
        else:
            unmatched.setdefault((entry.split, entry.key), []).append(entry)
    unknown: list[CurationEntry] = []
    if unmatched:
        undecided_rows: dict[tuple[str, str], list[int]] = {}
        for row, key in enumerate(keys):
            if row not in by_row:
                split_and_key = SPLITS[face_set.splits[row]], key
                undecided_rows.setdefault(split_and_key, []).append(row)
        for split_and_key, entries in unmatched.items():
            rows = undecided_rows.get(split_and_key, [])
            is_same_decision = len({(entry.action, entry.label) for entry in entries}) == 1
            if is_same_decision and len(rows) == len(entries):
                by_row |= dict(zip(rows, entries, strict=True))
            else:
                unknown += entries
    return CurationMatch(dict(sorted(by_row.items())), tuple(unknown))


def without_relabeled(
    entries: Sequence[CurationEntry], curation: Curation, face_set: FaceSet
) -> tuple[CurationEntry, ...]:
    """Return new decisions about several images, without those about relabeled images.

    A user has looked at each relabeled image and chosen its label. Only a decision about this image
    alone may replace the chosen label.

    Args:
        entries: New decisions about images of the dataset.
        curation: The earlier decisions.
        face_set: The dataset as imported.
    """
    earlier = match_curation(curation, face_set).by_row
    # Use the current name of the image. The name in the earlier decision may differ, because the
    # data may have been imported from another layout.
    relabeled = {
        (face_set.names[row], entry.key)
        for row, entry in earlier.items()
        if entry.action == "relabel"
    }
    return tuple(entry for entry in entries if entry.identity not in relabeled)


@dataclass(frozen=True)
class CuratedFaceSet:
    """A dataset with its decisions applied.

    Attributes:
        faces: The remaining images, with the new labels.
        rows: For each image in ``faces``, its row in the imported dataset, intp ``[m]``.
        dropped: Number of dropped images per split.
        relabeled: Number of images whose label differs from the imported label, per split.
        copies_dropped: Number of dropped training images that have the same pixels as an image in
            validation or test.
        fingerprint: ``Curation.fingerprint`` of the decisions.
        match: The decisions, matched with the images of the imported dataset.
    """

    faces: FaceSet
    rows: NDArray[np.intp]
    dropped: dict[str, int]
    relabeled: dict[str, int]
    copies_dropped: int
    fingerprint: str
    match: CurationMatch

    @property
    def unknown(self) -> tuple[CurationEntry, ...]:
        """The decisions that could not be matched with an image; see ``CurationMatch``."""
        return self.match.unknown

    @property
    def warning(self) -> str | None:
        """One sentence about the unknown images; None if there are none."""
        return self.match.warning

    @property
    def summary(self) -> str | None:
        """The changes as text, for a model's ``bundle.json``; None if nothing was changed."""
        parts = []
        for split in SPLITS:
            name = "training" if split == "train" else split
            if self.dropped[split]:
                text = f"{_images_text(self.dropped[split], name)} dropped"
                if split == "train" and self.copies_dropped:
                    are_all_copies = self.copies_dropped == self.dropped[split]
                    count = "" if are_all_copies else f"{self.copies_dropped:,} of them "
                    copies = (
                        "a copy of a validation or test image"
                        if self.copies_dropped == 1
                        else "copies of validation or test images"
                    )
                    text += f" ({count}{copies})"
                parts.append(text)
            if self.relabeled[split]:
                parts.append(f"{_images_text(self.relabeled[split], name)} relabeled")
        return ", ".join(parts) or None

    def to_json(self) -> dict[str, Any]:
        """Return the counts and the fingerprint, for JSON files."""
        return {
            "fingerprint": self.fingerprint,
            "dropped": self.dropped,
            # Files of published models contain this spelling of the key, so it must not change.
            "relabelled": self.relabeled,
            "train_copies_dropped": self.copies_dropped,
            "unknown_images": len(self.unknown),
        }


def _images_text(count: int, split: str) -> str:
    return counted(count, f"{split} image")


def apply_curation(
    face_set: FaceSet, curation: Curation, splits: Sequence[str] = SPLITS
) -> CuratedFaceSet:
    """Return a dataset without the dropped images and with the new labels.

    If the dataset has targets, a relabeled image gets a one-hot target of its new label.

    Args:
        face_set: The dataset as imported.
        curation: The decisions.
        splits: The splits in which the decisions apply. A training passes ``("train",)``, so that
            its results on validation and test stay comparable with published ones.

    Raises:
        InputError: A decision names a class that the dataset does not have.
    """
    match = match_curation(curation, face_set)
    labels = face_set.labels.copy()
    is_remaining = np.ones(len(face_set), dtype=bool)
    is_relabeled = np.zeros(len(face_set), dtype=bool)
    targets = None if face_set.targets is None else face_set.targets.copy()
    for row, entry in match.by_row.items():
        if SPLITS[face_set.splits[row]] not in splits:
            continue
        if entry.action == "drop":
            is_remaining[row] = False
        elif entry.action == "relabel":
            labels[row] = _new_label(entry, face_set)
            is_relabeled[row] = labels[row] != face_set.labels[row]
            if targets is not None:
                # The decision has priority over the annotators' votes about the image.
                targets[row] = np.eye(len(face_set.classes), dtype=np.float32)[labels[row]]
    rows = np.flatnonzero(is_remaining)
    in_train = face_set.splits == SPLITS.index("train")
    copies_dropped = 0
    if not is_remaining[in_train].all():
        keys = content_keys(face_set.images)
        copies_dropped = int(np.isin(keys[in_train & ~is_remaining], keys[~in_train]).sum())
    faces = FaceSet(
        images=face_set.images if is_remaining.all() else face_set.images[rows],
        labels=labels[rows],
        splits=face_set.splits[rows],
        names=tuple(face_set.names[row] for row in rows),
        problems=face_set.problems,
        targets=None if targets is None else targets[rows],
        classes=face_set.classes,
        source_classes=face_set.source_classes,
    )
    return CuratedFaceSet(
        faces=faces,
        rows=rows,
        dropped=face_set.count_by_split(~is_remaining),
        relabeled=face_set.count_by_split(is_relabeled),
        copies_dropped=copies_dropped,
        fingerprint=curation.fingerprint,
        match=match,
    )


def _new_label(entry: CurationEntry, face_set: FaceSet) -> int:
    """Return the index of the class that a *relabel* decision gives an image."""
    if entry.label not in face_set.classes:
        raise InputError(
            f"The curation gives {entry.name} the label {entry.label!r}, but the classes of the "
            f"dataset are {', '.join(face_set.classes)}; remove this decision."
        )
    return face_set.classes.index(entry.label)
