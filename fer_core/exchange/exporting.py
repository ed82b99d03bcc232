"""Export of bundles to other formats. Each file is read back and compared with the model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import KERAS_MODEL_FILE, Bundle
from fer_core.classes import canonical_classes, positions_of
from fer_core.errors import InputError, first_line
from fer_core.exchange.keras_files import build_keras_model, open_keras_parts
from fer_core.exchange.labels import META_SUFFIX, ExportMetadata
from fer_core.exchange.litert import open_litert_network, write_litert
from fer_core.exchange.onnx_export import (
    TOLERANCE,
    export_onnx,
    keras_network,
    load_keras_model,
    require_onnx_export,
)
from fer_core.exchange.probe import check_equal, probe_crops, run_network
from fer_core.files import write_json
from fer_core.predictor import Network, network_input, open_onnx_network

ExportFormat = Literal["onnx", "keras", "json", "litert"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_SUFFIXES: dict[ExportFormat, str] = {
    "onnx": ".onnx",
    "keras": ".keras",
    "json": ".json",
    "litert": ".tflite",
}
#: Suffix of the file with the weights, which the format ``json`` writes next to the architecture.
_WEIGHTS_SUFFIX = ".weights.h5"

#: Maximum difference of the probabilities for LiteRT, which rounds differently than ONNX Runtime.
_LITERT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ExportResult:
    """The result of an export.

    Attributes:
        files: The file of the network, the file of its weights if it is separate, and
            ``NAME.meta.json``.
        difference: Largest difference of a probability between the exported files and the served
            network.
    """

    files: tuple[Path, ...]
    difference: float


def export_model(
    bundle: Bundle, export_format: ExportFormat, output: Path | None = None
) -> ExportResult:
    """Export a bundle, and write ``NAME.meta.json`` next to the exported files.

    Args:
        bundle: The bundle. A missing ``model.onnx`` is created first.
        export_format: The format.
        output: The file, or a folder in which the file is named after the model; by default the
            current folder.

    Raises:
        InputError: The format needs a Keras model and the bundle has none; an output file exists or
            has another suffix; or the exported network cannot be written, cannot be read back, or
            does not return the same probabilities as the served network.
    """
    target = _output_file(bundle, export_format, output)
    stem = target.name.removesuffix(_SUFFIXES[export_format])
    if export_format != "onnx" and not (bundle.folder / KERAS_MODEL_FILE).is_file():
        raise InputError(
            f"The model {bundle.name!r} has no Keras model, so it can be exported as onnx only; "
            "for other formats, import the model from a Keras file first."
        )
    if not bundle.served_network.is_file():
        export_onnx(bundle)
    pixels = network_input(probe_crops(), bundle.record)
    served_network = open_onnx_network(
        bundle.served_network, bundle.name, input_shape=bundle.record.input_shape
    )
    expected = served_network(pixels)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The folder is on the same disk as the target, so that the verified files can be renamed.
    with tempfile.TemporaryDirectory(prefix=f".{stem}.", dir=target.parent) as folder:
        exported = Path(folder) / target.name
        _WRITERS[export_format](bundle, exported)
        difference = _verify_export(export_format, exported, bundle, pixels, expected)
        write_json(Path(folder) / (stem + META_SUFFIX), _metadata(bundle).to_json())
        # The file of the network comes first.
        temporary_files = sorted(
            Path(folder).iterdir(), key=lambda file: (file.name != target.name, file.name)
        )
        destinations = tuple(target.with_name(file.name) for file in temporary_files)
        metadata_path = target.with_name(stem + META_SUFFIX)
        # Exports in two formats can share one metadata file, if its content is equal for both.
        has_equal_metadata = (
            metadata_path.is_file()
            and metadata_path.read_bytes() == (Path(folder) / metadata_path.name).read_bytes()
        )
        _check_not_existing(
            tuple(
                file for file in destinations if not (has_equal_metadata and file == metadata_path)
            )
        )
        for file, destination in zip(temporary_files, destinations, strict=True):
            file.replace(destination)
    return ExportResult(destinations, difference)


def _output_file(bundle: Bundle, export_format: ExportFormat, output: Path | None) -> Path:
    """Return the file to write; raise ``InputError`` if it exists or its suffix is wrong."""
    suffix = _SUFFIXES[export_format]
    output = Path.cwd() if output is None else output.expanduser()
    target = output / (bundle.name + suffix) if output.is_dir() else output
    if target.suffix != suffix:
        raise InputError(
            f"The output {target} should end in {suffix} for the format {export_format}; change "
            "its name."
        )
    _check_not_existing((target,))
    return target


def _check_not_existing(files: tuple[Path, ...]) -> None:
    for file in files:
        if file.exists():
            raise InputError(f"{file} already exists; choose another --output or move it away.")


def _metadata(bundle: Bundle) -> ExportMetadata:
    record = bundle.record
    prior = bundle.calibration.class_prior
    if prior is not None:
        # The prior has the order of ``record.classes``. For a model that was trained here, this may
        # differ from the order of ``canonical_classes``.
        prior = tuple(
            prior[position]
            for position in positions_of(canonical_classes(record.labels), record.classes)
        )
    return ExportMetadata(
        model=bundle.name,
        labels=record.labels,
        input_shape=record.input_shape,
        input_scale=record.input_scale,
        input_offset=record.input_offset,
        flip_averaging=record.flip_averaging,
        temperature=bundle.temperature,
        class_prior=prior,
        prior_exponent=bundle.calibration.prior_exponent,
    )


def _write_onnx(bundle: Bundle, path: Path) -> None:
    shutil.copyfile(bundle.served_network, path)


def _write_keras(bundle: Bundle, path: Path) -> None:
    shutil.copyfile(bundle.folder / KERAS_MODEL_FILE, path)


def _write_json(bundle: Bundle, path: Path) -> None:
    require_onnx_export()  # raises InputError unless Keras can be loaded with TensorFlow
    model = load_keras_model(bundle)
    path.write_text(model.to_json(), encoding="utf-8")
    model.save_weights(path.with_name(path.stem + _WEIGHTS_SUFFIX))


def _write_litert(bundle: Bundle, path: Path) -> None:
    require_onnx_export()  # raises InputError unless Keras can be loaded with TensorFlow
    write_litert(load_keras_model(bundle), path, bundle.name)


_WRITERS: dict[ExportFormat, Callable[[Bundle, Path], None]] = {
    "onnx": _write_onnx,
    "keras": _write_keras,
    "json": _write_json,
    "litert": _write_litert,
}


def _verify_export(
    export_format: ExportFormat,
    exported: Path,
    bundle: Bundle,
    pixels: NDArray[np.float32],
    expected: NDArray[np.float32],
) -> float:
    """Read an exported file back, and return the largest difference between the probabilities.

    Args:
        export_format: The format.
        exported: The exported file of the network.
        bundle: The bundle that was exported.
        pixels: The input for both networks.
        expected: The probabilities that the served network of the bundle returns for this input.

    Raises:
        InputError: The file cannot be read back, or its network returns other probabilities.
    """
    description = f"The {export_format} export of {bundle.name!r}"
    try:
        network = _read_back(export_format, exported, bundle)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{description} cannot be read back ({first_line(error)[:200]}); it was not written."
        ) from error
    output = run_network(network, pixels, description)
    return check_equal(
        output, expected, description, _LITERT_TOLERANCE if export_format == "litert" else TOLERANCE
    )


def _read_back(export_format: ExportFormat, exported: Path, bundle: Bundle) -> Network:
    """Open the network in an exported file."""
    if export_format == "litert":
        return open_litert_network(exported)
    if export_format == "onnx":
        return open_onnx_network(exported, bundle.name, input_shape=bundle.record.input_shape)
    with open_keras_parts(exported) as parts:
        return keras_network(build_keras_model(parts))
