"""A photo with a box for each face, and rows of thumbnails: components that report clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.vision.draw import face_color, label_text, readable_on
from fer_core.vision.face import Face
from fer_studio.ui.pictures import jpeg_url

_ASSETS = Path(__file__).parent / "assets"


def _asset(*names: str) -> str:
    return "\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in names)


_LIST = '<div class="strip" role="listbox" aria-orientation="horizontal" aria-label="{}"></div>'
_photo_strip = st.components.v2.component(
    "fer_studio_photo_strip",
    html=_LIST.format("Photos"),
    css=_asset("strip.css"),
    js=_asset("strip.js", "photo_strip.js"),
)
_photo_view = st.components.v2.component(
    "fer_studio_photo_view",
    html=f'<div class="photo"><img alt=""><div></div></div>{_LIST.format("Faces")}',
    css=_asset("strip.css", "photo_view.css"),
    js=_asset("strip.js", "photo_view.js"),
)


@dataclass(frozen=True)
class Thumbnail:
    """An entry of a row of thumbnails.

    Attributes:
        title: The first line below the picture.
        detail: The second line.
        color: Of the border, red, green and blue, 0 to 255 each.
        picture: A JPEG file; None if there is none.
    """

    title: str
    detail: str
    color: tuple[int, int, int]
    picture: bytes | None


def choose_thumbnail(
    thumbnails: Sequence[Thumbnail], selected: int, on_choice: Callable[[int], None], *, key: str
) -> None:
    """Draw a row of thumbnails.

    Args:
        thumbnails: At least one.
        selected: The position of the selected one.
        on_choice: Called with the position of one that was clicked, before the page runs again.
        key: The key of the component.
    """
    items = [
        {
            "title": one.title,
            "detail": one.detail,
            "color": _css_color(one.color),
            "picture": None if one.picture is None else jpeg_url(one.picture),
        }
        for one in thumbnails
    ]
    _photo_strip(
        key=key,
        data={"items": items, "selected": selected},
        on_chosen_change=lambda: _report(key, len(items), on_choice),
    )


def show_photo(
    picture: bytes,
    size: tuple[int, int],
    faces: Sequence[Face],
    selected: int,
    on_choice: Callable[[int], None],
    *,
    alt: str,
    key: str,
) -> None:
    """Draw a photo with its faces; those that are large enough can be selected.

    Lines and labels have the same size on the screen, however large the photo is.

    Args:
        picture: The photo, a JPEG file.
        size: Width and height to which the boxes of the faces refer, in pixels.
        faces: Classified faces.
        selected: The position of the selected one among those that are not too small.
        on_choice: Called with the position of one that was clicked, before the page runs again.
        alt: The description of the picture.
        key: The key of the component.
    """
    data = {
        "picture": jpeg_url(picture),
        "alt": alt,
        "width": size[0],
        "height": size[1],
        "faces": face_entries(faces, size),
        "selected": selected,
    }
    _photo_view(
        key=key,
        data=data,
        on_chosen_change=lambda: _report(key, len(faces), on_choice),
    )


def face_entries(faces: Sequence[Face], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Return what the component draws of each face; see ``assets/photo_view.js``.

    Args:
        faces: Classified faces.
        size: Width and height to which their boxes refer, in pixels.
    """
    entries = []
    for number, face in enumerate(faces, start=1):
        label = label_text(face, number if len(faces) > 1 else None)
        color = face_color(face)
        title, _, detail = face.description.partition(": ")
        if face.is_confident:
            title, detail = face.label, f"{100 * face.score:.0f} %"
        box = face.box
        entries.append(
            {
                "box": [
                    round(value, 5)
                    for value in (
                        box.x / size[0],
                        box.y / size[1],
                        box.width / size[0],
                        box.height / size[1],
                    )
                ],
                "label": label,
                "color": _css_color(color),
                "text": _css_color(readable_on(color)),
                "isDot": face.is_too_small,
                "title": f"{number}: {title}",
                "detail": detail,
            }
        )
    return entries


def _report(key: str, count: int, on_choice: Callable[[int], None]) -> None:
    chosen = st.session_state[key].chosen
    # A client can send any value.
    if isinstance(chosen, int) and 0 <= chosen < count:
        on_choice(chosen)


def _css_color(color: tuple[int, int, int]) -> str:
    return "#{:02X}{:02X}{:02X}".format(*color)
