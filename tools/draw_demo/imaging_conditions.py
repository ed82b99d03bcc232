"""Imaging conditions: illumination, exposure, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.draw_demo.canvas import Canvas, Pose, curve, mirrored, oval, points
from tools.draw_demo.chance import around, between, happens
from tools.draw_demo.expression import Expression
from tools.draw_demo.identity import Identity

#: Value of the shading layer where nothing is shaded.
_NO_SHADE = 128
#: Value of the shading layer at which a pixel keeps its gray. It is lower than ``_NO_SHADE``, so
#: that unshaded parts of a face become slightly lighter than the gray of its skin.
_UNCHANGED = 116


@dataclass(frozen=True)
class ImagingConditions:
    """The imaging conditions of one picture.

    Attributes:
        background: Gray behind the head.
        light_right: Light from the right (above 0) or left of the picture, -1 to 1.
        light_above: Light from above (above 0) or below, -1 to 1.
        gamma: Below 1 bright, above 1 dark.
        contrast: Factor on the difference from gray 128.
        blur: Standard deviation in pixels; 0 is sharp.
        grain: Standard deviation of the noise in gray values.
    """

    background: float = 160.0
    light_right: float = 0.0
    light_above: float = 0.0
    gamma: float = 1.0
    contrast: float = 1.0
    blur: float = 0.0
    grain: float = 0.0


def random_conditions(generator: np.random.Generator) -> ImagingConditions:
    """Choose random imaging conditions."""
    return ImagingConditions(
        background=between(generator, 15, 240),
        light_right=around(generator, 0.0, 1.0),
        light_above=around(generator, 0.15, 0.7),
        gamma=2.0 ** around(generator, -0.1, 0.6),
        contrast=around(generator, 1.0, 0.3),
        blur=between(generator, 0.4, 0.9) if happens(generator, 0.3) else 0.0,
        grain=between(generator, 1.0, 7.0),
    )


def shaded(
    picture: NDArray[np.uint8],
    pose: Pose,
    person: Identity,
    expression: Expression,
    conditions: ImagingConditions,
) -> NDArray[np.uint8]:
    """Add soft shading to face and background, so that the drawing looks three-dimensional.

    Args:
        picture: uint8 ``[size, size]``, as drawn.
        pose: The pose of the head.
        person: The person.
        expression: The expression.
        conditions: The direction of the light.

    Returns:
        uint8 ``[size, size]``.
    """
    size = picture.shape[0]
    shade = Canvas(size, pose, _NO_SHADE, oversampling=1)
    width = person.head_width
    side = 1 if conditions.light_right < 0 else -1
    strength = 20 + 26 * abs(conditions.light_right)
    # The side of the face away from the light and the recesses of the face become darker, and the
    # forehead and the cheeks become lighter.
    far = curve(
        points(
            (0.3, -1.05), (0.5, -0.3), (0.36, 0.3), (0.3, 0.95), (0.8, 0.75), (1.1, 0), (0.8, -0.9)
        ),
        is_closed=True,
    )
    shade.fill(_NO_SHADE - strength, far * (side * width, 1.0))
    socket = oval(person.eye_spacing, -0.19, 0.22, 0.13)
    shade.fill(_NO_SHADE - 20, socket, mirrored(socket))
    shade.fill(_NO_SHADE - 24, oval(0, 1.18, 0.5, 0.13))
    shade.fill(_NO_SHADE + 12, oval(0, -0.6, 0.4, 0.14))
    cheek = oval(0.46, 0.24 - 0.05 * expression.cheeks, 0.17, 0.12)
    shade.fill(_NO_SHADE + 8 + 12 * expression.cheeks, cheek, mirrored(cheek))
    # The standard deviation is 1/18 of the picture's side.
    soft = cv2.GaussianBlur(shade.pixels, (0, 0), size / 18).astype(np.int32)
    ramp = np.arange(size, dtype=np.int32) * 2 - (size - 1)
    across = round(46 * conditions.light_right) * ramp // size
    down = -round(46 * conditions.light_above) * ramp // size
    soft += across[np.newaxis, :] + down[:, np.newaxis]
    lit = np.clip(picture.astype(np.int32) * soft // _UNCHANGED, 0, 255)
    return np.asarray(lit, dtype=np.uint8)


def with_imaging_effects(
    picture: NDArray[np.uint8], conditions: ImagingConditions, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Add exposure, blur and grain.

    Args:
        picture: uint8 ``[size, size]``.
        conditions: The strength of each effect.
        generator: Source of random numbers for the grain.

    Returns:
        uint8 ``[size, size]``.
    """
    if conditions.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), conditions.blur).astype(np.uint8)
    levels = 255 * (np.arange(256) / 255) ** conditions.gamma
    levels = 128 + conditions.contrast * (levels - 128)
    exposed = np.rint(levels).astype(np.int32)[picture]
    # The sum of four uniform integers from 0 to 255 is almost normal, with a standard deviation of
    # 148.
    draws = generator.integers(0, 256, (4, *picture.shape), dtype=np.int32).sum(axis=0) - 510
    grain = draws * round(conditions.grain * 64) // (64 * 148)
    return np.asarray(np.clip(exposed + grain, 0, 255), dtype=np.uint8)
