"""An evaluation as a single self-contained HTML file. The layout is in ``report.html.jinja``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fer_core.bundle import Bundle
from fer_core.evaluation.annotators import CLEAR_SHARE, VoteEvaluation
from fer_core.evaluation.calibration_analysis import CalibrationState
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate
from fer_core.metrics.formatting import number, number_interval, percent, percent_interval
from fer_core.model_card import DEMO, LIMITS

if TYPE_CHECKING:
    import plotly.graph_objects as go


def html_report(
    result: EvaluationResult,
    bundle: Bundle,
    figures: Sequence[tuple[str, str, go.Figure]],
    *,
    votes: VoteEvaluation | None = None,
) -> str:
    """Render an evaluation as one HTML file.

    Args:
        result: The evaluation.
        bundle: The evaluated model.
        figures: Title, caption and Plotly figure of each chart, in order.
        votes: The comparison with annotators, for an evaluation against their votes.

    Returns:
        The complete file. It loads no external resources: Plotly's script is included once.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("fer_core.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    demo_warning = (DEMO.replace("**", ""),) if bundle.record.is_demo else ()
    return environment.get_template("report.html.jinja").render(
        title=f"{bundle.name} on {_data_title(result)}",
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        warnings=(*demo_warning, *result.warnings),
        result=result,
        percent=percent,
        summary_rows=_summary_rows(result) + _vote_rows(votes),
        class_rows=_class_rows(result),
        confusion_rows=[
            [name, *[f"{count:,}" for count in row]]
            for name, row in zip(result.classes, result.confusion.tolist(), strict=True)
        ],
        calibration_rows=_calibration_rows(result),
        slice_tables=_slice_tables(result),
        robustness_tables=_robustness_tables(result),
        # Plotly's script and the markup that it generates are the only unescaped parts.
        plotly_js=Markup(get_plotlyjs()) if figures else "",
        charts=[
            (title, caption, Markup(_chart(number, figure)))
            for number, (title, caption, figure) in enumerate(figures)
        ],
        model_rows=_model_rows(bundle, result.temperature),
        limits=LIMITS.split("\n\n"),
    )


def _data_title(result: EvaluationResult) -> str:
    if result.dataset_name is None:
        return "the validation images of its training"
    images = "all images" if result.split == "all" else f"the {result.split} images"
    return f"{images} of {result.dataset_name}"


def _summary_rows(result: EvaluationResult) -> list[list[str]]:
    rows = [
        ["Accuracy", *_percent_cells(result.accuracy)],
        ["Macro F1", *_number_cells(result.macro_f1)],
        ["Balanced accuracy", *_percent_cells(result.balanced_accuracy)],
        ["Log loss (natural logarithm)", *_number_cells(result.log_loss)],
        ["Top-2 accuracy", *_percent_cells(result.top2_accuracy)],
    ]
    if result.leak_free_accuracy is not None and result.split != "train":
        title = (
            f"Accuracy on the {result.leak_free_n:,} images outside train, without a copy or "
            "near-duplicate in it"
        )
        rows.append([title, *_percent_cells(result.leak_free_accuracy)])
    return rows


def _vote_rows(votes: VoteEvaluation | None) -> list[list[str]]:
    if votes is None:
        return []
    clear = (
        f"Accuracy on {votes.clear_n:,} images with {CLEAR_SHARE:.0%} of the votes on one answer"
    )
    return [
        [clear, *_percent_cells(votes.clear_accuracy)],
        [
            "One annotator against the plurality of the others",
            *_percent_cells(votes.annotator_agreement),
        ],
        ["The model against the same plurality", *_percent_cells(votes.model_agreement)],
        ["Cross-entropy to the votes", *_number_cells(votes.cross_entropy)],
        ["Images with tied votes, left out", f"{votes.ties:,}", ""],
    ]


def _class_rows(result: EvaluationResult) -> list[list[str]]:
    return [
        [
            class_result.name,
            *[
                " ".join(_number_cells(metric))
                for metric in (class_result.precision, class_result.recall, class_result.f1)
            ],
            f"{class_result.support:,}",
            number(class_result.auc),
            number(class_result.average_precision),
        ]
        for class_result in result.per_class
    ]


def _calibration_rows(result: EvaluationResult) -> list[list[str]]:
    calibration = result.calibration

    def row(title: str, state: CalibrationState) -> list[str]:
        return [
            title,
            *_number_cells(state.ece),
            number(state.ece_by_chance),
            number(state.log_loss),
        ]

    rows = [
        row("uncalibrated", calibration.uncalibrated),
        row(f"calibrated, temperature {result.temperature:.3f}", calibration.calibrated),
    ]
    if calibration.cross_validated is not None:
        title = f"temperature cross-validated on these images ({calibration.folds} folds)"
        rows.append(row(title, calibration.cross_validated))
    return rows


def _slice_tables(result: EvaluationResult) -> list[tuple[str, list[str], list[list[str]]]]:
    return [
        (
            slicing.title,
            [slicing.unit or slicing.title, "images", "accuracy", "95 % interval"],
            [
                [
                    f"{_score(score_slice.low)} to {_score(score_slice.high)}",
                    f"{score_slice.n:,}",
                    *_percent_cells(score_slice.accuracy),
                ]
                for score_slice in slicing.slices
            ],
        )
        for slicing in result.slicings
    ]


def _robustness_tables(result: EvaluationResult) -> list[tuple[list[str], list[list[str]]]]:
    return [
        (
            [f"{curve.title} ({curve.unit})", *[f"{point.strength:g}" for point in curve.points]],
            [["accuracy", *[_percent_cells(point.accuracy)[0] for point in curve.points]]],
        )
        for curve in result.robustness
    ]


def _chart(number: int, figure: go.Figure) -> str:
    import plotly.graph_objects as go

    # On a page the theme sets the template; the report has no theme.
    styled = go.Figure(figure).update_layout(template="plotly_white")
    markup: str = styled.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"chart-{number}",
        config={
            "displaylogo": False,
            # "Share chart…" would upload the data to Plotly's servers.
            "showSendToCloud": False,
            "responsive": True,
            # The camera button saves a vector graphic, which prints sharply at any size.
            "toImageButtonOptions": {"format": "svg", "filename": f"figure-{number}"},
        },
    )
    return markup


def _model_rows(bundle: Bundle, temperature: float) -> list[tuple[str, str]]:
    record = bundle.record
    source = record.source
    rows = [("Name", bundle.name)]
    if source is not None:
        rows.append(("File", f"{source.file} ({source.format})"))
    rows += [
        ("Recipe", record.recipe or "imported"),
        ("Parameters", f"{record.parameters:,}"),
        ("Trained on", str(record.dataset.get("name", "unknown"))),
    ]
    if source is None:
        rows += [
            ("Training images", f"{record.training.get('training_images', 0):,}"),
            ("Curation", record.curation or "none"),
        ]
    return [
        *rows,
        ("Seed", "unknown" if record.seed is None else str(record.seed)),
        ("Temperature", f"{temperature:.3f}"),
        (
            "Prediction",
            "mean over the face and its mirror image" if record.flip_averaging else "single pass",
        ),
        ("Created", record.created),
    ]


def _percent_cells(estimate: Estimate) -> tuple[str, str]:
    interval = percent_interval(estimate)
    return percent(estimate.value), f"({interval})" if interval else ""


def _number_cells(estimate: Estimate) -> tuple[str, str]:
    interval = number_interval(estimate)
    return number(estimate.value), f"({interval})" if interval else ""


def _score(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
