"""Check the kind and size of a model file before it is opened."""

from __future__ import annotations

from pathlib import Path

from fer_core.errors import InputError, system_reason

#: Maximum size of a file and of its unpacked content. A typical face network has a tenth of this
#: size.
MAX_BYTES = 500 * 1024 * 1024

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPPORTED_FILES = (
    "a .keras, .h5 or .onnx file, or an architecture .json with its weights in the same folder"
)
#: Suffixes of files that always or often contain pickled Python objects.
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".npy", ".npz")


def check_file(path: Path) -> None:
    """Make sure that a file exists, is not empty, is not too large and is not a pickle.

    Opening a pickle can run code.

    Raises:
        InputError: The file does not meet these conditions.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            beginning = file.read(16)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({system_reason(error)}); choose a model file."
        ) from error
    if path.suffix.lower() in _PICKLE_SUFFIXES or _looks_pickled(beginning):
        raise InputError(
            f"{path} may be a pickle or PyTorch file, which can run code as soon as it is opened; "
            "export the network as ONNX (torch.onnx.export) or .keras and import that."
        )
    if size > MAX_BYTES:
        raise InputError(
            f"{path} has {size / 2**20:,.0f} MB, more than the {MAX_BYTES / 2**20:,.0f} MB that "
            "can be imported; import a smaller network."
        )
    if size == 0:
        raise InputError(f"{path} is empty; choose {_SUPPORTED_FILES}.")


def _looks_pickled(beginning: bytes) -> bool:
    """Return True if a file begins like a pickle: with the opcode PROTO and a version, 2 to 5."""
    return beginning[:1] == b"\x80" and beginning[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def unknown_kind(path: Path) -> InputError:
    """Return the error for a file of an unsupported kind."""
    return InputError(f"{path} is not a supported model file; choose {_SUPPORTED_FILES}.")


def is_hdf5(path: Path) -> bool:
    """Return True if a file begins with the signature of HDF5."""
    with path.open("rb") as file:
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
