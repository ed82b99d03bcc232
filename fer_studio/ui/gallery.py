"""Galleries of faces, one page at a time: a click opens a face, and checkboxes select faces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_studio.ui.face_grid import FaceTile, face_grid
from fer_studio.ui.pictures import png_url

#: Width in screen pixels of a face that ``show_faces`` draws: two for each pixel of the face.
FACE_WIDTH = 96
#: Factor by which faces are enlarged before they are sent, so that the browser blurs only the
#: edges of their pixels.
_ENLARGEMENT = 2
#: Number of faces, and of groups of faces, on one page of a gallery. With every number of columns
#: that face_grid.css defines, 24 faces fill complete rows.
PAGE_SIZE, GROUPS_ON_PAGE = 24, 12
#: Maximum number of faces of one group that are drawn. The largest group of FER2013 has a few dozen
#: faces, but a folder of copies may have thousands.
_MAX_FACES_OF_GROUP = 24
#: Space between two faces in screen pixels. It is part of each picture, because ``st.image`` draws
#: a list of pictures without gaps.
_GAP = 8


def face_png(image: NDArray[np.uint8], *, gap: int = 0) -> bytes:
    """Return a face as a PNG file, each of its pixels enlarged to a square.

    Args:
        image: uint8 ``[height, width]``.
        gap: Total width of the transparent margins at the left and at the right, in screen pixels
            if the face is drawn ``FACE_WIDTH`` screen pixels wide.
    """
    picture = cv2.resize(
        image, None, fx=_ENLARGEMENT, fy=_ENLARGEMENT, interpolation=cv2.INTER_NEAREST
    )
    if gap:
        margin = gap * _ENLARGEMENT * image.shape[1] // FACE_WIDTH // 2
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGRA)
        picture = cv2.copyMakeBorder(
            picture, 0, 0, margin, margin, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)
        )
    return cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def show_faces(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    captions: Sequence[str],
    *,
    names: Sequence[str] | None = None,
) -> None:
    """Draw a few dozen faces side by side, as many in a row as fit.

    Args:
        images: Faces, uint8 ``[48, 48]`` each.
        captions: The text below each face; plain text or Markdown.
        names: The alternative text of each face; by default, the caption of the face.
    """
    if len(images):
        st.image(
            [png_url(face_png(image, gap=_GAP)) for image in images],
            caption=list(captions),
            width=FACE_WIDTH + _GAP,
            alt=list(names or captions),
        )


@dataclass(frozen=True, eq=False)
class FaceTexts:
    """The texts that a gallery shows of each face.

    Each text is the result of a function that takes the row of the face in the dataset and returns
    plain text.

    Attributes:
        caption: The text below the face.
        alternative_text: The alternative text and tooltip of the face.
        mark: The decision about the face; empty if there is none.
        color: The CSS color of a dot next to the caption; empty for no dot.
        detail: A second line below the caption; empty for none.
    """

    caption: Callable[[int], str]
    alternative_text: Callable[[int], str]
    mark: Callable[[int], str] = lambda row: ""
    color: Callable[[int], str] = lambda row: ""
    detail: Callable[[int], str] = lambda row: ""


#: A function that opens a face. It takes the row of the face, and the rows of all faces of the
#: gallery in their order.
OpenFace = Callable[[int, NDArray[np.intp]], None]


def show_gallery(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    texts: FaceTexts,
    *,
    key: str,
    open_face: OpenFace,
    page_size: int = PAGE_SIZE,
) -> None:
    """Draw one page of a gallery, with the page numbers below. A click on a face opens it.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        rows: The rows to show, in this order.
        texts: The texts of each face.
        key: Key of the widgets. Use a new key when the rows change, so that page 1 is shown first.
        open_face: Called when a face is clicked.
        page_size: Faces per page.
    """
    # The faces are above the page numbers, but the chosen page number is needed to draw the faces.
    faces_container = st.container()
    shown = [int(row) for row in choose_page(rows, key=key, page_size=page_size)]
    with faces_container:
        clicked = face_grid(
            [[face_tile(images[row], row, texts, None) for row in shown]], key=f"{key}_grid"
        )
    if clicked in shown:
        open_face(clicked, rows)


def choose_faces(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    texts: FaceTexts,
    *,
    key: str,
    open_face: OpenFace,
    page_size: int = PAGE_SIZE,
) -> None:
    """Draw one page of a gallery, each face with a checkbox; all pages share the selection.

    ``selected_faces`` returns the selection. It can be called before or after this function.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        rows: The rows to show, in this order.
        texts: The texts of each face.
        key: Key of the widgets and of the selection. Use a new key when the rows change.
        open_face: Called when a face is clicked.
        page_size: Faces per page.
    """
    shown = [int(row) for row in choose_page(rows, key=key, page_size=page_size)]
    _draw_selection_bar(rows, shown, key)
    _draw_page(images, [shown], rows, texts, key=key, open_face=open_face)


def choose_grouped_faces(
    images: NDArray[np.uint8],
    groups: Sequence[NDArray[np.intp]],
    texts: FaceTexts,
    *,
    key: str,
    open_face: OpenFace,
    page_size: int = GROUPS_ON_PAGE,
) -> None:
    """Draw one page of a gallery of groups, each group in a frame, each face with a checkbox.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        groups: Rows of each group.
        texts: The texts of each face.
        key: Key of the widgets and of the selection. Use a new key when the groups change.
        open_face: Called when a face is clicked.
        page_size: Groups per page.
    """
    if not groups:
        return
    rows = np.concatenate(groups)
    shown_groups = choose_page(np.arange(len(groups)), key=key, page_size=page_size)
    shown = [[int(row) for row in groups[index][:_MAX_FACES_OF_GROUP]] for index in shown_groups]
    # The bar is above the faces, where it is visible and does not move when the faces are drawn.
    _draw_selection_bar(rows, [row for group in shown for row in group], key)
    hidden_counts = [
        len(groups[index]) - len(group) for index, group in zip(shown_groups, shown, strict=True)
    ]
    _draw_page(
        images, shown, rows, texts, key=key, open_face=open_face, hidden_counts=hidden_counts
    )


def _draw_page(
    images: NDArray[np.uint8],
    shown: list[list[int]],
    rows: NDArray[np.intp],
    texts: FaceTexts,
    *,
    key: str,
    open_face: OpenFace,
    hidden_counts: list[int] | None = None,
) -> None:
    """Draw the faces of a page with checkboxes.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        shown: The rows of the faces on the page, by group.
        rows: All rows of the gallery, for ``open_face``.
        texts: The texts of each face.
        key: Key of the gallery.
        open_face: Called when a face is clicked.
        hidden_counts: For each group, the number of its faces that are not drawn; None if the
            faces are not grouped.
    """
    chosen = _selected_rows(key)
    on_page = [row for group in shown for row in group]

    def toggle(row: int, is_selected: bool) -> None:
        # A manipulated client can send any row.
        if row not in on_page:
            return
        if is_selected:
            _selected_rows(key).add(row)
        else:
            _selected_rows(key).discard(row)

    clicked = face_grid(
        [[face_tile(images[row], row, texts, row in chosen) for row in group] for group in shown],
        key=f"{key}_grid",
        on_toggle=toggle,
        hidden_texts=None
        if hidden_counts is None
        else [f"and {count:,} more" if count else "" for count in hidden_counts],
    )
    if clicked in on_page:
        open_face(clicked, rows)


def face_tile(
    image: NDArray[np.uint8], row: int, texts: FaceTexts, is_selected: bool | None = None
) -> FaceTile:
    """Return a face for ``face_grid``.

    Args:
        image: uint8 ``[48, 48]``.
        row: The row of the face in the dataset.
        texts: The texts of each face.
        is_selected: Whether the checkbox of the face is checked; None to draw no checkbox.
    """
    return FaceTile(
        row=row,
        image=face_png(image),
        caption=texts.caption(row),
        name=texts.alternative_text(row),
        mark=texts.mark(row),
        color=texts.color(row),
        detail=texts.detail(row),
        is_selected=is_selected,
    )


def clear_selection(key: str) -> None:
    """Clear the selection in the gallery with this key."""
    st.session_state[_selection_key(key)] = set()


def _selection_key(key: str) -> str:
    return f"{key}_chosen"


def _selected_rows(key: str) -> set[int]:
    chosen: set[int] = st.session_state.setdefault(_selection_key(key), set())
    return chosen


def selected_faces(rows: NDArray[np.intp], *, key: str) -> list[int]:
    """Return the selected rows of a gallery, in the order of ``rows``.

    Args:
        rows: All rows of the gallery.
        key: The key of the gallery.
    """
    chosen = _selected_rows(key)
    return [int(row) for row in rows if int(row) in chosen]


def _draw_selection_bar(rows: NDArray[np.intp], shown: list[int], key: str) -> None:
    """Draw the buttons that select several faces, and the number of selected faces."""
    selected_count = len(selected_faces(rows, key=key))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Select page", key=f"{key}_page_chosen", on_click=_select_all, args=(key, shown))
        if len(rows) > len(shown):
            st.button(
                f"Select all {len(rows):,}",
                key=f"{key}_all_chosen",
                on_click=_select_all,
                args=(key, [int(row) for row in rows]),
            )
        st.button(
            "Clear selection",
            key=f"{key}_none_chosen",
            on_click=clear_selection,
            args=(key,),
            disabled=not selected_count,
        )
        st.markdown(f"**{selected_count:,} selected**" if selected_count else "None selected")


def _select_all(key: str, rows: list[int]) -> None:
    _selected_rows(key).update(rows)


def choose_page(
    items: NDArray[np.intp], *, key: str, page_size: int = PAGE_SIZE
) -> NDArray[np.intp]:
    """Draw the page numbers, if there are several pages, and return the items on the chosen page.

    Args:
        items: The rows of all faces, or the indices of all groups.
        key: Key of the gallery.
        page_size: Number of items per page.
    """
    page_count = max(math.ceil(len(items) / page_size), 1)
    page = 1
    if page_count > 1:
        page = st.pagination(page_count, key=f"{key}_page")
    return items[(page - 1) * page_size : page * page_size]
