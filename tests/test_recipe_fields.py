"""Forms, searches and comparisons derived from the fields of ``TrainingConfig``."""

from dataclasses import fields
from typing import Any

import pytest

from fer_core.errors import InputError
from fer_core.recipes import (
    GROUPS,
    RECIPES,
    SettingField,
    TrainingConfig,
    changed_config,
    config_difference,
    setting_fields,
    validated_config,
)
from fer_core.recipes.architectures import ARCHITECTURES

FIELDS = {field.name: field for field in setting_fields()}


def test_every_field_has_a_group_a_label_and_help() -> None:
    assert list(FIELDS) == [field.name for field in fields(TrainingConfig)]
    assert {field.group for field in FIELDS.values()} == set(GROUPS)
    labels = [field.label for field in FIELDS.values()]
    assert all(labels) and len(set(labels)) == len(labels)
    assert all(field.help for field in FIELDS.values())


@pytest.mark.parametrize("field", [f for f in FIELDS.values() if f.kind in ("integer", "number")])
def test_the_bounds_of_every_number_are_enforced(field: SettingField) -> None:
    assert field.minimum is not None and field.maximum is not None
    for end, is_allowed, step in (
        (field.minimum, field.minimum_is_allowed, -1),
        (field.maximum, field.maximum_is_allowed, 1),
    ):
        changes: dict[str, Any] = {field.name: end}
        if field.name == "weight_decay":
            changes["optimizer"] = "sgd"
        if is_allowed:
            assert getattr(changed_config(TrainingConfig(), changes), field.name) == end
        with pytest.raises(InputError, match=field.name):
            beyond = end + step * (1 if is_allowed else 0)
            changed_config(TrainingConfig(), changes | {field.name: beyond})


def test_kinds_choices_and_options_are_those_of_the_fields() -> None:
    assert FIELDS["architecture"].choices == tuple(ARCHITECTURES)
    assert FIELDS["optimizer"].choices == ("adam", "adamw", "sgd")
    assert (FIELDS["flip"].kind, FIELDS["epochs"].kind) == ("boolean", "integer")
    assert (FIELDS["zoom_share"].kind, FIELDS["schedule_steps"].kind) == ("number", "steps")
    optional = {name for name, field in FIELDS.items() if field.is_optional}
    assert optional == {
        "gradient_clip_norm",
        "averaging_momentum",
        "imbalance_last_epochs",
        "early_stopping_patience",
    }
    assert FIELDS["learning_rate"].is_logarithmic and not FIELDS["dropout_scale"].is_logarithmic


def test_a_field_applies_where_it_has_an_effect() -> None:
    assert FIELDS["cosine_cycles"].has_effect({"schedule": "cosine"})
    assert not FIELDS["cosine_cycles"].has_effect({"schedule": "steps"})
    assert not FIELDS["focal_gamma"].has_effect(TrainingConfig().to_json())
    assert FIELDS["epochs"].has_effect({})
    for field in FIELDS.values():
        for other, values in field.conditions:
            assert set(values) <= set(FIELDS[other].choices)


def test_choices_are_accepted_as_the_form_shows_them() -> None:
    changes = {"imbalance": "square root sampling", "label_encoding": "one_hot"}
    config = changed_config(TrainingConfig(label_encoding="integer"), changes)
    assert (config.imbalance, config.label_encoding) == ("square_root_sampling", "one_hot")
    with pytest.raises(InputError, match="Received: imbalance='class weight'"):
        changed_config(TrainingConfig(), {"imbalance": "class weight"})
    for field in FIELDS.values():
        assert not [choice for choice in field.choices if "_" in choice and choice in field.help]


def test_the_difference_of_two_configurations() -> None:
    first = TrainingConfig()
    second = changed_config(first, {"epochs": 7, "loss": "focal"})
    found = [
        (one.field, one.label, one.first, one.second) for one in config_difference(first, second)
    ]
    assert found == [("epochs", "Epochs", 50, 7), ("loss", "Loss", "cross_entropy", "focal")]
    assert config_difference(second, second) == []


def test_focal_loss_needs_distributions() -> None:
    with pytest.raises(InputError, match="loss=focal needs label_encoding=one_hot"):
        changed_config(TrainingConfig(label_encoding="integer"), {"loss": "focal"})


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_configuration_from_before_a_field_is_still_read(recipe: str) -> None:
    values = RECIPES[recipe].config.to_json()
    del values["loss"], values["focal_gamma"]
    assert validated_config(values) == RECIPES[recipe].config
