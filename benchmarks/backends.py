"""Compare networks and training between the backends of Keras.

``python -m benchmarks.backends DATA tensorflow=PYTHON torch=PYTHON jax=PYTHON`` runs once with each
backend, in the given Python interpreter (which needs the backend, Keras, NumPy, OpenCV and SciPy).
Every architecture gets the same weights and images on all backends; then a recipe trains for one
epoch on a small part of DATA (a zip or folder). The first backend is the reference for the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RECIPE = "three-conv-cnn-adam"
_ROW_STEP = 20  # every 20th training image is used


def network_outputs() -> dict[str, NDArray[Any]]:
    """Return the outputs of every architecture for the same images and the same weights."""
    from fer_core.recipes.architectures import ARCHITECTURES, INPUT_SHAPE, build_network

    pictures = np.random.default_rng(0).random((8, *INPUT_SHAPE), dtype=np.float32)
    outputs = {}
    for name in ARCHITECTURES:
        model = build_network(name)
        generator = np.random.default_rng(1)
        weights = []
        for array in model.get_weights():
            # Drawn here, because the initializers of the backends differ. Vectors stay positive,
            # because some are variances.
            scale = 1 / np.sqrt(max(np.prod(array.shape[:-1]), 1))
            drawn = generator.standard_normal(array.shape) * scale
            weights.append(np.abs(drawn) + 0.5 if array.ndim == 1 else drawn)
        model.set_weights(weights)
        outputs[name] = np.asarray(model.predict_on_batch(pictures))
    return outputs


def training_losses(data: str) -> NDArray[np.float64]:
    """Return the loss of each step of one epoch of a recipe, without dropout.

    The initial weights are fixed.
    """
    from fer_core.dataset.store import load_dataset
    from fer_core.recipes import RECIPES, changed_config
    from fer_core.settings import load_settings
    from fer_core.training.batches import TrainingBatches
    from fer_core.training.model_setup import compiled_model

    face_set = load_dataset(data, load_settings())
    rows = face_set.rows("train")[::_ROW_STEP]
    config = changed_config(RECIPES[_RECIPE].config, {"dropout_scale": 0, "epochs": 1})
    model = compiled_model(config)
    generator = np.random.default_rng(1)
    model.set_weights(
        [
            generator.standard_normal(array.shape) / np.sqrt(max(np.prod(array.shape[:-1]), 1))
            for array in model.get_weights()
        ]
    )
    batches = TrainingBatches(face_set.subset(rows), config)
    losses = [
        float(model.train_on_batch(batch.pixels, batch.targets, return_dict=True)["loss"])
        for batch in batches.epoch(0)
    ]
    return np.array(losses)


def _write_results(data: str, output: Path) -> None:
    from fer_core.keras_backend import prepare_backend

    prepare_backend()
    np.savez(output, allow_pickle=False, losses=training_losses(data), **network_outputs())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("backends", nargs="+", metavar="BACKEND=PYTHON")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        _write_results(arguments.data, arguments.one)
        return
    results: dict[str, dict[str, NDArray[Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for entry in arguments.backends:
            backend, _, python = entry.partition("=")
            output = Path(folder) / f"{backend}.npz"
            subprocess.run(
                [python, "-m", "benchmarks.backends", arguments.data, entry, "--one", str(output)],
                env=os.environ | {"KERAS_BACKEND": backend},
                check=True,
                stderr=sys.stderr,
            )
            with np.load(output) as arrays:
                results[backend] = dict(arrays)
    reference_name, reference = next(iter(results.items()))
    for backend, arrays in results.items():
        if backend == reference_name:
            continue
        print(f"{backend} against {reference_name}, maximum difference:")
        for name, array in arrays.items():
            difference = np.abs(array - reference[name]).max()
            quantity = "in the loss of a step" if name == "losses" else "in a probability"
            print(f"  {name}: {difference:.1e} {quantity}")


if __name__ == "__main__":
    main()
