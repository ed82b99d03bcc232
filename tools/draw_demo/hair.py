"""Hair and hats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.draw_demo.canvas import Canvas, curve, mirrored, moved, oval, points
from tools.draw_demo.identity import Identity

#: y of the top of the skull, in face units.
CROWN = -1.08


@dataclass(frozen=True)
class _Hairstyle:
    """The shape of a hairstyle. The unit of x is half the width of the head.

    For a parting on the other side, the shape is mirrored.

    Attributes:
        hairline: The lower edge of the hair, from the right to the left of the picture.
        min_volume: Minimum thickness of the hair above the head, in face units.
        volume_scale: Factor on the person's hair volume; the product is added to ``min_volume``.
        strands: Lines of individual strands.
        opacity: 1 hides the skin; below 1 the skin is visible.
    """

    hairline: tuple[tuple[float, float], ...]
    min_volume: float = 0.04
    volume_scale: float = 0.07
    strands: tuple[tuple[tuple[float, float], ...], ...] = ()
    opacity: float = 1.0


def _symmetric(*right: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Return a hairline from its right half."""
    return (*right, *((-x, y) for x, y in reversed(right)))


_FRINGE = _Hairstyle(
    hairline=(
        (1.0, 0.0),
        (0.86, -0.42),
        (0.5, -0.47),
        (0.15, -0.43),
        (-0.2, -0.48),
        (-0.55, -0.44),
        (-0.87, -0.42),
        (-1.0, 0.0),
    ),
    strands=tuple(
        ((0.6 * x, -1.02), (0.9 * x, -0.75), (x, -0.5)) for x in (-0.5, -0.15, 0.25, 0.6)
    ),
)
_CURLY = _Hairstyle(
    hairline=(
        (0.98, -0.25),
        (0.84, -0.6),
        (0.55, -0.66),
        (0.2, -0.76),
        (-0.2, -0.7),
        (-0.55, -0.74),
        (-0.84, -0.6),
        (-0.98, -0.25),
    ),
    # A few waves over the forehead.
    strands=tuple(
        tuple((x + 0.06 * step, y + (0.03 if step % 2 else -0.03)) for step in range(-2, 3))
        for x, y in ((-0.62, -0.84), (-0.28, -1.0), (0.08, -0.9), (0.36, -1.04), (0.66, -0.84))
    ),
)
_HAIRSTYLES: dict[str, _Hairstyle] = {
    "short": _Hairstyle(
        ((0.93, -0.42), (0.78, -0.66), (0.35, -0.74), (-0.3, -0.76), (-0.76, -0.66), (-0.93, -0.42))
    ),
    "side_part": _Hairstyle(
        ((0.95, -0.3), (0.82, -0.62), (0.45, -0.86), (0.0, -0.66), (-0.6, -0.52), (-0.97, -0.2)),
        min_volume=0.07,
        strands=(((0.42, -0.88), (0.0, -0.86), (-0.5, -0.72), (-0.85, -0.42)),),
    ),
    "fringe": _FRINGE,
    "bob": _FRINGE,
    "buzz": _Hairstyle(
        _symmetric((0.95, -0.36), (0.82, -0.66), (0.4, -0.78)),
        min_volume=0.0,
        volume_scale=0.0,
        opacity=0.55,
    ),
    "receding": _Hairstyle(
        _symmetric((1.0, -0.3), (0.9, -0.6), (0.62, -0.95), (0.2, -0.86)),
        min_volume=0.03,
        volume_scale=0.0,
    ),
    "curly": _CURLY,
    "afro": _CURLY,
    "long": _Hairstyle(
        (
            (1.02, 0.5),
            (0.97, -0.1),
            (0.75, -0.55),
            (0.12, -0.92),
            (-0.6, -0.62),
            (-0.97, -0.1),
            (-1.02, 0.5),
        ),
        min_volume=0.08,
        strands=tuple(((0.12, -1.0), (x, -0.8), (1.24 * x, -0.2)) for x in (0.8, -0.8)),
    ),
    "bun": _Hairstyle(
        _symmetric((0.97, -0.25), (0.8, -0.66), (0.35, -0.84)), min_volume=0.03, volume_scale=0.0
    ),
}


def draw_back_hair(canvas: Canvas, person: Identity) -> None:
    """Draw the hair or the headscarf behind the head; many hairstyles have none there."""
    width, volume = person.head_width, 0.10 + 0.08 * person.hair_volume
    gray = 0.82 * person.hair
    match person.hair_style:
        case "long":
            _fill_symmetric(
                canvas,
                gray,
                (0, CROWN - volume),
                (0.75 * width, -0.95 - volume),
                (width + volume + 0.04, -0.3),
                (width + volume + 0.1, 0.6),
                (width + volume, 1.6),
            )
        case "bob":
            _fill_symmetric(
                canvas,
                gray,
                (0, CROWN - volume),
                (0.75 * width, -0.95 - volume),
                (width + volume + 0.06, -0.2),
                (width + volume + 0.06, 0.5),
                (0.7 * width, 0.86),
            )
        case "bun":
            canvas.fill(gray, oval(0.15 * person.part_side, CROWN - 0.16, 0.34, 0.28))
            _fill_symmetric(
                canvas, gray, (0, CROWN - 0.06), (0.75 * width, -0.9), (width + 0.04, -0.2)
            )
        case "afro":
            _fill_cloud(canvas, gray, width + 0.22 + volume, 1.02 + volume, -0.35)
        case "curly":
            _fill_cloud(canvas, gray, width + 0.04 + 0.5 * volume, 0.86 + volume, -0.36)
        case "headscarf":
            _fill_symmetric(
                canvas,
                0.85 * person.cloth,
                (0, CROWN - 0.12),
                (0.8 * width, -0.92),
                (width + 0.16, -0.2),
                (width + 0.12, 0.6),
                (width + 0.3, 1.7),
            )
        case _:
            pass


