"""``evaluate``: measure a model on a split of a dataset."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle, find_bundle
from fer_core.calibration import Calibration
from fer_core.commands import CommandResult
from fer_core.commands.arguments import (
    DATA_HELP,
    ProgressLines,
    add_class_options,
    add_command,
    load_data,
    text_table,
    write_file,
)
from fer_core.dataset.class_mapping import choice_for_model
from fer_core.dataset.curation import CuratedFaceSet, apply_curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import dataset_folder_or_none, is_demo
from fer_core.dataset.vote_targets import VoteRecord, vote_targets
from fer_core.dataset.votes import Votes
from fer_core.dataset.votes_file import read_votes
from fer_core.errors import InputError
from fer_core.evaluation.annotators import VoteEvaluation, evaluate_against_votes
from fer_core.evaluation.class_matching import left_out_text
from fer_core.evaluation.evaluate import evaluate_curated, evaluate_split
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.robustness import measure_robustness
from fer_core.evaluation.slices import image_slicings
from fer_core.evaluation.tables import evaluation_document, predictions_csv
from fer_core.evaluation.temperature_scaling import calibrate_bundle
from fer_core.metrics.formatting import number, percent
from fer_core.model_card import write_evaluation_card
from fer_core.predictor import load_predictor
from fer_core.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add ``evaluate``."""
    parser = add_command(subparsers, "evaluate", "measure a model on a split of a dataset", _run)
    parser.add_argument("--model", metavar="BUNDLE", help="a model's name or folder")
    parser.add_argument("--data", required=True, help=DATA_HELP)
    add_class_options(parser, default="the classes of the model")
    parser.add_argument(
        "--split", required=True, choices=[*SPLITS, "all"], help="the split to evaluate on"
    )
    parser.add_argument(
        "--against",
        choices=["labels", "votes"],
        default="labels",
        help="what counts as the true class of an image. labels: its label (default); votes: the "
        "most frequent vote of its annotators. With votes, the output also shows how often the "
        "annotators agree",
    )
    parser.add_argument(
        "--curated",
        action="store_true",
        help="apply the curation of the dataset: exclude dropped images, use corrected labels",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="first fit the temperature and save it (needs --split validation); with --against "
        "votes, also fit and save the emphasis on rare classes",
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="also measure accuracy under image corruptions, for the output files",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="write the complete evaluation as one HTML file, with the faces of the largest errors",
    )
    parser.add_argument("--no-faces", action="store_true", help="leave the faces out of the report")
    parser.add_argument(
        "--latex", type=Path, metavar="FILE.tex", help="write the tables of the report as LaTeX"
    )
    parser.add_argument(
        "--bibtex",
        type=Path,
        metavar="FILE.bib",
        help="write a BibTeX file of the publications that the report cites",
    )
    parser.add_argument(
        "--assessment", type=Path, metavar="FILE.json", help="write the complete evaluation as JSON"
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE.csv",
        help="write a line with the prediction for each image",
    )
    parser.add_argument(
        "--write-card", action="store_true", help="write the metrics into the model card"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    if arguments.against == "votes" and arguments.curated:
        raise InputError("--curated changes labels; omit it to evaluate against votes.")
    writes_complete_evaluation = arguments.report or arguments.assessment or arguments.write_card
    if arguments.robustness and not writes_complete_evaluation:
        raise InputError(
            "--robustness needs an output file; add --report, --assessment or --write-card."
        )
    bundle = find_bundle(arguments.model, settings)
    face_set = load_data(arguments, settings, choice_for_model(bundle.record.labels))
    curated = _apply_curation(arguments.data, face_set, settings) if arguments.curated else None
    vote_record = None
    if arguments.against == "votes":
        votes = _imported_votes(arguments.data, face_set, settings)
        vote_record = VoteRecord(votes, vote_targets(votes, face_set, "votes_distribution"))
    evaluate = partial(
        _evaluate, arguments, face_set, settings, curated=curated, vote_record=vote_record
    )
    if arguments.calibrate:
        bundle = _calibrate(bundle, face_set, vote_record, evaluate)
    result, against_votes = evaluate(bundle)
    if curated is not None:
        face_set = curated.faces
    if writes_complete_evaluation or arguments.predictions or arguments.latex or arguments.bibtex:
        _write_files(arguments, bundle, result, face_set, against_votes)
    document, heading = result.to_json(), f"{bundle.name} on {arguments.split}"
    document["left_out"] = result.facts.left_out
    if curated is not None:
        document["curation"] = curated.to_json()
        heading += f", curated: {curated.summary or 'no changes'}"
    text = _text(document)
    if result.seen is not None:
        text += f"\n{result.seen.summary}"
    if against_votes is not None:
        document["votes"] = against_votes.to_json()
        heading += ", against the plurality of annotator votes"
        text += f"\n{against_votes.summary}"
    if result.facts.left_out:
        text += f"\n{left_out_text(result.facts.left_out)}"
    return CommandResult(document, f"{heading}\n{text}")


def _evaluate(
    arguments: argparse.Namespace,
    face_set: FaceSet,
    settings: Settings,
    bundle: Bundle,
    *,
    curated: CuratedFaceSet | None,
    vote_record: VoteRecord | None,
) -> tuple[EvaluationResult, VoteEvaluation | None]:
    """Evaluate a bundle against labels or votes; its predictions are cached for further calls.

    Returns:
        The evaluation, and its comparison with the votes. The comparison is None if ``vote_record``
        is None.
    """
    options: dict[str, Any] = {
        "dataset_name": Path(arguments.data).name,
        "is_demo_data": is_demo(arguments.data),
        "report": ProgressLines("predicting"),
    }
    split = arguments.split
    if curated is not None:
        return evaluate_curated(bundle, face_set, curated, split, settings, **options), None
    result = evaluate_split(bundle, face_set, split, settings, **options)
    if vote_record is None:
        return result, None
    against_votes = evaluate_against_votes(result, vote_record.votes.counts[result.rows])
    return against_votes.result, against_votes


def _calibrate(
    bundle: Bundle,
    face_set: FaceSet,
    vote_record: VoteRecord | None,
    evaluate: Callable[[Bundle], tuple[EvaluationResult, VoteEvaluation | None]],
) -> Bundle:
    """Fit and save the temperature and, if there are votes, the logit adjustment.

    The logit adjustment sets the emphasis on rare classes.

    Returns:
        The bundle with its new calibration.
    """
    if vote_record is None:
        return calibrate_bundle(bundle, evaluate(bundle)[0])
    # The logit adjustment is fitted to predictions without calibration.
    uncalibrated = replace(bundle, calibration=Calibration())
    return calibrate_bundle(bundle, evaluate(uncalibrated)[0], vote_record.class_prior(face_set))


def _imported_votes(data: str, face_set: FaceSet, settings: Settings) -> Votes:
    folder = dataset_folder_or_none(data, settings)
    votes = None if folder is None else read_votes(folder, face_set)
    if votes is None:
        raise InputError(
            f"{data} has no votes to evaluate against; import the dataset, then its votes "
            "with 'python -m fer_core dataset votes NAME --import FILE'."
        )
    return votes


def _apply_curation(data: str, face_set: FaceSet, settings: Settings) -> CuratedFaceSet:
    file = curation_file(data, settings)
    if file is None:
        raise InputError(
            f"{data} is read from its path and has no curation; import it, or omit --curated."
        )
    curation = file.read()
    curated = apply_curation(face_set, curation)
    for sentence in (*curation.problems, curated.warning):
        if sentence:
            _print_message(sentence)
    return curated


def _write_files(
    arguments: argparse.Namespace,
    bundle: Bundle,
    result: EvaluationResult,
    face_set: FaceSet,
    against_votes: VoteEvaluation | None,
) -> None:
    """Print the warnings of an evaluation, write the requested files and print their paths."""
    for warning in result.warnings:
        _print_message(f"note: {warning}")
    if arguments.predictions:
        write_file(arguments.predictions, predictions_csv(result))
        _print_message(f"wrote {arguments.predictions}")
    if arguments.latex:
        from fer_core.report.html import data_title
        from fer_core.report.latex import latex_tables

        write_file(arguments.latex, latex_tables(result, data_title(result)))
        _print_message(f"wrote {arguments.latex}")
    if arguments.bibtex:
        from fer_core.report.html import report_bibtex

        write_file(arguments.bibtex, report_bibtex(result, bundle))
        _print_message(f"wrote {arguments.bibtex}")
    if not (arguments.report or arguments.assessment or arguments.write_card):
        return
    result = replace(result, slicings=image_slicings(result, face_set))
    if arguments.robustness:
        curves = measure_robustness(
            load_predictor(bundle), result, face_set, report=ProgressLines("measuring robustness")
        )
        result = replace(result, robustness=curves)
    document = evaluation_document(result)
    if against_votes is not None:
        document["votes"] = against_votes.to_json()
    if arguments.assessment:
        write_file(arguments.assessment, json.dumps(document, indent=2) + "\n")
        _print_message(f"wrote {arguments.assessment}")
    if arguments.report:
        images = None if arguments.no_faces else face_set.images
        write_file(arguments.report, _html_report(result, bundle, against_votes, images))
        _print_message(f"wrote {arguments.report}")
    if arguments.write_card:
        _print_message(f"wrote {write_evaluation_card(bundle, document)}")


def _html_report(
    result: EvaluationResult,
    bundle: Bundle,
    against_votes: VoteEvaluation | None,
    images: NDArray[np.uint8] | None,
) -> str:
    # Plotly is slow to import, and only the report needs it.
    from fer_core.charts.evaluation import report_figures
    from fer_core.report.html import html_report, training_counts
    from fer_core.training.registry import bundle_epochs

    figures = report_figures(
        result, training_counts=training_counts(bundle), epochs=bundle_epochs(bundle.folder)
    )
    return html_report(result, bundle, figures, votes=against_votes, images=images)


def _print_message(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _text(document: dict[str, Any]) -> str:
    """Format the metrics of an evaluation for the terminal."""
    rows = [
        [
            name,
            number(metrics["precision"]),
            number(metrics["recall"]),
            number(metrics["f1"]),
            f"{metrics['support']:,}",
        ]
        for name, metrics in document["per_class"].items()
    ]
    leak_free = document["leak_free"]
    leak_free_line = (
        f"leak-free (not in train, without a copy or near-duplicate in train): "
        f"{leak_free['n']:,} images, accuracy {percent(leak_free['accuracy'])}\n"
        if leak_free["n"]
        else "no image is leak-free (not in train, without a copy or near-duplicate in train)\n"
    )
    return (
        f"{document['n']:,} images: accuracy {percent(document['accuracy'])}, macro F1 "
        f"{number(document['macro_f1'])}, cross-entropy {number(document['loss'])}, "
        f"ECE {number(document['ece'])}\n"
        + leak_free_line
        + text_table(["", "precision", "recall", "F1", "support"], rows)
    )
