"""Boxes and labels on a picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_core.emotions import emotion_color_rgb
from fer_core.vision.analyzer import FaceReading
from fer_core.vision.boxes import FaceBox

# All sizes are shares of the picture's longer side, so that the picture looks the same however
# large it is shown.
_LINE_SHARE = 1 / 400
_TEXT_SHARE = 1 / 36
_SMALLEST_TEXT_SHARE = 1 / 80
#: Nothing smaller can be read, even in a small picture.
_SMALLEST_TEXT = 10
#: A label may be this much wider than its face before its text gets smaller.
_LABEL_OVERHANG = 1.15
_UNSURE_COLOR = (90, 90, 90)


@dataclass(frozen=True)
class LabelledBox:
    """A box to draw.

    Attributes:
        box: Where; what lies outside the picture is cut off.
        color: Red, green and blue, each 0 to 255.
        text: One line beside it; empty for none.
        has_frame: Whether the box itself is drawn, and not only its text.
    """

    box: FaceBox
    color: tuple[int, int, int]
    text: str = ""
    has_frame: bool = True


@dataclass(frozen=True)
class _Label:
    """A text and the size in which it is written.

    Attributes:
        text: One line.
        font: The font at its size.
        width: Of the label's background, in pixels.
        height: Likewise.
        padding: From the background's edge to the text, in pixels.
    """

    text: str
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    width: int
    height: int
    padding: int


def label_text(
    label: str, score: float, unsure_below: float | None = None, number: int | None = None
) -> str:
    """Such as "happy 93 %", "happy? 41 %" if the score is below ``unsure_below``, "3: sad 60 %"."""
    unsure = unsure_below is not None and score < unsure_below
    prefix = "" if number is None else f"{number}: "
    return f"{prefix}{label}{'?' if unsure else ''} {100 * score:.0f} %"


def annotate(
    image: NDArray[np.uint8],
    readings: Sequence[FaceReading],
    *,
    unsure_below: float | None = None,
    numbered: bool = False,
) -> NDArray[np.uint8]:
    """Draw a box and a label for every face.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``; it is not changed.
        readings: What to draw.
        unsure_below: Faces with a lower score (0 to 1) are drawn in grey and with a question mark.
        numbered: Whether labels begin with the face's number, counted from 1 in the given order.

    Returns:
        A new picture of the same shape.
    """
    return draw_boxes(
        image,
        [
            LabelledBox(
                reading.box,
                reading_color(reading.label, reading.score, unsure_below),
                label_text(
                    reading.label, reading.score, unsure_below, number if numbered else None
                ),
            )
            for number, reading in enumerate(readings, start=1)
        ],
    )


def draw_boxes(image: NDArray[np.uint8], labelled: Sequence[LabelledBox]) -> NDArray[np.uint8]:
    """Draw boxes with their texts, each text where it covers least.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``; it is not changed.
        labelled: What to draw.

    Returns:
        A new picture of the same shape.
    """
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    line = max(2, round(max(height, width) * _LINE_SHARE))
    boxes = [_clipped(one.box, width, height) for one in labelled]
    for one, box in zip(labelled, boxes, strict=True):
        if not one.has_frame:
            continue
        right, bottom = box.x + box.width - 1, box.y + box.height - 1
        # A line must not fill a small face.
        thickness = max(1, min(line, min(box.width, box.height) // 8))
        pen.rectangle((box.x, box.y, right, bottom), outline=one.color, width=thickness)

    # Labels are drawn after all boxes so that no box's line crosses a text.
    taken: list[FaceBox] = []
    for one, box in zip(labelled, boxes, strict=True):
        if not one.text:
            continue
        label = _fitting_label(pen, one.text, box, (width, height))
        others = [other for other in boxes if other is not box]
        place = _best_place(label, box, (width, height), others, taken)
        taken.append(place)
        pen.rectangle(
            (place.x, place.y, place.x + place.width - 1, place.y + place.height - 1),
            fill=one.color,
        )
        pen.text(
            (place.x + place.width / 2, place.y + place.height / 2),
            label.text,
            font=label.font,
            fill=_readable_on(one.color),
            anchor="mm",
        )
    return np.array(picture, np.uint8)


def reading_color(
    label: str, score: float, unsure_below: float | None = None
) -> tuple[int, int, int]:
    """The emotion's colour; grey if the score is below ``unsure_below``."""
    if unsure_below is not None and score < unsure_below:
        return _UNSURE_COLOR
    return emotion_color_rgb(label)


def _readable_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever has the higher contrast by WCAG's relative luminance."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in color)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # The two contrasts are equal at this luminance: (l + 0.05)^2 = 1.05 * 0.05.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def _clipped(box: FaceBox, width: int, height: int) -> FaceBox:
    """The part of a box within the picture, at least one pixel of it."""
    left, top = min(max(box.x, 0), width - 1), min(max(box.y, 0), height - 1)
    right = min(max(box.x + box.width, left + 1), width)
    bottom = min(max(box.y + box.height, top + 1), height)
    return FaceBox(left, top, right - left, bottom - top)


def _fitting_label(
    pen: ImageDraw.ImageDraw, text: str, box: FaceBox, picture_size: tuple[int, int]
) -> _Label:
    """The label in the largest size that suits its face and the picture."""
    longest = max(picture_size)
    largest = max(_SMALLEST_TEXT, round(longest * _TEXT_SHARE))
    smallest = max(_SMALLEST_TEXT, round(longest * _SMALLEST_TEXT_SHARE))
    label = _label(pen, text, largest)
    room = box.width * _LABEL_OVERHANG
    if label.width > room:
        label = _label(pen, text, max(smallest, int(largest * room / label.width)))
    if label.width > picture_size[0] or label.height > picture_size[1]:
        # Even a picture narrower than its label shows what it can of it.
        share = min(picture_size[0] / label.width, picture_size[1] / label.height)
        label = _label(pen, text, max(1, int(label.height * share * 0.6)))
    return label


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Opening it takes longer than writing with it, and a stream writes 30 times a second.
    return ImageFont.load_default(size=size)


def _label(pen: ImageDraw.ImageDraw, text: str, size: int) -> _Label:
    font = _font(size)
    padding = max(1, size // 5)
    # The height comes from the size and not from the text, so that all labels are alike.
    width = round(pen.textlength(text, font=font)) + 2 * padding
    return _Label(text, font, width, size + padding, padding)


def _best_place(
    label: _Label,
    box: FaceBox,
    picture_size: tuple[int, int],
    others: Iterable[FaceBox],
    taken: Iterable[FaceBox],
) -> FaceBox:
    """Where the label covers least: above its box, below it, or inside its edges."""
    width, height = picture_size
    lefts = (box.x, box.x + (box.width - label.width) // 2, box.x + box.width - label.width)
    bottom = box.y + box.height
    tops = (box.y - label.height, bottom, bottom - label.height, box.y)
    others, taken = tuple(others), tuple(taken)
    best: tuple[float, FaceBox] | None = None
    for top in tops:
        for left in lefts:
            place = _clipped(
                FaceBox(
                    max(0, min(left, width - label.width)),
                    max(0, min(top, height - label.height)),
                    label.width,
                    label.height,
                ),
                width,
                height,
            )
            # Covering another label makes both unreadable; another's face is worse than one's own.
            cost = 4.0 * sum(place.intersection(one) for one in taken)
            cost += 2.0 * sum(place.intersection(one) for one in others)
            cost += 1.0 * place.intersection(box)
            if best is None or cost < best[0]:
                best = (cost, place)
    assert best is not None
    return best[1]
