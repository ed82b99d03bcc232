"""Import of models from other programs as bundles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.bundle import (
    KERAS_MODEL_FILE,
    MODEL_CARD_FILE,
    RECORD_FILE,
    SERVED_NETWORK_FILE,
    Bundle,
    BundleRecord,
    ModelSource,
    find_bundle,
    load_bundle,
    new_bundle_folder,
    publish_bundle,
    write_calibration,
)
from fer_core.calibration import Calibration
from fer_core.classes import MAX_CLASSES, MIN_CLASSES
from fer_core.errors import InputError
from fer_core.exchange import keras_config
from fer_core.exchange.keras_files import build_keras_model, check_keras_archive, open_keras_parts
from fer_core.exchange.labels import (
    SCALE_WORDS,
    SCALES,
    FileNotes,
    Scale,
    check_label_count,
    labels_needed,
    read_notes,
)
from fer_core.exchange.onnx_files import is_served_shape, wrong_input, wrong_output
from fer_core.exchange.onnx_trial import prepare_network, try_bundle
from fer_core.exchange.probe import are_probabilities, probe_crops, run_network
from fer_core.exchange.safety import check_file
from fer_core.exchange.served import (
    keras_network,
    require_onnx_export,
    write_onnx,
)
from fer_core.files import (
    plain_name,
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

_SOFTMAX_ADDED = "its outputs did not sum to 1: treated as logits, and a softmax was added"


@dataclass(frozen=True)
class ImportRequest:
    """The options of an import.

    Attributes:
        name: The name of the model; by default that of the file.
        weights: For an architecture ``.json``, the file with its weights.
        labels: The labels of the outputs in their order; None if not known.
        scale: The range of the pixel intensities; None to infer it.
    """

    name: str | None = None
    weights: Path | None = None
    labels: tuple[str, ...] | None = None
    scale: Scale | None = None


def import_model(path: Path, settings: Settings, request: ImportRequest | None = None) -> Bundle:
    """Publish a bundle, a run or a model file as a bundle.

    Args:
        path: The folder of a bundle or run, a ``.keras``, ``.h5`` or ``.onnx`` file, or an
            architecture ``.json``.
        settings: The folders of the program.
        request: The options.

    Returns:
        The bundle. The ``source`` of its record lists changes and assumptions.

    Raises:
        InputError: The file is missing, damaged, could run code, is not a classifier of 2 to 20
            classes, or does not define the labels of its outputs. Nothing is written.
    """
    request = request or ImportRequest()
    if path.is_dir():
        return _import_bundle(path, settings, request)
    check_file(path)
    name = request.name or name_from_file(path)
    with new_bundle_folder(name, settings) as folder:
        notes = read_notes(path)
        if path.suffix.lower() == ".onnx":
            if request.weights is not None:
                raise InputError(f"{path} contains its weights; omit --weights.")
            record = _import_onnx(path, folder, request, notes)
        else:
            record = _import_keras(path, folder, request, notes)
        calibration = notes.calibration if notes else Calibration()
        # The final check: the predictor that will serve the network returns probabilities.
        network = open_onnx_network(
            folder / SERVED_NETWORK_FILE, name, input_shape=record.input_shape
        )
        Predictor(record, network, calibration=calibration).probabilities(probe_crops())
        if calibration != Calibration():
            write_calibration(folder, calibration, "copied from the notes next to the file")
        write_json(folder / RECORD_FILE, record.to_json())
        write_text(folder / MODEL_CARD_FILE, model_card(name, record, calibration))
    return load_bundle(settings.models_root / name)


def name_from_file(path: Path) -> str:
    """The name of a model, from the name of its file: ``My model (1).h5`` as ``My-model-1``."""
    return plain_name(path.stem) or "imported"


def _import_bundle(path: Path, settings: Settings, request: ImportRequest) -> Bundle:
    if (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path} is a TensorFlow SavedModel, which can contain code; export the network as "
            ".keras or ONNX and import that."
        )
    if request.weights or request.labels or request.scale:
        raise InputError(
            f"{path} is a folder with a bundle, which defines its labels and input; omit "
            "--weights, --labels and --scale."
        )
    bundle = find_bundle(str(path.resolve()), settings)
    if bundle.served_network.is_file():
        try_bundle(bundle.folder)
    if (bundle.folder / KERAS_MODEL_FILE).is_file():
        check_keras_archive(bundle.folder / KERAS_MODEL_FILE)
    return publish_bundle(path, settings, name=request.name)


def _import_keras(
    path: Path, folder: Path, request: ImportRequest, notes: FileNotes | None
) -> BundleRecord:
    with open_keras_parts(path, request.weights) as parts:
        labels = _labels(path, request, notes)
        require_onnx_export()
        model = build_keras_model(parts)
        takes_bytes = keras_config.expects_bytes(parts.config)
    _, *sizes = model.input_shape
    if len(sizes) != 3:
        raise InputError(wrong_input(path, list(model.input_shape)))
    height, width, channels = sizes
    shape = (height or INPUT_SHAPE[0], width or INPUT_SHAPE[1], channels or 0)
    if not is_served_shape(shape):
        raise InputError(wrong_input(path, list(model.input_shape)))
    outputs = tuple(model.output_shape[1:])
    if len(outputs) != 1 or not MIN_CLASSES <= (outputs[0] or 0) <= MAX_CLASSES:
        raise InputError(wrong_output(path, list(model.output_shape)))
    check_label_count(path, labels, outputs[0])
    source = ModelSource(
        file=path.name,
        format=parts.format,
        weights_file=parts.weights_file,
        changes=parts.changes,
    )
    record = _record(
        source,
        labels,
        shape,
        parameters=model.count_params(),
        request=request,
        notes=notes,
        takes_bytes=takes_bytes,
    )
    pixels = network_input(probe_crops(), record)
    rows = run_network(keras_network(model), pixels, f"The model of {path}")
    if not are_probabilities(rows):
        model = _with_softmax(model)
        record = _with_change(record, _SOFTMAX_ADDED)
    model.save(folder / KERAS_MODEL_FILE)
    write_onnx(model, folder / SERVED_NETWORK_FILE, path.name, pictures=pixels)
    return record


def _with_softmax(model: keras.Model) -> keras.Model:
    import keras

    outputs = keras.layers.Softmax(name="probabilities")(model.outputs[0])
    return keras.Model(model.inputs[0], outputs, name=model.name)


def _import_onnx(
    path: Path, folder: Path, request: ImportRequest, notes: FileNotes | None
) -> BundleRecord:
    scaling = _known_scaling(request, notes)
    prepared = prepare_network(path, folder / SERVED_NETWORK_FILE, scaling)
    labels = _labels(path, request, notes)
    check_label_count(path, labels, prepared.outputs)
    record = _record(
        ModelSource(file=path.name, format="ONNX network"),
        labels,
        prepared.input_shape,
        parameters=prepared.parameters,
        request=request,
        notes=notes,
        takes_bytes=prepared.takes_bytes,
    )
    if prepared.softmax_added:
        record = _with_change(record, _SOFTMAX_ADDED)
    if prepared.channels_first:
        record = _with_change(record, "it expects channels first: a transposition was added")
    if prepared.one_by_one:
        record = _with_change(record, "it processes one image at a time, which is slower")
    return record


def _known_scaling(request: ImportRequest, notes: FileNotes | None) -> tuple[float, float] | None:
    """Factor and offset for pixel intensities, if the request or the notes define them."""
    if request.scale is not None:
        return SCALES[request.scale]
    return None if notes is None else (notes.input_scale, notes.input_offset)


def _labels(path: Path, request: ImportRequest, notes: FileNotes | None) -> tuple[str, ...]:
    if request.labels is not None:
        return request.labels
    if notes is not None:
        return notes.labels
    raise labels_needed(path)


def _with_change(record: BundleRecord, change: str) -> BundleRecord:
    source = record.source
    assert source is not None
    return replace(record, source=replace(source, changes=(*source.changes, change)))


def _record(
    source: ModelSource,
    labels: tuple[str, ...],
    shape: tuple[int, int, int],
    *,
    parameters: int,
    request: ImportRequest,
    notes: FileNotes | None,
    takes_bytes: bool,
) -> BundleRecord:
    assumptions: list[str] = []
    known = _known_scaling(request, notes)
    if known is not None:
        factor, offset = known
    else:
        scale: Scale = "bytes" if takes_bytes else "unit"
        factor, offset = SCALES[scale]
        reason = (
            "because its first operation scales them"
            if takes_bytes
            else "as most networks do; if not, import it again with --scale bytes or signed"
        )
        assumptions.append(f"it expects pixel intensities from {SCALE_WORDS[scale]}, {reason}")
    return BundleRecord(
        labels=labels,
        input_shape=shape,
        input_scale=factor,
        input_offset=offset,
        flip_averaging=notes.flip_averaging if notes else False,
        parameters=parameters,
        recipe=None,
        config={},
        seed=None,
        dataset={},
        curation=None,
        training={},
        metrics={},
        # Versions at the import; those of the training are not known.
        versions=installed_versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=replace(source, assumptions=tuple(assumptions)),
    )
