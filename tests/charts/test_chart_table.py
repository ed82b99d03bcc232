"""The data of a chart as a table: what is drawn is what is downloaded."""

import numpy as np
import plotly.graph_objects as go

from fer_core.charts.bars import PERCENT_AXIS, horizontal_bars
from fer_core.charts.dataset import share_bars
from fer_core.charts.evaluation import class_intervals, confusion_heatmap
from fer_core.charts.style import diagonal, percent_axis, percent_whiskers
from fer_core.charts.table import chart_csv, chart_table
from fer_core.evaluation.per_class import evaluate_classes
from fer_core.metrics import Estimate


def test_bars_have_a_row_each_with_units_in_the_header() -> None:
    figure = horizontal_bars(
        {"<b>bold</b>": 12.5, "=sum": 50},
        ["", ""],
        "",
        colors={},
        height=100,
        margin={},
        axis={**PERCENT_AXIS, "title": {"text": "probability"}},
    )
    # Names are those of the user; the sheet must not run one as a formula.
    assert chart_csv(figure) == "probability (%),class\n12.5,<b>bold</b>\n50,'=sum\n"


def test_several_series_are_named_and_entries_of_the_legend_are_left_out() -> None:
    figure = share_bars({"train": {"happy": 0.75, "sad": 0.25}, "test": {"happy": 0.5}})
    assert chart_table(figure) == (
        ["series", "class", "share of the split (%)"],
        [
            ["train", "happy", 75],
            ["train", "sad", 25],
            ["test", "happy", 50],
            ["test", "sad", 0],
        ],
    )


def test_intervals_are_written_as_their_ends_and_reference_lines_are_left_out() -> None:
    estimates = [Estimate(0.5, 0.4, 0.75), Estimate(0.25, None, None)]
    figure = go.Figure(
        [
            diagonal(),
            go.Scatter(
                x=["0<br>to 13", "14<br>to 27"],
                y=[50, 25],
                error_y=percent_whiskers(estimates),
            ),
        ]
    )
    figure.update_layout(xaxis={"title": {"text": "brightness"}}, yaxis=percent_axis("accuracy"))
    assert chart_table(figure) == (
        ["brightness", "accuracy (%)", "low", "high"],
        [["0 to 13", 50, 40, 75], ["14 to 27", 25, None, None]],
    )


def test_undefined_values_are_left_out() -> None:
    # All images are predicted as happy: the precision of sad is undefined.
    classes = evaluate_classes(
        np.array([0, 0, 1]),
        np.array([[0.9, 0.1]] * 3),
        np.array([[2, 0], [1, 0]]),
        ["happy", "sad"],
    )
    columns, rows = chart_table(class_intervals(classes, "precision"))
    assert columns == ["precision", "class", "low", "high"]
    assert [row[1] for row in rows] == ["happy"]


def test_gaps_of_a_line_are_empty_cells() -> None:
    figure = go.Figure(go.Scatter(x=np.array([0, 1]), y=np.array([np.nan, 0.123456789])))
    assert chart_table(figure) == (["x", "y"], [[0, None], [1, 0.123457]])


def test_a_heat_map_has_a_row_per_cell() -> None:
    figure = confusion_heatmap(np.array([[3, 1], [0, 0]]), ["happy", "sad"])
    assert chart_table(figure) == (
        ["predicted", "true", "share of the row (%)"],
        [
            ["happy", "happy", 75],
            ["sad", "happy", 25],
            ["happy", "sad", None],
            ["sad", "sad", None],
        ],
    )
