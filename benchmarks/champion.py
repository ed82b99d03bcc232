"""The measurements by which the shipped model is selected.

``python -m benchmarks.champion --data fer2013 [--model NAME] [--write-card]`` prints them as
Markdown for ``benchmarks/champion.md``: accuracy, macro F1, calibration, size, time on one core,
and accuracy on shifted, shrunk, rotated and blurred crops of the validation images. A model that
learned annotator votes is measured against their plurality. With ``--write-card`` the measurements
are also written to the model card. Only the time depends on other work on the machine.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measurement import Measurement, median_seconds, milliseconds, print_table
from fer_core.bundle import Bundle, find_bundle
from fer_core.commands.arguments import ProgressLines
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import dataset_folder_or_none, is_demo, load_dataset
from fer_core.dataset.votes_file import read_votes
from fer_core.errors import InputError
from fer_core.evaluation.annotators import VoteEvaluation, evaluate_against_votes
from fer_core.evaluation.breakdowns import RobustnessCurve
from fer_core.evaluation.evaluate import evaluate_split
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.robustness import measure_robustness
from fer_core.evaluation.slices import image_slicings
from fer_core.evaluation.tables import evaluation_document
from fer_core.metrics import Estimate
from fer_core.model_card import write_evaluation_card
from fer_core.predictor import Predictor, load_predictor
from fer_core.settings import Settings, load_settings

#: Required values and goals of accuracy, macro F1 and ECE, for models that learned labels or votes.
_TARGETS = {
    "labels": ("at least 69.5 %, goal 71.5 %", "at least 0.656", "goal 0.02"),
    "votes": ("at least 85 %, goal 88 %", "at least 0.78, goal 0.82", "goal 0.02"),
}

#: Corruptions that resemble the difference between crops of the analyzer and of FER2013.
CROP_CORRUPTIONS = ("shift", "scale", "rotation", "blur")


def measure(
    bundle: Bundle, data: str, settings: Settings, max_images: int | None = None
) -> tuple[EvaluationResult, VoteEvaluation | None]:
    """Evaluate on validation, and measure robustness on ``max_images`` random images, or on all.

    A model that learned votes is evaluated against them. The second result is this evaluation; it
    is None for a model that learned labels.

    Raises:
        InputError: The model learned votes, but the dataset has none.
    """
    face_set = load_dataset(data, settings)
    predictor = load_predictor(bundle)
    result = evaluate_split(
        bundle,
        face_set,
        "validation",
        settings,
        dataset_name=Path(data).name,
        is_demo_data=is_demo(data),
        predictor=predictor,
    )
    votes = (
        _against_votes(result, face_set, data, settings) if bundle.record.learned_votes else None
    )
    if votes is not None:
        result = votes.result
    curves = measure_robustness(
        predictor,
        result,
        face_set,
        names=CROP_CORRUPTIONS,
        max_images=max_images or result.n,
        report=ProgressLines("measuring robustness"),
    )
    return replace(result, slicings=image_slicings(result, face_set), robustness=curves), votes


def _against_votes(
    result: EvaluationResult, face_set: FaceSet, data: str, settings: Settings
) -> VoteEvaluation:
    folder = dataset_folder_or_none(data, settings)
    votes = None if folder is None else read_votes(folder, face_set)
    if votes is None:
        raise InputError(
            f"{data} has no votes; import them with 'dataset votes NAME --import FILE'."
        )
    return evaluate_against_votes(result, votes.counts[result.rows])


def measurements(bundle: Bundle, result: EvaluationResult, face_set: FaceSet) -> list[Measurement]:
    """Return the measurements, with the required value and the goal if there are any."""
    cross_validated = result.calibration.cross_validated
    accuracy, macro_f1, ece = _TARGETS["votes" if result.has_vote_labels else "labels"]
    rows = [
        Measurement("validation accuracy", _percent_text(result.accuracy), accuracy),
        Measurement("macro F1", _decimal_text(result.macro_f1), macro_f1),
        *[
            Measurement(
                f"recall of {class_result.name}, {class_result.support:,} images",
                _decimal_text(class_result.recall),
            )
            for class_result in result.per_class
        ],
    ]
    if bundle.record.flip_averaging:
        without_flip = Predictor(
            replace(bundle.record, flip_averaging=False),
            load_predictor(bundle)._network,
            calibration=bundle.calibration,
        )
        predicted = without_flip.probabilities(face_set.images[result.rows]).argmax(axis=1)
        accuracy_without_flip = float((predicted == result.labels).mean())
        rows.append(
            Measurement(
                "validation accuracy without flip averaging", f"{accuracy_without_flip:.2%}"
            )
        )
    if cross_validated is not None:
        error = _decimal_text(cross_validated.ece)
        rows.append(Measurement("ECE, cross-validated", error, ece))
    size = bundle.served_network.stat().st_size / 1e6
    rows += [
        Measurement("parameters", f"{bundle.record.parameters:,}", "at most 3,000,000"),
        Measurement("model.onnx", f"{size:.1f} MB", "a bundle at most 26 MB"),
        Measurement(
            "one face on one core, flip averaging included",
            milliseconds(_seconds_on_one_core(bundle)),
            "at most 4 ms",
        ),
    ]
    return rows


def _seconds_on_one_core(bundle: Bundle) -> float:
    predictor = load_predictor(bundle, threads=1)
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    return median_seconds(lambda: predictor.probabilities(face), repeats=200)


def robustness_table(curves: tuple[RobustnessCurve, ...]) -> str:
    """Return accuracy by corruption and strength as a Markdown table."""
    lines = ["| crop | strength | accuracy | difference to unchanged |", "|---|---|---|---|"]
    for curve in curves:
        unchanged = curve.points[0].accuracy.value or 0.0
        for point in curve.points:
            value = point.accuracy.value or 0.0
            lines.append(
                f"| {curve.title.lower()} ({curve.unit}) | {point.strength:g} | "
                f"{_percent_text(point.accuracy)} | {100 * (value - unchanged):+.1f} points |"
            )
    return "\n".join(lines)


def _percent_text(estimate: Estimate) -> str:
    return _with_interval(estimate, ".2%", ".1%")


def _decimal_text(estimate: Estimate) -> str:
    return _with_interval(estimate, ".3f", ".3f")


def _with_interval(estimate: Estimate, value_format: str, bound_format: str) -> str:
    values: dict[str, Any] = estimate.to_json()
    if values["value"] is None:
        return "undefined"
    text = format(values["value"], value_format)
    if values["low"] is None:
        return text
    return f"{text} ({values['low']:{bound_format}} to {values['high']:{bound_format}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a dataset's name or path")
    parser.add_argument("--model", help="a bundle's name or folder (default: the default model)")
    parser.add_argument(
        "--images", type=int, metavar="N", help="number of images for robustness (default: all)"
    )
    parser.add_argument("--write-card", action="store_true", help="also write to the model card")
    arguments = parser.parse_args()
    settings = load_settings()
    bundle = find_bundle(arguments.model, settings)
    result, votes = measure(bundle, arguments.data, settings, arguments.images)
    print(f"## {bundle.name}\n")
    print_table(measurements(bundle, result, load_dataset(arguments.data, settings)))
    document = evaluation_document(result)
    if votes is not None:
        print(f"\n{votes.summary}")
        document["votes"] = votes.to_json()
    print(f"\n{robustness_table(result.robustness)}")
    if arguments.write_card:
        write_evaluation_card(bundle, document)


if __name__ == "__main__":
    main()
