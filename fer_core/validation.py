"""Validated records: strict field types for pydantic dataclasses, and errors as one sentence.

Most records are a ``pydantic.dataclasses.dataclass``; the records of served models are standard
dataclasses (see ``fer_core.plain_records``). ``from_dict`` reads a record from plain values, as
JSON provides them. Users and other programs may have edited these values.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import (
    AllowInfNan,
    BeforeValidator,
    ConfigDict,
    Strict,
    StrictBool,
    StrictStr,
    ValidationError,
)
from pydantic.dataclasses import dataclass, is_pydantic_dataclass

Record = TypeVar("Record")

#: Configuration of records that reject unknown keys.
FORBID_UNKNOWN = ConfigDict(extra="forbid")
#: Configuration of records that ignore unknown keys, which other versions may have written.
IGNORE_UNKNOWN = ConfigDict(extra="ignore")


def _integral_float_to_int(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = StrictStr
Flag = StrictBool
#: A whole number; 2.0 is valid, True is not.
Integer = Annotated[int, Strict(), BeforeValidator(_integral_float_to_int)]
#: A finite number; 2 is valid, True and "2" are not.
Number = Annotated[float, Strict(), AllowInfNan(False)]

#: The strict type of each plain type.
_STRICT: dict[Any, Any] = {str: Text, bool: Flag, int: Integer, float: Number}

#: For each of pydantic's error types: the value that was expected.
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a finite number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "none_required": "null",
    "dict_type": "a JSON object",
    "dataclass_type": "a JSON object",
    "tuple_type": "a list",
}
#: For each of pydantic's error types: the comparison for the message, and the key of the bound in
#: the error's context.
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
#: The names that pydantic adds to the location of an error for the alternatives of a union.
_UNION_TAGS = {"bool", "int", "float", "str", "none"}

#: Every integer below this one fits into a float.
_MAX_FLOAT_INTEGER = 1 << 1023


def from_dict(kind: type[Record], values: Any) -> Record:
    """Build a record from plain values.

    Args:
        kind: A pydantic dataclass, or a standard dataclass with the field types of
            ``plain_records``. For a standard dataclass, unknown keys are ignored.
        values: A dictionary; fields with a default may be missing.

    Returns:
        The record. Lists are converted to tuples, and whole numbers to floats, where the type of
        the field requires it.

    Raises:
        ValueError: The values are not valid. The message names the field and ends without a full
            stop, because callers put it into a sentence.
    """
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, received {shortened(values)}")
    try:
        if _is_standard(kind):
            return _as_declared(kind, _strict_record(cast(Any, kind))(**values))
        return kind(**values)
    except ValidationError as error:
        raise ValueError(error_sentence(error)) from error


def _is_standard(kind: type[Any]) -> bool:
    return not is_pydantic_dataclass(kind)


def _as_declared(kind: Callable[..., Record], validated: Any) -> Record:
    """Convert an instance of ``_strict_record(kind)``, and the records in it, to ``kind``."""
    hints = get_type_hints(kind)
    converted = {}
    for field in dataclasses.fields(validated):
        value = getattr(validated, field.name)
        if dataclasses.is_dataclass(value):
            # The type of such a field is "record or None".
            (record_type,) = [part for part in get_args(hints[field.name]) if part is not NoneType]
            value = _as_declared(record_type, value)
        converted[field.name] = value
    return kind(**converted)


@functools.cache
def _strict_record(kind: type[Any]) -> type[Any]:
    """Return a pydantic dataclass with the fields of a standard dataclass, but strict types."""
    hints = get_type_hints(kind)
    fields = [
        (
            field.name,
            _strict(hints[field.name]),
            dataclasses.field(default=field.default, default_factory=field.default_factory),
        )
        for field in dataclasses.fields(kind)
    ]
    return dataclass(dataclasses.make_dataclass(kind.__name__, fields), config=IGNORE_UNKNOWN)


def _strict(annotation: Any) -> Any:
    if annotation in _STRICT:
        return _STRICT[annotation]
    if dataclasses.is_dataclass(annotation):
        return _strict_record(cast(Any, annotation))
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return functools.reduce(operator.or_, map(_strict, parts))
    return origin[tuple(map(_strict, parts))] if origin else annotation


def error_sentence(error: ValidationError, field: str = "") -> str:
    """Return the first error of a validation as a sentence without a full stop.

    Args:
        error: What pydantic raised.
        field: The name of the validated field; empty for a whole record.
    """
    detail = error.errors(include_url=False)[0]
    error_type, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    name = ".".join(filter(None, (field, error_location(error))))
    if error_type == "value_error":
        message = str(context["error"]).removesuffix(".")
        return f"{name}: {message}" if name else message
    if error_type == "missing":
        return f"{name} is missing"
    if error_type == "unexpected_keyword_argument":
        return f"{shortened(str(detail['loc'][-1]))} is unknown"
    if error_type == "literal_error":
        expected = f"one of {context['expected'].replace(' or ', ', ')}".replace("'", "")
    elif error_type in _BOUNDS:
        comparison, key = _BOUNDS[error_type]
        expected = f"{comparison} {context[key]:,.12g}"
    elif error_type == "too_long":
        expected = f"a list of {context['max_length']} values"
    elif error_type in _EXPECTED:
        expected = _EXPECTED[error_type]
    else:
        return f"{name}: {detail['msg']}"
    return f"{name} should be {expected}. Received: {shortened(value)}"


def error_location(error: ValidationError) -> str:
    """Return the path of the first invalid value in the record, such as ``steps.0.1``.

    The path is empty if the error concerns the record as a whole.
    """
    parts = list(error.errors(include_url=False, include_input=False)[0]["loc"])
    while len(parts) > 1 and parts[-1] in _UNION_TAGS:
        parts.pop()
    return ".".join(str(part)[:40] for part in parts)


def is_finite_number(value: Any) -> bool:
    """Return True for an int that fits into a float and for a finite float, False for a bool."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _MAX_FLOAT_INTEGER
    return isinstance(value, float) and math.isfinite(value)


def shortened(value: Any) -> str:
    """Return a value as text for a message, shortened if it is long."""
    is_huge = isinstance(value, int) and abs(value) >= _MAX_FLOAT_INTEGER
    text = "a huge number" if is_huge else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
