"""``models``: list, import and export models, and select the default model."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fer_core.bundle import (
    Bundle,
    damaged_bundles,
    default_bundle_name,
    find_bundle,
    list_bundles,
    set_default_bundle,
)
from fer_core.commands import CommandResult
from fer_core.commands.arguments import ProgressLines, add_command, text_table
from fer_core.dataset.class_mapping import choice_for_model
from fer_core.dataset.row_sample import sample_rows
from fer_core.dataset.store import load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange.exporting import EXPORT_FORMATS, export_model
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.exchange.labels import (
    SCALE_RANGES,
    parse_channels,
    parse_labels,
    parse_scale,
    read_metadata,
)
from fer_core.exchange.onnx_export import export_onnx
from fer_core.exchange.scaling_check import MAX_IMAGES, check_scalings
from fer_core.metrics.formatting import percent
from fer_core.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add ``models`` and its subcommands."""
    parser = add_command(subparsers, "models", "list, import, export and select models", _list)
    commands = parser.add_subparsers(metavar="COMMAND")
    import_parser = add_command(
        commands, "import", "publish a bundle, a finished run or a model file in models/", _import
    )
    import_parser.add_argument(
        "path",
        type=Path,
        help="a bundle's or a run's folder, a .keras, .h5 or .onnx file, or an architecture .json",
    )
    import_parser.add_argument(
        "--name", help="the name of the model (default: that of the file or folder)"
    )
    import_parser.add_argument(
        "--weights",
        type=Path,
        help="the weights of an architecture .json (default: the weights file next to it)",
    )
    import_parser.add_argument(
        "--labels",
        metavar="ANGRY,DISGUST,…",
        help="the names of the 2 to 20 classes, in the order of the network's outputs",
    )
    scales = ", ".join(f"{name}: {description}" for name, description in SCALE_RANGES.items())
    import_parser.add_argument(
        "--scale",
        metavar="|".join(SCALE_RANGES),
        help=f"the pixel intensities that the network was trained on ({scales}; default: "
        "inferred from the operations before the first layer, or unit if there are none)",
    )
    import_parser.add_argument(
        "--mean",
        metavar="M",
        help="the mean that was subtracted in training, in units of --scale: one number, or three "
        "separated by commas (without --scale, a number above 1 implies intensities of 0 to 255)",
    )
    import_parser.add_argument(
        "--std",
        metavar="S",
        help="the standard deviation by which images were divided in training, in the form of "
        "--mean",
    )
    import_parser.add_argument(
        "--check-on",
        metavar="DATA",
        help="do not import the model, but show its accuracy on a dataset with each usual scaling",
    )
    import_parser.add_argument(
        "--replace", action="store_true", help="replace an existing model of the same name"
    )
    export_parser = add_command(
        commands, "export", "export a model to a file, or add model.onnx to its bundle", _export
    )
    export_parser.add_argument("name", help="a model's name, or a bundle's or run's folder")
    export_parser.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        help="the format (default: write the bundle's model.onnx from its Keras model)",
    )
    export_parser.add_argument(
        "--output",
        type=Path,
        help="the file to write, or a folder for it (default: a file in the current folder that is "
        "named like the model)",
    )
    default_parser = add_command(commands, "default", "make a model the default", _default)
    default_parser.add_argument("name", help="a model's name")


