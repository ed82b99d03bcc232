"""The subcommands of ``dataset``. Other modules add ``curate``, ``findings`` and ``votes``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fer_core.commands import CommandResult, curate, findings
from fer_core.commands.arguments import (
    DATA_HELP,
    ProgressLines,
    add_class_options,
    add_command,
    class_choice_of,
    load_data,
    text_table,
)
from fer_core.dataset.class_mapping import SourceClass, choice_problem
from fer_core.dataset.class_report import class_warnings, merge_notes, problem_text
from fer_core.dataset.demo.shipped import injected_errors
from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.folder_roles import parse_folder_roles
from fer_core.dataset.image_quality import image_quality
from fer_core.dataset.near_duplicates import cached_near_duplicates
from fer_core.dataset.readers import examine_source
from fer_core.dataset.readers.layouts.split_folders import SplitFolder, undecided_folder_question
from fer_core.dataset.source_path import checked_source
from fer_core.dataset.splitting import SplitChoice
from fer_core.dataset.statistics import class_counts, imbalance_ratio
from fer_core.dataset.store import (
    DEMO_NAME,
    dataset_folder_or_none,
    import_dataset,
    load_dataset,
)
from fer_core.settings import Settings

#: Maximum number of rows in the table of skipped files, and of lines about other problems.
_MAX_LISTED = 20
_SOURCE_HELP = "a folder, an archive (zip, tar), a table or a Parquet file"


def add_parser(subparsers: Any) -> None:
    """Add ``dataset`` and its subcommands."""
    parser = subparsers.add_parser("dataset", help="import, count and audit datasets")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    import_parser = add_command(commands, "import", "read a dataset and store it in data/", _import)
    import_parser.add_argument("source", help=_SOURCE_HELP)
    add_class_options(import_parser)
    _add_folder_option(import_parser)
    import_parser.add_argument("--name", help="name of the dataset (default: that of the source)")
    defaults = SplitChoice()
    for split, share in (
        ("validation", defaults.validation_share),
        ("test", defaults.test_share),
    ):
        import_parser.add_argument(
            f"--{split}-share",
            type=float,
            default=share,
            metavar="S",
            help=f"share of the images used for {split} if the source has no such split "
            f"(default {share})",
        )
    import_parser.add_argument(
        "--seed", type=int, default=defaults.seed, metavar="N", help="seed of the random split"
    )
    classes_parser = add_command(
        commands,
        "classes",
        "show the classes of a source and what an import would map them to",
        _classes,
    )
    classes_parser.add_argument("source", help=_SOURCE_HELP)
    add_class_options(classes_parser)
    _add_folder_option(classes_parser)
    info_parser = add_command(commands, "info", "show the class counts of a dataset", _info)
    info_parser.add_argument("data", help=DATA_HELP)
    add_class_options(info_parser, default="the seven emotions")
    audit_parser = add_command(
        commands, "audit", "find duplicates, near-duplicates and leaks", _audit
    )
    audit_parser.add_argument("data", help=DATA_HELP)
    add_class_options(audit_parser, default="the seven emotions")
    audit_parser.add_argument(
        "--exact",
        action="store_true",
        help="only find images with the same pixels, which is faster",
    )
    add_command(commands, "demo", "show the counts and injected errors of the demo set", _demo)
    curate.add_parser(commands)
    findings.add_parser(commands)


def _add_folder_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        dest="folders",
        action="append",
        default=[],
        metavar="FOLDER=SPLIT",
        help="the role of a folder that is not recognized by its name: train, validation, test or "
        "class; FOLDER= leaves the folder out",
    )


def _classes(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    choice = class_choice_of(arguments)
    roles = parse_folder_roles(arguments.folders)
    path = checked_source(arguments.source, roles)
    source = examine_source(path, choice, ProgressLines(), folder_roles=roles)
    undecided_folders = [folder for folder in source.folders if folder.role is None]
    problem = choice_problem(source.classes, choice)
    if undecided_folders:
        problem = undecided_folder_question(path.name, undecided_folders)
    document = {
        "classes": _class_documents(source.classes),
        "problem": problem,
        "folders": [
            {"name": folder.name, "count": folder.count, "split": folder.role}
            for folder in source.folders
        ],
        "notes": list(source.notes),
    }
    lines = [_class_table(source.classes), _folder_table(source.folders), *source.notes, problem]
    return CommandResult(document, "\n".join(filter(None, lines)))


def _folder_table(folders: Sequence[SplitFolder]) -> str:
    if not folders:
        return ""
    rows = [
        [
            folder.name,
            f"{folder.count:,}",
            # None means that the role is not decided. An empty role leaves the folder out.
            "(not known)" if folder.role is None else folder.role or "(left out)",
        ]
        for folder in folders
    ]
    return text_table(["folder", "files", "split"], rows)


def _class_documents(classes: Sequence[SourceClass]) -> list[dict[str, Any]]:
    return [{"name": item.name, "count": item.count, "becomes": item.target} for item in classes]


def _class_table(classes: Sequence[SourceClass]) -> str:
    rows = [[item.name, f"{item.count:,}", item.target or "(left out)"] for item in classes]
    return text_table(["class", "files or rows", "becomes"], rows)


def _import(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    split_choice = SplitChoice(arguments.validation_share, arguments.test_share, arguments.seed)
    roles = parse_folder_roles(arguments.folders)
    name, face_set = import_dataset(
        checked_source(arguments.source, roles),
        settings,
        name=arguments.name,
        split_choice=split_choice,
        class_choice=class_choice_of(arguments),
        folder_roles=roles,
        report=ProgressLines("importing"),
    )
    document = {"name": name, "fingerprint": face_set.fingerprint} | _info_document(face_set)
    notes = "".join(f"{note}\n" for note in merge_notes(face_set))
    return CommandResult(document, f"imported as {name!r}\n{notes}{_info_text(face_set)}")


def _info(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    face_set = load_data(arguments, settings)
    return CommandResult(_info_document(face_set), _info_text(face_set))


def _info_document(face_set: FaceSet) -> dict[str, Any]:
    return {
        "n": len(face_set),
        "splits": class_counts(face_set),
        "imbalance_ratio": imbalance_ratio(face_set),
        "problems": [
            {"name": problem.name, "reason": problem.reason, "count": problem.count}
            for problem in face_set.problems
        ],
        "split_groups": None if face_set.split_groups is None else face_set.split_groups.to_json(),
        "classes": list(face_set.classes),
        "source_classes": _class_documents(face_set.source_classes),
        "warnings": list(class_warnings(face_set)),
        "notes": list(face_set.notes),
        "skipped_files": [
            {
                "class": files.class_name,
                "suffix": files.suffix,
                "reason": files.reason,
                "count": files.count,
            }
            for files in face_set.skipped_files
        ],
    }


def _info_text(face_set: FaceSet) -> str:
    counts = class_counts(face_set)
    rows = [
        [name, *(f"{counts[split].get(name, 0):,}" for split in counts)]
        for name in face_set.classes
    ]
    rows.append(["all", *(f"{sum(counts[split].values()):,}" for split in counts)])
    ratio = imbalance_ratio(face_set)
    lines = [text_table([f"{len(face_set):,} faces", *counts], rows)]
    if ratio is not None:
        lines.append(f"imbalance ratio in train: {ratio:.1f}")
    lines += face_set.notes
    groups = face_set.split_groups
    if groups is not None:
        lines.append(groups.summary)
        lines += [f"warning: {warning}" for warning in groups.warnings]
    lines += class_warnings(face_set)
    return "\n".join([*lines, *_skipped_lines(face_set)])


def _skipped_lines(face_set: FaceSet) -> list[str]:
    """Return a table of the skipped files by class and suffix, and a line for each other problem.

    The table has at most ``_MAX_LISTED`` rows. At most ``_MAX_LISTED`` other problems are listed.
    If anything is not listed, the last line states how many files and rows this concerns.
    """
    lines = []
    files_in_table = face_set.skipped_files[:_MAX_LISTED]
    if files_in_table:
        rows = [
            [
                files.class_name or "(unknown)",
                files.suffix or "(none)",
                f"{files.count:,}",
                files.reason,
            ]
            for files in files_in_table
        ]
        lines.append(text_table(["class", "suffix", "skipped", "reason"], rows))
    # Problems with these reasons usually concern files that the table counts. A problem may add
    # details to the reason: "cannot be read (Permission denied)".
    table_reasons = {files.reason for files in face_set.skipped_files}
    other_problems = [
        problem
        for problem in face_set.problems
        if table_reasons.isdisjoint((problem.reason, problem.reason.partition(" (")[0]))
    ][:_MAX_LISTED]
    lines += [f"skipped: {problem_text(problem)}" for problem in other_problems]
    listed_count = sum(files.count for files in files_in_table)
    listed_count += sum(problem.count for problem in other_problems)
    unlisted_count = face_set.skipped - listed_count
    if unlisted_count > 0:
        lines.append(f"… and {unlisted_count:,} more; --json lists them")
    return lines


def _audit(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    face_set = load_data(arguments, settings)
    audit = audit_duplicates(face_set)
    document = audit.to_json()
    leaks = {split: len(rows) for split, rows in audit.leaked_rows.items()}
    text = (
        f"{document['duplicate_images']:,} images in {document['duplicate_groups']:,} groups of "
        f"exact duplicates, {document['conflicting_groups']:,} of them with conflicting labels\n"
        f"also in train: {leaks['validation']:,} validation and {leaks['test']:,} test images\n"
        f"blank images: {document['blank_images']:,}"
    )
    if not arguments.exact:
        folder = dataset_folder_or_none(arguments.data, settings)
        near = cached_near_duplicates(face_set, folder, ProgressLines("comparing"))
        nearly_blank = len(image_quality(face_set.images).nearly_blank_rows())
        document |= near.to_json() | {"nearly_blank_images": nearly_blank}
        text += (
            f"\n{document['near_duplicate_images']:,} images in "
            f"{document['near_duplicate_groups']:,} groups of near-duplicates, "
            f"{document['near_duplicate_conflicting_groups']:,} of them with conflicting labels"
            f"\nnear-duplicates of train images: {len(near.leaked_rows['validation']):,} "
            f"validation and {len(near.leaked_rows['test']):,} test images\nnearly blank images: "
            f"{nearly_blank:,}"
        )
        if not near.is_complete:
            text += "\nso many images look alike that not all pairs were verified"
    return CommandResult(document, text)


def _demo(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    face_set = load_dataset(DEMO_NAME, settings)
    errors = injected_errors().counts()
    document = {
        "name": DEMO_NAME,
        "fingerprint": face_set.fingerprint,
        **_info_document(face_set),
        "injected_errors": errors,
        "planted": errors,  # the key's name in earlier versions, for scripts that use it
    }
    error_text = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in errors.items())
    text = f"drawn demo data: {DEMO_NAME!r}\n{_info_text(face_set)}\ninjected errors: {error_text}"
    return CommandResult(document, text)
