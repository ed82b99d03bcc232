"""Draw boxes and labels on a picture."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_core.classes import class_colors, color_rgb
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face
from fer_core.vision.fonts import Font, font_for

# The thickness of lines and the largest and smallest font size, as shares of the picture's longer
# side. Therefore lines and texts look the same in small and large pictures.
_LINE_SHARE = 1 / 400
_TEXT_SHARE = 1 / 36
_SMALLEST_TEXT_SHARE = 1 / 80
#: Minimum font size in pixels; smaller text is unreadable, even in a small picture. Only a label
#: that would not fit into the picture gets a smaller font.
_SMALLEST_TEXT = 10
#: Maximum width of a label relative to its face. A label that would be wider gets a smaller font.
_MAX_RELATIVE_LABEL_WIDTH = 1.15
#: Radius of a dot: share of the picture's longer side, and minimum in pixels.
_DOT_SHARE = 1 / 250
_SMALLEST_DOT = 2
#: Color of faces whose label is uncertain.
UNCERTAIN_COLOR = (90, 90, 90)
_DOT_EDGE = (255, 255, 255)


@dataclass(frozen=True)
class LabeledBox:
    """A box to draw.

    Attributes:
        box: Position; the part outside the picture is not drawn.
        color: Red, green and blue, each 0 to 255.
        text: One line that is drawn next to the box; empty for no text.
        has_frame: True to draw box and text, False to draw only the text.
        is_dot: True to draw a dot in the center instead of the box and its text.
    """

    box: FaceBox
    color: tuple[int, int, int]
    text: str = ""
    has_frame: bool = True
    is_dot: bool = False


@dataclass(frozen=True)
class _Label:
    """A text with its font and the size of its background.

    Attributes:
        text: One line.
        font: The font, including its size.
        width: Width of the label's background, in pixels.
        height: Height of the label's background, in pixels.
    """

    text: str
    font: Font
    width: int
    height: int


@dataclass(frozen=True)
class _Area:
    """A rectangle of whole pixels inside the picture."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """x of the first pixel to the right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """y of the first pixel below the rectangle."""
        return self.y + self.height

    def intersection(self, other: "_Area") -> int:
        """Return the shared area in square pixels."""
        width = min(self.right, other.right) - max(self.x, other.x)
        height = min(self.bottom, other.bottom) - max(self.y, other.y)
        return max(width, 0) * max(height, 0)


def annotate(
    image: NDArray[np.uint8],
    faces: Sequence[Face],
    *,
    numbered: bool = False,
) -> NDArray[np.uint8]:
    """Draw a box and a label for every classified face.

    Box and label are gray if the label is uncertain. A face that is too small gets a dot instead.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``; it is not changed.
        faces: The faces to draw.
        numbered: True to start labels with the face's position in ``faces``, counted from 1.

    Returns:
        A new picture of the same shape.
    """
    return draw_boxes(
        image,
        [
            labeled_box(face, label_text(face, number if numbered else None))
            for number, face in enumerate(faces, start=1)
        ],
    )


def label_text(face: Face, number: int | None = None) -> str:
    """Return the description of a face, with a number if there is one, such as "3: sad 60 %"."""
    return face.description if number is None else f"{number}: {face.description}"


def labeled_box(face: Face, text: str, *, has_frame: bool = True) -> LabeledBox:
    """Return the drawing of a classified face: a box with a text, or a dot for a too small face."""
    return LabeledBox(face.box, face_color(face), text, has_frame, face.is_too_small)


def face_color(face: Face) -> tuple[int, int, int]:
    """Return the color of the face's label; gray if the label is uncertain."""
    if not face.is_confident:
        return UNCERTAIN_COLOR
    return color_rgb(class_colors(face.classes)[face.label])


def draw_boxes(image: NDArray[np.uint8], boxes: Sequence[LabeledBox]) -> NDArray[np.uint8]:
    """Draw boxes with their texts. Each text is placed where it covers as little as possible.

    Args:
        image: Upright RGB, uint8 ``[height, width, 3]``; it is not changed.
        boxes: The boxes to draw.

    Returns:
        A new picture of the same shape.
    """
    height, width = image.shape[:2]
    drawn = image.copy()
    line_width = max(2, round(max(height, width) * _LINE_SHARE))
    areas = [_clipped(box.box.rounded(), width, height) for box in boxes]
    for box, area in zip(boxes, areas, strict=True):
        if box.is_dot:
            _draw_dot(drawn, area, box.color)
        elif box.has_frame:
            # A thick line would hide a small face.
            box_line_width = max(1, min(line_width, min(area.width, area.height) // 8))
            _draw_frame(drawn, area, box_line_width, box.color)

    # Labels are drawn after all boxes so that a box's line never crosses a text.
    label_areas: list[_Area] = []
    for box, area in zip(boxes, areas, strict=True):
        if not box.text or box.is_dot:
            continue
        label = _fitting_label(box.text, area, (width, height))
        other_faces = [other for other in areas if other is not area]
        position = _best_position(label, area, (width, height), other_faces, label_areas)
        label_areas.append(position)
        _draw_label(drawn, label, position, box.color)
    return drawn


def _draw_frame(
    image: NDArray[np.uint8], area: _Area, line_width: int, color: tuple[int, int, int]
) -> None:
    """Draw the outline of an area, inside the area."""
    pixels = image[area.y : area.bottom, area.x : area.right]
    pixels[:line_width] = pixels[-line_width:] = color
    pixels[:, :line_width] = pixels[:, -line_width:] = color


def _draw_dot(image: NDArray[np.uint8], area: _Area, color: tuple[int, int, int]) -> None:
    """Draw a dot in the center of an area."""
    radius = max(_SMALLEST_DOT, round(max(image.shape[:2]) * _DOT_SHARE))
    x, y = area.x + area.width / 2, area.y + area.height / 2
    surroundings = _with_margin(area, 2 * radius, image)
    with _pen(image, surroundings) as pen:
        x, y = x - surroundings.x, y - surroundings.y
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), color, _DOT_EDGE)


