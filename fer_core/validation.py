"""Validated records: strict field types for pydantic dataclasses, and errors as one sentence.

A record is a ``pydantic.dataclasses.dataclass``. It is read from plain values, as JSON provides
them, with ``from_dict``; users and other programs may have edited these values.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeVar

from pydantic import (
    AllowInfNan,
    BeforeValidator,
    ConfigDict,
    Strict,
    StrictBool,
    StrictStr,
    ValidationError,
)

Record = TypeVar("Record")

#: Records that refuse unknown keys, and records that ignore the keys of other versions.
FORBID_UNKNOWN = ConfigDict(extra="forbid")
IGNORE_UNKNOWN = ConfigDict(extra="ignore")


def _integral_float_to_int(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = StrictStr
Flag = StrictBool
#: A whole number; 2.0 is one, True is not.
Integer = Annotated[int, Strict(), BeforeValidator(_integral_float_to_int)]
#: A finite number; 2 is one, True and "2" are not.
Number = Annotated[float, Strict(), AllowInfNan(False)]

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
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
#: The names that pydantic adds to a location for the alternatives of a union.
_UNION_TAGS = {"bool", "int", "float", "str", "none"}


def from_dict(kind: type[Record], values: Any) -> Record:
    """Build a record from plain values.

    Args:
        kind: A pydantic dataclass.
        values: A dictionary; fields with a default may be missing.

    Returns:
        The record, with lists converted to tuples and whole numbers to floats where the type says
        so.

    Raises:
        ValueError: The values are not valid; the sentence, without a full stop, names the field.
    """
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, received {shortened(values)}")
    try:
        return kind(**values)
    except ValidationError as error:
        raise ValueError(sentence(error)) from error


def sentence(error: ValidationError, field: str = "") -> str:
    """Return the first problem of a validation as a sentence without a full stop.

    Args:
        error: What pydantic raised.
        field: The name of the validated field; empty for a whole record.
    """
    problem = error.errors(include_url=False)[0]
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    name = ".".join(filter(None, (field, location(error))))
    if kind == "value_error":
        message = str(context["error"]).removesuffix(".")
        return f"{name}: {message}" if name else message
    if kind == "missing":
        return f"{name} is missing"
    if kind == "unexpected_keyword_argument":
        return f"{shortened(str(problem['loc'][-1]))} is unknown"
    if kind == "literal_error":
        expected = f"one of {context['expected'].replace(' or ', ', ')}".replace("'", "")
    elif kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        expected = f"{words} {context[key]:,.12g}"
    elif kind == "too_long":
        expected = f"a list of {context['max_length']}"
    elif kind in _EXPECTED:
        expected = _EXPECTED[kind]
    else:
        return f"{name}: {problem['msg']}"
    return f"{name} should be {expected}. Received: {shortened(value)}"


def location(error: ValidationError) -> str:
    """Return the path of the first invalid value, such as ``steps.0.1``; empty for the record."""
    parts = list(error.errors(include_url=False, include_input=False)[0]["loc"])
    while len(parts) > 1 and parts[-1] in _UNION_TAGS:
        parts.pop()
    return ".".join(str(part)[:40] for part in parts)


def is_finite_number(value: Any) -> bool:
    """Return True for an int that fits into a float and for a finite float, False for a bool."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 1 << 1023
    return isinstance(value, float) and math.isfinite(value)


def shortened(value: Any) -> str:
    """Return a value as short text that can be quoted in a sentence."""
    is_huge = isinstance(value, int) and abs(value) >= 1 << 1023
    text = "a huge number" if is_huge else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
