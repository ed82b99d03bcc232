"""Class lists: valid names, colors, order, and matching by name."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_core.classes import (
    MAX_CLASSES,
    canonical_classes,
    class_colors,
    class_columns,
    color_rgb,
    match_class,
    positions_of,
    sorted_classes,
    validated_classes,
)
from fer_core.emotions import EMOTION_COLORS, EMOTIONS, EMOTIONS8


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "dog"),
        ("快乐", "悲伤", "愤怒"),
        ("😀", "😢", "not sure?"),
        ("x" * 40, "y" * 40),
        tuple(f"class {number}" for number in range(20)),
    ],
)
def test_two_to_twenty_names_of_any_script_are_valid(names: tuple[str, ...]) -> None:
    assert validated_classes(names) == names


def test_names_are_stored_composed_and_with_single_spaces() -> None:
    assert validated_classes(["cafe\u0301 ", " two\u00a0 words"]) == ("caf\u00e9", "two words")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("one",), "2 to 20 classes. Received: 1"),
        (tuple(f"c{number}" for number in range(21)), "2 to 20 classes. Received: 21"),
        (("Happy", "happy"), "differ only in case"),
        (("stra\u00dfe", "STRASSE"), "differ only in case"),
        (("caf\u00e9", "cafe\u0301"), "'caf\u00e9' occurs twice"),
        (("happy", "sad", "happy"), "'happy' occurs twice"),
        (("a", ""), "no visible character"),
        (("a", "\u200d"), "no visible character"),
        (("a", "x" * 41), "longer than 40 characters"),
        (("a", "b\nc"), "control characters"),
        (("a", "b\x00"), "control characters"),
        (("a", "b\u202ec"), "control characters"),
    ],
)
def test_invalid_class_lists_are_rejected(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        validated_classes(names)


def test_emotions_have_their_color_in_every_list() -> None:
    for classes in (EMOTIONS, EMOTIONS8, ("ahegao", "Happiness", "sad"), ("happy", "z", "a")):
        for name, color in class_colors(classes).items():
            if name in EMOTION_COLORS:
                assert color == EMOTION_COLORS[name]
    assert class_colors(("ahegao", "Happiness"))["Happiness"] == EMOTION_COLORS["happy"]


def test_a_class_has_the_same_color_in_every_order() -> None:
    classes = ("zebra", "happy", "class 10", "ant")
    colors = class_colors(classes)
    assert tuple(colors) == classes
    assert class_colors(reversed(classes)) == colors == class_colors(sorted_classes(classes))


@pytest.mark.parametrize("emotions", [0, 3, 8])
def test_twenty_classes_have_colors_that_can_be_distinguished(emotions: int) -> None:
    others = tuple(f"class {number}" for number in range(MAX_CLASSES - emotions))
    colors = class_colors((*EMOTIONS8[:emotions], *others))
    # The smallest distance is that of two emotions, whose colors are Okabe and Ito's.
    for one, other in combinations(colors.values(), 2):
        for matrix in _VISION.values():
            assert np.linalg.norm(_lab(one, matrix) - _lab(other, matrix)) > 8


def test_a_color_as_red_green_and_blue() -> None:
    assert color_rgb("#E69F00") == (0xE6, 0x9F, 0x00)


def test_a_new_list_has_emotions_first_and_numbers_in_order() -> None:
    names = ["class 10", "class 2", "sad", "Anger", "Zebra", "ant", "contempt"]
    assert sorted_classes(names) == (
        "Anger",
        "sad",
        "contempt",
        "ant",
        "class 2",
        "class 10",
        "Zebra",
    )


@pytest.mark.parametrize(
    ("name", "classes", "position"),
    [
        ("Happy", ("sad", "happy"), 1),
        ("joy", ("sad", "Happiness"), 1),
        ("dog", ("DOG", "cat"), 0),
        ("contempt", EMOTIONS, None),
        ("horse", ("dog", "cat"), None),
        # Two names of one emotion: which of them is meant is not known.
        ("happy", ("joy", "happiness"), None),
        ("joy", ("joy", "happiness"), 0),
    ],
)
def test_classes_are_matched_by_name(
    name: str, classes: tuple[str, ...], position: int | None
) -> None:
    assert match_class(name, classes) == position


def test_labels_of_other_programs_are_brought_into_the_order_of_the_emotions() -> None:
    labels = ("Neutral", "Happiness", "Surprise", "Sadness", "Anger", "Disgust", "Fear")
    assert canonical_classes(labels) == EMOTIONS
    assert positions_of(EMOTIONS, labels) == [4, 5, 6, 1, 3, 2, 0]
    assert canonical_classes(("Happiness", "ahegao")) == ("Happiness", "ahegao")


def test_columns_of_classes_differ_from_the_other_columns() -> None:
    assert class_columns(("happy", "Label"), ("file", "label")) == ("happy", "Label (class)")


#: Linear RGB as seen with normal vision, protanopia and deuteranopia (Machado et al., 2009).
_VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def _lab(color: str, vision: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of a color, where a distance of about 2 is visible."""
    share = np.array(color_rgb(color)) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(vision @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])
