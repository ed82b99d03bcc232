"""An evaluation as a single self-contained HTML file. The layout is in ``report.html.jinja``."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.evaluation.annotators import CLEAR_SHARE, VoteEvaluation
from fer_core.evaluation.calibration_analysis import CalibrationState
from fer_core.evaluation.mistakes import find_mistakes
from fer_core.evaluation.model_comparison import Comparison
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate
from fer_core.metrics.formatting import number, number_interval, percent, percent_interval
from fer_core.model_card import DEMO_WARNING, LIMITS
from fer_core.report.document import Figure, Numbering, Section
from fer_core.report.latex import latex_tables
from fer_core.report.methods import Methods, describe_methods
from fer_core.report.references import bibtex, cite

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Maximum number of example faces.
MAX_FACES = 12

#: The caption and the Plotly figure of each chart, by section of the report.
SectionFigures = Mapping[str, Sequence[tuple[str, "go.Figure"]]]


def html_report(
    result: EvaluationResult,
    bundle: Bundle,
    figures: SectionFigures,
    *,
    votes: VoteEvaluation | None = None,
    images: NDArray[np.uint8] | None = None,
    comparison: Comparison | None = None,
) -> str:
    """Render an evaluation as one HTML file.

    Args:
        result: The evaluation.
        bundle: The evaluated model.
        figures: The charts, as ``fer_core.charts.evaluation.report_figures`` returns them.
        votes: The evaluation against the votes of annotators; None for an evaluation against
            labels.
        images: All images of the dataset, uint8 ``[n, height, width]``; the report shows the images
            with the largest errors. None for a report without images.
        comparison: The comparison with a second model; None for a report about one model.

    Returns:
        The complete file. It loads no external resources: it contains Plotly's script.
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
    methods = describe_methods(result, bundle, data_title(result))
    sections = _sections(result, bundle, figures, votes=votes, images=images, comparison=comparison)
    demo_warning = (DEMO_WARNING.replace("**", ""),) if bundle.record.is_demo else ()
    return environment.get_template("report.html.jinja").render(
        title=f"{bundle.name} on {data_title(result)}",
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        warnings=(*demo_warning, *result.warnings),
        sections=sections,
        # Plotly's script and the markup of its charts are the only unescaped parts.
        plotly_js=Markup(get_plotlyjs()) if any(figures.values()) else "",
        draw=lambda figure: Markup(_chart_markup(figure)),
        methods=methods.paragraphs,
        limits=LIMITS.split("\n\n"),
        sources=[
            ("LaTeX tables", "tables.tex", latex_tables(result, data_title(result))),
            ("BibTeX", "references.bib", bibtex(_cited_keys(methods, result, comparison))),
        ],
        data_address=_text_url,
    )


def report_bibtex(
    result: EvaluationResult, bundle: Bundle, comparison: Comparison | None = None
) -> str:
    """Return BibTeX entries of the works that a report cites."""
    return bibtex(
        _cited_keys(describe_methods(result, bundle, data_title(result)), result, comparison)
    )


def data_title(result: EvaluationResult) -> str:
    """Return a description of the evaluated images, such as "the test images of fer2013"."""
    if result.dataset_name is None:
        return "the validation images of its training"
    images_text = "all images" if result.split == "all" else f"the {result.split} images"
    return f"{images_text} of {result.dataset_name}"


def _cited_keys(
    methods: Methods, result: EvaluationResult, comparison: Comparison | None
) -> tuple[str, ...]:
    keys = methods.keys
    if result.human_accuracy:
        keys = (*keys, "goodfellow2013challenges")
    return keys if comparison is None else (*keys, "mcnemar1947note")


