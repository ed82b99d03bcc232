"""The seven emotions, their colors and the names that others use."""

import re

import pytest

from fer_core.emotions import (
    EMOTION_COLORS,
    EMOTIONS,
    emotion_color_rgb,
    emotion_from_name,
    positions_in_emotion_order,
)


def test_the_order_is_fer2013s() -> None:
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("angry", "angry"),
        ("Anger", "angry"),
        ("DISGUSTED", "disgust"),
        ("Fearful", "fear"),
        ("afraid", "fear"),
        ("Happiness", "happy"),
        ("joy", "happy"),
        (" Sadness ", "sad"),
        ("suRPRised", "surprise"),
        ("Neutrality", "neutral"),
    ],
)
def test_names_of_other_datasets_are_understood_in_any_case(name: str, emotion: str) -> None:
    assert emotion_from_name(name) == emotion


@pytest.mark.parametrize("name", ["contempt", "", "happy faces", "3", "unknown"])
def test_other_classes_are_never_guessed(name: str) -> None:
    assert emotion_from_name(name) is None


def test_every_emotion_has_a_different_color() -> None:
    assert tuple(EMOTION_COLORS) == EMOTIONS
    assert len(set(EMOTION_COLORS.values())) == 7
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in EMOTION_COLORS.values())


def test_a_colour_as_red_green_and_blue() -> None:
    assert emotion_color_rgb("happy") == (0xE6, 0x9F, 0x00)


def test_positions_bring_another_label_order_into_ours() -> None:
    labels = ("Neutral", "Happiness", "Surprise", "Sadness", "Anger", "Disgust", "Fear")
    positions = positions_in_emotion_order(labels)
    assert positions == [4, 5, 6, 1, 3, 2, 0]
    assert [emotion_from_name(labels[position]) for position in positions] == list(EMOTIONS)


@pytest.mark.parametrize(
    "labels",
    [
        EMOTIONS[:6],
        (*EMOTIONS, "contempt"),
        (*EMOTIONS[:6], "contempt"),
        (*EMOTIONS[:6], "anger"),
        (),
    ],
)
def test_labels_that_do_not_name_each_of_the_seven_once_have_no_positions(
    labels: tuple[str, ...],
) -> None:
    assert positions_in_emotion_order(labels) is None
