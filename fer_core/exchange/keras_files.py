"""Read Keras files: a ``.keras`` archive, an ``.h5``, or an architecture ``.json`` with weights.

A model consists of an architecture and of weights in HDF5. Both are extracted and checked here
before Keras reads them.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fer_core.errors import InputError, first_line, root_cause
from fer_core.exchange.hdf5_copy import copy_hdf5
from fer_core.exchange.keras_config import read_config
from fer_core.exchange.keras_conversion import modern_config
from fer_core.exchange.keras_legacy import is_legacy
from fer_core.exchange.keras_weights import load_legacy_weights
from fer_core.exchange.safety import MAX_BYTES, check_file, is_hdf5, unknown_kind
from fer_core.keras_backend import prepare_backend

if TYPE_CHECKING:
    import h5py
    import keras

_CONFIG_MEMBER = "config.json"
_METADATA_MEMBER = "metadata.json"
#: Name of the weights in an archive, and of a copy of weights in the layout of Keras 3. Keras
#: recognizes that layout by the ending ``.weights.h5``.
_WEIGHTS_MEMBER = "model.weights.h5"
#: Name of a copy of weights in the older layout, which ``.h5`` files have.
_OLD_LAYOUT_WEIGHTS = "model.h5"
#: Maximum number of files in an archive.
_MAX_MEMBERS = 1000

#: Usual endings of the file with the weights, which has the same name as the architecture
#: ``NAME.json`` except for the ending. The most common ending is the first one.
_WEIGHTS_SUFFIXES = (".weights.h5", ".h5", "_weights.h5", ".hdf5", ".weights.hdf5")

#: Maximum number of weights (600 MB), slightly more than VGG16 has.
_MAX_PARAMETERS = 150_000_000
#: Maximum number of values in the output of one layer for one image (256 MB).
_MAX_LAYER_VALUES = 64_000_000


@dataclass(frozen=True)
class KerasParts:
    """The checked parts of a Keras model.

    Attributes:
        path: The file of the model.
        format: A description of the file's format.
        config: The architecture, in the format of Keras 3.
        changes: Descriptions of changes that the conversion to Keras 3 made to the architecture.
            The model card lists them.
        weights: A copy of the weights. Keras recognizes their layout by the name of this file.
        legacy: True if Keras 1 or 2 wrote the model.
        weights_file: The name of the original file of the weights; None if ``path`` contains the
            weights.
    """

    path: Path
    format: str
    config: dict[str, Any]
    changes: tuple[str, ...]
    weights: Path
    legacy: bool = False
    weights_file: str | None = None


@contextmanager
def open_keras_parts(path: Path, weights: Path | None = None) -> Iterator[KerasParts]:
    """Extract and check the parts of a Keras file; on exit, the extracted files are removed.

    Args:
        path: A ``.keras``, ``.h5``, ``.hdf5`` or ``.json`` file.
        weights: For a ``.json``, the file with its weights; None to look for it next to the
            ``.json``.

    Raises:
        InputError: A file is missing, damaged, too large, of an unsupported kind, or could run
            code; or ``weights`` is given for a file that contains its weights.
    """
    check_file(path)
    is_json = path.suffix.lower() == ".json"
    if weights is not None and not is_json:
        raise InputError(
            f"{path} contains its weights; omit --weights, or name an architecture .json."
        )
    with tempfile.TemporaryDirectory(prefix="fer-studio-") as folder:
        if is_json:
            yield _from_json(path, weights or _weights_next_to(path), Path(folder))
        elif is_hdf5(path):
            yield _from_hdf5(path, Path(folder))
        elif zipfile.is_zipfile(path):
            yield _from_archive(path, Path(folder))
        elif path.suffix.lower() in (".keras", ".h5", ".hdf5"):
            raise InputError(
                f"{path} is damaged: it is neither a .keras archive nor an HDF5 file; save or copy "
                "it again."
            )
        else:
            raise unknown_kind(path)


def check_keras_archive(path: Path) -> None:
    """Make sure that a ``.keras`` file is not damaged and cannot run code when it is loaded.

    Raises:
        InputError: The file is damaged or could run code.
    """
    with open_keras_parts(path):
        pass


def _from_json(path: Path, weights: Path, folder: Path) -> KerasParts:
    """Read an architecture ``.json`` and its weights, which are copied to a folder."""
    config = read_config(path.read_bytes(), path)
    check_file(weights)
    if not is_hdf5(weights):
        raise InputError(f"{weights} is not an HDF5 file; name the weights that belong to {path}.")
    copy = folder / _WEIGHTS_MEMBER
    copy_hdf5(weights, copy, weights)
    with _open_hdf5(copy, weights) as file:
        has_old_layout = "layer_names" in file.attrs or "model_weights" in file
    if has_old_layout:
        copy = copy.rename(folder / _OLD_LAYOUT_WEIGHTS)
    return _parts(
        path, "Keras architecture with weights", config, None, copy, weights_file=weights.name
    )


def _parts(
    path: Path,
    format_text: str,
    config: dict[str, Any],
    version: str | None,
    weights: Path,
    *,
    weights_file: str | None = None,
) -> KerasParts:
    """Convert a checked architecture to Keras 3 and return it with the other parts.

    Args:
        path: The file of the model.
        format_text: A description of the file's format.
        config: The architecture.
        version: The version of Keras that the file records; None if it records none.
        weights: The copy of the weights.
        weights_file: The name of the original file of the weights; None if ``path`` contains the
            weights.
    """
    legacy = is_legacy(config, version)
    converted, changes = modern_config(config, path, legacy=legacy)
    return KerasParts(path, format_text, converted, changes, weights, legacy, weights_file)


def _weights_next_to(path: Path) -> Path:
    """Find the weights of an architecture ``.json`` in its folder, and return their path."""
    names = [path.stem + suffix for suffix in _WEIGHTS_SUFFIXES]
    for name in names:
        if path.with_name(name).is_file():
            return path.with_name(name)
    raise InputError(
        f"The weights of {path} are missing: no {' or '.join(names)} in its folder; name "
        "their file with --weights."
    )


def _from_hdf5(path: Path, folder: Path) -> KerasParts:
    """Copy an ``.h5`` file to a folder, and read the copy."""
    copy = folder / _OLD_LAYOUT_WEIGHTS
    copy_hdf5(path, copy, path)
    with _open_hdf5(copy, path) as file:
        text = file.attrs.get("model_config")
        version = file.attrs.get("keras_version")
    if not isinstance(text, (str, bytes)):
        raise InputError(
            f"{path} contains weights without an architecture; import the architecture .json that "
            "belongs to it, and name this file with --weights."
        )
    if isinstance(version, bytes):
        version = version.decode(errors="replace")
    config = read_config(text, path)
    return _parts(path, "Keras HDF5 model", config, str(version) if version else None, copy)


@contextmanager
def _open_hdf5(checked_copy: Path, path: Path) -> Iterator[h5py.File]:
    """Open the checked copy of an HDF5 file; ``path`` names the original file in messages."""
    import h5py

    try:
        with h5py.File(checked_copy, "r") as file:
            yield file
    except Exception as error:
        raise InputError(
            f"{path} is damaged: it cannot be read as HDF5 ({first_line(error)}); save it again."
        ) from error


def _from_archive(path: Path, folder: Path) -> KerasParts:
    """Read a ``.keras`` archive, whose weights are copied to a folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            config = read_config(archive.read(_CONFIG_MEMBER), path)
            version = _recorded_version(archive)
            unpacked_weights = folder / "unpacked.h5"
            with archive.open(_WEIGHTS_MEMBER) as packed, unpacked_weights.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
    except InputError:
        raise
    except Exception as error:
        # Damaged archives raise BadZipFile, zlib.error, EOFError, NotImplementedError and more.
        raise InputError(
            f"{path} is damaged: it cannot be unpacked ({first_line(error)}); save or copy it "
            "again."
        ) from error
    if not is_hdf5(unpacked_weights):
        raise InputError(
            f"{path} is damaged: the weights in it are not an HDF5 file; save it again."
        )
    weights = folder / _WEIGHTS_MEMBER
    copy_hdf5(unpacked_weights, weights, path)
    return _parts(path, "Keras archive", config, version, weights)


