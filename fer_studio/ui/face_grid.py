"""An even grid of faces that can be clicked, as one element of the page.

Streamlit's pictures cannot be clicked, and a page of 24 faces with a button and a checkbox each
takes a hundred elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_studio.ui.pictures import png_url
from fer_studio.ui.style import style_container

_ASSETS = Path(__file__).parent / "assets"

#: Height of a row of faces in pixels, and the faces in a row of a window of 1440 pixels.
_ROW_HEIGHT, _IN_ROW = 129, 11

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
        row: Identifies it.
        image: A PNG file.
        caption: The text below it; plain text, as all texts.
        name: Its alternative text and tooltip.
        mark: The decision about it; empty if there is none.
        color: A CSS color next to the caption; empty for none.
        is_selected: Whether its checkbox is checked; None to draw no checkbox.
    """

    row: int
    image: bytes
    caption: str
    name: str
    mark: str = ""
    color: str = ""
    is_selected: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the face as ``face_grid.js`` takes it."""
        return {
            "row": self.row,
            "image": png_url(self.image),
            "caption": self.caption,
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
    hidden: Sequence[str] | None = None,
) -> int | None:
    """Draw faces.

    Args:
        groups: The faces of each group; one group of all faces if there are no groups.
        key: Key of the element.
        on_toggle: Called with the row and the new state of a checkbox; a callback.
        hidden: By group, a text about faces that are not drawn. If given, groups have frames.

    Returns:
        The row of the face that was clicked just before this run; None without a click.
    """

    def notice() -> None:
        row, is_selected = st.session_state[key].toggled
        if on_toggle is not None:
            on_toggle(int(row), bool(is_selected))

    place = f"face_place_{key}"
    # The place of the faces in a wide window, so that the elements below stay where they are when
    # the browser has loaded the grid.
    count = sum(len(group) for group in groups)
    height = _ROW_HEIGHT * -(-count // _IN_ROW)
    with st.container(key=place, gap=None):
        style_container(place, f"min-height: {height}px;")
        clicked: int | None = _component(
            key=key,
            data={
                "groups": [[face.to_json() for face in group] for group in groups],
                "isGrouped": hidden is not None,
                "hidden": list(hidden or ()),
            },
            on_opened_change=lambda: None,
            on_toggled_change=notice,
        ).opened
    return clicked
