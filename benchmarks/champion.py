"""The measurements by which the shipped model is selected.

``python -m benchmarks.champion --data fer2013 [--model NAME] [--write-card]`` prints them as
Markdown for ``benchmarks/champion.md``: accuracy, macro F1, calibration, size, time on one core,
and accuracy on shifted, shrunk, rotated and blurred crops of the validation images. With
``--write-card`` they are also written to the model card. Only the time depends on other work on the
machine.
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
from fer_core.dataset.store import is_demo, load_dataset
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

#: Corruptions that resemble the difference between crops of the analyzer and of FER2013.
CROPS = ("shift", "scale", "rotation", "blur")


def measure(
    bundle: Bundle, data: str, settings: Settings, max_images: int | None = None
) -> EvaluationResult:
    """Evaluate on validation; robustness is measured on all images or on a random sample."""
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
    curves = measure_robustness(
        predictor,
        result,
        face_set,
        names=CROPS,
        max_images=max_images or result.n,
        report=ProgressLines("measuring robustness"),
    )
    return replace(result, slicings=image_slicings(result, face_set), robustness=curves)


def figures(bundle: Bundle, result: EvaluationResult, face_set: FaceSet) -> list[Measurement]:
    """Return the measurements, each with the required value (floor) and the goal."""
    fitted = result.calibration.cross_validated
    rows = [
        Measurement("validation accuracy", _share(result.accuracy), "floor 70.0 %, goal 73.5 %"),
        Measurement("macro F1", _number(result.macro_f1), "floor 0.67, goal 0.72"),
    ]
    if bundle.record.flip_averaging:
        alone = Predictor(
            replace(bundle.record, flip_averaging=False), load_predictor(bundle)._network
        )
        rows_of = face_set.rows("validation")
        predicted = alone.probabilities(face_set.images[rows_of]).argmax(axis=1)
        share = float((predicted == face_set.labels[rows_of]).mean())
        rows.append(Measurement("validation accuracy without flip averaging", f"{share:.2%}"))
    if fitted is not None:
        error = _number(fitted.ece)
        rows.append(Measurement("ECE, cross-validated", error, "floor 0.03, goal 0.02"))
    size = bundle.served_network.stat().st_size / 1e6
    rows += [
        Measurement("parameters", f"{bundle.record.parameters:,}", "goal 2,500,000"),
        Measurement("model.onnx", f"{size:.1f} MB", "goal 10 MB"),
        Measurement(
            "one face on one core, flip averaging included",
            milliseconds(_seconds_on_one_core(bundle)),
            "floor 10 ms, goal 4 ms",
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
                f"{_share(point.accuracy)} | {100 * (value - unchanged):+.1f} points |"
            )
    return "\n".join(lines)


def _share(estimate: Estimate) -> str:
    return _with_interval(estimate, ".2%", ".1%")


def _number(estimate: Estimate) -> str:
    return _with_interval(estimate, ".3f", ".3f")


def _with_interval(estimate: Estimate, pattern: str, ends: str) -> str:
    values: dict[str, Any] = estimate.to_json()
    if values["value"] is None:
        return "undefined"
    text = format(values["value"], pattern)
    if values["low"] is None:
        return text
    return f"{text} ({values['low']:{ends}} to {values['high']:{ends}})"


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
    result = measure(bundle, arguments.data, settings, arguments.images)
    print(f"## {bundle.name}\n")
    print_table(figures(bundle, result, load_dataset(arguments.data, settings)))
    print(f"\n{robustness_table(result.robustness)}")
    if arguments.write_card:
        write_evaluation_card(bundle, evaluation_document(result))


if __name__ == "__main__":
    main()
