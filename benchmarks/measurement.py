"""What a measurement is, and how the table of them is printed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A figure, beside what it is to be compared with.

    Attributes:
        what: In words.
        value: With its unit, as text.
        beside: The peer measured in the same run, or the bound, as text.
    """

    what: str
    value: str
    beside: str = ""


def median_seconds(action: Callable[[], object], repeats: int = 20, warm_up: int = 3) -> float:
    """The median duration of an action."""
    for _ in range(warm_up):
        action()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def milliseconds(seconds: float) -> str:
    """A duration in milliseconds as text."""
    return f"{seconds * 1000:.1f} ms"


def table_head() -> str:
    """The first lines of a Markdown table of measurements."""
    return "| what | figure | beside |\n|---|---|---|"


def table_row(one: Measurement) -> str:
    """A measurement as a line of that table."""
    return f"| {one.what} | {one.value} | {one.beside} |"


def print_table(measurements: list[Measurement]) -> None:
    """Print measurements as a Markdown table."""
    print(table_head())
    for one in measurements:
        print(table_row(one))
