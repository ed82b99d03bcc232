"""An evaluation as one HTML file that needs nothing else: figures, tables, limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from fer_core.bundle import Bundle
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.assessment import Assessment
from fer_core.evaluation.calibration import CalibrationState
from fer_core.metrics import Estimate
from fer_core.model_card import DEMO, LIMITS

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff;
  max-width: 66rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #d0d0d0; text-align: right;
  white-space: nowrap; }
th:first-child { text-align: left; white-space: normal; min-width: 6rem; }
figure { margin: 1.5rem 0; break-inside: avoid; }
figcaption, footer, .aside { color: #555; }
.note { border-left: 4px solid #b35900; padding: 0.3rem 0.8rem; margin: 0.5rem 0; }
"""


def html_report(
    assessment: Assessment, bundle: Bundle, figures: Sequence[tuple[str, str, go.Figure]]
) -> str:
    """Write an evaluation as one HTML file.

    Args:
        assessment: What is reported.
        bundle: The model that it is about.
        figures: Title, caption and Plotly figure of each chart, in order.

    Returns:
        The whole file. It loads nothing: Plotly's program lies in it, once.
    """
    from plotly.offline import get_plotlyjs

    result = assessment.result
    title = f"{bundle.name} on {_data_in_words(assessment)}"
    body = [
        f"<h1>{escape(title)}</h1>",
        '<p class="aside">Evaluation of a facial emotion classifier by FER Studio, '
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>",
        *[f'<p class="note">{escape(warning)}</p>' for warning in _warnings(assessment, bundle)],
        "<h2>Headline</h2>",
        _headline(assessment),
        "<h2>Per emotion</h2>",
        _classes(assessment),
        "<h2>Confusion matrix</h2>",
        "<p>Rows are true emotions, columns predicted ones.</p>",
        _table(
            ["true", *EMOTIONS],
            [
                [emotion, *[f"{count:,}" for count in row]]
                for emotion, row in zip(EMOTIONS, assessment.confusion.tolist(), strict=True)
            ],
        ),
        "<h2>Calibration</h2>",
        _calibration(assessment),
        *_slices(assessment),
        *_robustness(assessment),
        *(["<h2>Charts</h2>"] if figures else []),
        *[_figure(number, *figure) for number, figure in enumerate(figures)],
        "<h2>The model</h2>",
        _model(bundle, result.temperature),
        "<h2>Limits and responsible use</h2>",
        *[f"<p>{escape(part)}</p>" for part in LIMITS.split("\n\n")],
    ]
    script = f"<script>{get_plotlyjs()}</script>" if figures else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{script}\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _data_in_words(assessment: Assessment) -> str:
    result = assessment.result
    if result.dataset_name is None:
        return "the validation images of its own training"
    images = "all images" if result.split == "all" else f"the {result.split} images"
    return f"{images} of {result.dataset_name}"


def _warnings(assessment: Assessment, bundle: Bundle) -> Iterable[str]:
    drawn = (DEMO.replace("**", ""),) if bundle.record.is_demo else ()
    return (*drawn, *assessment.result.facts.warnings)


def _headline(assessment: Assessment) -> str:
    figures = assessment.headline
    rows = [
        ["Accuracy", *_percent(figures.accuracy)],
        ["Macro F1", *_plain(figures.macro_f1)],
        ["Balanced accuracy", *_percent(figures.balanced_accuracy)],
        ["Log loss (natural logarithm)", *_plain(figures.log_loss)],
        ["Truth among the two most probable", *_percent(figures.top2_accuracy)],
    ]
    if figures.leak_free_accuracy is not None:
        title = f"Accuracy on the {figures.leak_free_n:,} images that are not also in train"
        rows.append([title, *_percent(figures.leak_free_accuracy)])
    references = (
        f"Always saying {EMOTIONS[figures.baseline_emotion]}, the largest class, would reach "
        f"{_share(figures.baseline_accuracy)}."
    )
    if figures.human_accuracy is not None:
        references += " People reach 65 ± 5 % on FER2013 (Goodfellow et al., 2013)."
    return (
        f"<p>{figures.n:,} images. Intervals are 95 % bootstrap intervals.</p>"
        + _table(["figure", "value", "95 % interval"], rows)
        + f"<p>{references}</p>"
    )


def _classes(assessment: Assessment) -> str:
    rows = []
    for one in assessment.classes:
        cells = [" ".join(_plain(figure)) for figure in (one.precision, one.recall, one.f1)]
        rows.append(
            [
                EMOTIONS[one.emotion],
                *cells,
                f"{one.support:,}",
                _number(one.auc),
                _number(one.average_precision),
            ]
        )
    header = ["emotion", "precision", "recall", "F1", "support", "ROC AUC", "average precision"]
    return _table(header, rows)


