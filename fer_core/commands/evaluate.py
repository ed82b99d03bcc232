"""``evaluate``: a model's figures on a split."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from fer_core.bundle import find_bundle
from fer_core.commands import Answer
from fer_core.commands.arguments import DATA_HELP, ProgressLines, add_command, text_table
from fer_core.dataset.curation import CuratedFaceSet, apply_curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.report import EvaluationReport, evaluate
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


def _run(arguments: argparse.Namespace, settings: Settings) -> Answer:
    bundle = find_bundle(arguments.model, settings)
    predictor = load_predictor(bundle)
    face_set = load_dataset(arguments.data, settings, ProgressLines())
    document, heading = {}, f"{bundle.name} on {arguments.split}"
    if arguments.curated:
        curated = _curated(arguments.data, face_set, settings)
        face_set = curated.faces
        document["curation"] = curated.to_json()
        heading += f", curated: {curated.in_words or 'nothing changed'}"
    report = evaluate(predictor, face_set, arguments.split)
    return Answer(report.to_json() | document, f"{heading}\n{_text(report)}")


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
            print(sentence, file=sys.stderr)
    return curated


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