def _recorded_version(archive: zipfile.ZipFile) -> str | None:
    """Return the version of Keras that wrote an archive; None if the archive does not record it."""
    if _METADATA_MEMBER not in archive.namelist():
        return None
    try:
        metadata = json.loads(archive.read(_METADATA_MEMBER))
    except (ValueError, RecursionError):
        return None
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else None


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Reject an archive without a Keras model, with unsafe names, or with too much content."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if any(name.endswith("data.pkl") for name in names):
        raise InputError(
            f"{path} is a pickle or PyTorch file, which can run code as soon as it is opened; "
            "export the network as ONNX (torch.onnx.export) or .keras and import that."
        )
    for name in names:
        member_path = PurePosixPath(name.replace("\\", "/"))
        if member_path.is_absolute() or ".." in member_path.parts:
            raise InputError(
                f"{path} contains {name!r}, a path outside of the archive; save it with Keras."
            )
    missing = [name for name in (_CONFIG_MEMBER, _WEIGHTS_MEMBER) if name not in names]
    if missing:
        raise InputError(
            f"{path} is not a .keras archive: it has no {' and no '.join(missing)}; save the "
            "model with model.save('name.keras')."
        )
    if len(members) > _MAX_MEMBERS or len(set(names)) < len(names):
        raise InputError(f"{path} contains too many files, or one name twice; save it with Keras.")
    # The declared sizes can be trusted, because zipfile never reads more bytes from a member than
    # its declared size.
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise InputError(
            f"{path} unpacks to more than {MAX_BYTES / 2**20:,.0f} MB, more than can be imported; "
            "import a smaller network."
        )


