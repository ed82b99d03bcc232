"""A grid of faces that can be clicked, as one element of the page.

Streamlit's pictures cannot be clicked. A button and a checkbox for each of 24 faces would add about
a hundred elements to the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_studio.ui.pictures import png_url
from fer_studio.ui.style import style_container

_ASSETS = Path(__file__).parent / "assets"

#: Number of columns of a grid that is as wide as the page. The keys are the minimum widths of the
#: window in pixels from which the numbers apply; see face_grid.css.
_COLUMNS = {0: 8, 1720: 12}
#: Total width of the margins of the page, and height of the texts below a face, in pixels.
_MARGIN, _TEXT_HEIGHT = 160, 40

_component = st.components.v2.component(
    "fer_studio_face_grid",
    html='<div class="faces"></div>\n<!-- filled by the script -->',
    css=(_ASSETS / "face_grid.css").read_text(encoding="utf-8"),
    js=(_ASSETS / "face_grid.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class FaceTile:
    """A face in the grid.

    Attributes:
        row: The row of the face in the dataset.
        image: The face as a PNG file.
        caption: The text below the face; plain text, like all other texts.
        detail: A second line below the caption; empty for none.
        name: The alternative text and tooltip of the face.
        mark: The decision about the face; empty if there is none.
        color: The CSS color of a dot next to the caption; empty for no dot.
        is_selected: Whether the checkbox of the face is checked; None to draw no checkbox.
    """

    row: int
    image: bytes
    caption: str
    name: str
    mark: str = ""
    color: str = ""
    detail: str = ""
    is_selected: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the face in the format that ``assets/face_grid.js`` expects."""
        return {
            "row": self.row,
            "image": png_url(self.image),
            "caption": self.caption,
            "detail": self.detail,
            "name": self.name,
            "mark": self.mark,
            "color": self.color,
            "isSelected": self.is_selected,
        }


def face_grid(
    groups: Sequence[Sequence[FaceTile]],
    *,
    key: str,
    on_toggle: Callable[[int, bool], None] | None = None,
    hidden_texts: Sequence[str] | None = None,
) -> int | None:
    """Draw a grid of faces.

    Args:
        groups: The faces of each group. Faces that are not grouped are passed as a single group.
        key: Key of the element.
        on_toggle: Called with the row and the new state of a checkbox that the user has clicked,
            before the page reruns.
        hidden_texts: If the faces are grouped, a text for each group about its faces that are not
            drawn, such as "and 12 more", or an empty text. Each group then has a frame. None if the
            faces are not grouped.

    Returns:
        The row of the face whose click has caused this rerun of the page; None without a click.
    """

    def report_toggle() -> None:
        row, is_selected = st.session_state[key].toggled
        if on_toggle is not None:
            on_toggle(int(row), bool(is_selected))

    container_key = f"face_place_{key}"
    count = sum(len(group) for group in groups)
    with st.container(key=container_key, gap=None):
        style_container(container_key, _min_height_css(count))
        clicked: int | None = _component(
            key=key,
            data={
                "groups": [[face.to_json() for face in group] for group in groups],
                "isGrouped": hidden_texts is not None,
                "hidden": list(hidden_texts or ()),
            },
            # The result has the attribute "opened" only if there is a callback for it.
            on_opened_change=lambda: None,
            on_toggled_change=report_toggle,
        ).opened
    return clicked


def _min_height_css(count: int) -> str:
    """Return styles that give the container of a grid at least the height of a page-wide grid.

    The browser reserves this height before it has loaded the grid, so that the elements below do
    not move. A grid that is narrower than the page has fewer columns and is taller, so the height
    is only a minimum.
    """
    heights = {}
    for width, columns in _COLUMNS.items():
        row_height = f"((100vw - {_MARGIN}px) / {columns} + {_TEXT_HEIGHT}px)"
        heights[width] = f"min-height: calc({math.ceil(count / columns)} * {row_height});"
    return " ".join(
        height if width == 0 else f"@media (min-width: {width}px) {{ {height} }}"
        for width, height in heights.items()
    )
