"""Recipes: architectures by name, the configuration of a training, and named configurations.

The names in ``__all__`` are imported when they are first used. Importing their modules takes 0.1 s,
and the code that serves models needs only the module ``architectures``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_core.recipes.config import GROUPS, TrainingConfig
    from fer_core.recipes.fields import (
        ConfigDifference,
        SettingField,
        changed_config,
        config_difference,
        effective_config,
        setting_fields,
        validated_config,
    )
    from fer_core.recipes.named import RECIPES, Recipe, recipe_by_name

__all__ = [
    "GROUPS",
    "RECIPES",
    "ConfigDifference",
    "Recipe",
    "SettingField",
    "TrainingConfig",
    "changed_config",
    "config_difference",
    "effective_config",
    "recipe_by_name",
    "setting_fields",
    "validated_config",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("config", "fields", "named"):
            members = vars(import_module(f"fer_core.recipes.{module}"))
            if name in members:
                globals()[name] = members[name]
                return members[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
