"""Recipes: architectures by name, the configuration of a training, and named configurations."""

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
