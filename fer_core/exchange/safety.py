"""What may be opened at all: the kind and size of a file, judged before any use."""

from __future__ import annotations

from pathlib import Path

from fer_core.errors import InputError, first_line

#: Largest file, and largest content once unpacked. VGG16 has 528 MB, a face network a tenth.
MAX_BYTES = 500 * 1024 * 1024

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_KINDS = "a .keras, .h5 or .onnx file, or an architecture .json with its weights beside it"
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".npy", ".npz")


def check_file(path: Path) -> None:
    """Make sure that a file is there, of a bearable size, and of no kind that runs code.

    Raises:
        InputError: It is not.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or first_line(error)}); name a model file."
        ) from error
    if path.suffix.lower() in _PICKLES or _looks_pickled(start):
        raise InputError(
            f"{path} is a pickle or PyTorch file, which can run code as soon as it is opened; "
            "export the network as ONNX (torch.onnx.export) or .keras and import that."
        )
    if size > MAX_BYTES:
        raise InputError(
            f"{path} has {size / 2**20:,.0f} MB, more than the {MAX_BYTES / 2**20:,.0f} MB that "
            "can be imported; import a smaller network."
        )
    if size == 0:
        raise InputError(f"{path} is empty; expected is {_KINDS}.")


def _looks_pickled(start: bytes) -> bool:
    """Whether a file begins as Python's binary pickles do: PROTO and a protocol of 2 to 5."""
    return start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def unknown_kind(path: Path) -> InputError:
    """The refusal of a file that is of no kind that can be imported."""
    return InputError(f"{path} is of no kind that can be imported; expected is {_KINDS}.")


def is_hdf5(path: Path) -> bool:
    """Whether a file begins with HDF5's signature."""
    with path.open("rb") as file:
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
