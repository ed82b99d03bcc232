"""Import of models from other programs as bundles."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.bundle import (
    INFERENCE_NETWORK_FILE,
    KERAS_MODEL_FILE,
    MODEL_CARD_FILE,
    RECORD_FILE,
    Bundle,
    BundleRecord,
    ModelSource,
    find_bundle,
    load_bundle,
    new_bundle_folder,
    publish_bundle,
    replace_bundle,
    write_calibration,
)
from fer_core.calibration import Calibration
from fer_core.classes import MAX_CLASSES, MIN_CLASSES
from fer_core.errors import InputError
from fer_core.exchange import onnx_files
from fer_core.exchange.input_scaling import InferredScale, Scaling, scale_from_operations
from fer_core.exchange.keras_files import build_keras_model, check_keras_archive, open_keras_parts
from fer_core.exchange.labels import (
    SCALE_RANGES,
    ExportMetadata,
    Scale,
    check_label_count,
    labels_needed,
    read_metadata,
)
from fer_core.exchange.onnx_export import check_onnx, keras_network, require_onnx_export
from fer_core.exchange.onnx_files import is_served_shape, wrong_input_message, wrong_output_message
from fer_core.exchange.onnx_trial import check_bundle_network, prepare_network, record_for_input
from fer_core.exchange.onnx_writer import convert_to_onnx
from fer_core.exchange.probe import are_probabilities, probe_crops, run_network
from fer_core.exchange.safety import check_file
from fer_core.files import (
    is_plain_name,
    to_plain_name,
    write_json,
    write_text,
)
from fer_core.model_card import model_card
from fer_core.predictor import Predictor, network_input, open_onnx_network
from fer_core.provenance import installed_versions
from fer_core.recipes.architectures import INPUT_SHAPE
from fer_core.settings import Settings

if TYPE_CHECKING:
    import keras

#: The description of a change that an import may make to a network.
_SOFTMAX_ADDED = "its outputs did not sum to 1, so they are treated as logits: a softmax was added"


@dataclass(frozen=True)
class ImportRequest:
    """The options of an import.

    Attributes:
        name: The name of the model; None for the name of the file.
        weights: For an architecture ``.json``, the file with its weights; None to look for it next
            to the architecture.
        labels: The labels of the outputs in their order; None to read them from the metadata file,
            ``NAME.meta.json`` next to the model file.
        scale: The range of the pixel intensities. None to choose it by ``mean`` and ``std`` if one
            of them is given: 0 to 255 if a value is above 1, otherwise 0 to 1. If all three are
            None, the scaling is read from the metadata file or, without this file, inferred.
        mean: The mean that was subtracted in training, in units of the range in ``scale``: one
            number, or one number per channel. None if no mean was subtracted.
        std: The standard deviation that images were divided by after the subtraction, in the same
            units and form as ``mean``. None if there was no division.
        replace: True to replace an existing model with the same name.
    """

    name: str | None = None
    weights: Path | None = None
    labels: tuple[str, ...] | None = None
    scale: Scale | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    replace: bool = False

    @property
    def scaling(self) -> Scaling | None:
        """The scaling that the request defines; None if it defines none."""
        if self.scale is None and self.mean is None and self.std is None:
            return None
        scale = self.scale
        if scale is None:
            values = (*(self.mean or ()), *(self.std or ()))
            scale = "bytes" if max(values) > 1 else "unit"
        return Scaling.of(scale, self.mean, self.std)


def import_model(path: Path, settings: Settings, request: ImportRequest | None = None) -> Bundle:
    """Publish the model in a bundle's folder, a run's folder or a file as a bundle in ``models/``.

    Args:
        path: The folder of a bundle or run, a ``.keras``, ``.h5`` or ``.onnx`` file, or an
            architecture ``.json``.
        settings: Settings with the location of ``models/``.
        request: The options.

    Returns:
        The bundle. The ``source`` of its record lists changes and assumptions.

    Raises:
        InputError: The file is missing, damaged or too large; it could run code, or is not a
            classifier of 2 to 20 classes; the labels of its outputs or the range of its input are
            unknown; an option does not fit the file; a required package is missing; or the name is
            taken or not valid. In all of these cases, nothing is written.
    """
    request = request or ImportRequest()
    if request.replace:
        return _replace_model(path, settings, request)
    if path.is_dir():
        return _import_bundle(path, settings, request)
    check_file(path)
    return _import_file(path, request.name or name_from_file(path), settings, request)


def _replace_model(path: Path, settings: Settings, request: ImportRequest) -> Bundle:
    """Import a model under a temporary name, and replace the existing model of the final name.

    If no model has this name, the model is imported as usual.
    """
    new_request = replace(request, replace=False)
    name = request.name
    if name is None:
        name = name_from_file(path)
        if path.is_dir():
            name = find_bundle(str(path.resolve()), settings).name
    target = settings.models_root / name
    if not is_plain_name(name) or not (target / RECORD_FILE).is_file():
        return import_model(path, settings, replace(new_request, name=name))
    if target.resolve() == path.resolve():
        raise InputError(f"{path} is the model {name!r} itself; choose another file or name.")
    temporary_bundle = import_model(
        path, settings, replace(new_request, name=f"{name}-{os.getpid()}")
    )
    replace_bundle(temporary_bundle.folder, name, settings)
    return load_bundle(target)


def _import_file(path: Path, name: str, settings: Settings, request: ImportRequest) -> Bundle:
    """Publish the model in a file as a new bundle."""
    with new_bundle_folder(name, settings) as folder:
        metadata = read_metadata(path)
        record = convert_model(path, folder, request, metadata)
        calibration = metadata.calibration if metadata else Calibration()
        # The final check: the predictor that will serve the network returns probabilities.
        network = open_onnx_network(
            folder / INFERENCE_NETWORK_FILE, name, input_shape=record.input_shape
        )
        Predictor(record, network, calibration=calibration).probabilities(probe_crops())
        if calibration != Calibration():
            write_calibration(folder, calibration, "copied from the model's metadata file")
        write_json(folder / RECORD_FILE, record.to_json())
        write_text(folder / MODEL_CARD_FILE, model_card(name, record, calibration))
    return load_bundle(settings.models_root / name)


def convert_model(
    path: Path, folder: Path, request: ImportRequest, metadata: ExportMetadata | None = None
) -> BundleRecord:
    """Convert a model file to the networks of a bundle, and return the bundle's record.

    Args:
        path: The file.
        folder: Where to write ``model.onnx`` and, from a Keras file, ``model.keras``.
        request: The options.
        metadata: The content of the metadata file next to the model file; None if there is none.

    Raises:
        InputError: As ``import_model``.
    """
    if path.suffix.lower() != ".onnx":
        return _import_keras(path, folder, request, metadata)
    if request.weights is not None:
        raise InputError(f"{path} contains its weights; omit --weights.")
    return _import_onnx(path, folder, request, metadata)


def name_from_file(path: Path) -> str:
    """Return a name for a model from its file's name: ``My-model-1`` for ``My model (1).h5``.

    If the file's name contains no ASCII letters and digits, the result is ``imported``.
    """
    return to_plain_name(path.stem) or "imported"


def _import_bundle(path: Path, settings: Settings, request: ImportRequest) -> Bundle:
    """Check and publish the bundle in a folder, which may be the folder of a run."""
    if (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path} is a TensorFlow SavedModel, which can contain code; export the network as "
            ".keras or ONNX and import that."
        )
    if request.weights or request.labels or request.scaling:
        raise InputError(
            f"{path} is a folder with a bundle, which defines its labels and input; omit "
            "--weights, --labels, --scale, --mean and --std."
        )
    bundle = find_bundle(str(path.resolve()), settings)
    if bundle.served_network.is_file():
        check_bundle_network(bundle.folder)
    if (bundle.folder / KERAS_MODEL_FILE).is_file():
        check_keras_archive(bundle.folder / KERAS_MODEL_FILE)
    return publish_bundle(path, settings, name=request.name)


def _import_keras(
    path: Path, folder: Path, request: ImportRequest, metadata: ExportMetadata | None
) -> BundleRecord:
    """Convert a Keras file as ``convert_model`` does."""
    with open_keras_parts(path, request.weights) as parts:
        labels = _known_labels(path, request, metadata)
        require_onnx_export()  # raises InputError unless Keras can be loaded with TensorFlow
        model = build_keras_model(parts)
    _, *sizes = model.input_shape
    if len(sizes) != 3:
        raise InputError(wrong_input_message(path, list(model.input_shape)))
    height, width, channels = sizes
    # A variable height or width becomes 48. A variable number of channels is not served.
    shape = (height or INPUT_SHAPE[0], width or INPUT_SHAPE[1], channels or 0)
    if not is_served_shape(shape):
        raise InputError(wrong_input_message(path, list(model.input_shape)))
    output_sizes = tuple(model.output_shape[1:])
    if len(output_sizes) != 1 or not MIN_CLASSES <= (output_sizes[0] or 0) <= MAX_CLASSES:
        raise InputError(wrong_output_message(path, list(model.output_shape)))
    check_label_count(path, labels, output_sizes[0])
    scaling = _known_scaling(path, request, metadata, channels=shape[2])
    parameters = model.count_params()
    # If the scaling is not known yet, any scaling shows whether the outputs are probabilities.
    pixels = network_input(probe_crops(), record_for_input(shape, scaling or Scaling.of("unit")))
    if scaling is not None and not scaling.is_uniform:
        model = _with_scaling(model, scaling)
    changes = parts.changes
    if not are_probabilities(run_network(keras_network(model), pixels, f"The model of {path}")):
        model = _with_softmax(model)
        changes = (*changes, _SOFTMAX_ADDED)
    served_path = folder / INFERENCE_NETWORK_FILE
    convert_to_onnx(model, served_path, path.name)
    inferred = None
    if scaling is None:
        inferred = scale_from_operations(onnx_files.load_trusted(served_path), path)
        scaling = Scaling.of(inferred.scale)
    source = ModelSource(
        file=path.name, format=parts.format, weights_file=parts.weights_file, changes=changes
    )
    record = _new_record(
        source, labels, shape, scaling, parameters=parameters, metadata=metadata, inferred=inferred
    )
    check_onnx(model, served_path, path.name, network_input(probe_crops(), record))
    model.save(folder / KERAS_MODEL_FILE)
    return record


def _with_scaling(model: keras.Model, scaling: Scaling) -> keras.Model:
    """Return a model that takes intensities of 0 to 255 and scales them first."""
    import keras

    pixels = keras.Input(model.input_shape[1:], name="pixels")
    scaling_layer = keras.layers.Rescaling(
        list(scaling.factor), list(scaling.offset), name="scaling"
    )
    return keras.Model(pixels, model(scaling_layer(pixels)), name=f"scaled_{model.name}")


def _with_softmax(model: keras.Model) -> keras.Model:
    """Return a model that returns probabilities instead of logits."""
    import keras

    probabilities = keras.layers.Softmax(name="probabilities")(model.outputs[0])
    return keras.Model(model.inputs[0], probabilities, name=model.name)


def _import_onnx(
    path: Path, folder: Path, request: ImportRequest, metadata: ExportMetadata | None
) -> BundleRecord:
    """Convert an ONNX file as ``convert_model`` does."""
    labels = _known_labels(path, request, metadata)
    scaling = _known_scaling(path, request, metadata, channels=None)
    prepared = prepare_network(path, folder / INFERENCE_NETWORK_FILE, scaling)
    check_label_count(path, labels, prepared.output_count)
    inferred = prepared.inferred_scale
    if scaling is None:
        assert inferred is not None
        scaling = Scaling.of(inferred.scale)
    record = _new_record(
        ModelSource(file=path.name, format="ONNX network"),
        labels,
        prepared.input_shape,
        scaling,
        parameters=prepared.parameters,
        metadata=metadata,
        inferred=inferred,
    )
    if prepared.softmax_added:
        record = _with_change(record, _SOFTMAX_ADDED)
    if prepared.channels_first:
        record = _with_change(record, "it expects channels first, so a transposition was added")
    if prepared.one_by_one:
        record = _with_change(record, "it processes one image at a time, which is slower")
    return record


def _known_scaling(
    path: Path, request: ImportRequest, metadata: ExportMetadata | None, *, channels: int | None
) -> Scaling | None:
    """Return the scaling of pixel intensities; None if neither request nor metadata define it.

    ``channels`` is the number of channels of the input; None if it is not known yet.
    """
    if request.scaling is not None:
        count = max(len(request.scaling.factor), len(request.scaling.offset))
        if channels == 1 and count > 1:
            raise InputError(
                f"{path} takes images with one channel, and --mean or --std has {count} numbers; "
                "give one number."
            )
        return request.scaling
    return None if metadata is None else Scaling((metadata.input_scale,), (metadata.input_offset,))


def _known_labels(
    path: Path, request: ImportRequest, metadata: ExportMetadata | None
) -> tuple[str, ...]:
    """Return the labels of the outputs from the request or the metadata."""
    if request.labels is not None:
        return request.labels
    if metadata is not None:
        return metadata.labels
    raise labels_needed(path)


def _with_change(record: BundleRecord, change: str) -> BundleRecord:
    """Return a record whose source lists one more change of the network."""
    source = record.source
    assert source is not None
    return replace(record, source=replace(source, changes=(*source.changes, change)))


def _new_record(
    source: ModelSource,
    labels: tuple[str, ...],
    shape: tuple[int, int, int],
    scaling: Scaling,
    *,
    parameters: int,
    metadata: ExportMetadata | None,
    inferred: InferredScale | None,
) -> BundleRecord:
    """Return the record of an imported network; ``inferred`` is None if the range was given."""
    assumptions: list[str] = []
    if inferred is not None:
        scale_text = SCALE_RANGES[inferred.scale]
        assumptions.append(f"it expects pixel intensities from {scale_text}, {inferred.reason}")
    height, width, _ = shape
    if height != width:
        assumptions.append(f"square face crops are stretched to its {width}x{height} pixels")
    if not scaling.is_uniform:
        change = "an operation before its first layer applies the given mean and standard deviation"
        source = replace(source, changes=(*source.changes, change))
    return replace(
        record_for_input(shape, scaling),
        labels=labels,
        flip_averaging=metadata.flip_averaging if metadata else False,
        parameters=parameters,
        # The versions are those at the import, because the versions at the training are not known.
        versions=installed_versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=replace(source, assumptions=tuple(assumptions)),
    )
