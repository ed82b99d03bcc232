"""A measurement, and the table of measurements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A measured value, and what it is compared with.

    Attributes:
        name: What was measured.
        value: The value with its unit.
        comparison: The value of another program in the same run, the limit, or further values;
            may be empty.
    """

    name: str
    value: str
    comparison: str = ""


def median_seconds(action: Callable[[], object], repeats: int = 20, warm_up: int = 3) -> float:
    """Return the median duration of an action in seconds."""
    for _ in range(warm_up):
        action()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def milliseconds(seconds: float) -> str:
    """Format a duration in milliseconds."""
    return f"{seconds * 1000:.1f} ms"


def table_head() -> str:
    """Return the first lines of a Markdown table of measurements."""
    return "| measurement | value | compared with |\n|---|---|---|"


def table_row(measurement: Measurement) -> str:
    """Return a measurement as a row of the table that ``table_head`` begins."""
    return f"| {measurement.name} | {measurement.value} | {measurement.comparison} |"


def print_table(measurements: list[Measurement]) -> None:
    """Print measurements as a Markdown table."""
    print(table_head())
    for measurement in measurements:
        print(table_row(measurement))
