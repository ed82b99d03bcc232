"""The photo sources of the analyze page: uploads, the camera, the sample picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st

from fer_core.errors import InputError
from fer_core.vision.sample import SAMPLE_CREDIT, sample_picture
from fer_studio.ui.messages import show_error
from fer_studio.ui.uploads import uploads_within_limits

#: Limits of one session, because the server keeps uploads in memory.
_MAX_PHOTOS = 500
_MAX_PHOTO_MB, _MAX_PHOTOS_MB = 200, 1024
_SAMPLE_CHOSEN = "sample_chosen"
_SAMPLE_KEY = "sample"


@dataclass(frozen=True)
class Photo:
    """A photo to analyze; its bytes are read only when needed.

    Attributes:
        key: Unique in the session.
        name: The file's name.
        read: Returns the file's bytes.
        rejected: Why it is not analyzed, as a sentence; None if it is.
    """

    key: str
    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)
    rejected: str | None = None


@dataclass(frozen=True)
class PhotoCollection:
    """The photos that the user provided.

    Attributes:
        photos: The photos of the open tab.
        held: The keys of all photos of the session, including those of the other tab.
    """

    photos: list[Photo]
    held: frozenset[str]


def collect_photos() -> PhotoCollection:
    """Draw upload and camera, and return the photos that the user provided."""
    photos_tab, camera_tab = st.tabs(
        [":material/upload: Photos", ":material/photo_camera: Camera"],
        key="source",
        on_change="rerun",
    )
    with photos_tab:
        uploads = st.file_uploader(
            "Photos with faces",
            # Files of any type: a type that the browser rejects would be missing in the results
            # without a reason, and suffixes say little.
            accept_multiple_files=True,
            key="uploads",
            max_upload_size=_MAX_PHOTO_MB,
            help=f"One photo or up to {_MAX_PHOTOS}, as JPEG, PNG, WebP, HEIC, AVIF, BMP, TIFF or "
            "GIF. Photos of more than 80 megapixels are analyzed at a reduced size.",
        )
        _, rejected = uploads_within_limits(
            uploads,
            count=_MAX_PHOTOS,
            megabytes_each=_MAX_PHOTO_MB,
            megabytes=_MAX_PHOTOS_MB,
        )
    snapshot = None
    with camera_tab:
        # The camera is drawn only while its tab is open; otherwise it would be switched on at once.
        if camera_tab.open:
            snapshot = st.camera_input("Take a snapshot", key="snapshot", width=640)
    st.caption(
        ":material/lock: Photos are sent to the machine that runs this app, analyzed in its memory "
        "and not stored."
    )
    photos = [
        Photo(upload.file_id, upload.name, upload.getvalue, rejected.get(upload.file_id))
        for upload in uploads
    ]
    held = {photo.key for photo in photos}
    if st.session_state.get(_SAMPLE_CHOSEN):
        held.add(_SAMPLE_KEY)
    if camera_tab.open:
        photos = []
        if snapshot is not None:
            photos = [Photo(snapshot.file_id, "snapshot.jpg", snapshot.getvalue)]
            held.add(snapshot.file_id)
    elif st.session_state.get(_SAMPLE_CHOSEN):
        photos += _sample()
    return PhotoCollection(photos, frozenset(held))


def _sample() -> list[Photo]:
    try:
        name, content = sample_picture()
    except InputError as error:
        show_error(error)
        return []
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Sample picture: {SAMPLE_CREDIT}.")
        st.button(
            "Remove sample",
            key="remove_sample",
            type="tertiary",
            on_click=_choose_sample,
            args=(False,),
        )
    return [Photo(_SAMPLE_KEY, name, lambda: content)]


def _choose_sample(is_chosen: bool) -> None:
    st.session_state[_SAMPLE_CHOSEN] = is_chosen


def show_empty_state() -> None:
    """Draw what to do next, with a sample picture to try."""
    with st.container(border=True):
        if st.session_state.get("source", "").endswith("Camera"):
            st.markdown("**Take a snapshot** above to classify every face in it.")
            return
        st.markdown(
            "**Drop photos above** to see every face in them with its emotion probabilities. You "
            "can add several photos at once and download the results as a table."
        )
        st.button(
            "Try a sample picture",
            key="choose_sample",
            icon=":material/image:",
            on_click=_choose_sample,
            args=(True,),
        )
