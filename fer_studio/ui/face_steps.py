"""The buttons of the face drawer that lead to the previous and the next face.

The drawer is a dialog at the right edge of the page that shows one face.
"""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE

#: Number of screen pixels per image pixel of an enlarged face.
FACE_SCALE = 4
#: Width of an enlarged face in screen pixels.
ENLARGED_WIDTH = FACE_SIZE * FACE_SCALE
#: Width of the drawer in pixels: two enlarged faces and the buttons of a decision fit in a row.
DRAWER_WIDTH = 560

#: Session key of the index of the face in the drawer, among the faces to step through.
_INDEX = "face_step"


def set_first_face(rows: NDArray[np.intp], row: int) -> None:
    """Set the face that the drawer shows first.

    Args:
        rows: The faces to step through, each identified by a number such as its row.
        row: The number of the face that is shown first.
    """
    st.session_state[_INDEX] = int(np.flatnonzero(rows == row)[0])


def show_step_buttons(rows: NDArray[np.intp]) -> int:
    """Draw the buttons "Previous" and "Next", and return the number of the current face.

    The arrow keys press the buttons.

    Args:
        rows: The faces to step through, at least one; see ``set_first_face``.
    """
    count = len(rows)
    # The stored index may be too large, if it is from a longer list of faces.
    index = st.session_state.get(_INDEX, 0) % count

    def move(offset: int) -> None:
        st.session_state[_INDEX] = (index + offset) % count

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            key="face_previous",
            on_click=move,
            args=(-1,),
            disabled=count < 2,
            shortcut="ArrowLeft",
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            key="face_next",
            on_click=move,
            args=(1,),
            disabled=count < 2,
            shortcut="ArrowRight",
        )
        st.caption(f"{index + 1:,} of {count:,}")
    return int(rows[index])


def enlarged(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a face with each pixel enlarged to a square.

    If a browser enlarged the face, it would blur the pixels.

    Args:
        face: uint8 ``[48, 48]``.
    """
    return face.repeat(FACE_SCALE, axis=0).repeat(FACE_SCALE, axis=1)