def _sections(
    result: EvaluationResult,
    bundle: Bundle,
    figures: SectionFigures,
    *,
    votes: VoteEvaluation | None,
    images: NDArray[np.uint8] | None,
    comparison: Comparison | None,
) -> list[Section]:
    numbering = Numbering()

    def charts(section: str) -> list[Figure]:
        return numbering.charts(figures.get(section, ()))

    sections = [
        Section(
            "Summary",
            _summary_text(result),
            [
                *charts("summary"),
                numbering.table(
                    "Metrics with 95 % bootstrap intervals.",
                    ["metric", "value", "95 % interval"],
                    _summary_rows(result) + _vote_rows(votes),
                ),
            ],
        ),
        Section(
            "Class balance",
            [],
            [
                *charts("balance"),
                numbering.table(
                    "Images of each class: in this evaluation, and in the train split of the "
                    "dataset that the model was trained on.",
                    ["class", "evaluated", "share", "training", "share"],
                    _balance_rows(result, bundle),
                ),
            ],
        ),
        Section(
            "Per class",
            [],
            [
                *charts("classes"),
                numbering.table(
                    "Metrics per class, with 95 % bootstrap intervals.",
                    [
                        "class",
                        "precision",
                        "recall",
                        "F1",
                        "support",
                        "ROC AUC",
                        "average precision",
                    ],
                    _class_rows(result),
                ),
            ],
        ),
        Section(
            "Confusion matrix",
            [],
            [
                *charts("confusion"),
                numbering.table(
                    "Numbers of images: rows are true classes, columns are predicted classes.",
                    ["true", *result.classes],
                    [
                        [name, *[f"{value:,}" for value in row]]
                        for name, row in zip(result.classes, result.confusion.tolist(), strict=True)
                    ],
                ),
            ],
        ),
    ]
    if images is not None and not result.is_correct.all():
        sections.append(_largest_errors(result, images, numbering))
    sections.append(
        Section(
            "Calibration",
            [
                "Expected calibration error (ECE) over 15 bins of equal count. “By chance” is the "
                "ECE that a perfectly calibrated model with the same confidences would show on "
                "this number of images."
            ],
            [
                *charts("calibration"),
                numbering.table(
                    "Calibration error, with 95 % bootstrap intervals.",
                    ["probabilities", "ECE", "95 % interval", "by chance", "log loss"],
                    _calibration_rows(result),
                ),
            ],
        )
    )
    if result.slicings:
        section = Section("Slices")
        slice_charts = charts("slices")
        for position, (title, header, rows) in enumerate(_slice_tables(result)):
            # This adds nothing if the caller gave no chart for this table.
            section.blocks += slice_charts[position : position + 1]
            section.blocks.append(numbering.table(f"Accuracy by {title.lower()}.", header, rows))
        sections.append(section)
    if result.robustness:
        section = Section(
            "Robustness",
            [
                f"Accuracy on {result.robustness[0].n:,} of the images under image corruptions. "
                "The first value of each row is the accuracy on the unchanged images."
            ],
        )
        curve_charts = charts("robustness")
        for position, (title, header, rows) in enumerate(_robustness_tables(result)):
            section.blocks += curve_charts[position : position + 1]
            section.blocks.append(numbering.table(f"Accuracy under {title}.", header, rows))
        sections.append(section)
    if comparison is not None:
        sections.append(_comparison_section(comparison, charts("comparison"), numbering))
    curves = charts("training")
    if curves:
        sections.append(Section("Training", [], [*curves]))
    sections.append(
        Section(
            "Model",
            [],
            [
                numbering.table(
                    "Properties of the model.",
                    ["property", "value"],
                    [list(row) for row in _model_rows(bundle, result.temperature)],
                    is_text=True,
                )
            ],
        )
    )
    return sections


def _summary_text(result: EvaluationResult) -> list[str]:
    text = f"{result.n:,} images."
    if result.seen:
        text += f" {result.seen.summary}"
    baseline = (
        "The majority-class baseline, which always predicts "
        f"{result.classes[result.majority_class]}, reaches {percent(result.baseline_accuracy)}."
    )
    if result.human_accuracy:
        baseline += f" Human accuracy on FER2013 is 65 ± 5 % {cite('goodfellow2013challenges')}."
    return [text, baseline]


def _balance_rows(result: EvaluationResult, bundle: Bundle) -> list[list[str]]:
    counts = training_counts(bundle)
    total = sum(counts.values())
    rows = []
    for class_result in result.per_class:
        count = counts.get(class_result.name)
        rows.append(
            [
                class_result.name,
                f"{class_result.support:,}",
                percent(class_result.support / result.n),
                "unknown" if count is None else f"{count:,}",
                "" if count is None else percent(count / max(total, 1)),
            ]
        )
    return rows


def training_counts(bundle: Bundle) -> dict[str, int]:
    """Return the number of images per class in the train split that a model was trained on.

    The result is empty if the numbers are unknown.
    """
    counts = bundle.record.dataset.get("counts")
    train = counts.get("train") if isinstance(counts, dict) else None
    if not isinstance(train, dict):
        return {}
    return {str(name): count for name, count in train.items() if isinstance(count, int)}


def _largest_errors(
    result: EvaluationResult, images: NDArray[np.uint8], numbering: Numbering
) -> Section:
    positions = find_mistakes(result)[:MAX_FACES]
    faces = []
    for position in positions.tolist():
        true = result.classes[result.labels[position]]
        predicted = result.classes[result.predicted[position]]
        text = f"{true}, predicted {predicted} ({percent(float(result.confidence[position]))})"
        faces.append((_face_url(images[result.rows[position]]), text))
    return Section(
        "Largest errors",
        [
            "These images are part of this file. Pass on the file only if you may pass on the "
            "images. Labels can be wrong, too."
        ],
        [
            numbering.faces(
                f"The {len(faces)} misclassified images with the highest confidence: true class, "
                "predicted class and its probability.",
                faces,
            )
        ],
    )


