"""The content of the evaluation charts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from fer_core.charts.evaluation import (
    class_intervals,
    confusion_heatmap,
    coverage_lines,
    difference_intervals,
    precision_recall_lines,
    reliability_diagram,
    report_figures,
    robustness_lines,
    roc_lines,
    slice_points,
    summary_intervals,
    threshold_lines,
)
from fer_core.charts.evaluation.report_charts import balance_bars
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.evaluation.breakdowns import RobustnessCurve, RobustnessPoint
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.model_comparison import compare
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.slices import slice_by_score
from fer_core.metrics import Estimate
from fer_core.training.run_folder import EpochRecord

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


def result_of(
    labels: Sequence[int], predicted: Sequence[int], *, is_fer2013: bool = False
) -> EvaluationResult:
    """Each image predicted with 70 %, the rest shared equally by the other classes."""
    probabilities = np.full((len(labels), 7), 0.05, np.float32)
    probabilities[np.arange(len(labels)), list(predicted)] = 0.7
    return EvaluationResult(
        bundle_name="small",
        dataset_name="tiny",
        split="validation",
        labels=np.array(labels, np.int8),
        unscaled_probabilities=probabilities,
        temperature=1.0,
        rows=np.arange(len(labels)),
        names=tuple(f"face {number}" for number in range(len(labels))),
        is_leaked=np.zeros(len(labels), bool),
        data_fingerprint="f" * 64,
        facts=ResultFacts(False, is_fer2013, False, False, ()),
    )


@pytest.fixture(scope="module")
def result() -> EvaluationResult:
    """Four images of each emotion: three correct, the last predicted as the next emotion."""
    labels = [emotion for emotion in range(7) for _ in range(4)]
    predicted = [(label + (number % 4 == 3)) % 7 for number, label in enumerate(labels)]
    return result_of(labels, predicted)


@pytest.fixture(scope="module")
def two_emotions() -> EvaluationResult:
    """Only happy and sad images, all predicted as happy."""
    return result_of([HAPPY, HAPPY, SAD], [HAPPY, HAPPY, HAPPY])


def named(figure: go.Figure) -> dict[str, Any]:
    """Traces by emotion."""
    return {
        trace.y[0] if trace.name is None else trace.name.split(",")[0]: trace
        for trace in figure.data
    }


def test_the_summary_shows_metrics_with_intervals_and_the_baseline(
    result: EvaluationResult,
) -> None:
    figure = summary_intervals(result)
    (points,) = figure.data
    assert list(points.y) == [
        "accuracy",
        "leak-free accuracy",
        "balanced accuracy",
        "top-2 accuracy",
    ]
    assert points.x[0] == 75
    assert result.accuracy.high is not None
    assert points.error_x.array[0] == pytest.approx(100 * result.accuracy.high - 75)
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (pytest.approx(100 / 7), pytest.approx(100 / 7))
    # In the row of the accuracy only: it is no reference for the other metrics.
    assert (line.yref, line.y0, line.y1) == ("y", -0.5, 0.5)
    assert [note.text for note in figure.layout.annotations] == [
        "majority-class<br>baseline 14.3 %"
    ]


def test_the_summary_shows_human_accuracy_on_fer2013() -> None:
    figure = summary_intervals(result_of([0, 1], [0, 1], is_fer2013=True))
    band = figure.layout.shapes[1]
    assert (band.x0, band.x1) == (60, 70)
    assert (band.yref, band.y0, band.y1) == ("y", -0.5, 0.5)
    assert figure.layout.annotations[1].text == "humans<br>65 ± 5 %"


def test_each_emotion_has_its_color_and_its_interval(result: EvaluationResult) -> None:
    classes = result.per_class
    traces = named(class_intervals(classes, "recall"))
    assert list(traces) == list(EMOTIONS)
    for emotion, trace in traces.items():
        assert trace.marker.color == trace.error_x.color == EMOTION_COLORS[emotion]
        assert list(trace.x) == [0.75]
        assert list(trace.text) == ["0.75"]
    recall = classes[0].recall
    assert recall.low is not None
    assert traces["angry"].error_x.arrayminus[0] == pytest.approx(0.75 - recall.low)


def test_an_undefined_metric_has_a_text_and_no_point(two_emotions: EvaluationResult) -> None:
    traces = named(class_intervals(two_emotions.per_class, "precision"))
    assert list(traces["sad"].text) == ["undefined"]
    assert traces["sad"].mode == "text"
    assert list(traces["happy"].text) == ["0.67"]


def test_only_defined_curves_are_drawn(two_emotions: EvaluationResult) -> None:
    classes = two_emotions.per_class
    assert list(named(roc_lines(classes))) == ["chance", "happy", "sad"]
    curves = named(precision_recall_lines(classes))
    assert list(curves) == ["happy", "sad"]
    assert curves["sad"].line.color == EMOTION_COLORS["sad"]
    # Between two thresholds precision is not defined, so the curve is a step.
    assert {trace.line.shape for trace in curves.values()} == {"vh"}


def test_the_legend_of_curves_shows_their_areas(result: EvaluationResult) -> None:
    classes = result.per_class
    names = [trace.name for trace in roc_lines(classes).data][1:]
    assert names == [f"{one.name}, area {one.auc:.3f}" for one in classes]


def test_the_threshold_is_marked_and_undefined_values_are_gaps(result: EvaluationResult) -> None:
    figure = threshold_lines(result.threshold_curve(HAPPY), "happy", 0.4, EMOTIONS)
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name) == ["precision", "recall", "F1"]
    assert {trace.line.color for trace in figure.data} == {EMOTION_COLORS["happy"]}
    assert len({trace.line.dash for trace in figure.data}) == 3
    assert figure.layout.shapes[0].x0 == 40
    assert by_name["recall"].x[40] == 40
    # From 75 % on nothing is predicted as happy; below, three of four are correct.
    assert by_name["precision"].y[50] == 0.75
    assert np.isnan(by_name["precision"].y[75])


def test_the_confusion_matrix_shows_counts_colored_by_row(result: EvaluationResult) -> None:
    (cells,) = confusion_heatmap(result.confusion, EMOTIONS).data
    assert list(cells.x) == list(cells.y) == list(EMOTIONS)
    assert list(cells.text[0]) == ["3", "1", "0", "0", "0", "0", "0"]
    assert cells.z[0].tolist() == [75, 25, 0, 0, 0, 0, 0]
    assert (cells.zmin, cells.zmax) == (0, 100)


def test_a_row_without_images_has_no_color(two_emotions: EvaluationResult) -> None:
    (cells,) = confusion_heatmap(two_emotions.confusion, EMOTIONS).data
    assert np.isnan(cells.z[0]).all()


def test_the_reliability_diagram_shows_accuracy_by_confidence(
    result: EvaluationResult,
) -> None:
    state = result.calibration.uncalibrated
    diagonal, bins = reliability_diagram(state).data
    assert list(diagonal.x) == list(diagonal.y) == [0, 100]
    assert list(bins.x) == pytest.approx([70] * len(state.bins), abs=1e-4)
    correct = sum(y * one.count for y, one in zip(bins.y, state.bins, strict=True))
    assert correct == pytest.approx(2100)  # 21 of 28, in percent


def test_accuracy_is_undefined_without_accepted_predictions(result: EvaluationResult) -> None:
    figure = coverage_lines(result.coverage, 0.65)
    accuracy, coverage = figure.data
    assert (coverage.y[70], coverage.y[71]) == (100, 0)
    assert accuracy.y[70] == 75
    assert np.isnan(accuracy.y[71])
    assert figure.layout.shapes[0].x0 == 65


def test_slices_are_in_order_with_the_overall_accuracy(result: EvaluationResult) -> None:
    scores = np.arange(result.n, dtype=np.float64)
    slicing = slice_by_score(result, scores, name="brightness", title="Brightness", count=2)
    figure = slice_points(slicing, 0.75)
    (points,) = figure.data
    assert list(points.x) == ["0<br>to 13", "14<br>to 27"]
    assert list(points.y) == [pytest.approx(1100 / 14), pytest.approx(1000 / 14)]
    assert figure.layout.shapes[0].y0 == 75


def test_robustness_runs_from_unchanged_to_severe_in_any_unit() -> None:
    points = tuple(
        RobustnessPoint(strength, Estimate(accuracy, accuracy - 0.1, accuracy + 0.05))
        for strength, accuracy in ((100, 0.7), (50, 0.6), (5, 0.2))
    )
    figure = robustness_lines(RobustnessCurve("jpeg", "JPEG compression", "quality", points, 40))
    (line,) = figure.data
    assert list(line.x) == ["100", "50", "5"]
    assert figure.layout.xaxis.type == "category"
    assert list(line.y) == pytest.approx([70, 60, 20])
    assert list(line.error_y.arrayminus) == pytest.approx([10] * 3)
    assert figure.layout.shapes[0].y0 == 70


def test_a_difference_is_second_minus_first_around_zero(result: EvaluationResult) -> None:
    perfect = result_of(result.labels.tolist(), result.labels.tolist())
    figure = difference_intervals(compare(result, perfect), "recall")
    traces = named(figure)
    assert list(traces) == list(EMOTIONS)
    assert {trace.x[0] for trace in traces.values()} == {0.25}
    low, high = figure.layout.xaxis.range
    assert low == -high


def test_the_difference_of_an_absent_emotion_is_undefined(
    two_emotions: EvaluationResult,
) -> None:
    traces = named(difference_intervals(compare(two_emotions, two_emotions), "recall"))
    assert list(traces["fear"].text) == ["undefined"]
    assert traces["fear"].mode == "text"


def test_the_report_has_charts_for_every_section(
    result: EvaluationResult, two_emotions: EvaluationResult
) -> None:
    epoch = EpochRecord(1, 1.5, 0.25, 1.0, 0.5, 0.4, {}, 0.001, 90.0, 2.0)
    figures = report_figures(
        result,
        training_counts={"angry": 3},
        epochs=[epoch],
        comparison=compare(two_emotions, two_emotions),
    )
    assert {section: len(charts) for section, charts in figures.items()} == {
        "summary": 1, "balance": 1, "classes": 5, "confusion": 1, "calibration": 2, "slices": 0,
        "robustness": 0, "comparison": 1, "training": 2,
    }  # fmt: skip
    for caption, figure in [chart for charts in figures.values() for chart in charts]:
        assert caption.endswith(".")
        assert figure.data
        assert figure.layout.xaxis.title.text or figure.layout.yaxis.title.text


def test_the_report_of_a_single_image_has_the_defined_charts() -> None:
    figures = report_figures(result_of([HAPPY], [HAPPY]))
    assert len(figures["classes"]) == 4  # without ROC curves, which need two classes
    assert len(figures["confusion"]) == 1
    assert "training" not in figures and "comparison" not in figures


def test_class_balance_compares_shares(result: EvaluationResult) -> None:
    evaluated, training = balance_bars(result, {"angry": 3, "happy": 1}).data
    supports = [one.support for one in result.per_class]
    assert list(evaluated.y) == [100 * support / result.n for support in supports]
    assert list(training.y)[:4] == [75.0, 0.0, 0.0, 25.0]
    assert len(balance_bars(result, {}).data) == 1


def test_charts_use_fonts_and_backgrounds_of_the_theme(result: EvaluationResult) -> None:
    charts = [chart for section in report_figures(result).values() for chart in section]
    for _, figure in charts:
        assert figure.layout.paper_bgcolor is None
        assert figure.layout.plot_bgcolor is None
        assert figure.layout.font.color is None
