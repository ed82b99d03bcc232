"""The annotated picture of the displayed photo, and annotated pictures as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from fer_core.vision.decode import decode_picture, picture_slot
from fer_core.vision.draw import annotate
from fer_core.vision.photo import PhotoResult
from fer_studio.ui.analyze.photos import Photo

_JPEG_QUALITY = 92
#: Longest side of the displayed picture in pixels. Streamlit would decode and shrink a wider
#: picture at every rerun. The download is not shrunk.
_DISPLAY_SIDE = 1460
#: Session state: photo key, result and JPEG file of the latest shown picture.
_PICTURE = "shown_picture"
#: Session state: key of the chosen photo.
_CHOSEN = "chosen_photo"


def chosen_index(photos: Sequence[Photo]) -> int:
    """Return the position of the photo that was chosen last; 0 if it is not among ``photos``."""
    keys = [photo.key for photo in photos]
    last = st.session_state.get(_CHOSEN)
    return keys.index(last) if last in keys else 0


def choose(photo: Photo) -> None:
    """Store which photo is chosen."""
    st.session_state[_CHOSEN] = photo.key


def keep_picture(photo: Photo, result: PhotoResult, image: NDArray[np.uint8]) -> None:
    """Annotate and encode a decoded photo for ``shown_picture``.

    Args:
        photo: The photo.
        result: Its result.
        image: Its pixels, upright RGB uint8 ``[height, width, 3]``.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _DISPLAY_SIDE / max(height, width))
    if scale < 1.0:
        # Shrunk before the boxes are drawn, so that their lines stay sharp and a large photo is
        # not copied.
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    factors = (image.shape[1] / width, image.shape[0] / height)
    faces = [replace(face, box=face.box.scaled(*factors)) for face in result.faces]
    picture = annotate(image, faces, numbered=len(faces) > 1)
    st.session_state[_PICTURE] = (photo.key, result, _encoded(Image.fromarray(picture)))


def shown_picture(photo: Photo, result: PhotoResult) -> bytes:
    """Return the annotated photo in display size, as a JPEG file.

    The latest picture is kept, because decoding a large photo takes seconds. The photo is decoded
    only if its picture is not the kept one.
    """
    kept = st.session_state.get(_PICTURE)
    if kept is None or kept[1] is not result:
        content = photo.read()
        with picture_slot(content):
            keep_picture(photo, result, decode_picture(content, photo.name))
    picture: bytes = st.session_state[_PICTURE][2]
    return picture


def discard_picture(photo_keys: frozenset[str]) -> None:
    """Remove the kept picture from memory unless its photo's key is in ``photo_keys``."""
    kept = st.session_state.get(_PICTURE)
    if kept is not None and kept[0] not in photo_keys:
        del st.session_state[_PICTURE]


def annotated_jpeg(photo: Photo, result: PhotoResult) -> bytes:
    """Return the annotated photo with all its pixels, as a JPEG file."""
    content = photo.read()
    with picture_slot(content):
        image = decode_picture(content, photo.name)
        image = annotate(image, result.faces, numbered=len(result.faces) > 1)
        return _encoded(Image.fromarray(image))


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
