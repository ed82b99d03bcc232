"""Choose the Keras backend before Keras is imported for the first time."""

from __future__ import annotations

import importlib.util
import os
import sys

from fer_core.errors import InputError

BACKENDS = ("tensorflow", "jax", "torch")


def prepare_backend() -> str:
    """Choose the backend that Keras will use, and return its name.

    ``KERAS_BACKEND`` decides if it is set; otherwise the first of TensorFlow, JAX and PyTorch that
    is installed. Call it before anything imports Keras.

    Raises:
        InputError: The requested backend, or every backend, is missing.
    """
    # Hides TensorFlow's long list of build options and missing GPUs, but not its errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" in sys.modules:
        import keras

        return str(keras.backend.backend())
    installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted:
        if wanted not in installed:
            raise InputError(
                f"KERAS_BACKEND is {wanted!r}, which is not installed; set it to one of "
                f"{', '.join(installed) or ', '.join(BACKENDS)}."
            )
        return wanted
    if not installed:
        raise InputError(
            "Training needs TensorFlow, JAX or PyTorch; install one of them, for example with "
            "'pip install -r requirements.txt'."
        )
    os.environ["KERAS_BACKEND"] = installed[0]
    return installed[0]
