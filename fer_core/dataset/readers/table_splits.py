"""Assign splits to the tables of a source, by the names of the tables or as the user chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.csv_tables import FaceTable
from fer_core.dataset.readers.layouts.split_folders import SplitFolder, undecided_folder_question
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.errors import InputError

_LEFT_OUT = SkipReason("was left out as requested")


def apply_table_roles(
    tables: Sequence[FaceTable], roles: FolderRoles, problems: ProblemLog
) -> list[FaceTable]:
    """Return the tables that the user did not leave out, with the splits that the user chose.

    Args:
        tables: The tables of a source.
        roles: The roles that the user gave to tables, by the names of their files.
        problems: Collects the tables that are left out.

    Raises:
        InputError: A table with a role does not exist.
    """
    missing = roles.missing([table.name.split("/") for table in tables])
    if missing:
        names = ", ".join(table.name for table in tables[:10])
        raise InputError(
            f"There is no table {missing[0]!r}, which --split names; the tables are {names}."
        )
    result = []
    for table in tables:
        position_and_role = roles.role_of(table.name.split("/"))
        if position_and_role is None:
            result.append(table)
            continue
        _, role = position_and_role
        # A role of None means that the user left the table out, unlike in ``SplitFolder``.
        if role is None:
            problems.add(table.name, _LEFT_OUT)
        elif role == "class":
            # Only a folder can be a class; a table keeps the split that its name states.
            result.append(table)
        else:
            result.append(replace(table, chosen_split=SPLITS.index(role)))
    return result


def table_splits(tables: Sequence[FaceTable]) -> tuple[SplitFolder, ...]:
    """Return the labeled tables, each with the split that its name states, as in ``test.csv``.

    A split that the user chose replaces the split in the name. If a table has neither, its role is
    None, which means that the user has to decide. The result is empty if no table has a split. It
    is also empty if a labeled table has a column of splits: in this case, only one table with such
    a column is read, and the column states the split of each row.
    """
    labeled = [table for table in tables if table.columns.label is not None]
    has_column = any(table.columns.split is not None for table in labeled)
    if has_column or all(table.split is None for table in labeled):
        return ()
    return tuple(
        SplitFolder(
            table.name.rpartition("/")[2], None if table.split is None else SPLITS[table.split[0]]
        )
        for table in labeled
    )


def check_table_splits(source: str, tables: Sequence[FaceTable]) -> None:
    """Raise an error if the user has to choose the split of a table.

    Args:
        source: The name of the source.
        tables: The tables of the source, with the splits that the user chose.

    Raises:
        InputError: One table has a split, by its name or the user's choice, and another table has
            none.
    """
    undecided_tables = [table for table in table_splits(tables) if table.role is None]
    if undecided_tables:
        raise InputError(undecided_folder_question(source, undecided_tables))
