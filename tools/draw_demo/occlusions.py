"""Occlusions: a hand, a scarf, a strand of hair, a cup."""

from __future__ import annotations

import numpy as np

from tools.draw_demo.canvas import Canvas, curve, moved, oval, points
from tools.draw_demo.chance import between, pick
from tools.draw_demo.identity import Identity


def draw_occlusion(canvas: Canvas, person: Identity, generator: np.random.Generator) -> None:
    """Cover a part of the face; the expression stays recognizable."""
    kind = pick(generator, (("hand", 2), ("scarf", 1), ("strand", 2), ("cup", 1)))
    side = person.part_side
    match kind:
        case "hand":
            x, y = between(generator, 0.35, 0.7), between(generator, 0.55, 0.8)
            _draw_hand(canvas, 0.93 * person.skin, side, x, y)
        case "scarf":
            top = between(generator, 0.72, 0.86)
            edge = curve(
                points((-1.3, top - 0.1), (-0.5, top + 0.06), (0.4, top), (1.3, top - 0.14))
            )
            canvas.fill(person.cloth, np.concatenate([edge, points((1.4, 2.2), (-1.4, 2.2))]))
            gray = person.cloth + (30 if person.cloth < 120 else -30)
            canvas.stroke(gray, 0.05, moved(edge, 0.0, 0.14), moved(edge * (1, 1.05), 0.0, 0.26))
        case "strand":
            strand = curve(
                points(
                    (0.1, -1.05),
                    (0.62, -0.8),
                    (0.7, -0.25),
                    (0.55, 0.25),
                    (0.45, -0.2),
                    (0.35, -0.6),
                ),
                is_closed=True,
            )
            canvas.fill(person.hair, strand * (side, 1.0))
        case _:
            x = side * between(generator, 0.1, 0.5)
            canvas.fill(
                person.cloth,
                points((x - 0.26, 0.78), (x + 0.26, 0.78), (x + 0.2, 1.5), (x - 0.2, 1.5)),
            )
            canvas.fill(0.6 * person.cloth + 60, oval(x, 0.78, 0.26, 0.06))


def _draw_hand(canvas: Canvas, gray: float, side: int, x: float, y: float) -> None:
    """Three fingers at the cheek and the palm below them."""
    palm = oval(x + 0.2, y + 0.5, 0.32, 0.36) * (side, 1.0)
    canvas.fill(gray, palm)
    for finger in range(3):
        line = points((x + 0.04 + 0.15 * finger, y + 0.32), (x - 0.1 + 0.16 * finger, y - 0.18))
        canvas.stroke(0.6 * gray, 0.18, line * (side, 1.0))
        canvas.stroke(gray, 0.14, line * (side, 1.0))
