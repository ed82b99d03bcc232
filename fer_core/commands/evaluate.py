"""``evaluate``: a model's figures on a split."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_core.bundle import Bundle, find_bundle
from fer_core.commands import Answer
from fer_core.commands.arguments import (
    DATA_HELP,
    ProgressLines,
    add_command,
    text_table,
    write_file,
)
from fer_core.dataset.curation import CuratedFaceSet, apply_curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import is_demo, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.assessment import Assessment, assess
from fer_core.evaluation.calibration import calibrate_bundle
from fer_core.evaluation.curated import evaluate_curated
from fer_core.evaluation.report import EvaluationReport, report_on
from fer_core.evaluation.result import EvaluationResult, evaluate_split
from fer_core.evaluation.robustness import RobustnessCurve, measure_robustness
from fer_core.evaluation.tables import assessment_document, predictions_csv
from fer_core.model_card import write_evaluation_card
from fer_core.predictor import load_predictor
from fer_core.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add ``evaluate``."""
    parser = add_command(subparsers, "evaluate", "measure a model on a split of a dataset", _run)
    parser.add_argument("--model", metavar="BUNDLE", help="a model's name or folder")
    parser.add_argument("--data", required=True, help=DATA_HELP)
    parser.add_argument("--split", required=True, choices=[*SPLITS, "all"])
    parser.add_argument(
        "--curated",
        action="store_true",
        help="heed the dataset's curation: without dropped images, with the new labels",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="fit the model's temperature on the validation split first, and keep it",
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="also measure under blur, noise, darkness and so on, for the files below",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write everything as one HTML file"
    )
    parser.add_argument(
        "--assessment", type=Path, metavar="FILE.json", help="write everything as JSON"
    )
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE.csv", help="write a line per image"
    )
    parser.add_argument(
        "--write-card", action="store_true", help="put the figures into the model's card"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> Answer:
    wants_figures = arguments.report or arguments.assessment or arguments.write_card
    if arguments.robustness and not wants_figures:
        raise InputError(
            "--robustness needs a file to go into; add --report, --assessment or --write-card."
        )
    bundle = find_bundle(arguments.model, settings)
    face_set = load_dataset(arguments.data, settings, ProgressLines())
    curated = _curated(arguments.data, face_set, settings) if arguments.curated else None
    options: dict[str, Any] = {
        "dataset_name": Path(arguments.data).name,
        "is_demo_data": is_demo(arguments.data),
        "report": ProgressLines("predicting"),
    }
    if curated is None:
        result = evaluate_split(bundle, face_set, arguments.split, settings, **options)
    else:
        result = evaluate_curated(bundle, face_set, curated, arguments.split, settings, **options)
        face_set = curated.faces
    if arguments.calibrate:
        bundle = calibrate_bundle(bundle, result)
        result = replace(result, temperature=bundle.temperature)
    if wants_figures or arguments.predictions:
        _write_files(arguments, bundle, result, face_set)
    report = report_on(result.labels, result.probabilities, result.is_leaked)
    document, heading = report.to_json(), f"{bundle.name} on {arguments.split}"
    if curated is not None:
        document["curation"] = curated.to_json()
        heading += f", curated: {curated.in_words or 'nothing changed'}"
    return Answer(document, f"{heading}\n{_text(report)}")


def _curated(data: str, face_set: FaceSet, settings: Settings) -> CuratedFaceSet:
    file = curation_file(data, settings)
    if file is None:
        raise InputError(
            f"{data} is read from its path and has no curation; import it, or leave out --curated."
        )
    curation = file.read()
    curated = apply_curation(face_set, curation)
    for sentence in (*curation.problems, curated.warning):
        if sentence:
            _say(sentence)
    return curated


def _write_files(
    arguments: argparse.Namespace, bundle: Bundle, result: EvaluationResult, face_set: FaceSet
) -> None:
    """Write what was asked for, and say where it lies."""
    for warning in result.facts.warnings:
        _say(f"note: {warning}")
    if arguments.predictions:
        write_file(arguments.predictions, predictions_csv(result))
        _say(f"wrote {arguments.predictions}")
    robustness: tuple[RobustnessCurve, ...] = ()
    if arguments.robustness:
        robustness = measure_robustness(
            load_predictor(bundle), result, face_set, report=ProgressLines("measuring robustness")
        )
    assessment = assess(result, face_set, robustness)
    document = assessment_document(assessment)
    if arguments.assessment:
        write_file(arguments.assessment, json.dumps(document, indent=2) + "\n")
        _say(f"wrote {arguments.assessment}")
    if arguments.report:
        write_file(arguments.report, _html(assessment, bundle))
        _say(f"wrote {arguments.report}")
    if arguments.write_card:
        _say(f"wrote {write_evaluation_card(bundle, document)}")


def _html(assessment: Assessment, bundle: Bundle) -> str:
    # Plotly is slow to load and only the report needs it.
    from fer_core.charts.evaluation import report_figures
    from fer_core.report.html import html_report

    return html_report(assessment, bundle, report_figures(assessment))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _text(report: EvaluationReport) -> str:
    def number(value: float | None, pattern: str) -> str:
        return "undefined" if value is None else format(value, pattern)

    rows = [
        [
            emotion,
            number(figures.precision, ".3f"),
            number(figures.recall, ".3f"),
            number(figures.f1, ".3f"),
            f"{figures.support:,}",
        ]
        for emotion, figures in zip(EMOTIONS, report.per_class, strict=True)
    ]
    return (
        f"{report.n:,} images: accuracy {number(report.accuracy, '.2%')}, macro F1 "
        f"{number(report.macro_f1, '.3f')}, cross-entropy {number(report.loss, '.3f')}, "
        f"calibration error {number(report.ece, '.3f')}\n"
        f"of them {report.leak_free_n:,} not also in train: accuracy "
        f"{number(report.leak_free_accuracy, '.2%')}\n"
        + text_table(["", "precision", "recall", "F1", "support"], rows)
    )
