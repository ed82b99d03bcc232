"""The photo sources of the analyze page: uploads, the camera, the sample picture.

Streamlit forgets uploads when the user opens another page. The photos are therefore also kept in
the memory of the session, up to a limit, until the user removes them or closes the tab.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.errors import InputError
from fer_core.phrases import counted
from fer_core.vision.sample import SAMPLE_CREDIT, sample_picture
from fer_studio.ui.address import arrival_count
from fer_studio.ui.messages import show_error
from fer_studio.ui.tabs import persistent_tabs
from fer_studio.ui.uploads import uploads_within_limits

#: Maximum number of uploaded photos in a session; the server keeps them in memory.
_MAX_PHOTOS = 500
#: Maximum size of an uploaded photo, and of all uploaded photos in a session together.
_MAX_PHOTO_MB, _MAX_PHOTOS_MB = 200, 1024
#: Maximum total size of the photos that are kept while other pages are open.
_MAX_KEPT_MB = 256
#: Session state: True while the user wants to see the sample picture.
_SAMPLE_CHOSEN = "sample_chosen"
#: ``Photo.key`` of the sample picture.
_SAMPLE_KEY = "sample"
#: Keys of the upload field and of the camera.
_UPLOADS, _SNAPSHOT = "uploads", "snapshot"


@dataclass(frozen=True)
class Photo:
    """A photo to analyze; its bytes are read only when needed.

    Attributes:
        key: Identifies the photo in its session.
        name: The name of the file.
        read: Returns the content of the file.
        rejection: Why the photo is not analyzed, as a sentence; None if it is analyzed.
    """

    key: str
    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)
    rejection: str | None = None

    @property
    def is_sample(self) -> bool:
        """True if this is the sample picture, which is part of the app."""
        return self.key == _SAMPLE_KEY


@dataclass(frozen=True)
class PhotoCollection:
    """The photos that the user provided.

    Attributes:
        photos: The photos of the open tab, which has the upload field or the camera.
        keys: The keys of all photos of the session, including those of the tab that is not open.
    """

    photos: list[Photo]
    keys: frozenset[str]


@dataclass
class _KeptPhotos:
    """The photos of one widget (upload field or camera), kept when the widget is no longer drawn.

    Attributes:
        arrival: The value of ``arrival_count()`` when this page was last opened; another value
            means that the page has been opened again.
        current: The photos in the widget.
        earlier: The photos that the widget contained before Streamlit emptied it.
        lost_count: How many photos were not moved to ``earlier``, because of the memory limit.
        was_drawn: True if the camera was drawn when the page was drawn last; unused for the upload
            field.
    """

    arrival: int = 0
    current: list[Photo] = field(default_factory=list)
    earlier: list[Photo] = field(default_factory=list)
    lost_count: int = 0
    was_drawn: bool = False

    def set_aside(self) -> None:
        """Move the current photos to the earlier ones, because Streamlit has emptied the widget.

        Photos beyond the memory limit are not kept.
        """
        photos = self.earlier + [photo for photo in self.current if photo.rejection is None]
        self.current, self.earlier, self.lost_count = [], [], 0
        remaining = _MAX_KEPT_MB << 20
        for photo in photos:
            size = len(photo.read())
            if size <= remaining:
                self.earlier.append(photo)
                remaining -= size
            else:
                self.lost_count += 1


def collect_photos() -> PhotoCollection:
    """Draw the upload field or the camera, and return the photos that the user provided."""
    uploaded, snapshots = _kept_photos(_UPLOADS), _kept_photos(_SNAPSHOT)
    is_camera_open = _draw_sources(uploaded, snapshots)
    photos = uploaded.earlier + uploaded.current
    snapshot_photos = snapshots.current or snapshots.earlier
    keys = {photo.key for photo in photos + snapshot_photos}
    if st.session_state.get(_SAMPLE_CHOSEN):
        keys.add(_SAMPLE_KEY)
    if is_camera_open:
        photos = snapshot_photos
    elif st.session_state.get(_SAMPLE_CHOSEN):
        photos = photos + _draw_sample()
    return PhotoCollection(photos, frozenset(keys))


def _draw_sources(uploaded: _KeptPhotos, snapshots: _KeptPhotos) -> bool:
    """Draw the tabs of the upload field and the camera, and update the photos of both.

    Returns:
        True if the tab of the camera is open.
    """
    photos_tab, camera_tab = persistent_tabs(
        [":material/upload: Photos", ":material/photo_camera: Camera"], key="source", name="source"
    )
    with photos_tab:
        uploads = st.file_uploader(
            "Photos with faces",
            # All file types are allowed: a file that the browser rejects would be missing in the
            # results without a reason, and its suffix does not always name its format.
            accept_multiple_files=True,
            key=_UPLOADS,
            max_upload_size=_MAX_PHOTO_MB,
            # Without the label, a phone shows the results without scrolling.
            label_visibility="collapsed",
        )
        uploaded.current = _photos_of(uploads, uploaded.earlier)
        _show_earlier(_UPLOADS, uploaded)
    with camera_tab:
        # The camera is drawn only while its tab is open, because drawing it switches it on.
        if camera_tab.open:
            # Streamlit forgets the snapshot when the camera is not drawn.
            if not snapshots.was_drawn:
                snapshots.set_aside()
            snapshot = take_snapshot(_SNAPSHOT)
            snapshots.current = []
            if snapshot is not None:
                snapshots.current = [Photo(snapshot.file_id, "snapshot.jpg", snapshot.getvalue)]
                snapshots.earlier = []
            _show_earlier(_SNAPSHOT, snapshots)
        snapshots.was_drawn = bool(camera_tab.open)
    return bool(camera_tab.open)


def take_snapshot(key: str) -> UploadedFile | None:
    """Draw the camera and return the snapshot; None if there is none.

    A snapshot is drawn smaller than the camera, because its results are shown below it.
    """
    return st.camera_input(
        "Take a snapshot", key=key, width=320 if st.session_state.get(key) else 640
    )


def _photos_of(uploads: Sequence[UploadedFile], earlier: Sequence[Photo]) -> list[Photo]:
    """Return uploads as photos. Photos beyond the limits have a ``rejection``.

    The earlier photos count towards the limits.
    """
    _, rejections = uploads_within_limits(
        uploads,
        max_count=_MAX_PHOTOS - len(earlier),
        max_megabytes_each=_MAX_PHOTO_MB,
        max_total_megabytes=_MAX_PHOTOS_MB - (_total_bytes(earlier) >> 20),
    )
    return [
        Photo(upload.file_id, upload.name, upload.getvalue, rejections.get(upload.file_id))
        for upload in uploads
    ]


def _kept_photos(widget: str) -> _KeptPhotos:
    """Return the photos of a widget; set them aside first if the page was just opened."""
    kept: _KeptPhotos = st.session_state.setdefault(f"kept_{widget}", _KeptPhotos())
    if kept.arrival != arrival_count():
        kept.arrival = arrival_count()
        kept.was_drawn = False
        kept.set_aside()
    return kept


def _total_bytes(photos: Sequence[Photo]) -> int:
    return sum(len(photo.read()) for photo in photos)


def _show_earlier(widget: str, kept: _KeptPhotos) -> None:
    """Show how many photos were lost and how many were kept; offer to remove the kept ones."""
    if kept.lost_count:
        subject = "One photo was" if kept.lost_count == 1 else f"{kept.lost_count} photos were"
        st.warning(
            f"{subject} not kept while you were on another page, because the limit is "
            f"{_MAX_KEPT_MB} MB; add {'it' if kept.lost_count == 1 else 'them'} again.",
            icon=":material/memory:",
        )
    if not kept.earlier:
        return
    count = len(kept.earlier)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{counted(count, 'earlier photo')} still in memory.")
        st.button(
            "Remove it" if count == 1 else "Remove them",
            key=f"remove_kept_{widget}",
            type="tertiary",
            on_click=kept.earlier.clear,
        )


def _draw_sample() -> list[Photo]:
    """Draw the credit of the sample picture and a button to remove it.

    Returns:
        A list with the sample picture; empty if it cannot be read.
    """
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
    """Draw what to do next, and a button for the sample picture; nothing if the camera is open."""
    if not st.session_state.get("source", "").endswith("Camera"):
        st.markdown(
            "**Drop photos above** to see every face in them with its emotion probabilities, and "
            f"to download the results as a table: up to {_MAX_PHOTOS} photos at once, as JPEG, "
            "PNG, WebP, HEIC, AVIF, BMP, TIFF or GIF. Photos of more than about 80 megapixels "
            "(WebP: 37) are analyzed at a reduced size."
        )
        st.button(
            "Try a sample picture",
            key="choose_sample",
            icon=":material/image:",
            on_click=_choose_sample,
            args=(True,),
        )


def show_privacy() -> None:
    """State where the photos are sent, and for how long they are kept."""
    st.caption(
        ":material/lock: Photos are sent to the machine that runs this app and analyzed in its "
        f"memory. They are not saved to disk: up to {_MAX_KEPT_MB} MB stay in memory while you "
        "visit other pages, until you remove them or close this browser tab."
    )
