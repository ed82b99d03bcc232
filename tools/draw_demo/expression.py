"""The seven expressions, as movements relative to a relaxed face."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np

from fer_core.emotions import EMOTIONS
from tools.draw_demo.chance import around, between, happens


@dataclass(frozen=True)
class Expression:
    """Movements of brows, eyes, nose and mouth; all zeros is a relaxed face.

    Attributes:
        brow_inner: How far the brows' inner ends rise (below 0: sink), in units of the face.
        brow_arch: How far their middles rise.
        brow_outer: How far their outer ends rise.
        brow_pinch: How far the inner ends move together.
        eye_open: Opening of the eyes relative to a relaxed face; -1 is closed, 0.6 is wide open.
        lid_slant: Above 0 the upper lids slope down to the outside, below 0 to the inside.
        lower_lid: How far the lower lids rise, 0 to 1.
        gaze_down: How far the eyes look down, -1 to 1.
        nose_wrinkle: Strength of the wrinkles of the nose, 0 to 1.
        cheeks: How far the cheeks rise, which also deepens the folds next to the nose, 0 to 1.
        mouth_width: Relative change of the width of the mouth.
        mouth_curve: Above 0 its corners rise, below 0 they fall.
        mouth_open: Opening of the mouth, 0 (closed) to 1.
        mouth_square: Shape of the opening, 0 (oval) to 1 (square).
        teeth: Share of the opening that the upper teeth fill, 0 to 1.
        clench: Share of the opening that the lower teeth fill, 0 to 1.
        tongue: How much of the tongue is visible, 0 to 1.
        upper_lip: How far the upper lip rises, 0 to 1.
        lip_press: How much thinner the lips are, 0 to 1.
        mouth_skew: How far one side of the mouth rises above the other, 0 to 1.
        tear: Above 0.6 there is a tear on a cheek.
    """

    brow_inner: float = 0.0
    brow_arch: float = 0.0
    brow_outer: float = 0.0
    brow_pinch: float = 0.0
    eye_open: float = 0.0
    lid_slant: float = 0.0
    lower_lid: float = 0.0
    gaze_down: float = 0.0
    nose_wrinkle: float = 0.0
    cheeks: float = 0.0
    mouth_width: float = 0.0
    mouth_curve: float = 0.0
    mouth_open: float = 0.0
    mouth_square: float = 0.0
    teeth: float = 0.0
    clench: float = 0.0
    tongue: float = 0.0
    upper_lip: float = 0.0
    lip_press: float = 0.0
    mouth_skew: float = 0.0
    tear: float = 0.0


_ANGRY_EYES = {
    "brow_inner": -0.14,
    "brow_arch": -0.03,
    "brow_outer": 0.06,
    "brow_pinch": 0.07,
    "eye_open": -0.05,
    "lid_slant": -0.65,
    "lower_lid": 0.25,
    "nose_wrinkle": 0.3,
}
_AFRAID_EYES = {
    "brow_inner": 0.15,
    "brow_arch": 0.07,
    "brow_outer": -0.03,
    "brow_pinch": 0.05,
    "eye_open": 0.5,
    "lid_slant": 0.15,
}
_SAD_EYES = {
    "brow_inner": 0.13,
    "brow_arch": 0.0,
    "brow_outer": -0.09,
    "brow_pinch": 0.03,
    "eye_open": -0.3,
    "lid_slant": 0.6,
}
_SURPRISED_EYES = {"brow_inner": 0.11, "brow_arch": 0.18, "brow_outer": 0.09, "eye_open": 0.6}
_DISGUSTED_EYES = {
    "brow_inner": -0.05,
    "brow_arch": -0.09,
    "brow_outer": -0.05,
    "eye_open": -0.5,
    "lid_slant": 0.1,
    "lower_lid": 0.75,
    "nose_wrinkle": 1.0,
    "cheeks": 0.45,
}

#: Variants of each emotion, because expressions differ between people.
_VARIANTS: dict[str, tuple[dict[str, float], ...]] = {
    "angry": (
        _ANGRY_EYES | {"mouth_curve": -0.55, "mouth_width": -0.1, "lip_press": 0.8},
        _ANGRY_EYES
        | {"mouth_open": 0.6, "mouth_square": 0.8, "teeth": 0.3, "clench": 0.25}
        | {"mouth_curve": -0.35, "nose_wrinkle": 0.5},
        _ANGRY_EYES
        | {"mouth_open": 0.32, "mouth_square": 1.0, "teeth": 0.5, "clench": 0.5}
        | {"mouth_width": 0.1, "mouth_curve": -0.25, "nose_wrinkle": 0.5},
    ),
    "disgust": (
        _DISGUSTED_EYES
        | {"upper_lip": 1.0, "mouth_curve": -0.5, "mouth_open": 0.15, "teeth": 0.8}
        | {"mouth_skew": 0.6},
        _DISGUSTED_EYES
        | {"mouth_open": 0.42, "tongue": 1.0, "mouth_curve": -0.45, "upper_lip": 0.5},
        _DISGUSTED_EYES
        | {"upper_lip": 0.9, "mouth_curve": -0.6, "mouth_skew": 1.0, "mouth_width": -0.05},
    ),
    "fear": (
        _AFRAID_EYES
        | {"mouth_open": 0.3, "mouth_square": 0.6, "mouth_width": 0.15, "mouth_curve": -0.45}
        | {"teeth": 0.3, "clench": 0.2},
        _AFRAID_EYES
        | {"mouth_open": 0.5, "mouth_square": 0.4, "mouth_width": -0.05, "mouth_curve": -0.4}
        | {"teeth": 0.2},
        _AFRAID_EYES
        | {"mouth_open": 0.25, "mouth_square": 1.0, "mouth_width": 0.25, "mouth_curve": -0.3}
        | {"teeth": 0.5, "clench": 0.5},
    ),
    "happy": (
        {"mouth_curve": 0.9, "mouth_width": 0.2, "cheeks": 0.6, "lower_lid": 0.35}
        | {"eye_open": -0.1},
        {"mouth_curve": 0.9, "mouth_width": 0.3, "mouth_open": 0.35, "teeth": 0.85}
        | {"cheeks": 0.8, "lower_lid": 0.5, "eye_open": -0.15},
        {"mouth_curve": 0.95, "mouth_width": 0.25, "mouth_open": 0.7, "teeth": 0.4}
        | {"tongue": 0.6, "cheeks": 1.0, "lower_lid": 0.9, "eye_open": -0.3, "brow_arch": 0.05},
    ),
    "sad": (
        _SAD_EYES | {"mouth_curve": -0.85, "mouth_width": -0.1},
        _SAD_EYES
        | {"mouth_curve": -0.7, "mouth_width": -0.15, "eye_open": -0.5, "gaze_down": 0.9}
        | {"lip_press": 0.3},
        _SAD_EYES
        | {"mouth_curve": -0.9, "mouth_open": 0.22, "teeth": 0.2, "lower_lid": 0.5}
        | {"eye_open": -0.5, "tear": 1.0},
    ),
    "surprise": (
        _SURPRISED_EYES | {"mouth_open": 0.85, "mouth_width": -0.38},
        _SURPRISED_EYES | {"mouth_open": 0.5, "mouth_width": -0.5},
        _SURPRISED_EYES
        | {"mouth_open": 0.8, "mouth_width": -0.2, "mouth_curve": 0.15}
        | {"teeth": 0.2},
    ),
    "neutral": (
        {},
        {"mouth_curve": -0.08, "eye_open": -0.1},
        {"mouth_curve": 0.1, "lip_press": 0.2},
    ),
}

#: Emotions that are often confused with each emotion. Ambiguous faces are mixed with one of them.
#: An emotion that is listed twice is chosen twice as often.
_NEIGHBORS: dict[str, tuple[str, ...]] = {
    "angry": ("disgust", "neutral", "sad"),
    "disgust": ("angry", "sad"),
    "fear": ("surprise", "sad", "surprise"),
    "happy": ("neutral", "surprise"),
    "sad": ("neutral", "fear", "angry"),
    "surprise": ("fear", "happy", "fear"),
    "neutral": ("sad", "happy", "angry"),
}

#: Maximum random deviation of each movement, for all emotions.
_DEVIATIONS = Expression(
    brow_inner=0.035,
    brow_arch=0.035,
    brow_outer=0.03,
    brow_pinch=0.02,
    eye_open=0.14,
    lid_slant=0.15,
    lower_lid=0.12,
    gaze_down=0.25,
    nose_wrinkle=0.12,
    cheeks=0.15,
    mouth_width=0.08,
    mouth_curve=0.16,
    mouth_open=0.06,
    mouth_square=0.2,
    teeth=0.15,
    clench=0.1,
    tongue=0.1,
    upper_lip=0.12,
    lip_press=0.2,
    mouth_skew=0.25,
)

#: Limits of the movements; outlines of the face would cross each other beyond them. Movements that
#: are not listed have the minimum 0 and the maximum 1.
_MINIMA = {
    "brow_inner": -0.2,
    "brow_arch": -0.2,
    "brow_outer": -0.2,
    "eye_open": -0.85,
    "lid_slant": -0.9,
    "gaze_down": -1.0,
    "mouth_width": -0.6,
    "mouth_curve": -1.1,
}
_MAXIMA = {
    "brow_inner": 0.2,
    "brow_arch": 0.24,
    "brow_outer": 0.2,
    "brow_pinch": 0.1,
    "eye_open": 0.75,
    "lid_slant": 0.9,
    "mouth_width": 0.4,
    "mouth_curve": 1.1,
}
_NAMES = tuple(field.name for field in fields(Expression))
_LOW = np.array([_MINIMA.get(name, 0.0) for name in _NAMES])
_HIGH = np.array([_MAXIMA.get(name, 1.0) for name in _NAMES])
_DEVIATION_VALUES = np.array(astuple(_DEVIATIONS))
_TARGETS = {
    emotion: tuple(np.array(astuple(Expression(**variant))) for variant in variants)
    for emotion, variants in _VARIANTS.items()
}


def random_expression(
    generator: np.random.Generator, emotion: str, *, is_clear: bool = False
) -> Expression:
    """Choose a random expression of an emotion.

    Args:
        generator: Source of random numbers.
        emotion: One of ``EMOTIONS``.
        is_clear: True for a strong, unmixed expression, used in illustrations. Otherwise some are
            weak and some are mixed with another emotion, as in photos.

    Raises:
        ValueError: The emotion is unknown.
    """
    if emotion not in _TARGETS:
        raise ValueError(f"emotion should be one of {', '.join(EMOTIONS)}. Received: {emotion}")
    variants = _TARGETS[emotion]
    target = variants[int(generator.integers(len(variants)))]
    if is_clear:
        movement = between(generator, 0.9, 1.05) * target
        deviation_scale = 0.4
    else:
        is_weak = happens(generator, 0.18)
        strength = between(generator, 0.3, 0.6) if is_weak else between(generator, 0.65, 1.15)
        movement = strength * target
        if happens(generator, 0.18):
            neighbors = _NEIGHBORS[emotion]
            others = _TARGETS[neighbors[int(generator.integers(len(neighbors)))]]
            other = others[int(generator.integers(len(others)))]
            share = between(generator, 0.15, 0.45)
            movement = (1 - share) * movement + share * other
        deviation_scale = 1.0
    deviations = np.array([around(generator, 0.0, spread) for spread in _DEVIATION_VALUES])
    # Some movements, such as that of the tongue, cannot be negative. Their lower limit is 0.
    values = np.clip(movement + deviation_scale * deviations, _LOW, _HIGH)
    return Expression(**dict(zip(_NAMES, values.tolist(), strict=True)))
