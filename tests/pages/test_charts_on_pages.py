"""Charts on pages: title, caption, downloads; and what the confusion matrix is drawn from."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fer_studio.ui.charts import file_stem
from fer_studio.ui.evaluate.confusion_matrix import confusion_csv, matrix_data

CLASSES = ("happy", "sad", "fear")
#: No image is predicted as fear, and none is labeled fear.
COUNTS = np.array([[3, 1, 0], [1000, 200, 0], [0, 0, 0]], np.int64)


def _script() -> None:
    from fer_core.charts.dataset import count_bars
    from fer_studio.ui.charts import show_chart

    show_chart(
        count_bars({"happy": 3, "sad": 4}, "train"),
        title="Images of *my* faces",
        key="counts/train",
        alt="happy 3, sad 4",
        caption="Of both classes.",
    )


def test_a_chart_has_a_title_a_caption_and_its_downloads() -> None:
    app = AppTest.from_function(_script, default_timeout=180).run()
    assert not app.exception
    assert [one.value for one in app.markdown] == [r"**Images of \*my\* faces**"]
    assert [one.value for one in app.caption] == ["Of both classes."]
    (buttons,) = app.get("bidi_component")
    assert json.loads(buttons.proto.json) == {
        "chart": "st-key-chart_counts-train",
        "file": "images-of-my-faces",
        "title": "Images of *my* faces",
        "caption": "Of both classes.",
    }
    (table,) = app.download_button
    assert table.label == "CSV"
    (chart,) = app.get("plotly_chart")
    assert chart.proto.alt == "happy 3, sad 4"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Accuracy by minimum confidence", "accuracy-by-minimum-confidence"),
        ("../F1: 快乐!", "f1-快乐"),
        ("***", "chart"),
    ],
)
def test_a_file_is_named_after_the_chart(title: str, name: str) -> None:
    assert file_stem(title) == name


def test_the_matrix_shows_counts_with_totals_colored_by_row() -> None:
    data = matrix_data(COUNTS, CLASSES, "counts")
    assert data["texts"] == [["3", "1", "0"], ["1,000", "200", "0"], ["0", "0", "0"]]
    assert data["rows"] == ["4", "1,200", "0"]
    assert data["columns"] == ["1,003", "201", "0"]
    assert data["total"] == "1,204"
    assert data["shares"] == [[0.75, 0.25, 0], [1000 / 1200, 200 / 1200, 0], [None] * 3]
    assert data["labels"][0][1] == "happy predicted as sad: 1 image, 25.0 % of the true class"
    assert data["labels"][2][0] == "fear predicted as happy: 0 images"


def test_the_matrix_shows_shares_of_the_predicted_class() -> None:
    data = matrix_data(COUNTS, CLASSES, "column")
    assert [line[1] for line in data["texts"]] == ["0 %", "100 %", "0 %"]
    assert [line[2] for line in data["texts"]] == ["", "", ""]  # undefined
    assert data["legend"] == "share of the predicted class"


def test_the_matrix_is_downloaded_with_its_totals() -> None:
    assert confusion_csv(COUNTS, CLASSES).splitlines() == [
        "true,happy,sad,fear,total",
        "happy,3,1,0,4",
        "sad,1000,200,0,1200",
        "fear,0,0,0,0",
        "total,1003,201,0,1204",
    ]
