"""Convert the Keras model of a bundle to the served ONNX network, and compare their outputs."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import KERAS_MODEL_FILE, Bundle, require_changeable_bundle
from fer_core.errors import InputError, first_line, root_cause
from fer_core.exchange.keras_files import check_keras_archive
from fer_core.exchange.onnx_writer import convert_to_onnx
from fer_core.exchange.probe import check_equal, probe_crops, run_network
from fer_core.extras import require_packages
from fer_core.files import atomic_write_file
from fer_core.keras_backend import prepare_backend
from fer_core.predictor import Network, network_input, open_onnx_network

if TYPE_CHECKING:
    from pathlib import Path

    import keras

#: Maximum difference of a probability between the served network and the Keras model.
TOLERANCE = 1e-5

#: Packages that the export needs in addition to Keras.
_EXPORT_PACKAGES = ("tensorflow", "tf2onnx", "onnx")


def can_export_onnx() -> bool:
    """Return True if the packages that the export needs in addition to Keras are installed."""
    return all(importlib.util.find_spec(name) is not None for name in _EXPORT_PACKAGES)


def require_onnx_export() -> None:
    """Make sure that this process can convert a Keras model to ONNX.

    Raises:
        InputError: A package is missing, or Keras runs on another backend than TensorFlow.
    """
    require_packages("The export of Keras models needs", "train", "keras", *_EXPORT_PACKAGES)
    if prepare_backend() != "tensorflow":
        raise InputError(
            "The export of Keras models needs TensorFlow as the backend of Keras; unset "
            "KERAS_BACKEND."
        )


def export_onnx(bundle: Bundle) -> Path:
    """Write a bundle's ``model.onnx`` from its ``model.keras``, and compare their outputs.

    Returns:
        The path of ``model.onnx``.

    Raises:
        InputError: The model is shipped with FER Studio, a required package is missing, Keras runs
            on another backend than TensorFlow, the Keras model is missing, damaged or unsafe or
            cannot be converted, or the outputs differ by more than ``TOLERANCE``.
    """
    require_changeable_bundle(bundle.folder)  # raises InputError for a shipped model
    require_onnx_export()
    model = load_keras_model(bundle)
    pixels = network_input(probe_crops(), bundle.record)
    with atomic_write_file(bundle.served_network) as temporary:
        write_verified_onnx(model, temporary, bundle.name, pixels=pixels)
    return bundle.served_network


def load_keras_model(bundle: Bundle) -> keras.Model:
    """Load a bundle's ``model.keras`` in Keras's safe mode, without its optimizer.

    Raises:
        InputError: The file is missing, damaged, or contains code that safe mode rejects.
    """
    import keras

    path = bundle.folder / KERAS_MODEL_FILE
    if not path.is_file():
        raise InputError(f"The bundle {bundle.name!r} has no {KERAS_MODEL_FILE}; restore the file.")
    try:
        check_keras_archive(path)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises many types of errors for files that it cannot load.
        raise InputError(
            f"The bundle {bundle.name!r} is damaged: {path} cannot be loaded "
            f"({first_line(error)}); restore the file."
        ) from error


def keras_network(model: keras.Model) -> Network:
    """Wrap a Keras model as a ``Network``."""

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(model.predict_on_batch(pixels), dtype=np.float32)

    return run


def write_verified_onnx(
    model: keras.Model, path: Path, name: str, *, pixels: NDArray[np.float32] | None = None
) -> None:
    """Write a Keras model as ONNX, and verify that both networks return the same outputs.

    Args:
        model: The model.
        path: Where to write.
        name: The name of the model, for messages.
        pixels: The images for the comparison; by default random ones from 0 to 1.

    Raises:
        InputError: The model cannot be converted to ONNX, or the outputs differ by more than
            ``TOLERANCE``.
    """
    convert_to_onnx(model, path, name)
    if pixels is None:
        shape = (8, *model.input_shape[1:])
        pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    check_onnx(model, path, name, pixels)


def check_onnx(model: keras.Model, path: Path, name: str, pixels: NDArray[np.float32]) -> None:
    """Check that the ONNX network written from a Keras model returns the outputs of the model.

    Args:
        model: The model.
        path: The file of the ONNX network.
        name: The name of the model, for messages.
        pixels: The images for the comparison, float32 ``[n, height, width, channels]``.

    Raises:
        InputError: ONNX Runtime cannot run the network, or the outputs differ by more than
            ``TOLERANCE``.
    """
    expected = np.asarray(model(pixels, training=False))
    description = f"The ONNX network of {name!r}"
    try:
        served = open_onnx_network(path, name, input_shape=pixels.shape[1:])
    except InputError as error:
        # The original message may say that the file is damaged. This is wrong, because the
        # conversion has just written the file.
        raise InputError(
            f"{description} cannot be run by ONNX Runtime "
            f"({root_cause(error.__cause__ or error)}); use other layers, or export the network as "
            "ONNX with the program that created it."
        ) from error
    check_equal(run_network(served, pixels, description), expected, description, TOLERANCE)
