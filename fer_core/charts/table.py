"""The data of a chart as a table, for downloads."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fer_core.csv_text import csv_text

if TYPE_CHECKING:
    import plotly.graph_objects as go


def chart_csv(figure: go.Figure) -> str:
    """Return the data of a chart as the text of a CSV file.

    For points, lines or bars, the file has a row for each point. The row contains the name of the
    series if there are several series, x and y, and the ends of the interval if the chart has
    intervals. For a heat map, the file has a row with x, y and value for each cell. Columns are
    named after the axes, with "(%)" for shares. Reference lines are omitted.
    A point whose x or y is None has no row. NaN becomes an empty cell.

    Args:
        figure: A figure of scatter plots and bars, or of one heat map.
    """
    columns, rows = chart_table(figure)
    return csv_text(columns, rows)


def chart_table(figure: go.Figure) -> tuple[list[str], list[list[object]]]:
    """Return the names of the columns and the rows that ``chart_csv`` writes."""
    heat_maps = [trace for trace in figure.data if trace.type == "heatmap"]
    if heat_maps:
        return _heat_map_table(figure, heat_maps[0])
    traces = [trace for trace in figure.data if _has_data(trace)]
    has_series_names = len(traces) > 1 and any(trace.name for trace in traces)
    has_interval = any(_interval_axis(trace) for trace in traces)
    columns = [
        *(["series"] if has_series_names else []),
        _axis_name(figure, "x"),
        _axis_name(figure, "y"),
        *(["low", "high"] if has_interval else []),
    ]
    rows: list[list[object]] = []
    for trace in traces:
        for point, ends in _points(trace):
            name = [_plain(trace.name or "")] if has_series_names else []
            rows.append([*name, *point, *(ends if has_interval else [])])
    return columns, rows


def _heat_map_table(figure: go.Figure, trace: Any) -> tuple[list[str], list[list[object]]]:
    title = trace.colorbar.title.text
    values = _column(trace.z)
    xs = _column(trace.x) or list(range(len(_column(values[0]))))
    ys = _column(trace.y) or list(range(len(values)))
    columns = [
        _axis_name(figure, "x", "column"),
        _axis_name(figure, "y", "row"),
        _with_unit(_plain(title) if title else "value", trace.colorbar.ticksuffix),
    ]
    rows: list[list[object]] = [
        [_cell(x), _cell(y), _cell(value)]
        for y, row in zip(ys, values, strict=True)
        for x, value in zip(xs, _column(row), strict=True)
    ]
    return columns, rows


def _has_data(trace: Any) -> bool:
    """Return True if a trace has data. Reference lines and entries for the legend have no data."""
    if trace.hoverinfo == "skip":
        return False
    return any(value is not None for value in _column(trace.x))


def _interval_axis(trace: Any) -> str | None:
    """Return the axis along which the points of a trace have intervals; None without intervals."""
    for axis in ("x", "y"):
        if trace[f"error_{axis}"].array is not None:
            return axis
    return None


def _points(trace: Any) -> Iterator[tuple[list[object], list[object]]]:
    """Yield two lists for each point: its x and y, and the two ends of its interval.

    The ends are None if the interval is undefined.
    """
    axis = _interval_axis(trace)
    bars = trace[f"error_{axis}"] if axis else None
    # A trace that contains only a text stands for an undefined value (class_point in style.py).
    is_defined = getattr(trace, "mode", None) != "text"
    for index, (x, y) in enumerate(zip(_column(trace.x), _column(trace.y), strict=True)):
        if not is_defined or x is None or y is None:
            continue
        ends: list[object] = [None, None]
        # An error bar of length 0 stands for an undefined interval.
        if bars is not None and (bars.arrayminus[index] or bars.array[index]):
            value = float(x if axis == "x" else y)
            ends = [_cell(value - bars.arrayminus[index]), _cell(value + bars.array[index])]
        yield [_cell(x), _cell(y)], ends


def _column(values: Any) -> list[Any]:
    return [] if values is None else list(values)


def _cell(value: Any) -> object:
    """Return a value as a cell: text without markup, a rounded number, or None for NaN.

    Numbers are rounded to six significant digits.
    """
    if isinstance(value, str):
        return _plain(value)
    number = float(value)
    if math.isnan(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.6g}")


def _axis_name(figure: go.Figure, axis: str, default: str = "") -> str:
    """Return the title of an axis with the unit of its ticks.

    An axis without a title gets the title ``default``. If ``default`` is empty, the title is
    "class" for an axis of strings or categories, and the letter of the axis for an axis of numbers.
    """
    layout = figure.layout[f"{axis}axis"]
    title = _plain(layout.title.text or "") or default
    if not title:
        title = "class" if layout.type == "category" or _has_text(figure, axis) else axis
    return _with_unit(title, layout.ticksuffix)


def _with_unit(title: str, tick_suffix: str | None) -> str:
    unit = (tick_suffix or "").strip()
    return f"{title} ({unit})" if unit else title


def _has_text(figure: go.Figure, axis: str) -> bool:
    values: Sequence[Any] = next((_column(trace[axis]) for trace in figure.data), [])
    return any(isinstance(value, str) for value in values)


def _plain(text: str) -> str:
    """Return a text of a figure without HTML."""
    return html.unescape(text.replace("<br>", " ").replace("<b>", "").replace("</b>", ""))
