"""The content of the charts of a search."""

from typing import Any

import pytest

from fer_core.charts.search import (
    chart_names,
    curves_chart,
    history_chart,
    importance_chart,
    parallel_chart,
    slice_chart,
)
from fer_core.recipes import TrainingConfig
from fer_core.training.search import StudySetup, StudySummary, TrialSummary
from fer_core.training.search_space import search_space

SPACE = search_space(
    [
        {"field": "learning_rate", "low": 1e-4, "high": 1e-2, "log": True},
        {"field": "optimizer", "choices": ["adam", "sgd"]},
        {"field": "momentum", "low": 0.5, "high": 0.99},
    ]
)


def trial(number: int, value: float | None, state: Any = "finished", **values: Any) -> TrialSummary:
    return TrialSummary(number, state, value, values, f"run-{number}")


TRIALS = (
    trial(0, 0.4, learning_rate=1e-4, optimizer="adam"),
    trial(1, 0.6, learning_rate=1e-2, optimizer="sgd", momentum=0.9),
    trial(2, 0.3, "pruned", learning_rate=1e-3, optimizer="adam"),
    trial(3, 0.5, learning_rate=1e-3, optimizer="adam"),
    trial(4, None, "failed", learning_rate=1e-3, optimizer="adam"),
)
IMPORTANCES = {"optimizer": 0.25, "learning_rate": 0.75}
CURVES = {0: {1: 0.2, 2: 0.4}, 1: {1: 0.6}, 2: {1: 0.3}}


def study(trials: tuple[TrialSummary, ...] = TRIALS, **setup: Any) -> StudySummary:
    return StudySummary(
        "rates",
        StudySetup("rates", "r", "d", TrainingConfig(), SPACE, **setup),
        "stopped",
        finished=3, pruned=1, failed=1, running=0,
        best_value=0.6, best_trial=1, best_values={}, trials=trials, workers=(),
    )  # fmt: skip


def test_the_history_shows_each_trial_and_the_best_so_far() -> None:
    best, pruned, finished = history_chart(study()).data
    assert (list(finished.x), list(finished.y)) == ([0, 1, 3], [40.0, 60.0, 50.0])
    assert list(best.y) == [40.0, 60.0, 60.0]
    assert (list(pruned.x), list(pruned.y)) == ([2], [30.0])


def test_a_smaller_loss_is_better() -> None:
    losses = study(monitor="loss")
    history = history_chart(losses)
    assert list(history.data[0].y) == [0.4, 0.4, 0.4]
    assert history.layout.yaxis.title.text == "validation loss"
    assert parallel_chart(losses).data[0].line.reversescale


def test_the_importance_is_sorted_and_in_percent() -> None:
    (bars,) = importance_chart(IMPORTANCES).data
    # The first bar is at the bottom.
    assert (list(bars.y), list(bars.x)) == (["Optimizer", "Learning rate"], [25.0, 75.0])
    assert list(bars.text) == ["25.0 %", "75.0 %"]


def test_settings_have_an_axis_of_their_kind() -> None:
    slices = slice_chart(study())
    rate, optimizer, momentum = slices.data
    axes = slices.layout
    assert (axes.xaxis.type, axes.xaxis2.type, axes.xaxis3.type) == ("log", "category", "linear")
    assert list(rate.x) == [1e-4, 1e-2, 1e-3]
    assert list(optimizer.x) == ["adam", "sgd", "adam"]
    assert list(momentum.x) == [0.9]  # sampled with sgd only
    assert rate.marker.color[1] != rate.marker.color[0] == rate.marker.color[2]
    dimensions = parallel_chart(study()).data[0].dimensions
    assert [one.label for one in dimensions] == [
        "Learning rate", "Optimizer", "Momentum", "validation accuracy (%)",
    ]  # fmt: skip
    assert list(dimensions[0].values) == pytest.approx([-4, -2, -3])
    assert list(dimensions[0].ticktext)[::4] == ["0.0001", "0.01"]
    assert (list(dimensions[1].values), list(dimensions[1].ticktext)) == (
        [0, 1, 0],
        ["adam", "sgd"],
    )
    assert list(dimensions[2].ticktext) == ["0.9", "none"]


def test_the_best_trial_is_in_front_of_the_others() -> None:
    curves = curves_chart(study(), CURVES).data
    assert [curve.name for curve in curves] == ["trial 0", "trial 2", "trial 1, the best"]
    assert list(curves[0].y) == [20.0, 40.0]
    assert (curves[1].line.dash, curves[-1].showlegend, curves[0].showlegend) == (
        *("dot", True, False),
    )


def test_the_charts_depend_on_the_trials() -> None:
    assert chart_names(study()) == ["history", "importance", "parallel", "slice", "curves"]
    # A single trial does not show which setting is important.
    assert chart_names(study(TRIALS[:1])) == ["history", "parallel", "slice", "curves"]
    assert chart_names(study(TRIALS[2:3])) == ["curves"]  # it was ended early
    assert chart_names(study(TRIALS[4:])) == []  # it failed
