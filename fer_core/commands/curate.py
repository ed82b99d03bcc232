"""``dataset curate``: decide on single images, apply quick fixes, and import decisions."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fer_core.classes import match_class
from fer_core.commands import CommandResult
from fer_core.commands.arguments import ProgressLines, add_command, read_csv_file, write_file
from fer_core.dataset.curation import apply_curation, entries_for, match_curation
from fer_core.dataset.curation_csv import curation_csv
from fer_core.dataset.curation_file import CurationChange, CurationFile, curation_file
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.near_duplicates import cached_near_duplicates
from fer_core.dataset.quick_fixes import QUICK_FIXES, quick_fix_by_name, quick_fix_entries
from fer_core.dataset.store import load_dataset
from fer_core.errors import InputError
from fer_core.settings import Settings

#: The source that is stored with the decisions of ``drop``, ``relabel`` and ``keep``.
_SOURCE = "command line"
_DATA_HELP = "an imported dataset's name"


def add_parser(commands: Any) -> None:
    """Add ``curate`` and its subcommands."""
    parser = commands.add_parser("curate", help="decide on images: drop, relabel, keep, undo")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, help_text: str, run: Any) -> argparse.ArgumentParser:
        action_parser = add_command(actions, name, help_text, run)
        action_parser.add_argument("data", help=_DATA_HELP)
        return action_parser

    add("list", "list all decisions and their effect", _list)
    for name, help_text in (
        ("drop", "exclude images"),
        ("relabel", "give images another label"),
        ("keep", "mark images as checked and correct, so that quick fixes do not change them"),
    ):
        decision_parser = add(name, help_text, _decide)
        decision_parser.set_defaults(action=name, to=None)  # only "relabel" has the option --to
        decision_parser.add_argument(
            "names", nargs="+", metavar="NAME", help="an image's name in the dataset"
        )
        decision_parser.add_argument(
            "--reason", default="", help="the reason, which is stored with the decision"
        )
        if name == "relabel":
            decision_parser.add_argument(
                "--to", required=True, metavar="CLASS", help="the new label"
            )
    add("remove", "remove the decisions about images", _remove).add_argument(
        "names", nargs="+", metavar="NAME", help="an image's name in the dataset"
    )
    add("undo", "undo the last change", _undo)
    add("redo", "apply the last undone change again", _redo)
    fixes = ", ".join(fix.name for fix in QUICK_FIXES)
    add("apply", "apply a quick fix to all images that it concerns", _apply).add_argument(
        "fix", metavar="FIX", help=f"one of {fixes}"
    )
    add("export", "write all decisions to a CSV file", _export).add_argument(
        "file", type=Path, metavar="FILE", help="the file to write"
    )
    add("import", "add the decisions of a CSV file", _import).add_argument(
        "file", type=Path, metavar="FILE", help="the file to read"
    )


def _curation_and_faces(data: str, settings: Settings) -> tuple[CurationFile, FaceSet]:
    """Return the curation and the images of a dataset.

    Raises:
        InputError: There is no such dataset, or the data are read from a path.
    """
    # The images are loaded first, because loading stores the demo set at its first use.
    face_set = load_dataset(data, settings, ProgressLines())
    file = curation_file(data, settings)
    if file is None:
        raise InputError(
            f"{data} is read from its path and has no curation; import it with "
            f"'python -m fer_core dataset import {data}' first."
        )
    return file, face_set


def _change_result(change: CurationChange, *warnings: str | None) -> CommandResult:
    """Return the result of a command that changes the curation."""
    document = {
        "change": change.summary,
        "added": change.added,
        "replaced": change.replaced,
        "removed": change.removed,
        "counts": change.curation.counts(),
        "warnings": [warning for warning in warnings if warning],
    }
    return CommandResult(document, "\n".join([change.summary, *filter(None, warnings)]))


def _list(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, face_set = _curation_and_faces(arguments.data, settings)
    curation = file.read()
    curated = apply_curation(face_set, curation)
    document = {
        "counts": curation.counts(),
        "entries": [asdict(entry) for entry in curation.entries],
        "effect": curated.to_json(),
        "undo": undoable.summary if (undoable := file.undoable()) else None,
        "redo": redoable.summary if (redoable := file.redoable()) else None,
        "problems": list(curation.problems),
        "warnings": [curated.warning] if curated.warning else [],
    }
    lines = [
        f"{entry.action}{f' to {entry.label}' if entry.label else ''}: {entry.name}"
        + (f" ({entry.reason})" if entry.reason else "")
        for entry in curation.entries
    ]
    lines += [*curation.problems, *([curated.warning] if curated.warning else [])]
    lines.append(curated.summary or "no image is dropped or relabeled")
    return CommandResult(document, "\n".join(lines))


def _rows(face_set: FaceSet, names: Iterable[str]) -> list[int]:
    """Return the rows of the images with these names, each row once.

    Raises:
        InputError: A name belongs to no image.
    """
    rows_by_name: dict[str, list[int]] = {}
    for row, name in enumerate(face_set.names):
        rows_by_name.setdefault(name, []).append(row)
    rows: dict[int, None] = {}  # a dictionary keeps the order, and has each row once
    for name in names:
        if name not in rows_by_name:
            raise InputError(
                f"The dataset has no image {name!r}; names look like {face_set.names[0]!r}."
                if len(face_set)
                else f"The dataset has no image {name!r}; it is empty."
            )
        rows |= dict.fromkeys(rows_by_name[name])
    return list(rows)


def _decide(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, face_set = _curation_and_faces(arguments.data, settings)
    label = None if arguments.to is None else _class_by_name(arguments.to, face_set)
    entries = entries_for(
        face_set,
        _rows(face_set, arguments.names),
        arguments.action,
        label=label,
        reason=arguments.reason,
        source=_SOURCE,
    )
    return _change_result(file.change(entries))


def _class_by_name(name: str, face_set: FaceSet) -> str:
    """Return the class of the dataset that a user named, in the spelling of the dataset.

    Raises:
        InputError: The dataset has no such class.
    """
    index = match_class(name, face_set.classes)
    if index is None:
        raise InputError(
            f"The dataset has no class {name!r}; --to should be one of "
            f"{', '.join(face_set.classes)}."
        )
    return face_set.classes[index]


def _remove(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, face_set = _curation_and_faces(arguments.data, settings)
    names = set(arguments.names)
    curation = file.read()
    # The search by stored names also finds decisions about images that the dataset no longer has.
    identities = {entry.identity for entry in curation.entries if entry.name in names}
    # The search by current names also finds decisions about images that had another name before.
    matched = match_curation(curation, face_set).by_row
    identities |= {entry.identity for row, entry in matched.items() if face_set.names[row] in names}
    if not identities:
        raise InputError(
            f"Nothing was decided about {', '.join(sorted(names)[:3])}; "
            f"'python -m fer_core dataset curate list {arguments.data}' shows all decisions."
        )
    return _change_result(file.remove(identities))


def _undo(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, _ = _curation_and_faces(arguments.data, settings)
    return _change_result(file.undo())


def _redo(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, _ = _curation_and_faces(arguments.data, settings)
    return _change_result(file.redo())


def _apply(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    fix = quick_fix_by_name(arguments.fix)
    file, face_set = _curation_and_faces(arguments.data, settings)
    near = None
    if fix.needs_near_duplicates:
        near = cached_near_duplicates(face_set, file.folder, ProgressLines("comparing"))
    return _change_result(
        file.change_with(
            lambda curation: quick_fix_entries(fix.name, face_set, curation, near=near)
        )
    )


def _export(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, _ = _curation_and_faces(arguments.data, settings)
    curation = file.read()
    write_file(arguments.file, curation_csv(curation))
    document = {"file": str(arguments.file), "entries": len(curation)}
    return CommandResult(document, f"{len(curation):,} decisions written to {arguments.file}")


def _import(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    file, face_set = _curation_and_faces(arguments.data, settings)
    imported = file.import_csv(read_csv_file(arguments.file), arguments.file.name, face_set)
    return _change_result(imported.change, *imported.problems, imported.warning)