def _draw_label(
    image: NDArray[np.uint8], label: _Label, position: _Area, color: tuple[int, int, int]
) -> None:
    """Draw a label's background and text."""
    # Accents may extend beyond the background.
    surroundings = _with_margin(position, label.height, image)
    with _pen(image, surroundings) as pen:
        x, y = position.x - surroundings.x, position.y - surroundings.y
        pen.rectangle((x, y, x + position.width - 1, y + position.height - 1), fill=color)
        pen.text(
            (x + position.width / 2, y + position.height / 2),
            label.text,
            font=label.font,
            fill=text_color_on(color),
            anchor="mm",
        )


@contextmanager
def _pen(image: NDArray[np.uint8], area: _Area) -> Iterator[ImageDraw.ImageDraw]:
    """Draw with Pillow on a part of a picture.

    Pillow's pictures have another memory layout. Converting a whole picture takes longer than
    drawing on it.

    Args:
        image: RGB, uint8 ``[height, width, 3]``; it is changed at the end of the block.
        area: The part.

    Yields:
        Draws on the part; its coordinates begin at the upper left corner of the part.
    """
    pixels = image[area.y : area.bottom, area.x : area.right]
    part = Image.fromarray(pixels)
    yield ImageDraw.Draw(part)
    pixels[:] = np.asarray(part)


def text_color_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white as the color of text, whichever has the higher contrast to a color.

    The contrast is computed from the relative luminance, as WCAG defines it.
    """
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in color)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # Black and white have the same contrast to the luminance 0.179: (l + 0.05)^2 = 1.05 * 0.05.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def _with_margin(area: _Area, margin: int, image: NDArray[np.uint8]) -> _Area:
    """Return an area with a margin on each side, as far as it is inside the picture."""
    left, top = max(area.x - margin, 0), max(area.y - margin, 0)
    right = min(area.right + margin, image.shape[1])
    bottom = min(area.bottom + margin, image.shape[0])
    return _Area(left, top, right - left, bottom - top)


def _clipped(box: tuple[int, int, int, int], width: int, height: int) -> _Area:
    """Return the part of a box (x, y, width, height) inside a picture, at least one pixel."""
    x, y, box_width, box_height = box
    left, top = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    right = min(max(x + box_width, left + 1), width)
    bottom = min(max(y + box_height, top + 1), height)
    return _Area(left, top, right - left, bottom - top)


def _fitting_label(text: str, area: _Area, picture_size: tuple[int, int]) -> _Label:
    """Return the label in the largest font size that fits its face and the picture."""
    longest = max(picture_size)
    largest = max(_SMALLEST_TEXT, round(longest * _TEXT_SHARE))
    smallest = max(_SMALLEST_TEXT, round(longest * _SMALLEST_TEXT_SHARE))
    label = _label(text, largest)
    available_width = area.width * _MAX_RELATIVE_LABEL_WIDTH
    if label.width > available_width:
        label = _label(text, max(smallest, int(largest * available_width / label.width)))
    if label.width > picture_size[0] or label.height > picture_size[1]:
        # The label does not fit into the picture. A label is 1.2 times as high as its font size, so
        # label.height * scale / 1.2 would be the font size that just fits. The smaller factor 0.6
        # leaves a margin.
        scale = min(picture_size[0] / label.width, picture_size[1] / label.height)
        label = _label(text, max(1, int(label.height * scale * 0.6)))
    return label


def _label(text: str, size: int) -> _Label:
    """Return a label; ``size`` is the font size in pixels."""
    font = font_for(text, size)
    padding = max(1, size // 5)
    # The height depends on the font size and not on the text, so that all labels are equally high.
    width = round(font.getlength(text)) + 2 * padding
    return _Label(text, font, width, size + padding)


def _best_position(
    label: _Label,
    area: _Area,
    picture_size: tuple[int, int],
    other_faces: Sequence[_Area],
    label_areas: Sequence[_Area],
) -> _Area:
    """Return the position for a label, above, below or inside its box, where it covers least.

    Args:
        label: The label.
        area: The area of the box to which the label belongs.
        picture_size: Width and height of the picture.
        other_faces: The areas of all other boxes.
        label_areas: The areas of the labels that are already drawn.
    """
    width, height = picture_size
    lefts = (area.x, area.x + (area.width - label.width) // 2, area.right - label.width)
    tops = (area.y - label.height, area.bottom, area.bottom - label.height, area.y)
    positions = [
        _clipped(
            (
                max(0, min(left, width - label.width)),
                max(0, min(top, height - label.height)),
                label.width,
                label.height,
            ),
            width,
            height,
        )
        for top in tops
        for left in lefts
    ]

    def cost(position: _Area) -> float:
        # Covering another label makes both unreadable; covering another face is worse than
        # covering the face to which the label belongs.
        return (
            4.0 * sum(position.intersection(drawn) for drawn in label_areas)
            + 2.0 * sum(position.intersection(face) for face in other_faces)
            + 1.0 * position.intersection(area)
        )

    return min(positions, key=cost)
