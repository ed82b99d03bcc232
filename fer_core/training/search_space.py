"""The search space: fields of ``TrainingConfig`` with ranges or choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import StrictInt, model_validator
from pydantic.dataclasses import dataclass

from fer_core.errors import InputError
from fer_core.recipes import (
    SettingField,
    TrainingConfig,
    effective_config,
    setting_fields,
)
from fer_core.validation import FORBID_UNKNOWN, Flag, Number, Text, from_dict

if TYPE_CHECKING:
    import optuna

#: Fields that cannot be searched: the seed does not affect quality, the search sets the monitored
#: metric, and the steps of a schedule are not a single number.
_NOT_SEARCHED = {"seed", "monitor", "schedule_steps"}


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class SearchParameter:
    """One field that a search varies, with a range or with choices.

    Attributes:
        field: The field of ``TrainingConfig``.
        low: The lower end of the range; None if there are choices.
        high: The upper end of the range; None if there are choices.
        log: True to sample on a logarithmic scale.
        choices: The choices; empty if there is a range.
    """

    field: Text
    low: Number | None = None
    high: Number | None = None
    log: Flag = False
    choices: tuple[Flag | StrictInt | Number | Text | None, ...] = ()

    @model_validator(mode="after")
    def _check_field(self) -> Self:
        field = _searchable_by_name().get(self.field)
        if field is None:
            raise ValueError(
                f"{self.field!r} cannot be searched; choose from {', '.join(_searchable_by_name())}"
            )
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError(f"{self.field} should have either low and high, or choices")
            if len(set(self.choices)) != len(self.choices):
                raise ValueError(f"{self.field} lists a choice twice")
            for choice in self.choices:
                field.checked(choice)  # raises an error if the choice is not valid
            return self
        if field.kind not in ("integer", "number"):
            raise ValueError(f"{self.field} needs choices, for example {list(_choices(field))}")
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(
                f"{self.field} needs low and high, with low below high. Received: low={self.low}, "
                f"high={self.high}"
            )
        for end in (self.low, self.high):
            field.checked(end)  # raises an error if the end is not valid
        if self.log and self.low <= 0:
            raise ValueError(
                f"{self.field} needs low above 0 for log=true. Received: low={self.low}"
            )
        return self

    def suggest(self, trial: optuna.Trial) -> Any:
        """Sample a value for a trial."""
        if self.choices:
            return trial.suggest_categorical(self.field, self.choices)
        assert self.low is not None and self.high is not None
        if _searchable_by_name()[self.field].kind == "integer":
            return trial.suggest_int(self.field, round(self.low), round(self.high), log=self.log)
        return trial.suggest_float(self.field, self.low, self.high, log=self.log)


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class SearchSpace:
    """All fields that a search varies.

    Attributes:
        parameters: One parameter per field.
    """

    parameters: tuple[SearchParameter, ...]

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        names = [parameter.field for parameter in self.parameters]
        if not names:
            raise ValueError("a search needs at least one field to vary")
        if len(set(names)) != len(names):
            raise ValueError(f"each field may be named once. Received: {', '.join(names)}")
        return self

    def suggest(self, trial: optuna.Trial, base: TrainingConfig) -> TrainingConfig:
        """Return the configuration of a trial: ``base`` with sampled values.

        The fields are sampled one after the other. A field is sampled only if it has an effect with
        the values sampled so far. For example, momentum is sampled only if the optimizer is sgd.

        Raises:
            InputError: The values cannot be combined.
        """
        by_field = {parameter.field: parameter for parameter in self.parameters}
        values = base.to_json()
        for field in setting_fields():
            if field.name in by_field and field.has_effect(values):
                values[field.name] = by_field[field.name].suggest(trial)
        return effective_config(values)


def search_space(parameters: list[dict[str, Any]]) -> SearchSpace:
    """Read a search space from plain values.

    Args:
        parameters: For each parameter, the fields of its ``SearchParameter``.

    Raises:
        InputError: The values are not valid; the message says why.
    """
    try:
        return from_dict(SearchSpace, {"parameters": parameters})
    except ValueError as error:
        raise InputError(f"{str(error).removesuffix('.')}.") from error


def searchable_fields() -> tuple[SettingField, ...]:
    """Return the fields that a search may vary."""
    return tuple(_searchable_by_name().values())


def default_parameter(field: SettingField, config: TrainingConfig) -> SearchParameter:
    """Return the default choices or the default range of a field.

    The range is around the field's value in the configuration. If the setting is off, the range
    contains low values.
    """
    value = getattr(config, field.name)
    if field.kind in ("choice", "boolean"):
        return SearchParameter(field=field.name, choices=_choices(field))
    lowest, highest = field.minimum, field.maximum
    assert lowest is not None and highest is not None
    if field.kind == "integer":
        center = 10 if value is None else value  # None: the setting is off
        return SearchParameter(
            field=field.name,
            low=max(lowest, center // 2),
            high=min(highest, max(center * 2, center // 2 + 1)),
        )
    if field.is_logarithmic:
        # A logarithmic range needs a center above 0, even if the setting is off (0 or None).
        center = value or {"weight_decay": 1e-3, "gradient_clip_norm": 1.0}.get(field.name, 1e-5)
        return SearchParameter(
            field=field.name,
            low=center / 10,
            high=min(center * 10, highest),
            log=True,
        )
    if not value:
        # The setting is off (a fraction, angle or probability of 0, or None). The search covers the
        # lowest quarter of the allowed values; a maximum above 100 counts as 100.
        return SearchParameter(
            field=field.name, low=lowest, high=lowest + (min(highest, 100) - lowest) / 4
        )
    # A bound that is not allowed as a value is replaced by a value close to it.
    highest_allowed = highest if field.maximum_is_allowed else lowest + 0.999 * (highest - lowest)
    lowest_allowed = lowest if field.minimum_is_allowed else lowest + 0.001 * (highest - lowest)
    return SearchParameter(
        field=field.name,
        low=max(lowest_allowed, value / 2),
        high=min(highest_allowed, max(value * 2, lowest_allowed + 1e-6)),
    )


def check_space(space: SearchSpace, base: TrainingConfig) -> None:
    """Check that ``base`` remains valid with each end of a range and with each choice.

    Raises:
        InputError: An end or a choice cannot be combined with the other settings.
    """
    for parameter in space.parameters:
        for value in parameter.choices or (parameter.low, parameter.high):
            # The ends of a range of integers are stored as floats.
            is_integer = (
                _searchable_by_name()[parameter.field].kind == "integer" and value is not None
            )
            checked_value = round(float(value)) if is_integer else value  # type: ignore[arg-type]
            effective_config(base.to_json() | {parameter.field: checked_value})


def _searchable_by_name() -> dict[str, SettingField]:
    return {field.name: field for field in setting_fields() if field.name not in _NOT_SEARCHED}


def _choices(field: SettingField) -> tuple[Any, ...]:
    return (False, True) if field.kind == "boolean" else field.choices