def _face_url(image: NDArray[np.uint8]) -> str:
    import cv2

    encoded = cv2.imencode(".png", image)[1].tobytes()
    return f"data:image/png;base64,{base64.b64encode(encoded).decode()}"


def _text_url(text: str) -> str:
    return f"data:text/plain;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def _comparison_section(
    comparison: Comparison, charts: Sequence[Figure], numbering: Numbering
) -> Section:
    difference = comparison.difference
    overall_rows = [
        ["Images", f"{comparison.n:,}", ""],
        [f"Accuracy of {comparison.first_name}", percent(comparison.first_accuracy), ""],
        [f"Accuracy of {comparison.second_name}", percent(comparison.second_accuracy), ""],
        ["Difference, second minus first", *_percent_cells(difference)],
        ["Both correct", f"{comparison.both_correct:,}", ""],
        ["Only the first correct", f"{comparison.only_first:,}", ""],
        ["Only the second correct", f"{comparison.only_second:,}", ""],
        ["Both wrong", f"{comparison.both_wrong:,}", ""],
        [f"p-value ({comparison.test})", f"{comparison.p_value:.3g}", ""],
    ]
    class_rows = [
        [
            class_comparison.name,
            f"{class_comparison.support:,}",
            number(class_comparison.first_recall),
            number(class_comparison.second_recall),
            " ".join(_number_cells(class_comparison.recall_difference)),
            " ".join(_number_cells(class_comparison.f1_difference)),
        ]
        for class_comparison in comparison.per_class
    ]
    return Section(
        "Comparison",
        [
            comparison.sentence,
            f"The p-value is that of McNemar's test {cite('mcnemar1947note')}; intervals are "
            "paired 95 % bootstrap intervals.",
        ],
        [
            numbering.table(
                f"{comparison.first_name} (first) and {comparison.second_name} (second) on the "
                "same images.",
                ["", "value", "95 % interval"],
                overall_rows,
            ),
            *charts,
            numbering.table(
                "Differences per class, second minus first model.",
                [
                    "class",
                    "support",
                    "first recall",
                    "second recall",
                    "recall difference",
                    "F1 difference",
                ],
                class_rows,
            ),
        ],
    )


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
            f"Accuracy on the {result.leak_free_n:,} images outside train that have no copy or "
            "near-duplicate in train"
        )
        rows.append([title, *_percent_cells(result.leak_free_accuracy)])
    return rows


def _vote_rows(votes: VoteEvaluation | None) -> list[list[str]]:
    if votes is None:
        return []
    clear_title = (
        f"Accuracy on {votes.clear_n:,} images with at least {100 * CLEAR_SHARE:.0f} % of the "
        "votes on one answer"
    )
    return [
        [clear_title, *_percent_cells(votes.clear_accuracy)],
        [
            "Agreement of one annotator with the plurality of the others",
            *_percent_cells(votes.annotator_agreement),
        ],
        ["Agreement of the model with the same plurality", *_percent_cells(votes.model_agreement)],
        ["Cross-entropy to the votes", *_number_cells(votes.cross_entropy)],
        ["Images with tied votes, left out", f"{votes.tie_count:,}", ""],
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
                    f"{_score_text(score_slice.low)} to {_score_text(score_slice.high)}",
                    f"{score_slice.n:,}",
                    *_percent_cells(score_slice.accuracy),
                ]
                for score_slice in slicing.slices
            ],
        )
        for slicing in result.slicings
    ]


def _robustness_tables(result: EvaluationResult) -> list[tuple[str, list[str], list[list[str]]]]:
    return [
        (
            f"{curve.title.lower()} ({curve.unit})",
            [f"{curve.title} ({curve.unit})", *[f"{point.strength:g}" for point in curve.points]],
            [["accuracy", *[_percent_cells(point.accuracy)[0] for point in curve.points]]],
        )
        for curve in result.robustness
    ]


def _chart_markup(figure: Figure) -> str:
    """Return a chart as HTML."""
    import plotly.graph_objects as go

    # On a page, the theme determines the colors of the chart. The report has no theme.
    styled = go.Figure(figure.chart).update_layout(template="plotly_white")
    markup: str = styled.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"chart-{figure.number}",
        config={
            "displaylogo": False,
            # "Share chart…" would upload the data to Plotly's servers.
            "showSendToCloud": False,
            "responsive": True,
            # The camera button saves a vector graphic, which prints sharply at any size.
            "toImageButtonOptions": {"format": "svg", "filename": f"figure-{figure.number}"},
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


def _score_text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
