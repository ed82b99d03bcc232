"""The splits of several tables by their names, or as the user chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.csv_tables import FaceTable
from fer_core.dataset.readers.layouts.split_folders import SplitFolder, open_folder_question
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.errors import InputError

_LEFT_OUT = SkipReason("was left out as requested")


def tables_with_roles(
    tables: Sequence[FaceTable], roles: FolderRoles, problems: ProblemLog
) -> list[FaceTable]:
    """Return the tables with the splits that the user chose, without those that are left out.

    Args:
        tables: The tables of a source.
        roles: What the user says about them, by their file name.
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
    found = []
    for table in tables:
        answered = roles.role_of(table.name.split("/"))
        if answered is None or answered[1] == "class":
            found.append(table)
        elif answered[1] is None:
            problems.add(table.name, _LEFT_OUT)
        else:
            found.append(replace(table, chosen_split=SPLITS.index(answered[1])))
    return found


def table_splits(tables: Sequence[FaceTable]) -> tuple[SplitFolder, ...]:
    """Return the tables of a source that is divided by the names of its tables.

    If one table is named after a split, one with another name is not training data by default. A
    table with a column of splits is read instead of all others.
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
        InputError: One table is named after a split, and another one is not.
    """
    open_tables = [table for table in table_splits(tables) if table.role is None]
    if open_tables:
        raise InputError(open_folder_question(source, open_tables))
