"""``recipes``: list the named recipes."""

from __future__ import annotations

import argparse
from typing import Any

from fer_core.commands import CommandResult
from fer_core.commands.arguments import add_command
from fer_core.recipes import RECIPES
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add ``recipes``."""
    add_command(subparsers, "recipes", "list the recipes, the fastest to train first", _run)


def _run(arguments: argparse.Namespace, settings: Settings) -> CommandResult:
    document = [
        {
            "name": recipe.name,
            "summary": recipe.summary,
            "published_result": recipe.published_result,
            "parameters": ARCHITECTURES[recipe.config.architecture].parameters,
            "multiply_adds": ARCHITECTURES[recipe.config.architecture].multiply_adds,
            "config": recipe.config.to_json(),
        }
        for recipe in RECIPES.values()
    ]
    lines = []
    for recipe in RECIPES.values():
        architecture = ARCHITECTURES[recipe.config.architecture]
        lines.append(
            f"{recipe.name}\n    {recipe.summary}\n    {architecture.parameters:,} parameters, "
            f"{architecture.multiply_adds / 1e6:.0f} million multiply-adds, up to "
            f"{recipe.config.epochs} epochs"
        )
    return CommandResult(document, "\n".join(lines))
