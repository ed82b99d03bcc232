"""Draw the facial features of an expression: eyes, brows, nose and mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.draw_demo.canvas import Canvas, Points, curve, mirrored, moved, oval, points
from tools.draw_demo.expression import Expression
from tools.draw_demo.identity import Identity

#: y of the centers of the eyes, in face units.
_EYE_HEIGHT = -0.10

#: Horizontal positions on a mouth or an eye, from one corner to the other.
_ACROSS = np.linspace(-1.0, 1.0, 17)


def draw_features(
    canvas: Canvas, person: Identity, expression: Expression, gaze: float = 0.0
) -> None:
    """Draw all features, from back to front.

    Args:
        canvas: Must already contain the head.
        person: The person.
        expression: The expression.
        gaze: How far the eyes look to the picture's right, -1 to 1.
    """
    _draw_folds(canvas, person, expression)
    _draw_mouth(canvas, person, expression)
    _draw_nose(canvas, person, expression)
    _draw_eyes(canvas, person, expression, gaze)
    _draw_brows(canvas, person, expression)
    if person.glasses != "none":
        _draw_glasses(canvas, person)


def _line_gray(person: Identity) -> float:
    """Return the gray of lines on this skin."""
    return 0.30 * person.skin


def _draw_folds(canvas: Canvas, person: Identity, expression: Expression) -> None:
    """Draw lines in the skin that come from a movement or from age."""
    skin, corner = person.skin, person.mouth_width * (1 + expression.mouth_width)
    depth = max(0.85 * expression.cheeks, 0.9 * expression.upper_lip, 0.45 * person.age)
    if depth > 0.2:
        y = person.mouth_height - 0.1 * expression.mouth_curve
        fold = curve(
            points(
                (person.nose_width + 0.05, 0.26),
                (corner + 0.07, y - 0.12),
                (corner + 0.10, y + 0.06),
            )
        )
        if person.beard in ("full", "stubble"):
            fold = fold[:6]  # the beard covers the rest
        canvas.stroke((1 - 0.34 * depth) * skin, 0.035, fold, mirrored(fold))
    raised = expression.brow_arch + 0.5 * expression.brow_inner
    if raised > 0.1 or person.age > 0.6:
        wave = 0.06 * np.sign(expression.brow_arch + 0.01)
        lines = [curve(points((-0.4, y + wave), (0.0, y), (0.4, y + wave))) for y in (-0.62, -0.72)]
        canvas.stroke(0.8 * skin, 0.03, *lines)
    if person.age > 0.5:
        bag = moved(
            curve(points((-0.14, 0.10), (0.0, 0.13), (0.14, 0.09))), person.eye_spacing, -0.08
        )
        canvas.stroke(0.78 * skin, 0.025, bag, mirrored(bag))


def _draw_nose(canvas: Canvas, person: Identity, expression: Expression) -> None:
    skin, width, side = person.skin, person.nose_width, person.part_side
    tip = _EYE_HEIGHT + person.nose_length - 0.06 * expression.nose_wrinkle
    shadow = curve(
        points((0.06, -0.12), (0.09, 0.08), (width, tip - 0.03), (0.02, tip + 0.03), (0.03, 0.0)),
        is_closed=True,
    )
    canvas.fill(0.84 * skin, shadow * (side, 1.0))
    canvas.fill(min(1.12 * skin, 252), oval(-0.03 * side, tip - 0.08, 0.045, 0.055))
    wing = curve(
        points((width - 0.03, tip - 0.10), (width + 0.02, tip), (width - 0.06, tip + 0.02))
    )
    canvas.stroke(0.55 * skin, 0.03, wing, mirrored(wing))
    nostril = oval(0.55 * width, tip + 0.015, 0.045, 0.022)
    canvas.fill(0.36 * skin, nostril, mirrored(nostril))
    if expression.nose_wrinkle > 0.25:
        gray = (1 - 0.5 * expression.nose_wrinkle) * skin
        for y in (-0.10, 0.0):
            line = curve(points((-0.11, y - 0.05), (0.0, y + 0.01), (0.11, y - 0.05)))
            canvas.stroke(gray, 0.035, line)
        side_line = curve(points((0.11, 0.02), (width + 0.04, 0.10), (width + 0.10, 0.2)))
        canvas.stroke(gray, 0.03, side_line, mirrored(side_line))
    if expression.brow_pinch > 0.04 and expression.brow_inner < 0:
        frown = points((0.05, -0.42), (0.06, -0.26))
        canvas.stroke(0.6 * skin, 0.035, frown, mirrored(frown))


def _draw_eyes(canvas: Canvas, person: Identity, expression: Expression, gaze: float) -> None:
    half_width = person.eye_size
    opening = 0.125 * person.eye_roundness * max(1.0 + expression.eye_open, 0.08)
    # Round in the middle, pointed at the corners.
    bulge = (1 - _ACROSS**2) ** 0.75
    # On the person's left eye, seen at the picture's right, the inner corner is at -1.
    slant = 1 - expression.lid_slant * _ACROSS * (0.55 if expression.lid_slant > 0 else 0.75)
    corner = -person.eye_tilt * _ACROSS
    upper = corner - opening * bulge * np.minimum(slant, 1.15)
    lower = corner + 0.85 * opening * bulge * (1 - 0.75 * expression.lower_lid)
    lower = np.maximum(lower, upper + 0.012)
    x = half_width * _ACROSS + person.eye_spacing
    upper, lower = upper + _EYE_HEIGHT, lower + _EYE_HEIGHT
    eye = np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])
    socket = oval(person.eye_spacing, _EYE_HEIGHT - 0.04, 1.35 * half_width, 0.19)
    canvas.fill(0.93 * person.skin, socket, mirrored(socket))
    white = min(120 + 0.62 * person.skin, 246)
    canvas.fill(white, eye, mirrored(eye))
    for side in (-1, 1):
        look = 0.35 * half_width * gaze * side
        drop = 0.45 * opening * expression.gaze_down
        iris = _between_lids(
            oval(person.eye_spacing + look, _EYE_HEIGHT + drop, 0.098, 0.105), x, upper, lower
        )
        pupil = _between_lids(
            oval(person.eye_spacing + look, _EYE_HEIGHT + drop, 0.05, 0.055), x, upper, lower
        )
        canvas.fill(person.iris, iris * (side, 1.0))
        canvas.fill(12, pupil * (side, 1.0))
        if opening > 0.07:
            glint = oval(
                side * (person.eye_spacing + look) - 0.035, _EYE_HEIGHT + drop - 0.04, 0.024, 0.026
            )
            canvas.fill(250, glint)
    lid = np.stack([x, upper], 1)
    below = np.stack([x, lower], 1)
    canvas.stroke(0.6 * person.skin, 0.022, below, mirrored(below))
    canvas.stroke(
        min(_line_gray(person), 60), 0.055 if person.has_lashes else 0.036, lid, mirrored(lid)
    )
    if expression.eye_open > -0.5:
        crease = np.stack([x, upper - 0.055 - 0.02 * bulge], 1)[3:-2]
        canvas.stroke(0.7 * person.skin, 0.02, crease, mirrored(crease))
    if expression.lower_lid > 0.35:
        puff = moved(
            curve(points((-0.15, 0.04), (0.0, 0.085), (0.16, 0.03))),
            person.eye_spacing,
            _EYE_HEIGHT + 0.05,
        )
        canvas.stroke(0.74 * person.skin, 0.025, puff, mirrored(puff))
    if expression.tear > 0.6:
        tear = oval(person.part_side * (person.eye_spacing + 0.04), 0.16, 0.04, 0.085)
        canvas.fill(0.6 * person.skin, tear * 1.02)
        canvas.fill(245, tear)


def _between_lids(
    outline: Points, x: NDArray[np.float64], upper: NDArray[np.float64], lower: NDArray[np.float64]
) -> Points:
    """Clip an outline where the lids cover it."""
    high = np.interp(outline[:, 0], x, upper)
    low = np.interp(outline[:, 0], x, lower)
    return np.stack([outline[:, 0], np.clip(outline[:, 1], high, low)], axis=1)


def _draw_brows(canvas: Canvas, person: Identity, expression: Expression) -> None:
    y = _EYE_HEIGHT - person.brow_height
    inner = person.eye_spacing - 0.19 - expression.brow_pinch
    middle_y = y - 0.035 - expression.brow_arch
    line = curve(
        points(
            (inner, y + 0.015 - expression.brow_inner),
            (
                inner + 0.17,
                y - 0.02 - 0.55 * expression.brow_inner - 0.45 * expression.brow_arch,
            ),
            (person.eye_spacing + 0.08, middle_y),
            (person.eye_spacing + 0.26, y + 0.03 - expression.brow_outer),
        )
    )
    # Thick inside, pointed outside.
    thickness = person.brow_thickness * np.linspace(1.0, 0.35, len(line)) ** 0.8
    offset = np.stack([np.zeros(len(line)), thickness], axis=1)
    brow = np.concatenate([line - offset, (line + offset)[::-1]])
    gray = min(person.hair, 0.72 * person.skin)
    canvas.fill(gray, brow, mirrored(brow))


@dataclass(frozen=True)
class _Mouth:
    """The lines of a mouth, each float64 ``[17]`` over x, from left to right."""

    x: NDArray[np.float64]
    outer_upper: NDArray[np.float64]
    inner_upper: NDArray[np.float64]
    inner_lower: NDArray[np.float64]
    outer_lower: NDArray[np.float64]

    def area(self, upper: NDArray[np.float64], lower: NDArray[np.float64]) -> Points:
        """Return the outline of the area between two lines, float64 ``[34, 2]``."""
        return np.concatenate([np.stack([self.x, upper], 1), np.stack([self.x, lower], 1)[::-1]])


def _mouth_lines(person: Identity, expression: Expression) -> _Mouth:
    half_width = person.mouth_width * (1 + expression.mouth_width)
    curve_of_corners = -0.14 * expression.mouth_curve * (_ACROSS**2 - 0.25)
    skew = -0.07 * expression.mouth_skew * person.part_side * _ACROSS
    closed_mouth = person.mouth_height + curve_of_corners + skew
    # An oval, or almost a rectangle; pointed at the corners in a smile.
    power = 2.0 + 4.0 * expression.mouth_square
    bulge = (1 - np.abs(_ACROSS) ** power) ** (0.5 + 0.5 * max(expression.mouth_curve, 0.0))
    raised = 0.10 * expression.upper_lip * (1 - np.abs(_ACROSS) ** 3)
    lower_by = 0.40 * expression.mouth_open
    upper_by = 0.10 * expression.mouth_open
    # In a smile the upper edge stays flat and the mouth opens downwards.
    inner_upper = closed_mouth - upper_by * bulge - raised
    inner_lower = closed_mouth + lower_by * bulge - 0.5 * raised
    # Very thin lips would be invisible in a beard.
    lip_fullness = max(person.lip_fullness, 0.0 if person.beard == "none" else 0.085)
    fullness = lip_fullness * (1 - 0.8 * expression.lip_press)
    lip = (1 - _ACROSS**2) ** 0.6
    cupid = 1 - 0.35 * np.exp(-((_ACROSS / 0.18) ** 2))
    return _Mouth(
        x=half_width * _ACROSS,
        outer_upper=inner_upper - 0.8 * fullness * lip * cupid,
        inner_upper=inner_upper,
        inner_lower=inner_lower,
        outer_lower=inner_lower + fullness * lip,
    )


def _draw_mouth(canvas: Canvas, person: Identity, expression: Expression) -> None:
    mouth = _mouth_lines(person, expression)
    skin = person.skin
    below = oval(0, float(mouth.outer_lower.max()) + 0.07, 0.16, 0.04)
    if person.beard in ("none", "moustache", "stubble"):
        canvas.fill(0.88 * skin, below)
    if person.beard in ("moustache", "full", "goatee"):
        _draw_moustache(canvas, person, mouth)
    canvas.fill(person.lip_brightness * skin, mouth.area(mouth.outer_upper, mouth.outer_lower))
    gap = mouth.inner_lower - mouth.inner_upper
    if gap.max() > 0.03:
        canvas.fill(0.16 * skin + 8, mouth.area(mouth.inner_upper, mouth.inner_lower))
        if expression.tongue > 0.3:
            _draw_tongue(canvas, person, expression, mouth)
        tooth = min(150 + 0.45 * skin, 248)
        if expression.teeth > 0.12:
            edge = mouth.inner_upper + np.minimum(expression.teeth * gap, 0.16)
            canvas.fill(tooth, mouth.area(mouth.inner_upper, edge))
        if expression.clench > 0.12:
            edge = mouth.inner_lower - np.minimum(expression.clench * gap, 0.13)
            canvas.fill(0.95 * tooth, mouth.area(edge, mouth.inner_lower))
        if expression.clench > 0.3:
            middle = mouth.inner_upper + 0.5 * gap
            canvas.stroke(0.3 * skin, 0.018, np.stack([mouth.x, middle], 1)[1:-1])
    else:
        middle = 0.5 * (mouth.inner_upper + mouth.inner_lower)
        canvas.stroke(_line_gray(person), 0.045, np.stack([mouth.x, middle], 1))
    corners = [
        oval(float(mouth.x[end]), float(mouth.inner_upper[end]), 0.03, 0.03) for end in (0, -1)
    ]
    canvas.fill(0.45 * skin, *corners)


def _draw_tongue(canvas: Canvas, person: Identity, expression: Expression, mouth: _Mouth) -> None:
    gap = mouth.inner_lower - mouth.inner_upper
    top = mouth.inner_lower - 0.55 * gap * (1 - _ACROSS**2)
    gray = 0.62 * person.skin + 36
    canvas.fill(gray, mouth.area(top, mouth.inner_lower))
    if expression.tongue > 0.75:
        y = float(mouth.inner_lower.max())
        canvas.fill(gray, oval(0, y, 0.15, 0.15))
        canvas.stroke(0.7 * gray, 0.025, points((0, y - 0.1), (0, y + 0.04)))


def _draw_moustache(canvas: Canvas, person: Identity, mouth: _Mouth) -> None:
    top = person.nose_length + _EYE_HEIGHT + 0.06
    y = max(float(mouth.outer_upper[8]), top + 0.07)
    end_y = float(mouth.inner_upper[-1])
    half = curve(
        points(
            (0.0, top + 0.03),
            (0.14, top + 0.01),
            (0.3, top + 0.07),
            (max(float(mouth.x[-1]), 0.38) + 0.03, min(end_y, y + 0.08)),
            (0.22, y + 0.02),
            (0.0, y - 0.01),
        )
    )
    canvas.fill(0.95 * person.hair, np.concatenate([half, mirrored(half)[::-1]]))


def _draw_glasses(canvas: Canvas, person: Identity) -> None:
    x, y = person.eye_spacing, _EYE_HEIGHT + 0.02
    if person.glasses == "round":
        rim = oval(x, y, 0.27, 0.25)
    else:
        rim = curve(
            points(
                (x - 0.25, y - 0.17),
                (x, y - 0.19),
                (x + 0.27, y - 0.17),
                (x + 0.25, y + 0.15),
                (x, y + 0.2),
                (x - 0.23, y + 0.15),
            ),
            is_closed=True,
        )
    gray = 35 if person.skin > 110 else 215
    canvas.stroke(gray, 0.04, rim, mirrored(rim), is_closed=True)
    bridge = curve(points((-x + 0.26, y - 0.03), (0.0, y - 0.07), (x - 0.26, y - 0.03)))
    arm = points((x + 0.27, y - 0.06), (person.head_width + 0.02, y - 0.08))
    canvas.stroke(gray, 0.04, bridge, arm, mirrored(arm))
