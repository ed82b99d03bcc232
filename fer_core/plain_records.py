"""Build dataclasses from plain values without pydantic.

Importing pydantic takes 0.1 s and 15 MB, more than all other imports of the code that serves a
model. Therefore it is imported only if a file is not valid: ``fer_core.validation.from_dict`` then
explains the error.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def read_plain_record(kind: type[Record], values: Any) -> Record:
    """Build a record from the values of a JSON file; keys of other versions are ignored.

    Args:
        kind: See ``plain_record``.
        values: What the file contains.

    Raises:
        ValueError: The values are not valid; the message names the field.
    """
    record = plain_record(kind, values)
    if record is None:
        from fer_core.validation import from_dict

        record = from_dict(kind, values)
    return record


def plain_record(kind: type[Record], values: Any) -> Record | None:
    """Build a record from values that have exactly the types of its fields.

    Args:
        kind: A dataclass whose fields are of ``str``, ``bool``, ``int``, ``float``, ``None``,
            ``Any``, dataclasses, and tuples, dictionaries and unions of these.
        values: A dictionary from JSON; keys that are not fields are ignored.

    Returns:
        The record, with lists converted to tuples and whole numbers to floats; None if a value is
        missing or has another type.

    Raises:
        ValueError: The record's own checks fail.
    """
    record = _convert(kind, values)
    return None if record is _MISMATCH else record


#: The result of a conversion if the value has another type.
_MISMATCH: Any = object()


def _convert(kind: Any, value: Any) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        result = _convert_record(kind, value)
    elif origin in (Union, UnionType):
        results = (_convert(part, value) for part in parts)
        result = next((result for result in results if result is not _MISMATCH), _MISMATCH)
    elif origin is tuple:
        result = _convert_tuple(parts, value)
    elif origin is dict:
        result = _convert_dict(parts, value)
    elif kind is float:
        # float() raises an exception for larger integers.
        is_number = type(value) in (int, float) and abs(value) < 1 << 1023
        result = float(value) if is_number and math.isfinite(value) else _MISMATCH
    else:
        result = value if kind is Any or type(value) is kind else _MISMATCH
    return result


def _convert_record(kind: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _MISMATCH
    hints = get_type_hints(kind)
    converted = {
        field.name: _convert(hints[field.name], value[field.name])
        for field in dataclasses.fields(kind)
        if field.name in value
    }
    is_complete = all(
        field.name in converted
        or field.default is not dataclasses.MISSING
        or field.default_factory is not dataclasses.MISSING
        for field in dataclasses.fields(kind)
    )
    if not is_complete or any(part is _MISMATCH for part in converted.values()):
        return _MISMATCH
    return kind(**converted)


def _convert_dict(parts: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, dict):
        return _MISMATCH
    pairs = [(_convert(parts[0], key), _convert(parts[1], item)) for key, item in value.items()]
    return _MISMATCH if any(part is _MISMATCH for pair in pairs for part in pair) else dict(pairs)


def _convert_tuple(parts: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return _MISMATCH
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        return _MISMATCH
    result = tuple(_convert(part, item) for part, item in zip(parts, value, strict=True))
    return _MISMATCH if any(item is _MISMATCH for item in result) else result
