"""The content of the training curves."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fer_core.charts.training import (
    COMPARED_METRICS,
    MAX_POINTS,
    LiveCurves,
    accuracy_curves,
    compared_curves,
    downsampled_indices,
    grouped_curves,
    learning_rate_curve,
    loss_curves,
    recall_curves,
    smoothed,
)
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.training.run_folder import EpochRecord


def record(epoch: int, accuracy: float = 0.5, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        loss=2 * loss,
        accuracy=accuracy / 2,
        validation_loss=loss,
        validation_accuracy=accuracy,
        validation_macro_f1=accuracy / 4,
        validation_recall=dict.fromkeys(EMOTIONS, accuracy) | {"disgust": None},
        learning_rate=0.001,
        images_per_second=100.0,
        seconds=2.0,
    )


EPOCHS = [record(1, 0.25, 1.5), record(2, 0.5, 1.0), record(3, 0.375, 1.25)]


def test_short_curves_keep_every_value() -> None:
    assert downsampled_indices([3.0, 1.0, 2.0], 4) == [0, 1, 2]
    assert downsampled_indices([], 4) == []


def test_long_curves_keep_their_ends_and_their_spikes() -> None:
    values = [1.0] * 10_000
    values[1234], values[7777] = 9.0, -9.0
    kept = downsampled_indices(values)
    assert len(kept) <= MAX_POINTS
    assert {0, 1234, 7777, 9999} <= set(kept)
    assert kept == sorted(kept)


def test_thinning_passes_over_gaps() -> None:
    values: list[float | None] = [None] * 1000
    values[500] = 2.0
    assert downsampled_indices(values, 10) == [0, 500, 999]


def curve(curves: LiveCurves, name: str) -> list[tuple[int, float | None]]:
    return [(row["epoch"], row["value"]) for row in curves.rows if row["curve"] == name]


def test_loss_shows_both_curves_and_marks_the_best_epoch() -> None:
    curves = loss_curves(EPOCHS, 2)
    assert curve(curves, "training") == [(1, 3.0), (2, 2.0), (3, 2.5)]
    assert curve(curves, "validation") == [(1, 1.5), (2, 1.0), (3, 1.25)]
    best = [row for row in curves.rows if row["is_best"]]
    assert [(row["epoch"], row["curve"]) for row in best] == [(2, "validation")]
    # Told apart without colour.
    dashes = curves.specification["layer"][0]["encoding"]["strokeDash"]["scale"]
    assert dict(zip(dashes["domain"], dashes["range"], strict=True)) == {
        "training": [3, 3],
        "validation": [1, 0],
    }


@pytest.mark.parametrize("best", [None, 0, 4])
def test_no_best_epoch_is_marked_where_there_is_none(best: int | None) -> None:
    assert not any(row["is_best"] for row in loss_curves(EPOCHS, best).rows)


def test_downsampling_keeps_the_best_epoch() -> None:
    epochs = [record(number + 1) for number in range(5000)]
    assert [row["epoch"] for row in loss_curves(epochs, 3217).rows if row["is_best"]] == [3217]


def test_accuracy_is_in_percent() -> None:
    curves = accuracy_curves(EPOCHS, 2)
    assert curve(curves, "training") == [(1, 12.5), (2, 25.0), (3, 18.75)]
    assert curve(curves, "validation") == [(1, 25.0), (2, 50.0), (3, 37.5)]
    layer = curves.specification["layer"][0]["encoding"]
    assert layer["y"]["title"] == "accuracy (%)"
    assert curves.specification["encoding"]["x"]["title"] == "epoch"


def test_recall_has_a_curve_for_each_emotion_in_its_colour() -> None:
    curves = recall_curves(EPOCHS)
    colors = curves.specification["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(colors["domain"], colors["range"], strict=True)) == {
        emotion: EMOTION_COLORS[emotion] for emotion in EMOTIONS
    }
    assert curve(curves, "happy") == [(1, 25.0), (2, 50.0), (3, 37.5)]
    assert curve(curves, "disgust") == [(1, None), (2, None), (3, None)]


def test_the_learning_rate_is_logarithmic_and_leaves_out_zero() -> None:
    curves = learning_rate_curve([record(1), replace(record(2), learning_rate=0.0)])
    assert curve(curves, "learning rate") == [(1, 0.001), (2, None)]
    assert curves.specification["layer"][0]["encoding"]["y"]["scale"]["type"] == "log"


@pytest.mark.parametrize("draw", [loss_curves, accuracy_curves, recall_curves, learning_rate_curve])
def test_the_figure_stays_the_same_while_its_rows_grow(
    draw: Callable[[list[EpochRecord]], LiveCurves],
) -> None:
    few, many = draw(EPOCHS[:2]), draw([record(number + 1) for number in range(1000)])
    assert few.specification == many.specification
    # Nothing in it is the theme's business.
    assert not {"background", "config"} & set(few.specification)


def test_few_epochs_are_marked_and_many_are_not() -> None:
    assert all(row["has_marker"] for row in loss_curves(EPOCHS).rows)
    assert not any(
        row["has_marker"] for row in loss_curves([record(number + 1) for number in range(50)]).rows
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("validation_accuracy", [25.0, 50.0, 37.5]),
        ("validation_macro_f1", [0.0625, 0.125, 0.09375]),
        ("validation_loss", [1.5, 1.0, 1.25]),
        ("loss", [3.0, 2.0, 2.5]),
    ],
)
def test_runs_are_compared_by_any_figure(name: str, values: list[float]) -> None:
    assert name in COMPARED_METRICS
    figure = compared_curves({"one": EPOCHS, "two": EPOCHS[:1], "none": []}, name)  # type: ignore[arg-type]
    assert [curve.name for curve in figure.data] == ["one", "two", "none"]
    assert list(figure.data[0].y) == values
    assert list(figure.data[1].x) == [1]
    assert list(figure.data[2].x) == []


def test_many_compared_runs_are_distinguishable() -> None:
    figure = compared_curves({str(number): EPOCHS for number in range(20)}, "loss")
    looks = {(curve.line.color, curve.line.dash) for curve in figure.data}
    assert len(looks) == 20


def test_a_thousand_epochs_stay_small() -> None:
    epochs = [record(number + 1, number % 17 / 20) for number in range(1000)]
    for curves in (loss_curves(epochs, 5), recall_curves(epochs)):
        shown = {row["epoch"] for row in curves.rows}
        assert len(shown) <= MAX_POINTS + 1
        assert {1, 1000} <= shown


def test_compared_runs_leave_fonts_and_backgrounds_to_the_theme() -> None:
    layout = compared_curves({"one": EPOCHS}, "loss").layout
    assert layout.paper_bgcolor is None
    assert layout.font.color is None
    assert layout.xaxis.title.text == "epoch"
    assert layout.yaxis.title.text == "training loss"


def test_smoothing_is_an_average_without_bias_at_the_start() -> None:
    assert smoothed([3.0, 1.0, 2.0], 0) == [3.0, 1.0, 2.0]
    # Weights 1/2 and 1/4 over 3/4, then 1/2, 1/4 and 1/8 over 7/8.
    assert smoothed([3.0, None, 1.0, 2.0], 0.5) == [
        3.0, None, pytest.approx(5 / 3), pytest.approx(13 / 7),
    ]  # fmt: skip
    assert smoothed([4.0] * 5, 0.9) == pytest.approx([4.0] * 5)


def test_smoothed_curves_keep_their_values_behind_them() -> None:
    curves = loss_curves(EPOCHS, 2, smoothing=0.5, is_log=True)
    rows = [row for row in curves.rows if row["curve"] == "validation"]
    assert [row["raw"] for row in rows] == [1.5, 1.0, 1.25]
    assert [row["value"] for row in rows] == pytest.approx([1.5, 7 / 6, 17 / 14])
    raw, line, _, best, _ = curves.specification["layer"]
    assert (raw["encoding"]["y"]["field"], line["encoding"]["y"]["field"]) == ("raw", "value")
    assert best["encoding"]["y"]["field"] == "raw"
    assert line["encoding"]["y"]["scale"]["type"] == "log"
    plain = loss_curves(EPOCHS, 2)
    assert "raw" not in plain.rows[0] and len(plain.specification["layer"]) == 4


def test_compared_curves_are_smoothed_on_a_logarithmic_axis() -> None:
    figure = compared_curves({"<b>": EPOCHS}, "validation_loss", smoothing=0.5, is_log=True)
    raw, line = figure.data
    assert (raw.showlegend, raw.hoverinfo, list(raw.y)) == (False, "skip", [1.5, 1.0, 1.25])
    assert list(line.y) == pytest.approx([1.5, 7 / 6, 17 / 14])
    assert line.name == "&lt;b&gt;"
    assert figure.layout.yaxis.type == "log"


def test_groups_are_drawn_as_mean_and_band_of_one_standard_deviation() -> None:
    runs = [[record(1, 0.2), record(2, 0.4)], [record(1, 0.4), record(2, 0.4), record(3, 0.9)]]
    band, line, single = grouped_curves({"both": runs, "one": [EPOCHS]}, "validation_accuracy").data
    assert (list(line.x), list(line.y)) == ([1, 2], pytest.approx([30, 40]))
    deviation = 100 * 0.02**0.5
    assert list(band.x) == [1, 2, 2, 1]
    assert list(band.y) == pytest.approx([30 + deviation, 40, 40, 30 - deviation])
    assert (band.fill, band.showlegend) == ("toself", False)
    runs = [[record(1, 0.01)], [record(1, 0.39)]]
    figure = grouped_curves({"both": runs}, "validation_accuracy", is_log=True)
    # The deviation is greater than the mean, and a logarithmic axis has no negative values.
    assert list(figure.data[0].y) == pytest.approx([20 + 100 * 0.0722**0.5, 2])
    assert list(single.y) == [25.0, 50.0, 37.5]
