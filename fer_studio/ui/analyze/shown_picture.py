"""The pictures of the analyze page: the displayed photo, thumbnails, and annotated files."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from fer_core.vision.decode import decode_picture, picture_slot
from fer_core.vision.draw import annotate
from fer_core.vision.photo import PhotoResult
from fer_studio.ui.analyze.photos import Photo

#: JPEG quality of a downloaded picture.
_DOWNLOAD_QUALITY = 92
#: JPEG quality of the displayed picture, which is sent to the browser at every click on a face.
_DISPLAY_QUALITY = 85
#: Maximum longer side of the displayed picture in pixels. A downloaded picture is not reduced.
_DISPLAY_SIDE = 1460
#: Maximum shorter side of a thumbnail in pixels, about twice its size on the screen.
_THUMBNAIL_SIDE = 160
_THUMBNAIL_QUALITY = 80
#: Session state: key of the photo that was displayed last, and its picture as a JPEG file.
_PICTURE = "shown_picture"
#: Session state: thumbnails as JPEG files, by the key of their photo.
_THUMBNAILS = "photo_thumbnails"
#: Session state: key of the chosen photo.
_CHOSEN = "chosen_photo"


def chosen_index(photos: Sequence[Photo]) -> int:
    """Return the index of the chosen photo in ``photos``; 0 if none of them is chosen."""
    keys = [photo.key for photo in photos]
    chosen = st.session_state.get(_CHOSEN)
    return keys.index(chosen) if chosen in keys else 0


def set_chosen_photo(photo: Photo) -> None:
    """Store which photo is chosen."""
    st.session_state[_CHOSEN] = photo.key


def keep_picture(photo: Photo, image: NDArray[np.uint8]) -> None:
    """Store a photo in display size, for ``shown_picture``.

    Args:
        photo: The photo.
        image: The decoded photo after the rotation in its metadata was applied: RGB, uint8
            ``[height, width, 3]``.
    """
    scale = min(1.0, _DISPLAY_SIDE / max(image.shape[:2]))
    st.session_state[_PICTURE] = (photo.key, _encoded(_resized(image, scale), _DISPLAY_QUALITY))


def keep_thumbnail(photo: Photo, image: NDArray[np.uint8]) -> None:
    """Store the thumbnail of a photo, for ``thumbnail``; see ``keep_picture`` for the arguments."""
    scale = min(1.0, _THUMBNAIL_SIDE / min(image.shape[:2]))
    thumbnails: dict[str, bytes] = st.session_state.setdefault(_THUMBNAILS, {})
    small = _resized(image, scale)
    # Only the middle of a panorama is stored, because a thumbnail does not show the rest.
    left, top = ((side - 2 * _THUMBNAIL_SIDE) // 2 for side in (small.shape[1], small.shape[0]))
    small = small[max(top, 0) :, max(left, 0) :][: 2 * _THUMBNAIL_SIDE, : 2 * _THUMBNAIL_SIDE]
    thumbnails[photo.key] = _encoded(small, _THUMBNAIL_QUALITY)


def thumbnail(photo: Photo) -> bytes | None:
    """Return the thumbnail of a photo, a JPEG file; None if the photo could not be analyzed."""
    jpeg: bytes | None = st.session_state.get(_THUMBNAILS, {}).get(photo.key)
    return jpeg


def shown_picture(photo: Photo) -> bytes:
    """Return the photo in display size, as a JPEG file.

    The picture is stored until another photo is displayed, because decoding a large photo takes
    seconds.
    """
    stored = st.session_state.get(_PICTURE)
    if stored is None or stored[0] != photo.key:
        content = photo.read()
        with picture_slot(content):
            keep_picture(photo, decode_picture(content, photo.name))
    picture: bytes = st.session_state[_PICTURE][1]
    return picture


def discard_pictures(photo_keys: frozenset[str]) -> None:
    """Remove the displayed picture and the thumbnails, except those of photos with these keys."""
    stored = st.session_state.get(_PICTURE)
    if stored is not None and stored[0] not in photo_keys:
        del st.session_state[_PICTURE]
    thumbnails = st.session_state.get(_THUMBNAILS, {})
    for key in [key for key in thumbnails if key not in photo_keys]:
        del thumbnails[key]


def annotated_jpeg(photo: Photo, result: PhotoResult) -> bytes:
    """Return the annotated photo as a JPEG file, in the size in which it was analyzed."""
    content = photo.read()
    with picture_slot(content):
        image = decode_picture(content, photo.name)
        image = annotate(image, result.faces, numbered=len(result.faces) > 1)
        return _encoded(image, _DOWNLOAD_QUALITY)


def _resized(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(image: NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