def _calibration(assessment: Assessment) -> str:
    calibration = assessment.calibration

    def row(title: str, state: CalibrationState) -> list[str]:
        return [
            title,
            *_plain(state.ece),
            _number(state.ece_by_chance),
            _number(state.log_loss),
        ]

    temperature = assessment.result.temperature
    rows = [
        row("before temperature scaling", calibration.before),
        row(f"at the temperature in force, {temperature:.3f}", calibration.in_force),
    ]
    if calibration.cross_fitted is not None:
        rows.append(
            row(f"fitted on these images, {calibration.folds}-fold", calibration.cross_fitted)
        )
    header = ["probabilities", "calibration error", "95 % interval", "by chance", "log loss"]
    return (
        "<p>Expected calibration error over 15 bins of equal count. Beside it what a perfectly "
        "calibrated model with the same confidences would show by chance.</p>"
        + _table(header, rows)
    )


def _slices(assessment: Assessment) -> Iterable[str]:
    if not assessment.slicings:
        return
    yield "<h2>Slices</h2>"
    for slicing in assessment.slicings:
        yield f"<h3>{escape(slicing.title)}</h3>"
        yield _table(
            [slicing.unit or slicing.title, "images", "accuracy", "95 % interval"],
            [
                [
                    f"{_score(one.low)} to {_score(one.high)}",
                    f"{one.n:,}",
                    *_percent(one.accuracy),
                ]
                for one in slicing.slices
            ],
        )


def _robustness(assessment: Assessment) -> Iterable[str]:
    if not assessment.robustness:
        return
    yield "<h2>Robustness</h2>"
    yield (
        f"<p>Accuracy on {assessment.robustness[0].n:,} of the images, spoiled on purpose; the "
        "first figure of each row is that on the untouched images.</p>"
    )
    for curve in assessment.robustness:
        yield _table(
            [
                f"{curve.title} ({curve.unit})",
                *[f"{point.strength:g}" for point in curve.points],
            ],
            [["accuracy", *[_percent(point.accuracy)[0] for point in curve.points]]],
        )


def _figure(number: int, title: str, caption: str, figure: go.Figure) -> str:
    import plotly.graph_objects as go

    # On a page the theme gives these; here there is none.
    drawn = go.Figure(figure).update_layout(template="plotly_white")
    chart = drawn.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"chart-{number}",
        config={
            "displaylogo": False,
            "responsive": True,
            # The camera sign above a chart saves lines and letters, sharp at any size in print.
            "toImageButtonOptions": {"format": "svg", "filename": f"figure-{number}"},
        },
    )
    below = f"<figcaption>{escape(caption)}</figcaption>"
    return f"<figure><h3>{escape(title)}</h3>{chart}{below}</figure>"


def _model(bundle: Bundle, temperature: float) -> str:
    record = bundle.record
    source = record.source
    facts = [
        ["Name", bundle.name],
        ["Recipe", record.recipe or "imported"],
        ["Weights", f"{record.parameters:,}"],
        ["Trained on", str(record.dataset.get("name", "unknown"))],
        ["Training images", f"{record.training.get('training_images', 0):,}"],
        ["Curation", record.curation or "none"],
        ["Seed", "unknown" if record.seed is None else str(record.seed)],
        ["Temperature in force", f"{temperature:.3f}"],
        [
            "Prediction",
            "mean over the face and its mirror image" if record.flip_averaging else "one pass",
        ],
        ["Made", record.created],
    ]
    if source is not None:
        facts.insert(1, ["File", f"{source.file} ({source.format})"])
        facts = [fact for fact in facts if fact[0] not in ("Training images", "Curation")]
    return _table(["", ""], facts, is_text=True)


def _table(header: list[str], rows: list[list[str]], *, is_text: bool = False) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    style = ' style="text-align: left; white-space: normal"' if is_text else ""
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td{style}>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    top = "" if is_text else f"<thead><tr>{head}</tr></thead>"
    table = f"<table>{top}<tbody>{''.join(lines)}</tbody></table>"
    # Reached by the keyboard, so that it can be scrolled sideways with the arrows.
    return f'<div class="scroll" tabindex="0">{table}</div>'


def _percent(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "undefined", ""
    if estimate.low is None or estimate.high is None:
        return _share(estimate.value), ""
    return _share(estimate.value), f"({100 * estimate.low:.1f} to {_share(estimate.high)})"


def _plain(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "undefined", ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}", ""
    return f"{estimate.value:.3f}", f"({estimate.low:.3f} to {estimate.high:.3f})"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _score(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
