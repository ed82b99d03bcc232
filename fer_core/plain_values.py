"""From plain values, as JSON gives them, to frozen dataclasses whose every field is checked.

Records that people and other programs may have edited are read through here. The dataclasses'
own annotations say what is expected, so that a training needs no validation library beside Keras.
"""

from __future__ import annotations

import dataclasses
import math
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")

_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    NoneType: "nothing",
}


def read_record(kind: type[Record], values: Any, *, allows_unknown: bool = False) -> Record:
    """Build a dataclass from plain values.

    Args:
        kind: The dataclass. Its fields may be text, truth values, numbers, None, ``Literal``,
            ``Any``, tuples, dictionaries with text for keys, other such dataclasses and unions of
            these; ``__post_init__`` may check more.
        values: A dictionary; fields with a default may miss.
        allows_unknown: Whether keys that are no field are left aside; otherwise they are refused.

    Returns:
        The record, with lists turned into tuples and whole numbers into floats where one is meant.

    Raises:
        ValueError: The values do not fit; the sentence without a full stop names the field.
    """
    if not isinstance(values, dict):
        raise ValueError(f"a JSON object was expected, received is {shortened(values)}")
    hints = get_type_hints(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]  # type: ignore[arg-type]
    unknown = [key for key in values if key not in {field.name for field in fields}]
    if unknown and not allows_unknown:
        raise ValueError(f"{shortened(unknown[0])} is not known here")
    read: dict[str, Any] = {}
    for field in fields:
        if field.name in values:
            read[field.name] = read_value(hints[field.name], values[field.name], field.name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{field.name} is missing")
    return kind(**read)


def read_value(kind: Any, value: Any, name: str) -> Any:
    """Read one value as a type; raises as ``read_record``.

    Args:
        kind: What an annotation says.
        value: A plain value, or a record that is read already.
        name: What the sentence calls it.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _read_alternative(arguments, value, name)
    if origin is tuple:
        return _read_tuple(arguments, value, name)
    if origin is dict:
        return _read_dictionary(arguments, value, name)
    if dataclasses.is_dataclass(kind):
        return _read_nested(kind, value, name)
    return _read_simple(kind, value, name)


def _read_nested(kind: Any, value: Any, name: str) -> Any:
    if isinstance(value, kind):
        return value
    try:
        return read_record(kind, value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _read_dictionary(kinds: tuple[Any, ...], value: Any, name: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _misfit(name, "a JSON object", value)
    return {
        read_value(kinds[0], key, name): read_value(kinds[1], one, f"{name}.{str(key)[:40]}")
        for key, one in value.items()
    }


def _read_alternative(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    problem: ValueError | None = None
    # The value's own type first: 2.0 among "int | float" is to stay what it is.
    for kind in sorted(kinds, key=lambda kind: type(value) is not kind):
        try:
            return read_value(kind, value, name)
        except ValueError as error:
            problem = problem or error
    assert problem is not None  # a union has alternatives
    raise problem


def _read_tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _misfit(name, "a list", value)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise _misfit(name, f"a list of {len(kinds)}", value)
    return tuple(
        read_value(kind, one, f"{name}.{number}")
        for number, (kind, one) in enumerate(zip(kinds, value, strict=True))
    )


def _read_simple(kind: Any, value: Any, name: str) -> Any:
    if get_origin(kind) is Literal:
        if isinstance(value, str) and value in get_args(kind):
            return value
        raise _misfit(name, f"one of {', '.join(get_args(kind))}", value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and is_number:
        # What is too large for a float is no finite number either.
        number = math.inf if isinstance(value, int) and abs(value) > 1 << 1023 else float(value)
        if math.isfinite(number):
            return number
    elif kind is int and is_number:
        if math.isfinite(value) and value == int(value):
            return int(value)
    elif kind in (str, bool, NoneType) and isinstance(value, kind):
        return value
    raise _misfit(name, _WORDS[kind], value)


def _misfit(name: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"{name} should be {expected}. Received: {shortened(value)}")


def shortened(value: Any) -> str:
    """A value as a sentence can name it, whoever wrote it and however long it is."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 1 << 1023 else "a huge number"
    return text if len(text) <= 80 else f"{text[:80]}…"
