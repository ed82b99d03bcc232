"""Dataclasses from plain values: what is converted, and what is left to pydantic."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fer_core.plain_records import plain_record
from fer_core.validation import from_dict


@dataclass(frozen=True)
class Inner:
    words: tuple[str, ...]


@dataclass(frozen=True)
class Outer:
    size: tuple[int, int]
    share: float
    is_on: bool = False
    name: str | None = None
    inner: Inner | None = None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    anything: Any = None

    def __post_init__(self) -> None:
        if self.share < 0:
            raise ValueError("share should be at least 0")


LEAST: dict[str, Any] = {"size": [2, 3], "share": 1}


def test_lists_become_tuples_and_whole_numbers_floats() -> None:
    record = plain_record(Outer, LEAST)
    assert record == Outer((2, 3), 1.0)
    assert isinstance(record.share, float)


@pytest.mark.parametrize("read", [plain_record, from_dict])
def test_a_complete_record_is_read_and_unknown_keys_are_ignored(read: Any) -> None:
    values = LEAST | {
        **{"is_on": True, "name": "x", "inner": {"words": ["a", "b"], "later": 1}},
        **{"counts": {"a": {"b": 1}}, "anything": [1, "x"], "later": 2},
    }
    expected = Outer((2, 3), 1.0, True, "x", Inner(("a", "b")), {"a": {"b": 1}}, [1, "x"])
    assert read(Outer, values) == expected


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": [2]}, "size.1 is missing"),
        ({"size": [2, 3, 4]}, "size should be a list of 2"),
        ({"size": [2, True]}, "size.1 should be a whole number"),
        ({"size": [2, "3"]}, "size.1 should be a whole number"),
        ({"size": "23"}, "size should be a list"),
        ({"share": float("nan")}, "share should be a finite number"),
        ({"share": 1 << 2000}, "share should be a finite number"),
        ({"share": "1"}, "share should be a finite number"),
        ({"is_on": 1}, "is_on should be true or false"),
        ({"name": 3}, "name should be text"),
        ({"inner": {}}, "inner.words is missing"),
        ({"inner": {"words": ["a", None]}}, "inner.words.1 should be text"),
        ({"inner": "x"}, "inner should be a JSON object"),
        ({"counts": {"a": {"b": None}}}, "counts.a.b should be a whole number"),
        ({"counts": []}, "counts should be a JSON object"),
    ],
)
def test_other_types_are_left_to_pydantic_which_names_the_field(
    change: dict[str, Any], sentence: str
) -> None:
    assert plain_record(Outer, LEAST | change) is None
    with pytest.raises(ValueError, match=sentence):
        from_dict(Outer, LEAST | change)


def test_what_pydantic_accepts_is_read() -> None:
    values = LEAST | {"size": [2.0, 3], "inner": {"words": ["a"]}}
    assert plain_record(Outer, values) is None
    assert from_dict(Outer, values) == Outer((2, 3), 1.0, inner=Inner(("a",)))


@pytest.mark.parametrize("values", [None, [], "x", {}, {"size": [2, 3]}])
def test_incomplete_values_give_none(values: Any) -> None:
    assert plain_record(Outer, values) is None


@pytest.mark.parametrize("read", [plain_record, from_dict])
def test_the_records_own_checks_raise(read: Any) -> None:
    with pytest.raises(ValueError, match="share should be at least 0"):
        read(Outer, LEAST | {"share": -1})
