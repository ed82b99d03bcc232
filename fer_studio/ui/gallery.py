"""Galleries of faces: paged, with captions, and with boxes to choose faces by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

#: Screen pixels of a face: two for each of its own.
FACE_WIDTH = 96
#: Enlarged so much before it is sent, so that its pixels stay hard. More would be lost: Streamlit
#: shrinks what is wider than it is shown.
_SENT_FACTOR = 2
PAGE_SIZE = 24
GROUPS_ON_PAGE = 12
#: Of one group: FER2013's largest has some dozen faces, a folder of one picture may have thousands.
_SHOWN_OF_GROUP = 24
#: A list of pictures leaves no room between them: they bring their own, in screen pixels.
_GAP = 8


def face_png(image: NDArray[np.uint8], *, gap: int = 0) -> bytes:
    """A face as a PNG file, each of its pixels enlarged to a square.

    Args:
        image: uint8 ``[height, width]``.
        gap: Transparent pixels beside it, of those of the screen at ``FACE_WIDTH``.
    """
    picture = cv2.resize(
        image, None, fx=_SENT_FACTOR, fy=_SENT_FACTOR, interpolation=cv2.INTER_NEAREST
    )
    if gap:
        sent_gap = gap * _SENT_FACTOR * image.shape[1] // FACE_WIDTH
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
    """A few dozen faces side by side, as many in a row as there is room for.

    Args:
        images: Faces, uint8 ``[48, 48]`` each.
        captions: What stands below each; plain text or Markdown.
        names: What is read out for each, instead of its caption.
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
    """Faces in pages.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        rows: Which of them, in the order to show them in.
        caption: Gives what stands below a row's face.
        key: Of the widgets; another one when the rows are others, so that it starts on page 1.
        name: Gives what is read out for a row's face, instead of its caption.
        page_size: Faces on a page.
    """
    shown = [int(row) for row in page_of(rows, key=key, page_size=page_size)]
    spoken = name or caption
    show_faces(
        [images[row] for row in shown],
        [caption(row) for row in shown],
        names=[spoken(row) for row in shown],
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
    """Faces in pages, each with a box to choose it by; a choice stays when the page is turned.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        rows: Which of them, in the order to show them in.
        caption: Gives the label of a row's box.
        key: Of the widgets; another one when the rows are others.
        name: Gives what is read out for a row's face and shown beside the pointer.
        page_size: Faces on a page.

    Returns:
        The rows that are chosen, in the order of ``rows``.
    """
    shown = [int(row) for row in page_of(rows, key=key, page_size=page_size)]
    with st.container(horizontal=True, gap="small"):
        for row in shown:
            _face_with_box(images[row], row, caption, name, key)
    return _choice(rows, shown, key)


def choose_grouped_faces(
    images: NDArray[np.uint8],
    groups: Sequence[NDArray[np.intp]],
    caption: Callable[[int], str],
    *,
    key: str,
    name: Callable[[int], str] | None = None,
    page_size: int = GROUPS_ON_PAGE,
) -> list[int]:
    """Groups of faces, each side by side in a frame of its own, in pages, to choose from.

    Args:
        images: All faces, uint8 ``[n, 48, 48]``.
        groups: Rows of each group.
        caption: Gives the label of a row's box.
        key: Of the widgets; another one when the groups are others.
        name: Gives what is read out for a row's face and shown beside the pointer.
        page_size: Groups on a page.

    Returns:
        The rows that are chosen, in the order of the groups.
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
                    _face_with_box(images[row], row, caption, name, key)
                hidden = len(groups[number]) - len(group)
                if hidden:
                    st.caption(f"and {hidden} more")
    return _choice(np.concatenate(groups), shown, key)


def clear_choice(key: str) -> None:
    """Forget which faces are chosen in the gallery of this key."""
    st.session_state[_chosen_key(key)] = set()


def _chosen_key(key: str) -> str:
    return f"{key}_chosen"


def _chosen(key: str) -> set[int]:
    chosen: set[int] = st.session_state.setdefault(_chosen_key(key), set())
    return chosen


def _face_with_box(
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
        # Streamlit forgets boxes that are not drawn: the choice is kept beside them.
        st.session_state[box] = row in _chosen(key)
        st.checkbox(label, key=box, on_change=_choose, args=(key, row, box))


def _choice(rows: NDArray[np.intp], shown: list[int], key: str) -> list[int]:
    chosen = _chosen(key)
    result = [int(row) for row in rows if int(row) in chosen]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Choose this page", key=f"{key}_page_chosen", on_click=_choose_all, args=(key, shown)
        )
        if len(rows) > len(shown):
            st.button(
                f"Choose all {len(rows):,}",
                key=f"{key}_all_chosen",
                on_click=_choose_all,
                args=(key, [int(row) for row in rows]),
            )
        st.button(
            "Choose none",
            key=f"{key}_none_chosen",
            on_click=clear_choice,
            args=(key,),
            disabled=not result,
        )
        st.markdown(f"**{len(result):,} chosen**" if result else "None chosen")
    return result


def _choose(key: str, row: int, box: str) -> None:
    (_chosen(key).add if st.session_state[box] else _chosen(key).discard)(row)


def _choose_all(key: str, rows: list[int]) -> None:
    _chosen(key).update(rows)


def page_of(rows: NDArray[np.intp], *, key: str, page_size: int = PAGE_SIZE) -> NDArray[np.intp]:
    """Draw the page numbers, if there is more than one page, and cut the page that is open."""
    page_count = max(-(-len(rows) // page_size), 1)
    page = 1
    if page_count > 1:
        page = st.pagination(page_count, key=f"{key}_page")
    return rows[(page - 1) * page_size : page * page_size]
