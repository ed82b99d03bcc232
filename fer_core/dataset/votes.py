"""What FER+'s ten taggers saw in each face: an optional layer beside a dataset's labels.

Barsoum, Zhang, Canton Ferrer and Zhang, "Training deep networks for facial expression recognition
with crowd-sourced label distribution", 2016, had every face of FER2013 labelled by ten people
again. Two layouts are read: a table whose ``image`` column names pictures, and the official
``fer2013new.csv``, whose rows stand in the order of ``fer2013.csv``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.findings import Finding, ranked_finding
from fer_core.emotions import EMOTIONS, emotion_from_name
from fer_core.errors import InputError, first_line
from fer_core.files import replaced_file, told_if_refused

VOTES_FILE = "votes.npz"

#: The answers that taggers could give, in FER+'s order.
VOTE_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "not_face",
)

#: Position in ``VOTE_COLUMNS`` of each of ``EMOTIONS``.
_EMOTION_COLUMNS = [
    [emotion_from_name(column) for column in VOTE_COLUMNS].index(emotion) for emotion in EMOTIONS
]
_NOT_FACE = VOTE_COLUMNS.index("not_face")

#: FER+'s own name of the last column, and of the column with the pictures' names.
_SYNONYMS = {"nf": "not_face", "not face": "not_face", "image name": "image", "name": "image"}

_USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}

#: A vote table of all of FER2013 has 2 MB.
MAX_TABLE_BYTES = 64 << 20

#: Taggers and FER2013 agree on 63 % of the faces; rows that were matched wrongly would agree on
#: little more than chance gives, which is below 0.25.
_LEAST_AGREEMENT = 0.4

_POSITION_PATTERN = re.compile(r":(\d+)$")
_OTHER = -1


@dataclass(frozen=True)
class VoteTable:
    """A file of votes, as it was read.

    Attributes:
        counts: uint8 ``[n, 10]``, votes per answer in the order of ``VOTE_COLUMNS``.
        images: The picture that each row names; empty where it names none.
        splits: The split that each row names, or None.
        problems: A sentence for each of the first lines that could not be read.
        skipped: How many lines could not be read.
    """

    counts: NDArray[np.uint8]
    images: tuple[str, ...]
    splits: tuple[str | None, ...]
    problems: tuple[str, ...]
    skipped: int


@dataclass(frozen=True)
class Votes:
    """The votes for the images of one dataset.

    Attributes:
        counts: uint8 ``[n, 10]``, votes per answer in the order of ``VOTE_COLUMNS``; zeros where
            an image has no votes.
        source: The file that they came from.
        note: How they were matched to the images, and how many, in words.

    Raises:
        ValueError: ``counts`` has another shape or type.
    """

    counts: NDArray[np.uint8]
    source: str
    note: str

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[1] != len(VOTE_COLUMNS):
            raise ValueError(
                f"counts should be [n, {len(VOTE_COLUMNS)}]. Received: {list(self.counts.shape)}"
            )
        if self.counts.dtype != np.uint8:
            raise ValueError(f"counts should be uint8. Received: {self.counts.dtype}")

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def total(self) -> NDArray[np.int64]:
        """Votes for each image, int64 ``[n]``."""
        return np.asarray(self.counts.sum(axis=1), np.int64)

    @property
    def has_votes(self) -> NDArray[np.bool_]:
        """Which images were voted on, bool ``[n]``."""
        return self.total > 0

    @property
    def matched(self) -> int:
        """How many images have votes."""
        return int(self.has_votes.sum())

    @property
    def unmatched(self) -> int:
        """How many have none."""
        return len(self) - self.matched

    @property
    def emotion_counts(self) -> NDArray[np.uint8]:
        """Votes for the seven emotions, uint8 ``[n, 7]`` in the order of ``EMOTIONS``."""
        return self.counts[:, _EMOTION_COLUMNS]

    @property
    def not_face_votes(self) -> NDArray[np.uint8]:
        """Votes that there is no face, uint8 ``[n]``."""
        return self.counts[:, _NOT_FACE]

    @cached_property
    def plurality(self) -> NDArray[np.int8]:
        """The emotion that more taggers chose than any other answer, int8 ``[n]``.

        -1 where there are no votes, where answers tie, and where it is none of the seven.
        """
        best = self.counts.max(axis=1, keepdims=True)
        is_single = ((self.counts == best).sum(axis=1) == 1) & self.has_votes
        emotion_of = np.full(len(VOTE_COLUMNS), _OTHER, np.int8)
        emotion_of[_EMOTION_COLUMNS] = np.arange(len(EMOTIONS))
        chosen = emotion_of[self.counts.argmax(axis=1)]
        return np.where(is_single, chosen, np.int8(_OTHER))

    @cached_property
    def agreement(self) -> NDArray[np.float32]:
        """Share of the commonest answer, float32 ``[n]``, 0 to 1; NaN without votes."""
        return self._share(self.counts.max(axis=1))

    @cached_property
    def entropy(self) -> NDArray[np.float32]:
        """Entropy of the answers in bits, float32 ``[n]``: 0 if all agree, at most 3.3.

        NaN without votes.
        """
        shares = self.counts / np.maximum(self.total, 1)[:, None]
        bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
        return np.where(self.has_votes, bits + 0.0, np.nan).astype(np.float32)

    def label_share(self, labels: NDArray[np.int8]) -> NDArray[np.float32]:
        """Share of the taggers who chose each image's label, float32 ``[n]``; NaN without votes.

        Args:
            labels: int8 ``[n]``, indices into ``EMOTIONS``.
        """
        columns = np.array(_EMOTION_COLUMNS)[labels]
        return self._share(self.counts[np.arange(len(self)), columns])

    def distribution(self, row: int) -> dict[str, int]:
        """One image's votes by answer; empty without votes."""
        if not self.has_votes[row]:
            return {}
        return dict(zip(VOTE_COLUMNS, self.counts[row].tolist(), strict=True))

    def _share(self, votes: NDArray[np.uint8]) -> NDArray[np.float32]:
        shares = votes / np.maximum(self.total, 1)
        return np.where(self.has_votes, shares, np.nan).astype(np.float32)


