"""Read files of FER+ votes, match the votes to a dataset, and store them in its folder.

Two layouts are supported: a table with an ``image`` column that contains the names of pictures, and
the official ``fer2013new.csv``, whose rows are in the order of ``fer2013.csv``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.ferplus import VOTE_COLUMNS, answer_columns
from fer_core.dataset.locking import dataset_lock
from fer_core.dataset.user_csv import CsvKind, read_csv
from fer_core.dataset.votes import Votes
from fer_core.errors import InputError, first_line
from fer_core.files import atomic_write_file, os_errors_as_input_errors

VOTES_FILE = "votes.npz"

_KIND = CsvKind(
    name="file of votes",
    required=(*VOTE_COLUMNS, "image"),
    expected="the columns of FER+'s fer2013new.csv, or image and the ten answers",
    suggested_file="ferplus_votes.csv or FER+'s fer2013new.csv",
    # A table of votes for all images of FER2013 has 2 MB.
    max_bytes=64 << 20,
    # In FER+, the last column is "NF", and the names of pictures are in the column "Image name".
    synonyms={"nf": "not_face", "not face": "not_face", "image name": "image", "name": "image"},
)

#: The splits by the values of the column ``Usage`` in FER2013 and FER+.
_USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}

#: Minimum share of faces on which annotators and labels agree, if rows are matched by position. In
#: FER2013 this share is 63 %. If rows are matched wrongly, it is below 25 %.
_MIN_AGREEMENT = 0.4

#: Rows are matched by position only if at least this share of the faces is in the same split in the
#: dataset and in the table.
_MIN_EQUAL_SPLIT_SHARE = 0.99

#: Maximum number of unreadable lines that are described by a sentence.
_MAX_PROBLEMS = 20

#: The line number at the end of the name of an image that was read from a table.
_LINE_NUMBER = re.compile(r":(\d+)$")


@dataclass(frozen=True)
class VoteTable:
    """The content of a file of votes.

    Attributes:
        counts: uint8 ``[n, 10]``, votes per answer in the order of ``VOTE_COLUMNS``; zeros for a
            line that could not be read.
        image_names: The name of the picture of each row; empty if the row has no name.
        splits: The split of each row; None if the row has no split.
        problems: One sentence about each line that could not be read, up to ``_MAX_PROBLEMS``.
        skipped: Number of lines that could not be read.
    """

    counts: NDArray[np.uint8]
    image_names: tuple[str, ...]
    splits: tuple[str | None, ...]
    problems: tuple[str, ...]
    skipped: int


def parse_votes(content: bytes, file_name: str) -> VoteTable:
    """Read a file of votes.

    Args:
        content: The content of a CSV file with a header. It has ten columns of answers, a column
            ``image`` (in FER+ ``Image name``), and optionally FER+'s column ``Usage``.
        file_name: The name of the file in messages.

    Raises:
        InputError: The file is too large, is not text, lacks a column, or no line can be read.
    """
    table = read_csv(content, file_name, _KIND)
    vote_columns = [table.header.index(column) for column in VOTE_COLUMNS]
    image_column = table.header.index("image")
    usage_column = table.header.index("usage") if "usage" in table.header else None
    counts, image_names, splits = [], [], []
    problems: list[str] = []
    skipped = 0
    for row in table.rows:
        cells = row.cells
        try:
            # If a row cannot be divided into cells, ``cells`` is the error.
            if isinstance(cells, csv.Error):
                raise cells
            votes = [int(cells[column]) for column in vote_columns]
            if min(votes) < 0 or max(votes) > 255:
                raise ValueError("votes should be numbers from 0 to 255")
            image = cells[image_column].strip()
            usage = cells[usage_column].strip().lower() if usage_column is not None else ""
        except (ValueError, IndexError, csv.Error) as error:
            skipped += 1
            if len(problems) < _MAX_PROBLEMS:
                problems.append(f"{file_name}, line {row.line}: {first_line(error)}.")
            # The rows of the official file are matched by position. Therefore, a line that cannot
            # be read must not change the positions of the next lines.
            votes, image, usage = [0] * len(VOTE_COLUMNS), "", ""
        counts.append(votes)
        image_names.append(image)
        splits.append(_USAGES.get(usage))
    if skipped == len(counts):
        reason = problems[0] if problems else f"{file_name} has no rows."
        raise InputError(f"No votes can be read. {reason}")
    return VoteTable(
        np.array(counts, np.uint8), tuple(image_names), tuple(splits), tuple(problems), skipped
    )


def match_votes(table: VoteTable, face_set: FaceSet, file_name: str) -> Votes:
    """Match the rows of a table of votes to the images of a dataset.

    Rows are matched by the names of pictures, compared from the end of the path. If no name
    matches, and the dataset was read from ``fer2013.csv``, rows are matched by their position in
    the table, provided that the splits agree.

    Args:
        table: The votes.
        face_set: The dataset as imported.
        file_name: The name of the file in messages.

    Raises:
        InputError: No row can be matched, the rows are in another order, or the dataset has a class
            that the annotators could not choose.
    """
    answer_columns(face_set.classes, file_name)  # raises InputError
    position_by_row = _match_names(table, face_set)
    is_matched_by_name = bool(position_by_row)
    if not is_matched_by_name:
        position_by_row = _match_positions(table, face_set)
    counts = np.zeros((len(face_set), len(VOTE_COLUMNS)), np.uint8)
    for row, position in position_by_row.items():
        counts[row] = table.counts[position]
    copy_count = _copy_votes_to_duplicates(counts, face_set)
    votes = Votes(counts, file_name, "", face_set.classes)
    if not votes.matched_count:
        raise InputError(
            f"The votes in {file_name} cannot be matched to this dataset: the file does not name "
            "any of its pictures (fer2013new.csv fits datasets imported from FER+'s folders or "
            "from fer2013.csv; for Kaggle's pictures provide a table with their paths)."
        )
    has_class = votes.plurality >= 0
    agreement = (votes.plurality == face_set.labels)[has_class].mean() if has_class.any() else 1.0
    if not is_matched_by_name and agreement < _MIN_AGREEMENT:
        raise InputError(
            f"The votes in {file_name} are in another order than this dataset's images: they agree "
            f"with its labels on only {100 * agreement:.0f} %; import fer2013.csv in its original "
            "order."
        )
    method = "by the names of pictures" if is_matched_by_name else "by their position in the table"
    note = f"{votes.matched_count:,} of {len(votes):,} images have votes, matched {method}"
    if copy_count:
        note += f", {copy_count:,} of them as exact copies of a matched image"
    if table.skipped:
        note += f"; {table.skipped:,} lines could not be read ({table.problems[0]})"
    return replace(votes, note=f"{note}.")


def _match_names(table: VoteTable, face_set: FaceSet) -> dict[int, int]:
    """Match images to the rows of a table of votes by name.

    The result maps rows of the dataset to positions in the table. Names are compared from the end
    of the path. Two pictures of different emotions may have the same file name, so longer parts of
    the path are compared first. If a table contains a name several times, because equal pictures
    share a name, the first row with this name counts.
    """
    matched: dict[int, int] = {}
    used_positions: set[int] = set()
    # Compare the whole path (which rarely has more than nine parts), then the last folder with the
    # file name, then the file name alone.
    for part_count in (9, 2, 1):
        rows = _by_path_end(face_set.names, part_count, matched.keys())
        positions = _by_path_end(table.image_names, part_count, used_positions)
        for path_end in rows.keys() & positions.keys():
            names = {table.image_names[position] for position in positions[path_end]}
            if len(rows[path_end]) == len(names) == 1:
                matched[rows[path_end][0]] = positions[path_end][0]
                used_positions.update(positions[path_end])
    return matched


def _copy_votes_to_duplicates(counts: NDArray[np.uint8], face_set: FaceSet) -> int:
    """Copy votes to exact copies that have none, and return how many images received votes.

    A group of copies whose images have different votes is left unchanged.
    """
    copy_count = 0
    for group in audit_duplicates(face_set).groups:
        has_votes = counts[group].any(axis=1)
        different_votes = np.unique(counts[group[has_votes]], axis=0)
        if len(different_votes) == 1:
            counts[group[~has_votes]] = different_votes[0]
            copy_count += int((~has_votes).sum())
    return copy_count


def _by_path_end(
    names: tuple[str, ...], part_count: int, excluded: Container[int]
) -> dict[tuple[str, ...], list[int]]:
    """Group the indices of names by the last parts of the paths; leave out excluded indices."""
    indices: dict[tuple[str, ...], list[int]] = {}
    for index, name in enumerate(names):
        if name and index not in excluded:
            indices.setdefault(PurePosixPath(name).parts[-part_count:], []).append(index)
    return indices


def _match_positions(table: VoteTable, face_set: FaceSet) -> dict[int, int]:
    """Match images to rows of a table of votes by the line that each image was read from.

    The result maps rows of the dataset to positions in the table of votes. It is empty if the
    table states no splits, or if the splits of the dataset and of the table do not agree.
    """
    position_by_row: dict[int, int] = {}
    for row, name in enumerate(face_set.names):
        match = _LINE_NUMBER.search(name)
        # Lines are numbered from 1, and line 1 is the header.
        position = int(match.group(1)) - 2 if match else -1
        if 0 <= position < len(table.counts):
            position_by_row[row] = position
    # A line that could not be read has no split.
    rows_with_split = [
        (row, split)
        for row, position in position_by_row.items()
        if (split := table.splits[position])
    ]
    agreeing = sum(SPLITS[face_set.splits[row]] == split for row, split in rows_with_split)
    # If all faces in the table are training faces, the other splits of the dataset were created
    # from training faces. In this case, the splits cannot be compared.
    is_training_only = {split for _, split in rows_with_split} == {"train"}
    is_same_order = bool(rows_with_split) and (
        is_training_only or agreeing >= _MIN_EQUAL_SPLIT_SHARE * len(rows_with_split)
    )
    return position_by_row if is_same_order else {}


def import_votes(content: bytes, file_name: str, folder: Path, face_set: FaceSet) -> Votes:
    """Match the votes of a file to the images of an imported dataset, and store them in its folder.

    Args:
        content: The content of the file, as for ``parse_votes``.
        file_name: The name of the file in messages.
        folder: ``data/<name>``.
        face_set: The dataset in that folder.

    Raises:
        InputError: The file is not a file of votes, no vote can be matched, the dataset was
            deleted, or the folder cannot be written.
    """
    votes = match_votes(parse_votes(content, file_name), face_set, file_name)
    with (
        os_errors_as_input_errors(f"The votes cannot be stored in {folder}"),
        dataset_lock(folder),
        atomic_write_file(folder / VOTES_FILE) as temporary,
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
    """Return the imported votes of a dataset; None if there are none.

    Raises:
        InputError: The file is damaged, or belongs to other images.
    """
    path = folder / VOTES_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            votes = Votes(
                arrays["counts"], str(arrays["source"]), str(arrays["note"]), face_set.classes
            )
            fingerprint = str(arrays["fingerprint"])
    except InputError:
        raise
    except Exception as error:
        # NumPy raises different types of errors for damaged files.
        raise InputError(
            f"The votes in {path} are damaged ({first_line(error)}); import them again."
        ) from error
    if len(votes) != len(face_set) or fingerprint != face_set.fingerprint:
        raise InputError(f"The votes in {path} belong to other images; import them again.")
    return votes


def remove_votes(folder: Path) -> None:
    """Delete the votes of a dataset, if it has any.

    Raises:
        InputError: The file cannot be deleted.
    """
    with os_errors_as_input_errors(f"The votes cannot be removed from {folder}"):
        (folder / VOTES_FILE).unlink(missing_ok=True)
