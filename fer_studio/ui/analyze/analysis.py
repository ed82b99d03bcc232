"""Running the analyzer over the photos of a session, once for each photo and choice of options."""

from __future__ import annotations

import time

import streamlit as st

from fer_core.vision.photo import PhotoResult, analyze_photo
from fer_studio.ui.analyze.options import Options
from fer_studio.ui.analyze.photos import Photo

_RESULTS = "photo_results"
_WHOLE = "photos_taken_whole"
#: The photo that is shown, as (key, result, picture), so that a click does not draw it anew.
SHOWN_PICTURE = "shown_picture"
#: Progress is shown once an analysis is likely to take longer than people wait without asking.
_SILENT_SECONDS = 0.5


def analyze_photos(photos: list[Photo], options: Options) -> list[PhotoResult]:
    """The results of the photos, in their order, with progress while new ones are analyzed.

    What is done is kept as it comes: an interruption, such as another click, loses nothing.
    """
    kept: dict[tuple[str, ...], PhotoResult] = st.session_state.setdefault(_RESULTS, {})
    wanted = {_result_key(photo, options): photo for photo in photos}
    todo = [(key, photo) for key, photo in wanted.items() if key not in kept]
    earlier = len(wanted) - len(todo)
    bar = None
    start = time.monotonic()
    for done, (key, photo) in enumerate(todo):
        elapsed = time.monotonic() - start
        if elapsed > _SILENT_SECONDS:
            left = elapsed / done * (len(todo) - done)
            so_far = f"{earlier + done} of {len(wanted)} photos analyzed"
            text = f"{so_far}, about {max(left, 1):.0f} s left"
            bar = bar or st.progress(0.0)
            bar.progress((earlier + done) / len(wanted), text)
        kept[key], _ = analyze_photo(
            photo.read(), photo.name, options.analyzer, whole=_whole(photo, options)
        )
    if bar is not None:
        bar.empty()
    return [kept[_result_key(photo, options)] for photo in photos]


def forget_all_but(held: frozenset[str]) -> None:
    """Forget what the session knows of photos that were removed: readings, crops, the picture.

    Readings under other options are kept for the way back.

    Args:
        held: Keys of the photos that are still there.
    """
    kept = st.session_state.get(_RESULTS, {})
    for key in [key for key in kept if key[0] not in held]:
        del kept[key]
    st.session_state[_WHOLE] = {key for key in st.session_state.get(_WHOLE, ()) if key in held}
    shown = st.session_state.get(SHOWN_PICTURE)
    if shown is not None and shown[0] not in held:
        del st.session_state[SHOWN_PICTURE]


def take_whole(photo: Photo) -> None:
    """From now on, take this one photo as a single face."""
    st.session_state.setdefault(_WHOLE, set()).add(photo.key)


def _whole(photo: Photo, options: Options) -> bool | None:
    return True if photo.key in st.session_state.get(_WHOLE, ()) else options.whole


def _result_key(photo: Photo, options: Options) -> tuple[str, ...]:
    return (photo.key, *options.key, str(_whole(photo, options)))
