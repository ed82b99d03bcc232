"""Counts of a dataset and what they mean, against figures worked out by hand."""

from collections.abc import Callable

import pytest

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.statistics import class_counts, imbalance_ratio, overview

ANGRY, DISGUST, HAPPY, SAD = 0, 1, 3, 4


@pytest.fixture
def unbalanced(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Train: 6 happy, 3 sad, 1 disgust. Validation: 2 happy, 2 sad. No test."""
    labels = [HAPPY] * 6 + [SAD] * 3 + [DISGUST] + [HAPPY, SAD, HAPPY, SAD]
    return draw_faces(labels, splits=["train"] * 10 + ["validation"] * 4)


def test_the_figures_of_an_unbalanced_set(unbalanced: FaceSet) -> None:
    figures = overview(unbalanced)
    assert figures.counts == class_counts(unbalanced)
    assert figures.split_sizes == {"train": 10, "validation": 4, "test": 0}
    assert figures.shares["train"]["sad"] == pytest.approx(0.3)
    assert figures.shares["validation"]["sad"] == pytest.approx(0.5)
    assert "test" not in figures.shares
    assert (figures.largest_class, figures.smallest_class) == ("happy", "disgust")
    assert figures.imbalance_ratio == imbalance_ratio(unbalanced) == 6
    assert figures.missing_classes == ("angry", "fear", "surprise", "neutral")


def test_class_weights_make_every_class_count_alike(unbalanced: FaceSet) -> None:
    weights = overview(unbalanced).class_weights
    # 10 images in 3 classes: each class should weigh 10 / 3.
    assert weights == pytest.approx({"happy": 10 / 18, "sad": 10 / 9, "disgust": 10 / 3})
    counts = class_counts(unbalanced)["train"]
    assert {emotion: weights[emotion] * counts[emotion] for emotion in weights} == pytest.approx(
        dict.fromkeys(weights, 10 / 3)
    )


def test_the_majority_class_baseline(unbalanced: FaceSet) -> None:
    figures = overview(unbalanced)
    assert figures.majority_accuracy("train") == pytest.approx(0.6)
    assert figures.majority_accuracy("validation") == pytest.approx(0.5)
    assert figures.majority_accuracy("test") is None


def test_the_sentence_names_the_figures(unbalanced: FaceSet) -> None:
    words = overview(unbalanced).summary
    assert words.startswith("For every disgust face there are 6.0 happy faces.")
    assert "right on 50 % of the validation images" in words
    assert "3.3 times" in words
    assert "only 0.56" in words


def test_a_balanced_set_is_called_so(tiny_faces: FaceSet) -> None:
    figures = overview(tiny_faces)
    assert figures.imbalance_ratio == 1
    assert figures.summary.startswith("The classes are about equally frequent.")
    assert "right on 14 % of the validation images" in figures.summary


def test_one_emotion_alone_is_nothing_to_learn(draw_faces: Callable[..., FaceSet]) -> None:
    assert "cannot learn to distinguish classes" in overview(draw_faces([HAPPY, HAPPY])).summary


def test_without_train_the_first_split_is_judged(draw_faces: Callable[..., FaceSet]) -> None:
    figures = overview(draw_faces([HAPPY, HAPPY, SAD], splits="test"))
    assert figures.reference_split == "test"
    assert figures.imbalance_ratio == 2
    assert "right on 67 % of the test images" in figures.summary


def test_no_images_at_all(draw_faces: Callable[..., FaceSet]) -> None:
    figures = overview(draw_faces([]))
    assert figures.imbalance_ratio is None
    assert figures.largest_class is None
    assert figures.class_weights == {}
    assert figures.missing_classes == ()
    assert figures.summary == "There are no images."


@pytest.mark.soak
def test_the_figures_of_fer2013(real_faces: FaceSet) -> None:
    figures = overview(real_faces)
    assert figures.split_sizes == {"train": 28_709, "validation": 3_589, "test": 0}
    assert figures.imbalance_ratio == pytest.approx(16.5, abs=0.05)
    assert figures.majority_accuracy("validation") == pytest.approx(895 / 3589)
    assert "16.5 happy faces" in figures.summary
