"""``models``, ``models import``, ``models export`` and ``models default``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fer_core.bundle import (
    Bundle,
    default_bundle_name,
    find_bundle,
    list_bundles,
    publish_bundle,
    set_default_bundle,
)
from fer_core.commands import Answer
from fer_core.commands.arguments import add_command, text_table
from fer_core.export import export_onnx
from fer_core.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add ``models`` and what stands behind it."""
    parser = add_command(subparsers, "models", "list, import, complete and choose models", _list)
    commands = parser.add_subparsers(metavar="COMMAND")
    import_parser = add_command(
        commands, "import", "copy a bundle, or a finished run's, to models/", _import
    )
    import_parser.add_argument("path", type=Path, help="a bundle's or a run's folder")
    import_parser.add_argument("--name", help="what to call it (default: the folder's name)")
    export_parser = add_command(
        commands, "export", "make a bundle's model.onnx from its Keras model", _export
    )
    export_parser.add_argument("name", help="a model's name, or a bundle's or run's folder")
    default_parser = add_command(
        commands, "default", "make a model the one that is used unless told otherwise", _default
    )
    default_parser.add_argument("name", help="a model's name")


def _list(arguments: argparse.Namespace, settings: Settings) -> Answer:
    default = default_bundle_name(settings)
    bundles = list_bundles(settings)
    document = [_document(bundle, default) for bundle in bundles]
    if not bundles:
        return Answer(document, "no models yet; train one with 'python -m fer_core train'")
    rows = []
    for bundle in bundles:
        figures = bundle.record.metrics.get("validation", {})
        accuracy = figures.get("accuracy")
        rows.append(
            [
                bundle.name + (" (default)" if bundle.name == default else ""),
                f"{bundle.record.parameters:,}",
                "unknown" if accuracy is None else f"{accuracy:.2%}",
                bundle.record.recipe or "imported",
            ]
        )
    return Answer(
        document, text_table(["model", "parameters", "validation accuracy", "recipe"], rows)
    )


def _document(bundle: Bundle, default: str | None) -> dict[str, Any]:
    record = bundle.record
    return {
        "name": bundle.name,
        "path": str(bundle.folder),
        "default": bundle.name == default,
        "recipe": record.recipe,
        "parameters": record.parameters,
        "labels": list(record.labels),
        "temperature": bundle.temperature,
        "served": bundle.served_network.exists(),
        "metrics": record.metrics,
        "created": record.created,
    }


def _answer(bundle: Bundle, settings: Settings, text: str) -> Answer:
    return Answer(_document(bundle, default_bundle_name(settings)), text)


def _import(arguments: argparse.Namespace, settings: Settings) -> Answer:
    bundle = publish_bundle(arguments.path, settings, name=arguments.name)
    return _answer(bundle, settings, f"imported as {bundle.name!r}: {bundle.folder}")


def _export(arguments: argparse.Namespace, settings: Settings) -> Answer:
    bundle = find_bundle(arguments.name, settings)
    path = export_onnx(bundle)
    return _answer(bundle, settings, f"written: {path}")


def _default(arguments: argparse.Namespace, settings: Settings) -> Answer:
    set_default_bundle(arguments.name, settings)
    bundle = find_bundle(arguments.name, settings)
    return _answer(bundle, settings, f"{bundle.name!r} is the default now")
