"""Choose the Keras backend before Keras is imported for the first time."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fer_core.errors import InputError
from fer_core.extras import install_command

BACKENDS = ("tensorflow", "jax", "torch")

#: Packages that Keras imports if they are installed, for features that this program does not use.
#: Without them, Keras loads in two thirds of the time.
_OPTIONAL_FOR_KERAS = ("pandas", "sklearn")


def require_backend() -> None:
    """Make sure that Keras can be used, without importing it.

    Raises:
        InputError: Keras or the requested backend is not installed.
    """
    if "keras" not in sys.modules:
        _choose_backend()  # raises InputError if there is none


def prepare_backend() -> str:
    """Choose the backend of Keras, import Keras with it, and return the name of the backend.

    The backend is ``KERAS_BACKEND`` if this variable is set; otherwise the first of TensorFlow, JAX
    and PyTorch that is installed. Call this function before anything imports Keras, because a Keras
    that is already imported keeps its backend.

    Raises:
        InputError: Keras or the requested backend is not installed.
    """
    # This hides TensorFlow's long list of build options and missing GPUs, but not its errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" in sys.modules:
        import keras

        return str(keras.backend.backend())
    os.environ["KERAS_BACKEND"] = _choose_backend()
    with _not_importable(_OPTIONAL_FOR_KERAS):
        importlib.import_module("keras")
    return os.environ["KERAS_BACKEND"]


@contextmanager
def _not_importable(names: tuple[str, ...]) -> Iterator[None]:
    """Make Python treat packages that are not loaded yet as packages that are not installed."""
    hidden = [name for name in names if name not in sys.modules]
    # Python raises ImportError for a module whose entry is None.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _choose_backend() -> str:
    installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    if not installed or importlib.util.find_spec("keras") is None:
        raise InputError(
            "Training and Keras models need Keras with TensorFlow, JAX or PyTorch, which is not "
            f"installed; run '{install_command('train')}'."
        )
    requested = os.environ.get("KERAS_BACKEND")
    if requested and requested not in installed:
        raise InputError(
            f"KERAS_BACKEND is {requested!r}, which is not installed; set it to one of "
            f"{', '.join(installed)}."
        )
    return requested or installed[0]
