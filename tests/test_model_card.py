"""The model card of a bundle."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fer_core.bundle import BundleRecord
from fer_core.calibration import Calibration
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.result import EvaluationResult
from fer_core.model_card import model_card


@pytest.fixture
def record(make_record: Callable[..., BundleRecord]) -> BundleRecord:
    labels = np.array([0, 0, 3], np.int8)
    probabilities = np.full((3, 7), 0.05, np.float32)
    probabilities[np.arange(3), [0, 3, 3]] = 0.7
    result = EvaluationResult(
        bundle_name="mine",
        dataset_name=None,
        split="validation",
        labels=labels,
        unscaled_probabilities=probabilities,
        temperature=1.0,
        rows=np.arange(3),
        is_leaked=np.array([False, True, False]),
    )
    return make_record(metrics={"validation": result.to_json()}, flip_averaging=True)


def test_near_copies_are_left_out_of_the_leak_free_images(record: BundleRecord) -> None:
    metrics = record.metrics["validation"]
    counted = metrics | {"leak_free": metrics["leak_free"] | {"near_copies": 1}}
    card = model_card("mine", replace(record, metrics={"validation": counted}), 1.25)
    assert "On the 2 of them without a copy or near-duplicate in the training split" in card


def test_the_metrics_of_the_record_are_shown(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.25)
    assert card.startswith("# mine\n")
    assert "On validation (3 images): accuracy 66.7 %" in card
    # A record of an earlier version counted exact copies only.
    assert "On the 2 of them whose pixels do not appear in the training split" in card
    assert "accuracy 100.0 %" in card
    assert "Temperature 1.250" in card
    assert "| angry | 1.000 | 0.500 | 0.667 | 2 |" in card


def test_an_undefined_metric_is_shown_as_undefined(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.0)
    assert "| fear | undefined | undefined | undefined | 0 |" in card


def test_every_emotion_has_its_row(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.0)
    assert [line.split("|")[1].strip() for line in card.splitlines() if line.startswith("| ")][
        1:
    ] == list(EMOTIONS)


def test_training_data_limits_and_license_are_shown(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.0)
    for words in (
        "three-conv-cnn-adam",
        "`three_convolutions`",
        "56 training images",
        "f" * 16,
        "mirror image",
        "Protocol: the training starts from random weights and uses only the training split.",
        "Test images were not used for any choice",
        "## Limits",
        "Do not use it to make decisions about people",
        "## License",
    ):
        assert words in card


def test_an_imported_model_without_metrics_has_a_card(
    make_record: Callable[..., BundleRecord],
) -> None:
    imported = make_record(recipe=None, config={}, seed=None, dataset={}, training={})
    card = model_card("imported", imported, 1.0)
    assert "unknown" in card
    assert "mirror image" not in card


def test_a_record_with_only_the_accuracy_has_a_card(
    make_record: Callable[..., BundleRecord],
) -> None:
    card = model_card("mine", make_record(metrics={"validation": {"accuracy": 0.6253}}), 1.0)
    assert "On validation: accuracy 62.5 %.\n" in card
    assert "undefined" not in card
    assert "On validation: no metrics are recorded." in model_card(
        "mine", make_record(metrics={"validation": {}}), 1.0
    )


def test_a_class_with_only_a_recall_has_its_row(
    make_record: Callable[..., BundleRecord],
) -> None:
    metrics = {"accuracy": 0.5, "loss": None, "per_class": {"angry": {"recall": 0.25}}}
    card = model_card("mine", make_record(metrics={"validation": metrics}), 1.0)
    assert "accuracy 50.0 %, cross-entropy undefined." in card
    assert "| angry | undefined | 0.250 | undefined | undefined |" in card


def test_the_card_contains_logit_adjustment_and_confidence(record: BundleRecord) -> None:
    prior = (0.1, 0.02, 0.03, 0.3, 0.15, 0.1, 0.3)
    calibration = Calibration(0.9, prior, 0.25, {"80": 0.0, "90": 0.71, "99": None})
    card = model_card("mine", record, calibration)
    assert "(share of the training targets)^0.25" in card
    assert "disgust 2.0 %, fear 3.0 %" in card
    assert (
        "80 % of the predictions with a confidence of at least 0.00, 90 % of the predictions "
        "with a confidence of at least 0.71 are correct." in card
    )
    assert "**Logit adjustment:**" not in model_card("mine", record, 0.9)
    without = model_card("mine", record, Calibration(0.9, prior, 0.0))
    assert "**Logit adjustment:** none by default" in without


def test_other_classes_are_named_as_they_are(make_record: Callable[..., BundleRecord]) -> None:
    record = make_record(labels=("cat", "dog | <b>", "鳥"))
    calibration = Calibration(1.0, (0.5, 0.25, 0.25), 0.5, classes=record.classes)
    card = model_card("pets", record, calibration)
    assert "the probabilities of 3 classes (cat, dog \\| &lt;b&gt;, 鳥) for a 48x48" in card
    assert "Shares: cat 50.0 %, dog" in card
    assert "FER2013 (Goodfellow" not in card
