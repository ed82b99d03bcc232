"""The tables of an evaluation as LaTeX, for papers; they need the package ``booktabs``."""

from __future__ import annotations

from collections.abc import Sequence

from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import Estimate
from fer_core.metrics.formatting import number

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex_tables(result: EvaluationResult, data_title: str) -> str:
    """Return the tables of metrics, of classes and of the confusion matrix as one LaTeX file.

    Accuracies are in percent with one decimal digit. Other metrics have three decimal digits.
    Intervals are 95 % intervals. Undefined values are written as a dash.

    Args:
        result: The evaluation.
        data_title: A description of the evaluated images, for the captions.
    """
    subject = f"{result.bundle_name} on {data_title} ({result.n:,} images)"
    tables = (
        _table(
            f"Metrics of {subject}, with 95 % bootstrap intervals.",
            "metrics",
            ("Metric", "Value", "95 % interval"),
            [
                ("Accuracy", *_percent_cells(result.accuracy)),
                ("Macro F1", *_number_cells(result.macro_f1)),
                ("Balanced accuracy", *_percent_cells(result.balanced_accuracy)),
                ("Log loss", *_number_cells(result.log_loss)),
                ("Top-2 accuracy", *_percent_cells(result.top2_accuracy)),
                ("Expected calibration error", *_number_cells(result.calibration.calibrated.ece)),
            ],
        ),
        _table(
            f"Metrics per class of {subject}.",
            "classes",
            ("Class", "Precision", "Recall", "F1", "Support"),
            [
                (
                    class_result.name,
                    _number(class_result.precision.value),
                    _number(class_result.recall.value),
                    _number(class_result.f1.value),
                    f"{class_result.support:,}",
                )
                for class_result in result.per_class
            ],
        ),
        _table(
            f"Confusion matrix of {subject}: rows are true classes, columns are predicted classes.",
            "confusion",
            ("True", *result.classes),
            [
                (name, *(f"{count:,}" for count in row))
                for name, row in zip(result.classes, result.confusion.tolist(), strict=True)
            ],
        ),
    )
    return "% Needs \\usepackage{booktabs}\n\n" + "\n\n".join(tables) + "\n"


def latex_text(text: str) -> str:
    """Return a text in which LaTeX's special characters are escaped."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _table(caption: str, label: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" & ".join(map(latex_text, cells)) + r" \\" for cells in (header, *rows)]
    return "\n".join(
        (
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{latex_text(caption)}}}",
            f"  \\label{{tab:{label}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            f"    {lines[0]}",
            r"    \midrule",
            *(f"    {line}" for line in lines[1:]),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        )
    )


def _percent_cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "--", "--"
    interval = "--"
    if estimate.low is not None and estimate.high is not None:
        interval = f"{100 * estimate.low:.1f}--{100 * estimate.high:.1f}"
    return f"{100 * estimate.value:.1f} %", interval


def _number_cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.low is None or estimate.high is None:
        return _number(estimate.value), "--"
    return _number(estimate.value), f"{estimate.low:.3f}--{estimate.high:.3f}"


def _number(value: float | None) -> str:
    return "--" if value is None else number(value)
