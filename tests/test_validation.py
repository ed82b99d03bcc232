"""Records from plain values: what is read, and the sentence about what is not valid."""

from typing import Any, Literal, Self

import pytest
from pydantic import Field, StrictInt, model_validator
from pydantic.dataclasses import dataclass

from fer_core.validation import (
    FORBID_UNKNOWN,
    IGNORE_UNKNOWN,
    Flag,
    Integer,
    Number,
    Text,
    from_dict,
)


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class Inner:
    number: Integer = Field(ge=0)
    words: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.number == 13:
            raise ValueError("number should not be 13.")
        return self


@dataclass(frozen=True, config=FORBID_UNKNOWN)
class Outer:
    name: Text
    share: Number
    size: tuple[Integer, Integer]
    kind: Literal["a", "b"] = "a"
    is_on: Flag = False
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    choices: tuple[Flag | StrictInt | Number | Text | None, ...] = ()
    figures: dict[Text, Number | None] = Field(default_factory=dict)
    anything: Any = None


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class Tolerant:
    name: Text


LEAST: dict[str, Any] = {"name": "x", "share": 1, "size": [2, 3]}


def test_lists_become_tuples_and_whole_numbers_floats() -> None:
    record = from_dict(Outer, LEAST)
    assert record == Outer("x", 1.0, (2, 3))
    assert isinstance(record.share, float)
    assert from_dict(Outer, LEAST | {"size": [2.0, 3]}).size == (2, 3)


def test_records_within_records_are_read_too() -> None:
    record = from_dict(
        Outer, LEAST | {"inner": {"number": 3, "words": ["a"]}, "many": [{"number": 1}, Inner(2)]}
    )
    assert record.inner == Inner(3, ("a",))
    assert record.many == (Inner(1), Inner(2))
    assert from_dict(Outer, LEAST | {"inner": None}).inner is None


def test_a_value_of_several_types_keeps_its_own() -> None:
    choices = from_dict(Outer, LEAST | {"choices": [True, 2, 2.0, "2", None]}).choices
    assert [type(choice) for choice in choices] == [bool, int, float, str, type(None)]


def test_dictionaries_are_checked_within() -> None:
    values = LEAST | {"figures": {"a": 1, "b": None}, "anything": [{}]}
    record = from_dict(Outer, values)
    assert (record.figures, record.anything) == ({"a": 1.0, "b": None}, [{}])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": 3}, "name should be text. Received: 3"),
        ({"name": None}, "name should be text. Received: None"),
        ({"share": "1"}, "share should be a finite number. Received: '1'"),
        ({"share": True}, "share should be a finite number. Received: True"),
        ({"share": float("nan")}, "share should be a finite number. Received: nan"),
        ({"share": 10**400}, "share should be a finite number. Received: a huge number"),
        ({"share": -(10**400)}, "share should be a finite number. Received: a huge number"),
        ({"size": [1]}, "size.1 is missing"),
        ({"size": [1, 2, 3]}, "size should be a list of 2 values. Received: [1, 2, 3]"),
        ({"size": "ab"}, "size should be a list. Received: 'ab'"),
        ({"size": [1, 2.5]}, "size.1 should be a whole number. Received: 2.5"),
        ({"size": [1, float("inf")]}, "size.1 should be a whole number. Received: inf"),
        ({"kind": "c"}, "kind should be one of a, b. Received: 'c'"),
        ({"kind": ["a"]}, "kind should be one of a, b. Received: ['a']"),
        ({"is_on": 1}, "is_on should be true or false. Received: 1"),
        ({"inner": 3}, "inner should be a JSON object. Received: 3"),
        ({"inner": {"number": -1}}, "inner.number should be at least 0. Received: -1"),
        ({"inner": {"number": 13}}, "inner: number should not be 13"),
        ({"inner": {}}, "inner.number is missing"),
        ({"choices": [[1]]}, "choices.0 should be true or false. Received: [1]"),
        ({"many": [{"number": "x"}]}, "many.0.number should be a whole number. Received: 'x'"),
        ({"figures": []}, "figures should be a JSON object. Received: []"),
        ({"figures": {"a": "x"}}, "figures.a should be a finite number. Received: 'x'"),
        ({"colour": "red"}, "'colour' is unknown"),
        ({"name": ["x" * 200]}, f"name should be text. Received: ['{'x' * 78}…"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(Outer, LEAST | changes)
    assert str(caught.value) == sentence


def test_a_field_that_misses_is_named() -> None:
    with pytest.raises(ValueError, match="size is missing"):
        from_dict(Outer, {"name": "x", "share": 1})


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_values_that_are_not_objects_are_reported(values: Any) -> None:
    with pytest.raises(ValueError, match="expected a JSON object"):
        from_dict(Outer, values)


def test_keys_of_other_versions_can_be_ignored() -> None:
    assert from_dict(Tolerant, {"name": "x", "color": "red"}) == Tolerant("x")
