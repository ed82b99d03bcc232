"""The emotions, their colors and the names that others use."""

import re

import pytest

from fer_core.emotions import (
    EMOTION_COLORS,
    EMOTIONS,
    EMOTIONS8,
    emotion_from_name,
    emotions_named_by,
)


def test_the_order_is_fer2013s() -> None:
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert (*EMOTIONS, "contempt") == EMOTIONS8


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("angry", "angry"),
        ("Anger", "angry"),
        ("DISGUSTED", "disgust"),
        ("Fearful", "fear"),
        ("afraid", "fear"),
        ("Scared", "fear"),
        ("Happiness", "happy"),
        ("joy", "happy"),
        (" Sadness ", "sad"),
        ("suRPRised", "surprise"),
        ("Suprise", "surprise"),
        ("Neutrality", "neutral"),
        ("Natural", "neutral"),
    ],
)
def test_names_of_other_datasets_are_understood_in_any_case(name: str, emotion: str) -> None:
    assert emotion_from_name(name) == emotion


@pytest.mark.parametrize("name", ["contempt", "", "happy faces", "3", "unknown", "ahegao"])
def test_other_classes_are_never_guessed(name: str) -> None:
    assert emotion_from_name(name) is None


def test_contempt_is_one_of_the_eight() -> None:
    assert emotion_from_name("Contempt", EMOTIONS8) == "contempt"
    assert emotion_from_name("Anger", EMOTIONS8) == "angry"


def test_every_emotion_has_a_different_color() -> None:
    assert tuple(EMOTION_COLORS) == EMOTIONS8
    assert len(set(EMOTION_COLORS.values())) == 8
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in EMOTION_COLORS.values())


@pytest.mark.parametrize(
    ("labels", "emotions"),
    [
        (("Neutral", "Happiness", "Surprise", "Sadness", "Anger", "Disgust", "Fear"), EMOTIONS),
        (("contempt", *EMOTIONS[::-1]), EMOTIONS8),
        (EMOTIONS[:6], None),
        ((*EMOTIONS[:6], "contempt"), None),
        ((*EMOTIONS[:6], "anger"), None),
        ((*EMOTIONS, "ahegao"), None),
        ((), None),
    ],
)
def test_labels_that_name_each_emotion_once_are_recognized(
    labels: tuple[str, ...], emotions: tuple[str, ...] | None
) -> None:
    assert emotions_named_by(labels) == emotions