def _fill_symmetric(canvas: Canvas, gray: float, *right: tuple[float, float]) -> None:
    """Fill the area between the given right half, from top to bottom, and its mirror image."""
    side = curve(points(*right))
    canvas.fill(gray, np.concatenate([side, mirrored(side)[::-1]]))


def _fill_cloud(canvas: Canvas, gray: float, width: float, height: float, y: float) -> None:
    """Fill an oval with a curly edge."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = 1 + 0.05 * np.abs(np.sin(6.5 * angles))
    cloud = np.stack([width * radius * np.cos(angles), height * radius * np.sin(angles)], axis=1)
    canvas.fill(gray, moved(cloud, 0.0, y))


def draw_front_hair(canvas: Canvas, person: Identity) -> None:
    """Draw hair, a headscarf or a beanie in front of the face."""
    match person.hair_style:
        case "headscarf":
            _draw_headscarf(canvas, person)
        case "beanie":
            _draw_beanie(canvas, person)
        case "bald":
            shine = oval(-0.25 * person.part_side, -0.86, 0.2, 0.08)
            canvas.fill(min(1.13 * person.skin, 250), shine)
        case style:
            hairstyle = _HAIRSTYLES[style]
            _fill_hairstyle(canvas, person, hairstyle)
            side = (person.head_width * person.part_side, 1.0)
            strands = [curve(points(*strand)) * side for strand in hairstyle.strands]
            if strands:
                canvas.stroke(_strand_gray(person), 0.025, *strands)


def _strand_gray(person: Identity) -> float:
    """Return the gray of strands: lighter in dark hair, darker in fair hair."""
    return person.hair + 34 if person.hair < 110 else person.hair - 38


def _fill_hairstyle(canvas: Canvas, person: Identity, hairstyle: _Hairstyle) -> None:
    """Fill the area from the hairline to above the top of the head."""
    volume = hairstyle.min_volume + hairstyle.volume_scale * person.hair_volume
    width = person.head_width + volume
    upper_edge = curve(
        points(
            (-width, -0.3),
            (-0.93 * width, -0.64 - volume),
            (-0.55 * width, -1.0 - volume),
            (0.0, CROWN - volume - 0.01),
            (0.55 * width, -1.0 - volume),
            (0.93 * width, -0.64 - volume),
            (width, -0.3),
        )
    )
    hairline = curve(points(*hairstyle.hairline)) * (person.head_width * person.part_side, 1.0)
    if person.part_side < 0:
        hairline = hairline[::-1]  # restore the order from right to left
    gray = hairstyle.opacity * person.hair + (1 - hairstyle.opacity) * person.skin
    canvas.fill(gray, np.concatenate([hairline, upper_edge]))


def _draw_headscarf(canvas: Canvas, person: Identity) -> None:
    """Draw a scarf around the face, with an oval opening."""
    width = person.head_width
    outer = [
        (0.0, CROWN - 0.12),
        (0.8 * width, -0.92),
        (width + 0.15, -0.2),
        (width + 0.08, 0.55),
        (0.55, 1.2),
        (0.0, 1.35),
    ]
    inner = [
        (0.0, -0.72),
        (0.6 * width, -0.62),
        (0.9 * width, -0.15),
        (0.88 * width, 0.3),
        (0.6 * width, 0.78),
        (0.0, person.chin_length + 0.04),
    ]
    outside, inside = curve(points(*outer)), curve(points(*inner))
    half = np.concatenate([outside, inside[::-1]])
    canvas.fill(person.cloth, half, mirrored(half))
    fold = curve(points((0.2, -1.12), (0.78 * width, -0.74), (width + 0.02, 0.1), (0.5, 1.1)))
    gray = person.cloth + (28 if person.cloth < 120 else -28)
    canvas.stroke(gray, 0.03, fold, mirrored(fold))


def _draw_beanie(canvas: Canvas, person: Identity) -> None:
    """Draw a knitted cap that ends at the forehead."""
    width = person.head_width + 0.05
    _fill_symmetric(
        canvas,
        person.cloth,
        (0, CROWN - 0.22),
        (0.62 * width, -1.12),
        (0.98 * width, -0.75),
        (1.02 * width, -0.52),
    )
    rim = curve(points((-1.04 * width, -0.5), (0, -0.6), (1.04 * width, -0.5)))
    gray = person.cloth + (30 if person.cloth < 120 else -30)
    canvas.fill(gray, np.concatenate([rim, moved(rim, 0.0, -0.2)[::-1]]))
