"""The identity of a drawn person: everything that does not depend on the expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.draw_demo.chance import around, between, happens, pick

#: Hairstyles and headgear, with their relative frequencies.
HAIR_STYLES: tuple[tuple[str, float], ...] = (
    ("short", 4.0),
    ("side_part", 3.0),
    ("fringe", 2.0),
    ("buzz", 1.5),
    ("bald", 1.2),
    ("receding", 1.2),
    ("curly", 2.0),
    ("afro", 1.0),
    ("long", 2.5),
    ("bob", 2.0),
    ("bun", 1.0),
    ("headscarf", 1.0),
    ("beanie", 0.8),
)

#: Hairstyles of persons who may have a beard.
_STYLES_WITH_BEARD = {
    "short",
    "side_part",
    "buzz",
    "bald",
    "receding",
    "curly",
    "afro",
    "beanie",
}


@dataclass(frozen=True)
class Identity:
    """One drawn person.

    Lengths are in units of the face: about 1.8 wide and 2.1 high. Grays are 0 to 255.

    Attributes:
        head_width: Half the head's width.
        jaw_width: The jaw's width as a share of the head's.
        chin_length: Distance of the chin below the center of the face.
        skin: Gray of the skin.
        hair: Gray of hair, brows and beard.
        hair_style: One of ``HAIR_STYLES``.
        hair_volume: Factor on the thickness of the hair.
        part_side: 1 or -1, the side of everything asymmetric, such as the parting.
        brow_thickness: Half the brows' thickness.
        brow_height: Distance of the brows above the eyes.
        eye_spacing: From the face's middle to an eye's center.
        eye_size: Half an eye's width.
        eye_roundness: Factor on the eyes' height.
        eye_tilt: How much higher the outer corners of the eyes are.
        iris: Gray of the irises.
        has_lashes: True for thick lines at the upper lids.
        nose_length: From the eyes' line to the tip.
        nose_width: Half the nose's width.
        mouth_width: Half the width of the relaxed mouth.
        mouth_height: Distance of the mouth below the center of the face.
        lip_fullness: Height of a lip.
        lip_brightness: Gray of the lips as a share of the skin's.
        beard: ``none``, ``stubble``, ``moustache``, ``goatee`` or ``full``.
        glasses: ``none``, ``round`` or ``square``.
        age: 0 (young) to 1 (old); adds wrinkles.
        cloth: Gray of clothes, scarf and hat.
    """

    head_width: float
    jaw_width: float
    chin_length: float
    skin: float
    hair: float
    hair_style: str
    hair_volume: float
    part_side: int
    brow_thickness: float
    brow_height: float
    eye_spacing: float
    eye_size: float
    eye_roundness: float
    eye_tilt: float
    iris: float
    has_lashes: bool
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lip_fullness: float
    lip_brightness: float
    beard: str
    glasses: str
    age: float
    cloth: float


def random_identity(generator: np.random.Generator) -> Identity:
    """Choose a random person."""
    skin = around(generator, 165.0, 85.0)
    age = between(generator, 0.0, 1.0) ** 2
    hair_style = pick(generator, HAIR_STYLES)
    is_gray = happens(generator, 0.15 + 0.5 * age)
    # Fair hair occurs only with fair skin, gray hair with any skin.
    hair = between(generator, 150, 225) if is_gray else between(generator, 18, 0.62 * skin)
    can_have_beard = hair_style in _STYLES_WITH_BEARD
    beard = "none"
    if can_have_beard and happens(generator, 0.4):
        beard = pick(
            generator, (("stubble", 3), ("moustache", 1.5), ("goatee", 1.5), ("full", 2.5))
        )
    return Identity(
        head_width=around(generator, 0.86, 0.10),
        jaw_width=around(generator, 0.82, 0.14),
        chin_length=around(generator, 1.0, 0.10),
        skin=skin,
        hair=hair,
        hair_style=hair_style,
        hair_volume=around(generator, 1.0, 0.5),
        part_side=1 if happens(generator, 0.5) else -1,
        brow_thickness=around(generator, 0.046, 0.024),
        brow_height=around(generator, 0.27, 0.05),
        eye_spacing=around(generator, 0.375, 0.045),
        eye_size=around(generator, 0.195, 0.035),
        eye_roundness=around(generator, 1.0, 0.2),
        eye_tilt=around(generator, 0.01, 0.03),
        iris=between(generator, 25, 110),
        has_lashes=happens(generator, 0.7 if not can_have_beard else 0.25),
        nose_length=around(generator, 0.38, 0.08),
        nose_width=around(generator, 0.15, 0.04),
        mouth_width=around(generator, 0.32, 0.06),
        mouth_height=around(generator, 0.60, 0.06),
        lip_fullness=around(generator, 0.075, 0.04),
        lip_brightness=around(generator, 0.72, 0.14),
        beard=beard,
        glasses=pick(generator, (("none", 8), ("round", 1), ("square", 1))),
        age=age,
        cloth=between(generator, 30, 225),
    )
