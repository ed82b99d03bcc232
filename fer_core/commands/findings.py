"""``dataset findings`` lists the images of a finding.

``dataset votes`` adds FER+'s votes to a dataset, removes them, and compares them with the labels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fer_core.bundle import find_bundle
from fer_core.commands import CommandResult
from fer_core.commands.arguments import (
    DATA_HELP,
    ProgressLines,
    add_class_options,
    add_command,
    load_data,
    read_csv_file,
    text_table,
    write_file,
)
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.findings import Finding, blank_finding, exact_findings, near_findings
from fer_core.dataset.image_quality import image_quality
from fer_core.dataset.near_duplicates import cached_near_duplicates
from fer_core.dataset.store import dataset_folder_or_none, load_dataset
from fer_core.dataset.votes import Votes, class_agreement, votes_findings
from fer_core.dataset.votes_file import import_votes, read_votes, remove_votes
from fer_core.errors import InputError
from fer_core.evaluation.features import bundle_features
from fer_core.evaluation.label_candidates import find_label_candidates, find_non_faces
from fer_core.image_hashes import IMAGE_HASHES_FILE, read_image_hashes
from fer_core.metrics.formatting import percent
from fer_core.settings import Settings
from fer_core.vision.face_check import FaceCheck

# The kinds of findings, by what they are derived from.
_EXACT = ("duplicates", "conflicts", "leaks", "repeats")
_NEAR = ("near_duplicates", "near_conflicts", "near_leaks")
_NETWORK = ("mislabelled", "non_faces")
_VOTES = ("disputed", "outvoted", "not_face_votes")
KINDS = (*_EXACT, *_NEAR, "blanks", *_NETWORK, *_VOTES)

#: Maximum number of images in the text for the terminal.
_MAX_LISTED = 20


def add_parser(commands: Any) -> None:
    """Add ``findings`` and ``votes``."""
    findings = add_command(commands, "findings", "list the images of a finding", _findings)
    findings.add_argument("data", help=DATA_HELP)
    add_class_options(findings, default="the seven emotions")
    findings.add_argument(
        "kind",
        choices=KINDS,
        metavar="KIND",
        help=f"one of {', '.join(KINDS)}. duplicates: images with the same pixels, in any split; "
        "conflicts: duplicates with different labels; leaks: duplicates in train and in another "
        "split; repeats: duplicates within one split; near_duplicates, near_conflicts and "
        "near_leaks: the same for copies whose pixels differ; blanks: images in which "
        "all pixels, or nearly all, have the same intensity; mislabelled: labels that are probably "
        "wrong according to a model; non_faces: images that probably show no face; disputed: no "
        "answer has more than half of FER+'s votes; outvoted: more than half of the votes are for "
        "one class other than the label; not_face_votes: more than half of the votes say that "
        "there is no face",
    )
    findings.add_argument(
        "--split", choices=[*SPLITS, "all"], default="all", help="only this split (default: all)"
    )
    findings.add_argument(
        "--model", metavar="BUNDLE", help="the model to use for mislabelled and non_faces"
    )
    findings.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the complete list to a file"
    )
    votes = add_command(commands, "votes", "compare FER+'s votes with the labels", _votes)
    votes.add_argument("data", help="an imported dataset's name")
    votes.add_argument(
        "--import",
        dest="file",
        type=Path,
        metavar="FILE",
        help="add the votes of ferplus_votes.csv or FER+'s fer2013new.csv to the dataset",
    )
    votes.add_argument("--remove", action="store_true", help="delete the votes")
    votes.add_argument(
        "--split", choices=[*SPLITS, "all"], default="all", help="only this split (default: all)"
    )


def _findings(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    face_set = load_data(arguments, settings)
    folder = dataset_folder_or_none(arguments.data, settings)
    finding = _compute_finding(arguments, face_set, folder, settings)
    document: dict[str, Any] = {
        "kind": finding.kind,
        **finding.to_json(face_set),
        "rows": [
            {
                "name": face_set.names[row],
                "split": SPLITS[face_set.splits[row]],
                "label": face_set.class_of(row),
                "suggested": face_set.classes[suggested] if suggested >= 0 else None,
                "group": int(group) + 1 if group >= 0 else None,
                "score": round(float(score), 4),
                "reason": reason,
            }
            for row, suggested, group, score, reason in zip(
                finding.rows,
                finding.suggested,
                finding.group_numbers,
                finding.scores,
                finding.reasons,
                strict=True,
            )
        ],
    }
    lines = [f"{finding.title}: {len(finding):,} images", finding.explanation, *finding.notes]
    lines += [
        f"{row['name']} ({row['label']}): {row['reason']}" for row in document["rows"][:_MAX_LISTED]
    ]
    if arguments.csv is not None:
        write_file(arguments.csv, finding.to_csv(face_set))
        lines.append(f"the complete list is in {arguments.csv}")
    elif len(finding) > _MAX_LISTED:
        lines.append(f"… and {len(finding) - _MAX_LISTED:,} more; --csv FILE lists them")
    return CommandResult(document, "\n".join(lines))


def _compute_finding(
    arguments: argparse.Namespace, face_set: FaceSet, folder: Path | None, settings: Settings
) -> Finding:
    """Return the finding of the requested kind, with the images of the requested split.

    A group of duplicates with at least one image in the split is returned with all its images.

    Args:
        arguments: The arguments of ``dataset findings``.
        face_set: The data.
        folder: ``data/<name>``; None for data read from a path.
        settings: Contains the path of the models.
    """
    kind = arguments.kind
    if kind == "mislabelled" and arguments.split == "all":
        raise InputError("mislabelled needs one split; choose it with --split.")
    if kind in _NETWORK:
        bundle = find_bundle(arguments.model, settings)
        features = bundle_features(
            bundle, face_set, folder=folder, report=ProgressLines("reading faces")
        )
        if kind == "mislabelled":
            hashes = read_image_hashes(bundle.folder / IMAGE_HASHES_FILE)
            return find_label_candidates(
                face_set, features, bundle.record, arguments.split, hashes=hashes
            )
        finding = find_non_faces(face_set, features, face_probabilities=FaceCheck().probabilities)
    elif kind in _EXACT:
        finding = exact_findings(face_set)[kind]
    elif kind in _NEAR:
        near = cached_near_duplicates(face_set, folder, ProgressLines("comparing"))
        finding = near_findings(face_set, near)[kind]
    elif kind == "blanks":
        finding = blank_finding(face_set, image_quality(face_set.images))
    else:
        finding = votes_findings(face_set, _stored_votes(arguments.data, folder, face_set))[kind]
    return finding.of_split(face_set, arguments.split)


def _stored_votes(data: str, folder: Path | None, face_set: FaceSet) -> Votes:
    votes = read_votes(folder, face_set) if folder is not None else None
    if votes is None:
        raise InputError(
            f"{data} has no votes; import them with "
            f"'python -m fer_core dataset votes {data} --import FILE'."
        )
    return votes


def _votes(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    face_set = load_dataset(arguments.data, settings, ProgressLines())
    folder = dataset_folder_or_none(arguments.data, settings)
    if folder is None:
        raise InputError(
            f"{arguments.data} is read from its path and cannot have votes; import it with "
            f"'python -m fer_core dataset import {arguments.data}' first."
        )
    if arguments.remove:
        if arguments.file is not None:
            raise InputError("--remove deletes the votes; omit it, or omit --import.")
        remove_votes(folder)
        return CommandResult({"removed": True}, "the votes were deleted")
    if arguments.file is not None:
        votes = import_votes(read_csv_file(arguments.file), arguments.file.name, folder, face_set)
    else:
        votes = _stored_votes(arguments.data, folder, face_set)
    agreements = class_agreement(face_set, votes, arguments.split)
    document = {
        "source": votes.source,
        "note": votes.note,
        "matched": votes.matched_count,
        "unmatched": votes.unmatched_count,
        "classes": {
            agreement.class_name: {
                "voted": agreement.voted_count,
                "agreeing": agreement.agreeing_count,
                "share": agreement.share,
                "mean_label_share": agreement.mean_label_share,
            }
            for agreement in agreements
        },
        "findings": {
            kind: finding.to_json(face_set)
            for kind, finding in votes_findings(face_set, votes).items()
        },
    }
    rows = [
        [
            agreement.class_name,
            f"{agreement.voted_count:,}",
            "none" if agreement.share is None else percent(agreement.share),
        ]
        for agreement in agreements
    ]
    return CommandResult(
        document, f"{votes.note}\n" + text_table(["", "images with votes", "label agrees"], rows)
    )
