"""Describe the fields of ``TrainingConfig``, and build configurations from plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass

from fer_core.errors import InputError
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.recipes.config import TrainingConfig
from fer_core.validation import error_location, error_sentence, is_finite_number, shortened

Kind = Literal["choice", "boolean", "integer", "number", "steps"]


@dataclass(frozen=True)
class SettingField:
    """One field of ``TrainingConfig``.

    Attributes:
        name: Name of the field.
        label: Label of the field in forms.
        help: What the setting does, in one line. In this text, values such as "class_weights" are
            written as in the form: "class weights".
        group: A key of ``GROUPS``.
        kind: The kind of the field's value; "steps" stands for the pairs of ``schedule_steps``.
        default: Default value of the field.
        choices: The allowed values of a field of the kind "choice".
        minimum: The lower bound of a number; None for other kinds.
        maximum: The upper bound of a number; None for other kinds.
        minimum_is_allowed: False if a value has to be above ``minimum``.
        maximum_is_allowed: False if a value has to be below ``maximum``.
        is_optional: True if None (off) is allowed too.
        is_logarithmic: True if the field is best varied on a logarithmic scale.
        conditions: When this field has an effect: pairs of another field and the values that this
            other field must have. All pairs have to be met; without pairs, the field always has an
            effect.
    """

    name: str
    label: str
    help: str
    group: str
    kind: Kind
    default: Any
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    minimum_is_allowed: bool = True
    maximum_is_allowed: bool = True
    is_optional: bool = False
    is_logarithmic: bool = False
    conditions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def has_effect(self, values: Mapping[str, Any]) -> bool:
        """Return True if the field has an effect with these values of the other fields."""
        return all(values.get(field) in allowed for field, allowed in self.conditions)

    def checked(self, value: Any) -> Any:
        """Validate a value of this field.

        Returns:
            The value in the field's type.

        Raises:
            InputError: The value is not valid; the message says which values are allowed.
        """
        try:
            return _validator(self.name).validate_python(value)
        except ValidationError as error:
            raise InputError(
                self.error_message(value) or f"{error_sentence(error, self.name)}."
            ) from error

    def error_message(self, value: Any) -> str:
        """Return the message for an invalid value; empty if pydantic's message fits better."""
        received = f"Received: {self.name}={shortened(value)}."
        if self.kind == "choice":
            return f"{self.name} should be one of {', '.join(self.choices)}. {received}"
        if self.kind in ("integer", "number") and is_finite_number(value):
            if self.is_within_bounds(value):
                return ""
            return f"{self.name} should be {self._bounds()}. {received}"
        return ""

    def is_within_bounds(self, value: float) -> bool:
        """Return True if a number is within the field's bounds."""
        low = -float("inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        is_above = low < value or (self.minimum_is_allowed and value == low)
        return is_above and (value < high or (self.maximum_is_allowed and value == high))

    def _bounds(self) -> str:
        low = f"{'at least' if self.minimum_is_allowed else 'above'} {self.minimum:,.12g}"
        high = f"{'at most' if self.maximum_is_allowed else 'below'} {self.maximum:,.12g}"
        return f"{low} and {high}"


@cache
def setting_fields() -> tuple[SettingField, ...]:
    """Return every field of ``TrainingConfig``, in the order of their definitions."""
    hints = get_type_hints(TrainingConfig)
    return tuple(_setting_field(name, hints[name], info) for name, info in _model_fields().items())


def _model_fields() -> dict[str, Any]:
    assert is_pydantic_dataclass(TrainingConfig)
    return TrainingConfig.__pydantic_fields__


def _setting_field(name: str, annotation: Any, info: Any) -> SettingField:
    """Describe a field of ``TrainingConfig``, from its type and pydantic's information on it."""
    types = get_args(annotation)
    is_optional = NoneType in types
    value_type = types[0] if is_optional else annotation
    choices: tuple[str, ...] = ()
    kind: Kind
    if name == "architecture":
        kind, choices = "choice", tuple(ARCHITECTURES)
    elif get_origin(value_type) is Literal:
        kind, choices = "choice", get_args(value_type)
    elif get_origin(value_type) is tuple:
        kind = "steps"
    else:
        kinds: dict[Any, Kind] = {bool: "boolean", int: "integer", float: "number"}
        kind = kinds[value_type]
    bounds = {
        bound: getattr(constraint, bound)
        for constraint in info.metadata
        for bound in ("ge", "gt", "le", "lt")
        if getattr(constraint, bound, None) is not None
    }
    return SettingField(
        name=name,
        label=info.title,
        help=info.description,
        kind=kind,
        default=info.default,
        choices=choices,
        minimum=bounds.get("ge", bounds.get("gt")),
        maximum=bounds.get("le", bounds.get("lt")),
        minimum_is_allowed="gt" not in bounds,
        maximum_is_allowed="lt" not in bounds,
        is_optional=is_optional,
        **info.json_schema_extra,
    )


@cache
def _validator(name: str) -> TypeAdapter[Any]:
    """Return pydantic's validator for the values of one field."""
    info = _model_fields()[name]
    annotation = get_type_hints(TrainingConfig, include_extras=True)[name]
    return TypeAdapter(Annotated[annotation, *info.metadata] if info.metadata else annotation)


@dataclass(frozen=True)
class ConfigDifference:
    """A setting in which two configurations differ.

    Attributes:
        field: The field of ``TrainingConfig``.
        label: Label of the setting.
        first: Value in the first configuration.
        second: Value in the second configuration.
    """

    field: str
    label: str
    first: Any
    second: Any


def config_difference(first: TrainingConfig, second: TrainingConfig) -> list[ConfigDifference]:
    """Return the settings in which two configurations differ, in the order of the fields."""
    return [
        ConfigDifference(
            field.name, field.label, getattr(first, field.name), getattr(second, field.name)
        )
        for field in setting_fields()
        if getattr(first, field.name) != getattr(second, field.name)
    ]


def changed_config(config: TrainingConfig, changes: dict[str, Any]) -> TrainingConfig:
    """Return a copy of a configuration with some fields changed, validated again.

    Args:
        config: The configuration to copy.
        changes: A new value for each field to change. A string is converted to the type of the
            field. For an optional field, ``"none"`` is converted to None.

    Raises:
        InputError: A field does not exist, or a value is not valid; the message names the field.
    """
    by_name = {setting.name: setting for setting in setting_fields()}
    unknown = [key for key in changes if key not in by_name]
    if unknown:
        raise InputError(
            f"{unknown[0]!r} is not a setting of a training; choose from {', '.join(by_name)}."
        )
    converted = {key: _convert_text(by_name[key], value) for key, value in changes.items()}
    return validated_config(config.to_json() | converted)


def validated_config(values: Any) -> TrainingConfig:
    """Build a configuration from plain values, such as a run's ``config.json``.

    Raises:
        InputError: The values are not a valid configuration; the message says why.
    """
    if not isinstance(values, dict):
        raise InputError(f"A configuration should be a JSON object. Received: {shortened(values)}.")
    fields = {field.name: field for field in setting_fields()}
    unknown = [key for key in values if key not in fields]
    if unknown:
        raise InputError(f"{shortened(unknown[0])} is not a setting of a training; remove it.")
    try:
        return TrainingConfig(**values)
    except ValidationError as error:
        name = error_location(error)
        message = fields[name].error_message(values[name]) if name in fields else ""
        raise InputError(message or f"{error_sentence(error)}.") from error


def effective_config(values: Mapping[str, Any]) -> TrainingConfig:
    """Build a configuration in which every setting without effect has its default value.

    Args:
        values: The value of each field.

    Raises:
        InputError: The values are not a valid configuration; the message says why.
    """
    merged = dict(values)
    for field in setting_fields():
        if not field.has_effect(merged):
            merged[field.name] = field.default
    return validated_config(merged)


def _convert_text(setting: SettingField, value: Any) -> Any:
    """Convert a string from the command line to the type of a setting.

    A string that cannot be converted, or a value that is not a string, is returned unchanged.
    """
    if not isinstance(value, str):
        return value
    if value.lower() in ("none", "null"):
        # If the field cannot be None, "none" may be one of its choices.
        return None if setting.is_optional else value
    if setting.kind == "boolean":
        return _TRUTH_VALUES.get(value.lower(), value)
    # The form shows "class_weights" as "class weights"; both are accepted.
    choice = value.replace(" ", "_")
    if choice in setting.choices:
        return choice
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


_TRUTH_VALUES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
