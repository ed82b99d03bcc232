"""The head behind the features: neck, ears, skull and beard."""

from __future__ import annotations

import numpy as np

from tools.draw_demo.canvas import Canvas, Points, curve, mirrored, moved, oval, points
from tools.draw_demo.expression import Expression
from tools.draw_demo.hair import CROWN, draw_back_hair
from tools.draw_demo.identity import Identity


def draw_head(canvas: Canvas, person: Identity, expression: Expression) -> None:
    """Draw everything behind eyes, nose and mouth, from back to front."""
    draw_back_hair(canvas, person)
    _draw_body(canvas, person)
    _draw_ears(canvas, person)
    outline = head_outline(person, expression)
    # Darker edges make the head look round.
    canvas.fill(0.86 * person.skin, outline)
    canvas.fill(0.94 * person.skin, outline * 0.95)
    canvas.fill(person.skin, moved(outline * 0.88, 0.0, -0.02))
    _draw_beard(canvas, person, outline)


def head_outline(person: Identity, expression: Expression) -> Points:
    """Return the outline of skull and jaw; an open mouth lengthens it."""
    width, jaw = person.head_width, person.head_width * person.jaw_width
    chin = person.chin_length + 0.09 * expression.mouth_open
    right = [
        (0.55 * width, -0.98),
        (0.92 * width, -0.62),
        (width, -0.12),
        (0.96 * width, 0.28),
        (jaw, 0.30 + 0.38 * chin),
        (0.45 * jaw, 0.95 * chin),
    ]
    left = [(-x, y) for x, y in reversed(right)]
    return curve(points((0, CROWN), *right, (0, chin + 0.02), *left), is_closed=True)


def _draw_body(canvas: Canvas, person: Identity) -> None:
    neck = 0.5 * person.head_width
    canvas.fill(
        0.72 * person.skin, points((-neck, 0.5), (neck, 0.5), (neck * 1.1, 1.6), (-neck * 1.1, 1.6))
    )
    shoulder = curve(points((0.35, 1.32), (0.62, 1.17), (1.2, 1.25), (2.0, 1.6)))
    line = np.concatenate([mirrored(shoulder)[::-1], shoulder])
    canvas.fill(person.cloth, np.concatenate([line, points((2.0, 2.4), (-2.0, 2.4))]))


def _draw_ears(canvas: Canvas, person: Identity) -> None:
    if person.hair_style in ("headscarf", "long", "bob"):
        return
    ear = oval(person.head_width + 0.03, 0.03, 0.11, 0.2, tilt=-0.15)
    inner = oval(person.head_width + 0.04, 0.03, 0.05, 0.11, tilt=-0.15)
    canvas.fill(0.84 * person.skin, ear, mirrored(ear))
    canvas.fill(0.66 * person.skin, inner, mirrored(inner))


def _draw_beard(canvas: Canvas, person: Identity, outline: Points) -> None:
    if person.beard in ("none", "moustache"):
        return
    if person.beard == "goatee":
        chin = person.chin_length
        canvas.fill(
            person.hair,
            curve(
                points(
                    (-0.2, person.mouth_height + 0.14),
                    (0.2, person.mouth_height + 0.14),
                    (0.22, chin - 0.06),
                    (0, chin + 0.05),
                    (-0.22, chin - 0.06),
                ),
                is_closed=True,
            ),
        )
        return
    share = 0.3 if person.beard == "stubble" else 0.92
    gray = share * person.hair + (1 - share) * 0.9 * person.skin
    # The outline of the head below the cheeks, closed by a line under the nose.
    jaw = outline[outline[:, 1] > 0.12]
    right, left = jaw[jaw[:, 0] >= 0], jaw[jaw[:, 0] < 0]
    right, left = right[np.argsort(right[:, 1])], left[np.argsort(-left[:, 1])]
    cheek = person.mouth_height - 0.14
    top = curve(
        points((-0.62, 0.42), (-0.36, cheek), (0.0, cheek + 0.03), (0.36, cheek), (0.62, 0.42))
        * (person.head_width / 0.86, 1.0)
    )
    beard = np.concatenate([right, left, top])
    if person.beard == "full":
        beard = np.concatenate([right * (1.0, 1.06), left * (1.0, 1.06), top])
    canvas.fill(gray, beard)
