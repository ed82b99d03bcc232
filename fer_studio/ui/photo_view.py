"""A photo with a box for each face, and rows of thumbnails: components that report clicks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.vision.draw import face_color, label_text, text_color_on
from fer_core.vision.face import Face
from fer_studio.ui.pictures import jpeg_url
from fer_studio.ui.style import style_container

_ASSETS = Path(__file__).parent / "assets"


def _read_assets(*names: str) -> str:
    return "\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in names)


#: HTML of a row of thumbnails. The placeholders are for the name of the row, which screen readers
#: read out, and for an attribute such as ``hidden``.
_STRIP = '<div class="strip" role="listbox" aria-orientation="horizontal" aria-label="{}" {}></div>'
#: Height of a row of thumbnails, as ``assets/strip.css`` defines it.
_STRIP_HEIGHT = "8.1rem"
_photo_strip = st.components.v2.component(
    "fer_studio_photo_strip",
    html=_STRIP.format("Photos", ""),
    css=_read_assets("strip.css"),
    js=_read_assets("strip.js", "photo_strip.js"),
)
_photo_view = st.components.v2.component(
    "fer_studio_photo_view",
    html=f'<div class="photo"><img alt=""><div></div></div>{_STRIP.format("Faces", "hidden")}',
    css=_read_assets("strip.css", "photo_view.css"),
    js=_read_assets("strip.js", "photo_view.js"),
)


@dataclass(frozen=True)
class Thumbnail:
    """An entry of a row of thumbnails.

    Attributes:
        title: The first line below the picture.
        detail: The second line below the picture.
        color: The color of the border: red, green and blue, 0 to 255 each.
        picture: A JPEG file; None if the photo could not be decoded.
    """

    title: str
    detail: str
    color: tuple[int, int, int]
    picture: bytes | None


def choose_thumbnail(
    thumbnails: Sequence[Thumbnail],
    selected_index: int,
    on_choice: Callable[[int], None],
    *,
    key: str,
) -> None:
    """Draw a row of thumbnails.

    Args:
        thumbnails: The thumbnails, at least one.
        selected_index: The index of the selected thumbnail.
        on_choice: Called with the index of a clicked thumbnail, before the page reruns.
        key: The key of the component.
    """
    items = [
        {
            "title": thumbnail.title,
            "detail": thumbnail.detail,
            "color": _css_color(thumbnail.color),
            "picture": None if thumbnail.picture is None else jpeg_url(thumbnail.picture),
        }
        for thumbnail in thumbnails
    ]
    # assets/app.css reserves the height, so that the elements below do not move later.
    with st.container(key=f"strip_place_{key}"):
        _photo_strip(
            key=key,
            data={"items": items, "selected": selected_index},
            on_chosen_change=lambda: _report_choice(key, len(items), on_choice),
        )


def show_photo(
    picture: bytes,
    size: tuple[int, int],
    faces: Sequence[Face],
    selected_index: int,
    on_choice: Callable[[int], None],
    *,
    alt: str,
    key: str,
) -> None:
    """Draw a photo with its faces; faces that are large enough can be selected.

    Lines and labels have the same size on the screen, however large the photo is.

    Args:
        picture: The photo, a JPEG file; may be smaller than ``size``.
        size: Width and height in pixels of the original photo. The boxes of the faces are in pixels
            of the original photo.
        faces: Classified faces.
        selected_index: The index of the selected face among the faces that are large enough.
        on_choice: Called with the index of a clicked face among the faces that are large enough,
            before the page reruns.
        alt: The description of the photo.
        key: The key of the component.
    """
    data = {
        "picture": jpeg_url(picture),
        "alt": alt,
        "width": size[0],
        "height": size[1],
        "faces": face_entries(faces, size),
        "selected": selected_index,
    }
    selectable_count = sum(not face.is_too_small for face in faces)
    has_strip = selectable_count > 1
    container_key = f"photo_place_{key}"
    with st.container(key=container_key, gap=None):
        # assets/app.css reserves the height of the photo and of the row of faces below it.
        style_container(
            container_key,
            f"--aspect: {size[0] / size[1]:.5f}; "
            f"--strip-height: {_STRIP_HEIGHT if has_strip else '0px'};",
        )
        _photo_view(
            key=key,
            data=data,
            on_chosen_change=lambda: _report_choice(key, selectable_count, on_choice),
        )


def face_entries(faces: Sequence[Face], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Return each face in the format that ``assets/photo_view.js`` expects.

    Args:
        faces: Classified faces.
        size: Width and height in pixels of the photo. The boxes of the faces are in these pixels.
    """
    entries = []
    for number, face in enumerate(faces, start=1):
        label = label_text(face, number if len(faces) > 1 else None)
        color = face_color(face)
        if face.is_confident:
            title, detail = face.label, f"{100 * face.score:.0f} %"
        else:
            # The description is, for example, "not sure: neutral or sad".
            title, _, detail = face.description.partition(": ")
        box = face.box
        entries.append(
            {
                # Shares of the picture; five decimals are exact to less than a pixel.
                "box": [
                    round(share, 5)
                    for share in (
                        box.x / size[0],
                        box.y / size[1],
                        box.width / size[0],
                        box.height / size[1],
                    )
                ],
                "label": label,
                "color": _css_color(color),
                "text": _css_color(text_color_on(color)),
                "isDot": face.is_too_small,
                "title": f"{number}: {title}",
                "detail": detail,
            }
        )
    return entries


def _report_choice(key: str, count: int, on_choice: Callable[[int], None]) -> None:
    """Call ``on_choice`` with the clicked index if it is from 0 to ``count - 1``."""
    index = st.session_state[key].chosen
    # A manipulated client can send any value; invalid ones are ignored.
    if isinstance(index, int) and 0 <= index < count:
        on_choice(index)


def _css_color(color: tuple[int, int, int]) -> str:
    return "#{:02X}{:02X}{:02X}".format(*color)
