"""The HTML report: one complete file, escaped, without external requests."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import plotly.graph_objects as go
import pytest

from fer_core.bundle import Bundle
from fer_core.evaluation.breakdowns import RobustnessCurve, RobustnessPoint
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.model_comparison import compare
from fer_core.evaluation.result import EvaluationResult
from fer_core.evaluation.slices import slice_by_score
from fer_core.metrics import proportion_estimate
from fer_core.report.html import MAX_FACES, html_report

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
        unscaled_probabilities=probabilities,
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


def flipped(result: EvaluationResult) -> EvaluationResult:
    """The same images, evaluated with another model."""
    return replace(
        result,
        bundle_name=EVIL,
        unscaled_probabilities=np.flip(result.unscaled_probabilities, axis=1),
    )


@pytest.fixture
def page(result: EvaluationResult, bundle: Bundle) -> str:
    bars = go.Figure(go.Bar(x=["a"], y=[1], name=EVIL))
    figures = {"summary": [("One bar.", bars)], "training": [(EVIL, bars)]}
    images = np.zeros((120, 48, 48), np.uint8)
    return html_report(
        result, bundle, figures, images=images, comparison=compare(result, flipped(result))
    )


class Outline(HTMLParser):
    """Collects headings, addresses and the text outside scripts; checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.text: list[str] = []
        self.headings: list[str] = []
        self.captions: list[str] = []
        self.addresses: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.scripts += tag == "script"
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "br", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text.append(data)
            if self._open[-1] == "h2":
                self.headings.append(data)
            if self._open[-2:] in (["caption", "strong"], ["figcaption", "strong"]):
                self.captions.append(data)


@pytest.fixture
def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert not parser._open
    return parser


def test_it_is_complete_and_loads_nothing(page: str, outline: Outline) -> None:
    # Links within the file, and content that is part of it.
    kinds = {address.partition(",")[0].partition("#")[0] for address in outline.addresses}
    assert kinds == {"", "data:text/plain;charset=utf-8;base64", "data:image/png;base64"}
    # The button "Share chart…", which would upload the chart, is off in every chart.
    assert page.count('"showSendToCloud": false') == page.count('"displaylogo": false') == 2
    assert page.count("plotly.js v") == 1
    # Plotly itself, once, one call per figure, and the size for printing.
    assert outline.scripts == 4
    assert 3_000_000 < len(page) < 8_000_000
    assert outline.headings == [
        "Summary",
        "Class balance",
        "Per class",
        "Confusion matrix",
        "Largest errors",
        "Calibration",
        "Slices",
        "Robustness",
        "Comparison",
        "Training",
        "Model",
        "Methods",
        "Limits and responsible use",
        "For papers",
    ]
    assert outline.captions == [
        *("Figure 1.", "Table 1.", "Table 2.", "Table 3.", "Table 4.", "Figure 2.", "Table 5."),
        *("Table 6.", "Table 7.", "Table 8.", "Table 9.", "Figure 3.", "Table 10."),
    ]


def test_the_faces_are_those_of_the_most_confident_errors(
    result: EvaluationResult, bundle: Bundle
) -> None:
    images = np.arange(120, dtype=np.uint8)[:, np.newaxis, np.newaxis] + np.zeros(
        (120, 48, 48), np.uint8
    )
    page = html_report(result, bundle, {}, images=images)
    found = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert len(found) == MAX_FACES
    wrong = np.flatnonzero(result.predicted != result.labels)
    first = wrong[result.confidence[wrong].argmax()]
    face = cv2.imdecode(np.frombuffer(base64.b64decode(found[0]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert face[0, 0] == first
    assert "base64" not in html_report(result, bundle, {}).partition("For papers")[0]


def test_the_values_are_those_of_the_result(outline: Outline, result: EvaluationResult) -> None:
    text = " ".join(outline.text)
    accuracy = result.accuracy
    assert accuracy.value is not None and accuracy.low is not None and accuracy.high is not None
    assert f"{100 * accuracy.value:.1f} %" in text
    assert f"({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f} %)" in text
    assert "the 100 images outside train that have no copy or near-duplicate in train" in text
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
    page = html_report(result, bundle, {})
    assert "<script" not in page and len(page) < 50_000


def test_a_report_of_stored_predictions(bundle: Bundle, result: EvaluationResult) -> None:
    own = replace(
        result, dataset_name=None, is_leaked=None, split="validation", slicings=(), robustness=()
    )
    page = html_report(own, bundle, {})
    assert "small on the validation images of its training" in page
    assert "copy in train" not in page and ">Slices</h2>" not in page


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
    page = html_report(result, replace(bundle, record=record), {})
    assert "&lt;script&gt;" in page and EVIL not in page
    assert "(ONNX network)" in page and "Training images" not in page
