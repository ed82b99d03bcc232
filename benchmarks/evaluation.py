"""Time to evaluate a dataset as large as FER2013, compared with the network alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measurement import Measurement, median_seconds, milliseconds
from fer_core.bundle import Bundle, find_bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.evaluation.evaluate import evaluate_split
from fer_core.evaluation.explanation import Explainer
from fer_core.evaluation.facts import FER2013_COUNTS
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate
from fer_core.predictor import load_predictor, network_input
from fer_core.settings import load_settings

_BATCH = 64


def _fer2013_sized() -> FaceSet:
    """Return random images, as many as the training and validation images of FER2013.

    A network needs as much time for them as for faces.
    """
    generator = np.random.default_rng(0)
    labels = [
        np.repeat(np.arange(7), FER2013_COUNTS[split]).astype(np.int8)
        for split in ("train", "validation")
    ]
    count = sum(map(len, labels))
    return FaceSet(
        images=generator.integers(0, 256, (count, 48, 48), dtype=np.uint8),
        labels=np.concatenate(labels),
        splits=np.repeat(np.array([0, 1], np.int8), [len(part) for part in labels]),
        names=tuple(map(str, range(count))),
    )


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _network_only(bundle: Bundle, faces: FaceSet) -> None:
    """Run only the ONNX session in batches, with mirrored images if the model uses them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(bundle.served_network), providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    images = faces.images[faces.rows("validation")]
    for start in range(0, len(images), _BATCH):
        pixels = network_input(images[start : start + _BATCH], bundle.record)
        session.run(None, {name: pixels})
        if bundle.record.flip_averaging:
            session.run(None, {name: np.ascontiguousarray(pixels[:, :, ::-1])})


def _overall(result: EvaluationResult) -> list[Estimate]:
    """Compute the overall metrics of a copy, which has no cached values."""
    fresh = replace(result)
    return [fresh.accuracy, fresh.log_loss]


def measure() -> list[Measurement]:
    """Measure evaluation, cache, intervals and explanation."""
    faces = _fer2013_sized()
    bundle = find_bundle(None, load_settings())
    predictor = load_predictor(bundle)
    predictor.probabilities(faces.images[:_BATCH])
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(load_settings(), data_root=Path(folder))

        def evaluate() -> object:
            return evaluate_split(
                bundle, faces, "validation", settings, dataset_name="noise", predictor=predictor
            )

        # Measured alternately, because the speed of the machine varies.
        network_seconds = _seconds(lambda: _network_only(bundle, faces))
        evaluation_seconds = _seconds(evaluate)
        network_seconds = min(network_seconds, _seconds(lambda: _network_only(bundle, faces)))
        cached_seconds = _seconds(evaluate)
        result = evaluate_split(bundle, faces, "validation", settings, dataset_name="noise")
    explainer = Explainer(bundle)
    explanation_seconds = median_seconds(lambda: explainer.explain(faces.images[0], 3))
    return [
        Measurement(
            "evaluation of 3,589 faces",
            f"{evaluation_seconds:.1f} s",
            f"network alone {network_seconds:.1f} s "
            f"(factor {evaluation_seconds / network_seconds:.2f})",
        ),
        Measurement("evaluation from the cache", milliseconds(cached_seconds), "limit 500 ms"),
        Measurement(
            "overall metrics with 1,000 bootstrap samples",
            milliseconds(median_seconds(lambda: _overall(result), repeats=5, warm_up=1)),
            "limit 500 ms",
        ),
        Measurement(
            "calibration, cross-validated, with intervals",
            milliseconds(median_seconds(lambda: replace(result).calibration, repeats=3, warm_up=1)),
        ),
        Measurement("Grad-CAM of one face", milliseconds(explanation_seconds), "limit 300 ms"),
        Measurement(
            "opening a model for explanations",
            milliseconds(median_seconds(lambda: Explainer(bundle), repeats=5, warm_up=1)),
        ),
    ]


if __name__ == "__main__":
    from benchmarks.measurement import print_table

    print_table(measure())
