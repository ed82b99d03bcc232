"""What a bundle says of itself to people."""

from collections.abc import Callable

import numpy as np
import pytest

from fer_core.bundle import BundleRecord
from fer_core.emotions import EMOTIONS
from fer_core.evaluation.report import report_on
from fer_core.model_card import model_card


@pytest.fixture
def record(make_record: Callable[..., BundleRecord]) -> BundleRecord:
    labels = np.array([0, 0, 3], np.int8)
    probabilities = np.full((3, 7), 0.05, np.float32)
    probabilities[np.arange(3), [0, 3, 3]] = 0.7
    figures = report_on(labels, probabilities, np.array([False, True, False])).to_json()
    return make_record(metrics={"validation": figures}, flip_averaging=True)


def test_the_figures_are_those_of_the_record(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.25)
    assert card.startswith("# mine\n")
    assert "On validation (3 images): accuracy 66.67%" in card
    assert "On the 2 of them" in card
    assert "accuracy 100.00%" in card
    assert "Temperature 1.250" in card
    assert "| angry | 1.000 | 0.500 | 0.667 | 2 |" in card


def test_an_undefined_figure_is_called_that_and_not_zero(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.0)
    assert "| fear | undefined | undefined | undefined | 0 |" in card


def test_every_emotion_has_its_row(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.0)
    assert [line.split("|")[1].strip() for line in card.splitlines() if line.startswith("| ")][
        1:
    ] == list(EMOTIONS)


def test_training_data_limits_and_licence_are_named(record: BundleRecord) -> None:
    card = model_card("mine", record, 1.0)
    for words in (
        "three-conv-cnn-adam",
        "`three_convolutions`",
        "56 training images",
        "f" * 16,
        "mirror image",
        "Protocol: weights are learnt on the training split alone",
        "test images played no part in any choice",
        "## Limits",
        "Do not use it to decide about people",
        "## Licence",
    ):
        assert words in card


def test_an_imported_model_without_figures_has_a_card_too(
    make_record: Callable[..., BundleRecord],
) -> None:
    imported = make_record(recipe=None, config={}, seed=None, dataset={}, training={})
    card = model_card("stranger", imported, 1.0)
    assert "unknown" in card
    assert "mirror image" not in card


def test_a_record_with_the_accuracy_alone_has_a_card_too(
    make_record: Callable[..., BundleRecord],
) -> None:
    card = model_card("mine", make_record(metrics={"validation": {"accuracy": 0.6253}}), 1.0)
    assert "On validation: accuracy 62.53%.\n" in card
    assert "undefined" not in card
    assert "On validation: no figure is recorded." in model_card(
        "mine", make_record(metrics={"validation": {}}), 1.0
    )


def test_an_emotion_of_which_only_the_recall_is_recorded_has_its_row(
    make_record: Callable[..., BundleRecord],
) -> None:
    figures = {"accuracy": 0.5, "loss": None, "per_class": {"angry": {"recall": 0.25}}}
    card = model_card("mine", make_record(metrics={"validation": figures}), 1.0)
    assert "accuracy 50.00%, cross-entropy undefined." in card
    assert "| angry | undefined | 0.250 | undefined | undefined |" in card