def build_keras_model(parts: KerasParts) -> keras.Model:
    """Build a checked model and load its weights.

    Raises:
        InputError: The architecture cannot be built or is too large, the weights do not fit, or the
            model does not have exactly one input and one output.
    """
    prepare_backend()
    text = json.dumps(parts.config)
    with warnings.catch_warnings():
        # Keras warns about old formats of the architecture, which this import converts.
        warnings.simplefilter("ignore")
        _check_network_size(text, parts.path)
        model = _build_from_json(text, parts.path)
        try:
            if parts.legacy:
                load_legacy_weights(model, parts.weights, parts.config)
            else:
                model.load_weights(parts.weights)
        except Exception as error:
            raise InputError(
                f"The weights of {parts.path} do not fit its architecture "
                f"({root_cause(error)}); use the files that were saved together."
            ) from error
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"{parts.path} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "import a network with one image as input and one value for each class as output."
        )
    return model


def _build_from_json(text: str, path: Path) -> keras.Model:
    """Build a model with random weights from an architecture."""
    import keras

    try:
        model = keras.models.model_from_json(text)
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError("it does not define the size of its input")
    except Exception as error:
        # Keras raises many types of errors for an architecture that it cannot build.
        raise InputError(
            f"The architecture in {path} cannot be built ({root_cause(error)}); save the "
            "model again with Keras, or export it as ONNX."
        ) from error
    return model


def _check_network_size(text: str, path: Path) -> None:
    """Reject a network that is too large, before memory for its weights is allocated.

    Inside a ``StatelessScope``, Keras computes the shapes of weights without allocating the
    weights. When code leaves the scope, Keras allocates all of them. This function therefore enters
    the scope in a separate thread, which ends without leaving the scope. The scope does not affect
    other threads.
    """
    import keras

    errors: list[InputError] = []

    def measure() -> None:
        keras.StatelessScope().__enter__()
        try:
            model = _build_from_json(text, path)
            parameters = sum(math.prod(weight.shape) for weight in model.weights)
            largest_output = max(
                math.prod(size or 1 for size in output.shape[1:])
                for layer in model.layers
                for output in _as_list(layer.output)
            )
            if parameters > _MAX_PARAMETERS or largest_output > _MAX_LAYER_VALUES:
                raise InputError(
                    f"{path} describes a network of {parameters:,} weights with up to "
                    f"{largest_output:,} values in a layer; at most {_MAX_PARAMETERS:,} weights "
                    f"and {_MAX_LAYER_VALUES:,} values can be imported: import a smaller network."
                )
        except InputError as error:
            errors.append(error)
        except Exception as error:
            errors.append(
                InputError(
                    f"The architecture in {path} cannot be built ({root_cause(error)}); "
                    "save the model again with Keras, or export it as ONNX."
                )
            )

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def _as_list(outputs: Any) -> list[Any]:
    """Return a layer's outputs as a list; ``outputs`` is a tensor, a list or a dictionary."""
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