@dataclass(frozen=True)
class ClassAgreement:
    """How the taggers see the images of one class.

    Attributes:
        emotion: The class.
        voted: Its images with votes.
        agreeing: Those of them for which more taggers chose the class than any other answer.
        mean_label_share: Mean share of the taggers who chose the class, 0 to 1; None without any.
    """

    emotion: str
    voted: int
    agreeing: int
    mean_label_share: float | None

    @property
    def share(self) -> float | None:
        """Share of the images on which taggers and label agree; None without any."""
        return self.agreeing / self.voted if self.voted else None


def parse_votes(content: bytes, label: str) -> VoteTable:
    """Read a file of votes.

    Args:
        content: A CSV file with a line of column names: ten for the answers, and ``image`` or
            FER+'s ``Image name`` and ``Usage``.
        label: What messages call it.

    Raises:
        InputError: It is too large, no text, has other columns, or no line can be read.
    """
    if len(content) > MAX_TABLE_BYTES:
        raise InputError(
            f"{label} is larger than {MAX_TABLE_BYTES >> 20} MB and so no file of votes; give "
            "ferplus_votes.csv or FER+'s fer2013new.csv."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{label} is no text in UTF-8 ({first_line(error)}); save it as CSV in UTF-8."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [cell.strip().lower() for cell in next(reader, [])]
    header = [_SYNONYMS.get(cell, cell) for cell in header]
    missing = [column for column in (*VOTE_COLUMNS, "image") if column not in header]
    if missing:
        raise InputError(
            f"{label} is no file of votes: its first line lacks {', '.join(missing)}; expected "
            "are the columns of FER+'s fer2013new.csv, or image and the ten answers."
        )
    positions = [header.index(column) for column in VOTE_COLUMNS]
    image_position = header.index("image")
    usage_position = header.index("usage") if "usage" in header else None
    counts, images, splits = [], [], []
    problems: list[str] = []
    skipped = 0
    rows = iter(reader)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(rows)
            if not any(cell.strip() for cell in cells):
                continue
            votes = [int(cells[position]) for position in positions]
            if min(votes) < 0 or max(votes) > 255:
                raise ValueError("votes should be numbers from 0 to 255")
            image = cells[image_position].strip()
            usage = cells[usage_position].strip().lower() if usage_position is not None else ""
        except StopIteration:
            break
        except (ValueError, IndexError, csv.Error) as error:
            skipped += 1
            if len(problems) < 20:
                problems.append(f"{label}, line {line}: {first_line(error)}.")
            # The official file is matched by position: a bad line must still take its place.
            votes, image, usage = [0] * len(VOTE_COLUMNS), "", ""
        counts.append(votes)
        images.append(image)
        splits.append(_USAGES.get(usage))
    if skipped == len(counts):
        reason = problems[0] if problems else f"{label} has no rows."
        raise InputError(f"No votes can be read. {reason}")
    return VoteTable(
        np.array(counts, np.uint8), tuple(images), tuple(splits), tuple(problems), skipped
    )


def match_votes(table: VoteTable, face_set: FaceSet, label: str) -> Votes:
    """Find the image that each row of votes is about.

    By the pictures' names, from the end of the path on; for the official file and a dataset that
    was read from ``fer2013.csv``, by the place in it, where the splits must agree.

    Args:
        table: The votes.
        face_set: The dataset as it was imported.
        label: What messages call the file.

    Raises:
        InputError: No row, or only a wrong one, can be told to belong to an image.
    """
    rows_of, way = _by_name(table, face_set), "by the pictures' names"
    if not rows_of:
        rows_of, way = _by_position(table, face_set), "by their place in the table"
    counts = np.zeros((len(face_set), len(VOTE_COLUMNS)), np.uint8)
    for row, position in rows_of.items():
        counts[row] = table.counts[position]
    copies = _to_copies(counts, face_set)
    votes = Votes(counts, label, "")
    if not votes.matched:
        raise InputError(
            f"The votes in {label} cannot be matched to this dataset: no picture has one of their "
            "names (fer2013new.csv fits FER+'s own folders and a dataset imported from "
            "fer2013.csv; for Kaggle's pictures give a table with their paths)."
        )
    voted = votes.plurality >= 0
    agreement = (votes.plurality == face_set.labels)[voted].mean() if voted.any() else 1.0
    if way != "by the pictures' names" and agreement < _LEAST_AGREEMENT:
        raise InputError(
            f"The votes in {label} stand in another order than this dataset's images: they agree "
            f"with its labels on only {agreement:.0%}; import fer2013.csv in its own order."
        )
    note = f"{votes.matched:,} of {len(votes):,} images have votes, matched {way}"
    if copies:
        note += f", {copies:,} of them as exact copies of an image that was named"
    if table.skipped:
        note += f"; {table.skipped:,} lines could not be read ({table.problems[0]})"
    return Votes(counts, label, note.rstrip(".") + ".")


def _by_name(table: VoteTable, face_set: FaceSet) -> dict[int, int]:
    """The table's position for each row whose name it holds, in whole or from the end on.

    Two pictures may have one file name under different emotions: more of the path decides first.
    A table may name one picture several times, because it is made from a list in which equal
    pictures have one name: then its first row counts.
    """
    found: dict[int, int] = {}
    taken: set[int] = set()
    for parts in (9, 2, 1):
        rows = _tails(face_set.names, parts, found.keys())
        positions = _tails(table.images, parts, taken)
        for tail in rows.keys() & positions.keys():
            names = {table.images[position] for position in positions[tail]}
            if len(rows[tail]) == len(names) == 1:
                found[rows[tail][0]] = positions[tail][0]
                taken.update(positions[tail])
    return found


def _to_copies(counts: NDArray[np.uint8], face_set: FaceSet) -> int:
    """Give exact copies of voted images the same votes, and say how many there are.

    A group in which two images were voted on differently gives its votes to none.
    """
    copies = 0
    for group in audit_duplicates(face_set).groups:
        is_voted = counts[group].any(axis=1)
        given = np.unique(counts[group[is_voted]], axis=0)
        if len(given) == 1:
            counts[group[~is_voted]] = given[0]
            copies += int((~is_voted).sum())
    return copies


def _tails(
    names: tuple[str, ...], parts: int, left_out: Container[int]
) -> dict[tuple[str, ...], list[int]]:
    tails: dict[tuple[str, ...], list[int]] = {}
    for number, name in enumerate(names):
        if name and number not in left_out:
            tails.setdefault(PurePosixPath(name).parts[-parts:], []).append(number)
    return tails


def _by_position(table: VoteTable, face_set: FaceSet) -> dict[int, int]:
    """The table's position for each row that came from a line of one table, if splits agree."""
    found: dict[int, int] = {}
    for row, name in enumerate(face_set.names):
        match = _POSITION_PATTERN.search(name)
        # The first line has the names of the columns, and lines count from 1.
        position = int(match.group(1)) - 2 if match else -1
        if 0 <= position < len(table.counts):
            found[row] = position
    # A line that could not be read names no split.
    named = [(row, split) for row, position in found.items() if (split := table.splits[position])]
    agreeing = sum(SPLITS[face_set.splits[row]] == split for row, split in named)
    # A table of the training faces alone has validation and test cut out of them.
    is_training_alone = {split for _, split in named} == {"train"}
    fits = bool(named) and (is_training_alone or agreeing >= 0.99 * len(named))
    return found if fits else {}


def import_votes(content: bytes, label: str, folder: Path, face_set: FaceSet) -> Votes:
    """Match a file of votes to an imported dataset and keep them beside it.

    Args:
        content: The file, as for ``parse_votes``.
        label: What messages call it.
        folder: ``data/<name>``.
        face_set: What lies there.

    Raises:
        InputError: It is no file of votes, none fits, or the folder cannot be written.
    """
    votes = match_votes(parse_votes(content, label), face_set, label)
    if not (folder / "dataset.json").is_file():
        raise InputError(f"The dataset {folder.name!r} is not there any more; choose another.")
    with (
        told_if_refused(f"The votes cannot be kept in {folder}"),
        replaced_file(folder / VOTES_FILE) as temporary,
        temporary.open("wb") as file,
    ):
        np.savez_compressed(
            file,
            counts=votes.counts,
            source=np.array(votes.source),
            note=np.array(votes.note),
            fingerprint=np.array(face_set.fingerprint),
        )
    return votes


def read_votes(folder: Path, face_set: FaceSet) -> Votes | None:
    """The votes that were imported for a dataset; None if none were.

    Raises:
        InputError: The file is damaged, or was made for other images.
    """
    path = folder / VOTES_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            votes = Votes(arrays["counts"], str(arrays["source"]), str(arrays["note"]))
            fingerprint = str(arrays["fingerprint"])
    except Exception as error:
        # NumPy raises a different type for each way in which a file can be damaged.
        raise InputError(
            f"The votes in {path} are damaged ({first_line(error)}); import them again."
        ) from error
    if len(votes) != len(face_set) or fingerprint != face_set.fingerprint:
        raise InputError(f"The votes in {path} are of other images; import them again.")
    return votes


def remove_votes(folder: Path) -> None:
    """Take a dataset's votes away; nothing happens if there are none.

    Raises:
        InputError: The folder cannot be written.
    """
    with told_if_refused(f"The votes cannot be removed from {folder}"):
        (folder / VOTES_FILE).unlink(missing_ok=True)


def class_agreement(
    face_set: FaceSet, votes: Votes, split: str = "all"
) -> tuple[ClassAgreement, ...]:
    """How taggers and labels agree, by class in the order of ``EMOTIONS``.

    Raises:
        InputError: There is no such split.
    """
    rows = face_set.rows(split)
    rows = rows[votes.has_votes[rows]]
    shares = votes.label_share(face_set.labels)
    result = []
    for label, emotion in enumerate(EMOTIONS):
        of_class = rows[face_set.labels[rows] == label]
        result.append(
            ClassAgreement(
                emotion=emotion,
                voted=len(of_class),
                agreeing=int((votes.plurality[of_class] == label).sum()),
                mean_label_share=float(shares[of_class].mean()) if len(of_class) else None,
            )
        )
    return tuple(result)


def votes_findings(face_set: FaceSet, votes: Votes) -> dict[str, Finding]:
    """What the votes say about single images, by kind.

    Returns:
        *disputed*: no answer has more than half of the votes, the most disputed first;
        *outvoted*: more than half of the taggers chose one other emotion, which is suggested;
        *not_face_votes*: more than half saw no face.
    """
    rows = np.flatnonzero(votes.has_votes)
    agreement, entropy = votes.agreement, votes.entropy
    disputed = rows[agreement[rows] <= 0.5]
    disputed = disputed[np.argsort(-entropy[disputed], kind="stable")]
    differs = (votes.plurality[rows] >= 0) & (votes.plurality[rows] != face_set.labels[rows])
    outvoted = rows[differs & (agreement[rows] > 0.5)]
    label_shares = votes.label_share(face_set.labels)
    outvoted = outvoted[np.lexsort((label_shares[outvoted], -agreement[outvoted]))]
    not_face_share = votes.not_face_votes / np.maximum(votes.total, 1)
    not_faces = rows[not_face_share[rows] > 0.5]
    not_faces = not_faces[np.argsort(-not_face_share[not_faces], kind="stable")]
    notes = (votes.note, "The taggers' view is another labelling of the same faces, not the truth.")
    return {
        "disputed": ranked_finding(
            "disputed",
            "Most disputed by FER+'s taggers",
            "No answer has more than half of the votes: people cannot tell what the face shows.",
            score_name="entropy of the votes in bits (0: all agree)",
            rows=disputed,
            scores=entropy[disputed],
            reasons=[_in_words(votes, row) for row in disputed],
            notes=notes,
        ),
        "outvoted": ranked_finding(
            "outvoted",
            "Outvoted by FER+'s taggers",
            "More than half of the taggers chose one other emotion than the label.",
            score_name="share of the taggers for the suggested label (0 to 1)",
            rows=outvoted,
            scores=agreement[outvoted],
            reasons=[_in_words(votes, row) for row in outvoted],
            suggested=votes.plurality[outvoted],
            notes=notes,
        ),
        "not_face_votes": ranked_finding(
            "not_face_votes",
            "No face for FER+'s taggers",
            "More than half of the taggers said that there is no face.",
            score_name="share of the taggers who saw no face (0 to 1)",
            rows=not_faces,
            scores=not_face_share[not_faces].astype(np.float32),
            reasons=[_in_words(votes, row) for row in not_faces],
            notes=notes,
        ),
    }


def _in_words(votes: Votes, row: int) -> str:
    """An image's votes, the commonest answer first: "6 anger, 3 neutral, 1 not a face"."""
    given = [(count, answer) for answer, count in votes.distribution(row).items() if count]
    given.sort(key=lambda pair: -pair[0])
    return ", ".join(
        f"{count} {answer.replace('not_face', 'not a face')}" for count, answer in given
    )