def _list(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    default = default_bundle_name(settings)
    bundles = list_bundles(settings)
    for error in damaged_bundles(settings):
        print(error, file=sys.stderr)
    document = [_model_entry(bundle, default) for bundle in bundles]
    if not bundles:
        return CommandResult(document, "no models yet; train one with 'python -m fer_core train'")
    rows = []
    for bundle in bundles:
        rows.append(
            [
                bundle.name + (" (default)" if bundle.name == default else ""),
                f"{bundle.record.parameters:,}",
                _accuracy_text(bundle),
                bundle.record.recipe or "imported",
            ]
        )
    return CommandResult(
        document, text_table(["model", "parameters", "validation accuracy", "recipe"], rows)
    )


def _accuracy_text(bundle: Bundle) -> str:
    if bundle.record.is_demo:
        return "demo data"
    accuracy = bundle.record.validation_accuracy
    if accuracy is None:
        return "unknown"
    return percent(accuracy) + (" (votes)" if bundle.record.learned_votes else "")


def _model_entry(bundle: Bundle, default: str | None) -> dict[str, Any]:
    """Return the entry of a model in the JSON document.

    Args:
        bundle: The model.
        default: The name of the default model.
    """
    record = bundle.record
    return {
        "name": bundle.name,
        "path": str(bundle.folder),
        "default": bundle.name == default,
        "recipe": record.recipe,
        "demo_data": record.is_demo,
        "parameters": record.parameters,
        "labels": list(record.labels),
        "temperature": bundle.temperature,
        "served": bundle.served_network.exists(),
        "metrics": record.metrics,
        "created": record.created,
        "source": None if record.source is None else asdict(record.source),
    }


def _model_result(bundle: Bundle, settings: Settings, text: str) -> CommandResult:
    return CommandResult(_model_entry(bundle, default_bundle_name(settings)), text)


def _import(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    request = ImportRequest(
        name=arguments.name,
        weights=arguments.weights,
        labels=None if arguments.labels is None else parse_labels(arguments.labels),
        scale=None if arguments.scale is None else parse_scale(arguments.scale),
        mean=None if arguments.mean is None else parse_channels(arguments.mean, "--mean"),
        std=None
        if arguments.std is None
        else parse_channels(arguments.std, "--std", must_be_positive=True),
        replace=arguments.replace,
    )
    if arguments.check_on is not None:
        return _check_scalings(arguments, request, settings)
    bundle = import_model(arguments.path, settings, request)
    source = bundle.record.source
    if source is not None:
        for note in (*source.assumptions, *source.changes):
            print(f"{bundle.name}: {note}", file=sys.stderr)
    return _model_result(bundle, settings, f"imported as {bundle.name!r}: {bundle.folder}")


def _check_scalings(
    arguments: argparse.Namespace, request: ImportRequest, settings: Settings
) -> CommandResult:
    """Measure the accuracy of a model file with each usual scaling, for ``--check-on``."""
    metadata = read_metadata(arguments.path)
    labels = request.labels or (EMOTIONS if metadata is None else metadata.labels)
    face_set = load_dataset(
        arguments.check_on, settings, ProgressLines(), class_choice=choice_for_model(labels)
    )
    split, rows = sample_rows(face_set, MAX_IMAGES)
    if not len(rows):
        raise InputError("The dataset of --check-on has no images; choose another one.")
    candidates = check_scalings(
        arguments.path,
        face_set.images[rows],
        face_set.labels[rows],
        face_set.classes,
        request=request,
        report=ProgressLines("checking"),
    )
    document = {
        "file": str(arguments.path),
        "data": arguments.check_on,
        "split": split,
        "n": len(rows),
        "candidates": [asdict(candidate) for candidate in candidates],
    }
    table_rows = [[candidate.options, percent(candidate.accuracy)] for candidate in candidates]
    text = text_table([f"on {len(rows):,} images ({split})", "accuracy"], table_rows)
    advice = (
        f"nothing was imported; import the model with the correct scaling, for example "
        f"{candidates[0].options}"
    )
    return CommandResult(document, f"{text}\n{advice}")


def _export(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    bundle = find_bundle(arguments.name, settings)
    if arguments.format is None:
        if arguments.output is not None:
            raise InputError("--output needs --format, one of " + ", ".join(EXPORT_FORMATS) + ".")
        path = export_onnx(bundle)
        return _model_result(bundle, settings, f"written: {path}")
    exported = export_model(bundle, arguments.format, arguments.output)
    files = [str(file) for file in exported.files]
    document = _model_entry(bundle, default_bundle_name(settings)) | {
        "format": arguments.format,
        "files": files,
        "largest_difference": exported.difference,
    }
    return CommandResult(document, "\n".join(f"written: {file}" for file in files))


def _default(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    set_default_bundle(arguments.name, settings)
    bundle = find_bundle(arguments.name, settings)
    return _model_result(bundle, settings, f"{bundle.name!r} is now the default")
