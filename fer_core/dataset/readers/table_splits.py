"""Assign splits to the tables of a source, by their names or as the user chooses."""

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


def tables_with_roles(
    tables: Sequence[FaceTable], roles: FolderRoles, problems: ProblemLog
) -> list[FaceTable]:
    """Return the tables with the splits that the user chose, without those that are left out.

    Args:
        tables: The tables of a source.
        roles: The roles that the user gave to tables, by their file name.
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
        if role is None:
            problems.add(table.name, _LEFT_OUT)
        elif role == "class":
            # Only a folder can be a class; a table keeps the split that its name states.
            result.append(table)
        else:
            result.append(replace(table, chosen_split=SPLITS.index(role)))
    return result


def table_splits(tables: Sequence[FaceTable]) -> tuple[SplitFolder, ...]:
    """Return the labeled tables with the split that the name of each states, as in ``test.csv``.

    A table whose name states no split has the role None, so that the user has to decide. The result
    is empty if no name states a split, or if a table has a column of splits, because that table is
    read instead of all others.
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
    """Raise an error if the user has to say which split a table is.

    Args:
        source: The name of the source.
        tables: Its tables, with the splits that the user chose.

    Raises:
        InputError: The name of one table states a split, and that of another one does not.
    """
    undecided_tables = [table for table in table_splits(tables) if table.role is None]
    if undecided_tables:
        raise InputError(undecided_folder_question(source, undecided_tables))
