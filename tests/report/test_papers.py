"""Methods section, references and LaTeX tables of a report."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fer_core.bundle import Bundle
from fer_core.calibration import Calibration
from fer_core.evaluation.facts import ResultFacts
from fer_core.evaluation.result import EvaluationResult
from fer_core.recipes import RECIPES, TrainingConfig, recipe_by_name
from fer_core.report.html import report_bibtex
from fer_core.report.latex import latex_tables, latex_text
from fer_core.report.methods import describe_methods
from fer_core.report.references import REFERENCES, bibtex


@pytest.fixture
def result() -> EvaluationResult:
    # Of four images two are right: a as a, a as b_%, b_% as b_%, b_% as a.
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.7, 0.3]], np.float32)
    return EvaluationResult(
        bundle_name="mine_1",
        dataset_name="my & data",
        split="test",
        labels=np.array([0, 0, 1, 1], np.int8),
        unscaled_probabilities=chances,
        temperature=1.0,
        rows=np.arange(4),
        classes=("a", "b_%"),
    )


MakeRecord = Callable[..., Any]


def methods(result: EvaluationResult, bundle: Bundle, record: Any) -> tuple[str, set[str]]:
    found = describe_methods(result, replace(bundle, record=record), "the test images of mine")
    return " ".join(found.paragraphs), set(found.keys)


def test_the_methods_name_the_settings_of_the_training(
    result: EvaluationResult, bundle: Bundle, make_record: MakeRecord
) -> None:
    config = TrainingConfig(
        optimizer="sgd", learning_rate=0.05, momentum=0.8, weight_decay=0.005, batch_size=32,
        epochs=40, schedule="cosine", loss="focal", focal_gamma=1.5, label_smoothing=0.1,
        flip=True, rotation_degrees=10, zoom_share=0.2, imbalance="oversampling",
        monitor="accuracy", early_stopping_patience=5,
    )  # fmt: skip
    record = make_record(
        recipe="own",
        config=config.to_json(),
        seed=7,
        dataset={"name": "fer2013"},
        curation="12 training images dropped",
        training={
            "epochs": 30, "best_epoch": 25, "training_images": 28_000, "seconds": 3700.0,
            "backend": "tensorflow",
        },
        versions={"keras": "3.1", "tensorflow": "2.20"},
    )  # fmt: skip
    text, keys = methods(result, replace(bundle, calibration=Calibration(1.25)), record)
    for part in (
        "28,000 images of fer2013 (Goodfellow et al., 2013), 12 training images dropped.",
        "Stochastic gradient descent with Nesterov momentum 0.8 minimized the focal loss "
        "(Lin et al., 2017) with gamma 1.5 with label smoothing 0.1 (Szegedy et al., 2016) in "
        "batches of 32 images for up to 40 epochs (learning rate 0.05, cosine schedule "
        "(Loshchilov and Hutter, 2017) to 0, weight decay 0.005).",
        "augmented by horizontal flips, rotation by up to 10 degrees and zoom by up to 20 %.",
        "countered by oversampling",
        "highest validation accuracy were used (epoch 25 of 30); training was set to stop early "
        "after 5 epochs",
        "Environment: seed 7, Keras 3.1 (Chollet et al., 2015) on tensorflow 2.20",
        "temperature scaling (Guo et al., 2017) with a temperature of 1.250.",
        "the test images of mine (4 images) against the labels.",
        "1,000 resamples of the images (Efron and Tibshirani, 1993)",
    ):
        assert part in text
    assert keys == {
        "goodfellow2013challenges", "lin2017focal", "szegedy2016rethinking", "loshchilov2017sgdr",
        "chollet2015keras", "guo2017calibration", "efron1993bootstrap",
    }  # fmt: skip


def test_the_methods_use_the_singular_for_one_epoch(
    result: EvaluationResult, bundle: Bundle, make_record: MakeRecord
) -> None:
    config = TrainingConfig(
        schedule="plateau", plateau_patience=1, low_resolution_epochs=1, warmup_epochs=1,
        imbalance="oversampling", imbalance_last_epochs=1, early_stopping_patience=1,
    )  # fmt: skip
    text, _ = methods(result, bundle, make_record(recipe="own", config=config.to_json()))
    for part in (
        "after 1 epoch without a lower validation loss",
        "1 warm-up epoch)",
        "The first epoch used images of 36x36 pixels.",
        "in the last epoch (Cao et al., 2019)",
        "after 1 epoch without improvement",
    ):
        assert part in text
    assert "1 epochs" not in text


def test_the_weights_after_the_only_epoch(
    result: EvaluationResult, bundle: Bundle, make_record: MakeRecord
) -> None:
    record = make_record(
        recipe="own",
        config=TrainingConfig(monitor="last", epochs=1).to_json(),
        training={"epochs": 1, "training_images": 10, "seconds": 1.0},
    )
    text, _ = methods(result, bundle, record)
    assert "The weights after the only epoch were used." in text
    assert "1 epochs" not in text


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_has_a_methods_section(
    result: EvaluationResult, bundle: Bundle, make_record: MakeRecord, name: str
) -> None:
    config = recipe_by_name(name).config
    text, keys = methods(result, bundle, make_record(recipe=name, config=config.to_json()))
    assert f"{config.learning_rate:g}" in text
    assert not re.search(r"None|  |\.\.|\( |_", text)
    # Every citation has an entry.
    cited = re.findall(r"\(([^()]*\b(?:19|20)\d\d)\)", text)
    assert {REFERENCES[key].citation for key in keys} == set(cited)


def test_an_imported_model_has_no_training(
    result: EvaluationResult, bundle: Bundle, make_record: MakeRecord
) -> None:
    source = {"file": "net.onnx", "format": "ONNX network"}
    text, keys = methods(result, bundle, make_record(recipe=None, config={}, source=source))
    assert "imported from net.onnx (ONNX network)" in text and "not recorded" in text
    assert keys == {"efron1993bootstrap"}


def test_the_settings_of_another_version_are_unknown(
    result: EvaluationResult, bundle: Bundle, make_record: MakeRecord
) -> None:
    text, _ = methods(result, bundle, make_record(recipe="old", config={"new_setting": 1}))
    assert "with the recipe old; its settings are unknown" in text


def test_bibtex_has_an_entry_for_each_work_once(result: EvaluationResult, bundle: Bundle) -> None:
    text = bibtex(["guo2017calibration", "cao2019learning", "guo2017calibration"])
    entries = re.findall(r"@\w+\{(\w+),", text)
    assert entries == ["ferstudio", "cao2019learning", "guo2017calibration"]
    assert text.count("{") == text.count("}")
    human = replace(result, facts=ResultFacts(is_fer2013=True))
    assert "goodfellow2013challenges" in report_bibtex(human, bundle)
    for work in REFERENCES.values():
        assert work.fields["year"] in work.citation
        assert {"author", "title"} <= set(work.fields)


def test_latex_tables_have_the_values_of_the_report(result: EvaluationResult) -> None:
    text = latex_tables(result, "the test images of my & data")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert r"Accuracy & 50.0 \% & " in text
    # Precision and recall of both classes are 1 of 2.
    assert r"a & 0.500 & 0.500 & 0.500 & 2 \\" in text
    assert r"b\_\% & 0.500 & 0.500 & 0.500 & 2 \\" in text
    assert r"True & a & b\_\% \\" in text
    assert r"mine\_1 on the test images of my \& data (4 images)" in text
    # Every row has a cell for each column.
    for columns, rows in re.findall(r"\{tabular\}\{(\w+)\}(.*?)\\end", text, re.DOTALL):
        lines = [line for line in rows.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(columns) - 1}


def test_special_characters_are_escaped_in_latex() -> None:
    assert latex_text(r"50 % of {x}_1 ~ $2 & #3 ^\\") == (
        r"50 \% of \{x\}\_1 \textasciitilde{} \$2 \& \#3 "
        r"\textasciicircum{}\textbackslash{}\textbackslash{}"
    )
