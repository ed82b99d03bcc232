"""Galleries of faces: pages, captions, and checkboxes to select faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

#: Width of a face in screen pixels, two per image pixel.
FACE_WIDTH = 96
#: Factor by which faces are enlarged before they are sent, so that the browser does not blur their
#: pixels. A larger factor has no effect: Streamlit shrinks pictures to their display width.
_ENLARGEMENT = 2
PAGE_SIZE = 24
GROUPS_ON_PAGE = 12
#: Maximum number of faces that are drawn of a group. FER2013's largest group has a few dozen faces,
#: but a folder of copies may have thousands.
_SHOWN_OF_GROUP = 24
#: Space between two faces in screen pixels. It is part of each picture, because ``st.image`` draws
#: a list of pictures without gaps.
_GAP = 8


def face_png(image: NDArray[np.uint8], *, gap: int = 0) -> bytes:
    """Return a face as a PNG file, each of its pixels enlarged to a square.

    Args:
        image: uint8 ``[height, width]``.
        gap: Width of a transparent margin, in screen pixels at ``FACE_WIDTH``.
    """
    picture = cv2.resize(
        image, None, fx=_ENLARGEMENT, fy=_ENLARGEMENT, interpolation=cv2.INTER_NEAREST
    )
    if gap:
        sent_gap = gap * _ENLARGEMENT * image.shape[1] // FACE_WIDTH
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGRA)
        picture = cv2.copyMakeBorder(
            picture, 0, 0, sent_gap // 2, sent_gap // 2, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)
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
        captions: The text below each; plain text or Markdown.
        names: Alternative text for screen readers, instead of the caption.
    """
    if len(images):
        st.image(
            [face_png(image, gap=_GAP) for image in images],
            caption=list(captions),
            width=FACE_WIDTH + _GAP,
            alt=list(names or captions),
        )


def show_gallery(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    caption: Callable[[int], str],
    *,
    key: str,
    name: Callable[[int], str] | None = None,
    page_size: int = PAGE_SIZE,
) -> None:
    """Draw faces in pages.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        rows: The rows to show, in this order.
        caption: Returns the text below a row's face.
        key: Key of the widgets; use a different key for other rows, so that they start on page 1.
        name: Returns the alternative text of a row's face, instead of its caption.
        page_size: Faces per page.
    """
    shown = [int(row) for row in page_of(rows, key=key, page_size=page_size)]
    alternative_text = name or caption
    show_faces(
        [images[row] for row in shown],
        [caption(row) for row in shown],
        names=[alternative_text(row) for row in shown],
    )


def choose_faces(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    caption: Callable[[int], str],
    *,
    key: str,
    name: Callable[[int], str] | None = None,
    page_size: int = PAGE_SIZE,
) -> list[int]:
    """Draw faces in pages, each with a checkbox; the selection is kept across pages.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        rows: The rows to show, in this order.
        caption: Returns the label of a row's checkbox.
        key: Key of the widgets; use a different key for other rows.
        name: Returns the alternative text and tooltip of a row's face.
        page_size: Faces per page.

    Returns:
        The selected rows, in the order of ``rows``.
    """
    shown = [int(row) for row in page_of(rows, key=key, page_size=page_size)]
    with st.container(horizontal=True, gap="small"):
        for row in shown:
            _draw_face_with_checkbox(images[row], row, caption, name, key)
    return _draw_selection_bar(rows, shown, key)


def choose_grouped_faces(
    images: NDArray[np.uint8],
    groups: Sequence[NDArray[np.intp]],
    caption: Callable[[int], str],
    *,
    key: str,
    name: Callable[[int], str] | None = None,
    page_size: int = GROUPS_ON_PAGE,
) -> list[int]:
    """Draw groups of faces in pages, each group in a frame, with checkboxes.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        groups: Rows of each group.
        caption: Returns the label of a row's checkbox.
        key: Key of the widgets; use a different key for other groups.
        name: Returns the alternative text and tooltip of a row's face.
        page_size: Groups per page.

    Returns:
        The selected rows, in the order of the groups.
    """
    if not groups:
        return []
    page = page_of(np.arange(len(groups)), key=key, page_size=page_size)
    shown: list[int] = []
    with st.container(horizontal=True, gap="small"):
        for number in page:
            group = [int(row) for row in groups[number][:_SHOWN_OF_GROUP]]
            shown += group
            with st.container(border=True, horizontal=True, width="content", gap="xsmall"):
                for row in group:
                    _draw_face_with_checkbox(images[row], row, caption, name, key)
                hidden = len(groups[number]) - len(group)
                if hidden:
                    st.caption(f"and {hidden} more")
    return _draw_selection_bar(np.concatenate(groups), shown, key)


def clear_selection(key: str) -> None:
    """Clear the selection in the gallery with this key."""
    st.session_state[_selection_key(key)] = set()


def _selection_key(key: str) -> str:
    return f"{key}_chosen"


def _selected_rows(key: str) -> set[int]:
    chosen: set[int] = st.session_state.setdefault(_selection_key(key), set())
    return chosen


def _draw_face_with_checkbox(
    image: NDArray[np.uint8],
    row: int,
    caption: Callable[[int], str],
    name: Callable[[int], str] | None,
    key: str,
) -> None:
    with st.container(width=FACE_WIDTH + _GAP, gap="xsmall"):
        label = caption(row)
        st.image(face_png(image), width=FACE_WIDTH, alt=name(row) if name else label)
        box = f"{key}_box_{row}"
        # Streamlit drops the state of checkboxes that are not drawn, so the choice is stored
        # separately.
        st.session_state[box] = row in _selected_rows(key)
        st.checkbox(label, key=box, on_change=_update_selection, args=(key, row, box))


def _draw_selection_bar(rows: NDArray[np.intp], shown: list[int], key: str) -> list[int]:
    chosen = _selected_rows(key)
    result = [int(row) for row in rows if int(row) in chosen]
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
            disabled=not result,
        )
        st.markdown(f"**{len(result):,} selected**" if result else "None selected")
    return result


def _update_selection(key: str, row: int, box: str) -> None:
    (_selected_rows(key).add if st.session_state[box] else _selected_rows(key).discard)(row)


def _select_all(key: str, rows: list[int]) -> None:
    _selected_rows(key).update(rows)


def page_of(rows: NDArray[np.intp], *, key: str, page_size: int = PAGE_SIZE) -> NDArray[np.intp]:
    """Draw the page numbers, if there are several pages, and return the rows of the open page."""
    page_count = max(-(-len(rows) // page_size), 1)
    page = 1
    if page_count > 1:
        page = st.pagination(page_count, key=f"{key}_page")
    return rows[(page - 1) * page_size : page * page_size]
