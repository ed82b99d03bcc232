"""Build dataclasses from plain values without pydantic.

Importing pydantic takes 0.1 s and 15 MB. The code that loads and runs a model imports it only if a
file is not valid: then ``fer_core.validation.from_dict``, which needs pydantic, explains the error.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def read_plain_record(kind: type[Record], values: Any) -> Record:
    """Build a record from the content of a JSON file, or raise an error that says what is invalid.

    Args:
        kind: See ``plain_record``.
        values: The content of the file; keys that are not fields are ignored.

    Raises:
        ValueError: The values are not valid; the message names the field.
    """
    record = plain_record(kind, values)
    if record is None:
        from fer_core.validation import from_dict

        record = from_dict(kind, values)
    return record


def plain_record(kind: type[Record], values: Any) -> Record | None:
    """Build a record, or return None if the values do not have the types of its fields.

    Args:
        kind: A dataclass whose fields are of ``str``, ``bool``, ``int``, ``float``, ``None``,
            ``Any``, dataclasses, and tuples, dictionaries and unions of these.
        values: A dictionary from JSON; keys that are not fields are ignored.

    Returns:
        The record; None if a value has another type, or if a field without a default has no value.
        Lists become tuples and integers become floats where the type of the field requires it.

    Raises:
        ValueError: ``__post_init__`` of the record rejects the values.
    """
    record = _convert(kind, values)
    return None if record is _MISMATCH else record


#: The result of a conversion if a value is missing or has another type.
_MISMATCH: Any = object()


def _convert(kind: Any, value: Any) -> Any:
    """Return a value converted to a type, or ``_MISMATCH``."""
    origin, type_arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        result = _convert_record(kind, value)
    elif origin in (Union, UnionType):
        results = (_convert(member, value) for member in type_arguments)
        result = next((result for result in results if result is not _MISMATCH), _MISMATCH)
    elif origin is tuple:
        result = _convert_tuple(type_arguments, value)
    elif origin is dict:
        result = _convert_dict(type_arguments, value)
    elif kind is float:
        # float() raises an exception for integers of about 2**1024 and above.
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
    if not is_complete or any(item is _MISMATCH for item in converted.values()):
        return _MISMATCH
    return kind(**converted)


def _convert_dict(type_arguments: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, dict):
        return _MISMATCH
    key_type, item_type = type_arguments
    pairs = [(_convert(key_type, key), _convert(item_type, item)) for key, item in value.items()]
    is_mismatch = any(entry is _MISMATCH for pair in pairs for entry in pair)
    return _MISMATCH if is_mismatch else dict(pairs)


def _convert_tuple(type_arguments: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return _MISMATCH
    item_types = type_arguments
    if len(type_arguments) == 2 and type_arguments[1] is Ellipsis:
        item_types = (type_arguments[0],) * len(value)
    if len(item_types) != len(value):
        return _MISMATCH
    result = tuple(_convert(kind, item) for kind, item in zip(item_types, value, strict=True))
    return _MISMATCH if any(item is _MISMATCH for item in result) else result
