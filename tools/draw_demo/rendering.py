"""Renders a person with an expression as a grayscale picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.draw_demo.canvas import Canvas, Pose
from tools.draw_demo.chance import around, between, generator_for, happens
from tools.draw_demo.expression import Expression, random_expression
from tools.draw_demo.features import draw_features
from tools.draw_demo.hair import draw_front_hair
from tools.draw_demo.head import draw_head
from tools.draw_demo.identity import Identity, random_identity
from tools.draw_demo.imaging_conditions import (
    ImagingConditions,
    random_conditions,
    shaded,
    with_imaging_effects,
)
from tools.draw_demo.occlusions import draw_occlusion

#: First number of the key of every picture's random generator.
_SEED = 48_2013


def draw_face(emotion: str, number: int, size: int = 48) -> NDArray[np.uint8]:
    """Draw one face of the demo set, similar to a crop of a web photo.

    Args:
        emotion: One of ``EMOTIONS``.
        number: Selects the person and the imaging conditions.
        size: Side in pixels.

    Returns:
        uint8 ``[size, size]``; the same arguments always give the same picture.
    """
    generator = generator_for(_SEED, number)
    person = random_identity(generator)
    expression = random_expression(generator, emotion)
    pose = Pose(
        right=around(generator, 0.0, 0.06),
        down=around(generator, 0.015, 0.05),
        scale=around(generator, 0.97, 0.14),
        roll=around(generator, 0.0, 22.0),
        yaw=around(generator, 0.0, 0.9),
        pitch=around(generator, 0.0, 0.6),
    )
    gaze = around(generator, 0.0, 0.8)
    conditions = random_conditions(generator)
    canvas = _drawn(size, pose, person, expression, background=conditions.background, gaze=gaze)
    if happens(generator, 0.12):
        draw_occlusion(canvas, person, generator)
    picture = shaded(canvas.averaged(), pose, person, expression, conditions)
    return with_imaging_effects(picture, conditions, generator)


def draw_portrait(emotion: str, number: int, size: int = 256) -> NDArray[np.uint8]:
    """Draw a face for a demonstration: clear expression, almost frontal, uniform light, no grain.

    Args:
        emotion: One of ``EMOTIONS``.
        number: Selects the person.
        size: Side in pixels.

    Returns:
        uint8 ``[size, size]``.
    """
    generator = generator_for(_SEED, number)
    person = random_identity(generator)
    expression = random_expression(generator, emotion, is_clear=True)
    pose = Pose(
        scale=0.82,
        roll=around(generator, 0.0, 8.0),
        yaw=around(generator, 0.0, 0.4),
    )
    gaze = around(generator, 0.0, 0.3)
    conditions = ImagingConditions(background=between(generator, 120, 220))
    canvas = _drawn(size, pose, person, expression, background=conditions.background, gaze=gaze)
    return shaded(canvas.averaged(), pose, person, expression, conditions)


def draw_person(
    person: Identity, expression: Expression, pose: Pose, *, size: int, background: int, gaze: float
) -> NDArray[np.uint8]:
    """Draw a person in uniform light.

    Args:
        person: The person.
        expression: The movements of the face.
        pose: Position and orientation of the head.
        size: Side in pixels.
        background: Gray of the background, 0 to 255.
        gaze: Where the eyes look, -1 (left) to 1.

    Returns:
        uint8 ``[size, size]``.
    """
    canvas = _drawn(size, pose, person, expression, background=background, gaze=gaze)
    conditions = ImagingConditions(background=background)
    return shaded(canvas.averaged(), pose, person, expression, conditions)


def _drawn(
    size: int,
    pose: Pose,
    person: Identity,
    expression: Expression,
    *,
    background: float,
    gaze: float,
) -> Canvas:
    """Draw a head in front of a uniform background, without shading."""
    canvas = Canvas(size, pose, round(background))
    draw_head(canvas, person, expression)
    draw_features(canvas, person, expression, gaze)
    draw_front_hair(canvas, person)
    return canvas
