"""Exporting a bundle's Keras model as the ONNX network that is served."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np

from fer_core.bundle import KERAS_MODEL_FILE, Bundle
from fer_core.errors import InputError, first_line
from fer_core.files import replaced_file
from fer_core.predictor import open_onnx_network
from fer_core.training.backend import prepare_backend

if TYPE_CHECKING:
    from pathlib import Path

    import keras

#: Largest difference of a probability between the served network and the Keras model.
TOLERANCE = 1e-5


def can_export_onnx() -> bool:
    """Whether this machine has what the export needs."""
    return all(
        importlib.util.find_spec(name) is not None for name in ("tensorflow", "tf2onnx", "onnx")
    )


def export_onnx(bundle: Bundle) -> Path:
    """Write a bundle's ``model.onnx`` from its ``model.keras``, and check that both agree.

    Returns:
        The path of ``model.onnx``.

    Raises:
        InputError: The libraries are not there, the Keras model is missing or unsafe, or the two
            networks differ by more than ``TOLERANCE``.
    """
    if not can_export_onnx() or prepare_backend() != "tensorflow":
        raise InputError(
            "The export to ONNX needs TensorFlow, tf2onnx and onnx, and Keras to run on "
            "TensorFlow; install requirements.txt and unset KERAS_BACKEND."
        )
    model = load_keras_model(bundle)
    with replaced_file(bundle.served_network) as temporary:
        write_onnx(model, temporary, bundle.name)
    return bundle.served_network


def load_keras_model(bundle: Bundle) -> keras.Model:
    """Load a bundle's ``model.keras`` in Keras's safe mode, without its optimizer.

    Raises:
        InputError: The file is missing, damaged, or holds code that safe mode refuses.
    """
    import keras

    path = bundle.folder / KERAS_MODEL_FILE
    if not path.is_file():
        raise InputError(f"The bundle {bundle.name!r} has no {KERAS_MODEL_FILE}; restore the file.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises many types for a file that it cannot or will not load.
        raise InputError(
            f"The bundle {bundle.name!r} is damaged: {path} cannot be loaded "
            f"({first_line(error)}); restore the file."
        ) from error


def write_onnx(model: keras.Model, path: Path, name: str) -> None:
    """Write a Keras model as ONNX, and check that both agree on random pictures.

    Raises:
        InputError: They differ by more than ``TOLERANCE``.
    """
    height, width, channels = model.input_shape[1:]
    pictures = np.random.default_rng(0).random((8, height, width, channels), dtype=np.float32)
    # Keras exports only a model that has been called.
    expected = np.asarray(model(pictures, training=False))
    model.export(path, format="onnx", verbose=False)
    difference = np.abs(open_onnx_network(path, name)(pictures) - expected).max()
    if not difference <= TOLERANCE:
        raise InputError(
            f"The ONNX network of {name!r} differs from the Keras model by {difference:.2g}, more "
            f"than {TOLERANCE:g}; it was not written."
        )
