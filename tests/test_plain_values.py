"""Records from plain values: what is read, and what is said of what does not fit."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from fer_core.plain_values import read_record


@dataclass(frozen=True)
class Inner:
    number: int
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number should be at least 0")


@dataclass(frozen=True)
class Outer:
    name: str
    share: float
    size: tuple[int, int]
    kind: Literal["a", "b"] = "a"
    is_on: bool = False
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    choices: tuple[bool | int | float | str | None, ...] = ()
    figures: dict[str, float | None] = field(default_factory=dict)
    anything: Any = None


LEAST: dict[str, Any] = {"name": "x", "share": 1, "size": [2, 3]}


def test_lists_become_tuples_and_whole_numbers_floats_where_they_are_meant() -> None:
    record = read_record(Outer, LEAST)
    assert record == Outer("x", 1.0, (2, 3))
    assert isinstance(record.share, float)
    assert read_record(Outer, LEAST | {"size": [2.0, 3]}).size == (2, 3)


def test_records_within_records_are_read_too() -> None:
    record = read_record(
        Outer, LEAST | {"inner": {"number": 3, "words": ["a"]}, "many": [{"number": 1}, Inner(2)]}
    )
    assert record.inner == Inner(3, ("a",))
    assert record.many == (Inner(1), Inner(2))
    assert read_record(Outer, LEAST | {"inner": None}).inner is None


def test_a_value_of_several_types_keeps_its_own() -> None:
    choices = read_record(Outer, LEAST | {"choices": [True, 2, 2.0, "2", None]}).choices
    assert [type(choice) for choice in choices] == [bool, int, float, str, type(None)]


def test_dictionaries_are_checked_within() -> None:
    values = LEAST | {"figures": {"a": 1, "b": None}, "anything": [{}]}
    record = read_record(Outer, values)
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
        ({"size": [1]}, "size should be a list of 2. Received: [1]"),
        ({"size": "ab"}, "size should be a list. Received: 'ab'"),
        ({"size": [1, 2.5]}, "size.1 should be a whole number. Received: 2.5"),
        ({"size": [1, float("inf")]}, "size.1 should be a whole number. Received: inf"),
        ({"kind": "c"}, "kind should be one of a, b. Received: 'c'"),
        ({"kind": ["a"]}, "kind should be one of a, b. Received: ['a']"),
        ({"is_on": 1}, "is_on should be true or false. Received: 1"),
        ({"inner": 3}, "inner: a JSON object was expected, received is 3"),
        ({"inner": {"number": -1}}, "inner: number should be at least 0"),
        ({"inner": {}}, "inner: number is missing"),
        ({"many": [{"number": "x"}]}, "many.0: number should be a whole number. Received: 'x'"),
        ({"figures": []}, "figures should be a JSON object. Received: []"),
        ({"figures": {"a": "x"}}, "figures.a should be a finite number. Received: 'x'"),
        ({"colour": "red"}, "'colour' is not known here"),
        ({"name": ["x" * 200]}, f"name should be text. Received: ['{'x' * 78}…"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_record(Outer, LEAST | changes)
    assert str(caught.value) == sentence


def test_a_field_that_misses_is_named() -> None:
    with pytest.raises(ValueError, match="size is missing"):
        read_record(Outer, {"name": "x", "share": 1})


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_what_is_no_object_is_told(values: Any) -> None:
    with pytest.raises(ValueError, match="a JSON object was expected"):
        read_record(Outer, values)


def test_what_other_versions_add_can_be_left_aside() -> None:
    assert read_record(Outer, LEAST | {"colour": "red"}, allows_unknown=True) == Outer(
        "x", 1.0, (2, 3)
    )
