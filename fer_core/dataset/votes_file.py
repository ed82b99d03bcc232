"""A dataset's FER+ votes as files: read as FER+ gives them, matched, and kept beside the faces.

Two layouts are read: a table whose ``image`` column names pictures, and the official
``fer2013new.csv``, whose rows stand in the order of ``fer2013.csv``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS
from fer_core.dataset.locking import dataset_lock
from fer_core.dataset.user_csv import CsvKind, read_csv
from fer_core.dataset.votes import Votes
from fer_core.errors import InputError, first_line
from fer_core.files import os_errors_as_input_errors, replaced_file

VOTES_FILE = "votes.npz"

_KIND = CsvKind(
    name="file of votes",
    required=(*VOTE_COLUMNS, "image"),
    expected="the columns of FER+'s fer2013new.csv, or image and the ten answers",
    instead="ferplus_votes.csv or FER+'s fer2013new.csv",
    # A vote table of all of FER2013 has 2 MB.
    max_bytes=64 << 20,
    # FER+'s own name of the last column, and of the column with the pictures' names.
    synonyms={"nf": "not_face", "not face": "not_face", "image name": "image", "name": "image"},
)

_USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}

#: Taggers and FER2013 agree on 63 % of the faces; rows that were matched wrongly would agree on
#: little more than chance gives, which is below 0.25.
_LEAST_AGREEMENT = 0.4

_POSITION_PATTERN = re.compile(r":(\d+)$")


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


def parse_votes(content: bytes, label: str) -> VoteTable:
    """Read a file of votes.

    Args:
        content: A CSV file with a line of column names: ten for the answers, and ``image`` or
            FER+'s ``Image name`` and ``Usage``.
        label: What messages call it.

    Raises:
        InputError: It is too large, no text, has other columns, or no line can be read.
    """
    table = read_csv(content, label, _KIND)
    positions = [table.header.index(column) for column in VOTE_COLUMNS]
    image_position = table.header.index("image")
    usage_position = table.header.index("usage") if "usage" in table.header else None
    counts, images, splits = [], [], []
    problems: list[str] = []
    skipped = 0
    for row in table.rows:
        number, cells = row.line, row.cells
        try:
            if isinstance(cells, csv.Error):
                raise cells
            votes = [int(cells[position]) for position in positions]
            if min(votes) < 0 or max(votes) > 255:
                raise ValueError("votes should be numbers from 0 to 255")
            image = cells[image_position].strip()
            usage = cells[usage_position].strip().lower() if usage_position is not None else ""
        except (ValueError, IndexError, csv.Error) as error:
            skipped += 1
            if len(problems) < 20:
                problems.append(f"{label}, line {number}: {first_line(error)}.")
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
    with (
        os_errors_as_input_errors(f"The votes cannot be kept in {folder}"),
        dataset_lock(folder),
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
        InputError: The system refuses.
    """
    with os_errors_as_input_errors(f"The votes cannot be removed from {folder}"):
        (folder / VOTES_FILE).unlink(missing_ok=True)
