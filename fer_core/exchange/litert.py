"""Write LiteRT (``.tflite``) files with TensorFlow, and run them with the LiteRT interpreter."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError, first_line
from fer_core.predictor import Network

if TYPE_CHECKING:
    import keras


def write_litert(model: keras.Model, path: Path, name: str) -> None:
    """Write a Keras model as LiteRT, with built-in LiteRT operations only.

    Raises:
        InputError: The model cannot be converted to LiteRT.
    """
    import tensorflow

    # With TensorFlow operations as a fallback, a phone would need TensorFlow to run the file.
    builtin_operations = {"supported_ops": [tensorflow.lite.OpsSet.TFLITE_BUILTINS]}
    try:
        # The converter prints to standard output, which is for the result of the command.
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="litert", verbose=False, target_spec=builtin_operations)
    except Exception as error:
        raise InputError(
            f"The model {name!r} cannot be written as LiteRT ({first_line(error)[:200]}); export "
            "it as ONNX instead."
        ) from error


def open_litert_network(path: Path) -> Network:
    """Open a LiteRT file as a ``Network`` for any number of images.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow

        # TensorFlow 2.21 still contains the interpreter, but warns that it moved to
        # ``ai_edge_litert``.
        Interpreter = tensorflow.lite.Interpreter  # noqa: N806
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = Interpreter(str(path))
    input_index = interpreter.get_input_details()[0]["index"]
    output_index = interpreter.get_output_details()[0]["index"]

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.resize_tensor_input(input_index, pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(input_index, pixels)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(output_index), dtype=np.float32)

    return run
