"""The HTML report: one complete file, escaped, without external requests."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from fer_core.bundle import Bundle
from fer_core.evaluation.breakdowns import RobustnessCurve, RobustnessPoint
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.slices import slice_by_score
from fer_core.metrics import proportion_estimate
from fer_core.report.html import html_report

EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def result() -> EvaluationResult:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 6, 120).astype(np.int8)  # neutral does not occur
    probabilities = generator.dirichlet(np.ones(7), 120).astype(np.float32)
    result = EvaluationResult(
        bundle_name="small",
        dataset_name=EVIL,
        split="test",
        labels=labels,
        raw_probabilities=probabilities,
        temperature=1.25,
        rows=np.arange(120),
        names=(),
        is_leaked=np.arange(120) < 20,
        data_fingerprint="f",
        facts=ResultFacts(False, True, True, False, (f"Take care with {EVIL}.",)),
    )
    slicing = slice_by_score(result, np.arange(120.0), name="age", title="Age", unit="years")
    points = tuple(RobustnessPoint(s, proportion_estimate(h, 10)) for s, h in ((0, 8), (5, 4)))
    curve = RobustnessCurve("fog", "Fog", "metres", points, 10)
    return replace(result, slicings=(slicing,), robustness=(curve,))


@pytest.fixture
def page(result: EvaluationResult, bundle: Bundle) -> str:
    bars = go.Figure(go.Bar(x=["a"], y=[1], name=EVIL))
    return html_report(result, bundle, [("Bars", "One bar.", bars), (EVIL, EVIL, bars)])


class Outline(HTMLParser):
    """Collects headings, addresses and the text outside scripts; checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.text: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.scripts += tag == "script"
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text.append(data)
            if self._open[-1] == "h2":
                self.headings.append(data)


@pytest.fixture
def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert not parser._open
    return parser


def test_it_is_complete_and_loads_nothing(page: str, outline: Outline) -> None:
    assert outline.addresses == []
    # The button "Share chart…", which would upload the chart, is off in every chart.
    assert page.count('"showSendToCloud": false') == page.count('"displaylogo": false') == 2
    assert page.count("plotly.js v") == 1
    # Plotly itself, once, and one call per figure.
    assert outline.scripts == 3
    assert 3_000_000 < len(page) < 8_000_000
    assert outline.headings == [
        "Summary",
        "Per class",
        "Confusion matrix",
        "Calibration",
        "Slices",
        "Robustness",
        "Charts",
        "Model",
        "Limits and responsible use",
    ]


def test_the_values_are_those_of_the_result(outline: Outline, result: EvaluationResult) -> None:
    text = " ".join(outline.text)
    accuracy = result.accuracy
    assert accuracy.value is not None and accuracy.low is not None and accuracy.high is not None
    assert f"{100 * accuracy.value:.1f} %" in text
    assert f"({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f} %)" in text
    assert "the 100 images outside train, without a copy or near-duplicate in it" in text
    assert "Human accuracy on FER2013 is 65 ± 5 %" in text
    assert "calibrated, temperature 1.250" in text
    assert "undefined" in text
    assert "metres" in text and "0 to 23" in text
    assert "Do not use it to make decisions about people" in text


def test_user_text_is_escaped(page: str, outline: Outline) -> None:
    assert EVIL not in page
    assert "alert(" not in re.sub(r"alert\(&#34;x&#34;\)|alert\(\\\"x\\\"\)", "", page)
    assert any(EVIL in text for text in outline.text)


def test_without_charts_it_contains_no_script(result: EvaluationResult, bundle: Bundle) -> None:
    page = html_report(result, bundle, [])
    assert "<script" not in page and len(page) < 50_000


def test_a_report_of_stored_predictions(bundle: Bundle, result: EvaluationResult) -> None:
    own = replace(
        result, dataset_name=None, is_leaked=None, split="validation", slicings=(), robustness=()
    )
    page = html_report(own, bundle, [])
    assert "small on the validation images of its training" in page
    assert "copy in train" not in page and "<h2>Slices" not in page


def test_an_imported_model_shows_its_file(
    result: EvaluationResult, bundle: Bundle, make_record: Callable[..., Any]
) -> None:
    record = make_record(
        recipe=None,
        seed=None,
        dataset={},
        training={},
        source={"file": f"{EVIL}.onnx", "format": "ONNX network"},
    )
    page = html_report(result, replace(bundle, record=record), [])
    assert "&lt;script&gt;" in page and EVIL not in page
    assert "(ONNX network)" in page and "Training images" not in page
