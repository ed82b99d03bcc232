"""Analyze the photos of a session, once for each photo and combination of options."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from fer_core.phrases import format_duration
from fer_core.vision.decode import picture_slot
from fer_core.vision.photo import PhotoResult, analyze_photo
from fer_studio.ui.address import set_unsaved
from fer_studio.ui.analyze.options import Options
from fer_studio.ui.analyze.photos import Photo
from fer_studio.ui.analyze.shown_picture import (
    chosen_index,
    discard_pictures,
    keep_picture,
    keep_thumbnail,
)

_RESULTS = "photo_results"
_WHOLE = "photos_classified_whole"
#: Seconds before progress is shown; shorter analyses do not need it.
_SILENT_SECONDS = 0.5


def analyze_photos(photos: list[Photo], options: Options) -> list[PhotoResult]:
    """Return the results of the photos, in their order, with progress for new ones.

    Each result is stored at once, so that an interruption, such as another click, loses none.
    """
    results: dict[tuple[str, ...], PhotoResult] = st.session_state.setdefault(_RESULTS, {})
    photo_by_key = {_result_key(photo, options): photo for photo in photos}
    unfinished = [(key, photo) for key, photo in photo_by_key.items() if key not in results]
    finished_before = len(photo_by_key) - len(unfinished)
    bar = None
    displayed = photos[chosen_index(photos)]
    start = time.monotonic()
    for done, (key, photo) in enumerate(unfinished):
        elapsed = time.monotonic() - start
        if elapsed > _SILENT_SECONDS:
            left = elapsed / done * (len(unfinished) - done)
            so_far = f"{finished_before + done} of {len(photo_by_key)} photos analyzed"
            text = f"{so_far}, about {format_duration(max(left, 1))} left"
            bar = bar or st.progress(0.0)
            bar.progress((finished_before + done) / len(photo_by_key), text)
        if photo.rejected is not None:
            results[key] = PhotoResult(photo.name, error=photo.rejected)
            continue
        content = photo.read()
        # The slot is held until the pixels of this photo are released. The displayed pictures are
        # made before that: the photo need not be decoded again for them.
        with picture_slot(content):
            result, image = analyze_photo(
                content, photo.name, options.analyzer, whole=_whole(photo, options)
            )
            results[key] = result
            if image is not None and result.error is None:
                keep_thumbnail(photo, image)
                if photo is displayed:
                    keep_picture(photo, image)
            del image
    if bar is not None:
        bar.empty()
    return [results[_result_key(photo, options)] for photo in photos]


def discard_results_except(photo_keys: frozenset[str]) -> None:
    """Remove results, crops and pictures of removed photos from the session's memory.

    Results with other options are kept, because the user may return to these options.

    Args:
        photo_keys: Keys of the photos that still exist.
    """
    results = st.session_state.get(_RESULTS, {})
    for key in [key for key in results if key[0] not in photo_keys]:
        del results[key]
    st.session_state[_WHOLE] = {
        key for key in st.session_state.get(_WHOLE, ()) if key in photo_keys
    }
    discard_pictures(photo_keys)


def update_unsaved(photos: Sequence[Photo]) -> None:
    """Let the browser ask before the results of these photos are lost with the tab."""
    set_unsaved("photos", " ".join(photo.key for photo in photos if not photo.is_sample))


def classify_whole(photo: Photo) -> None:
    """Classify this photo as one face from now on, without face detection."""
    st.session_state.setdefault(_WHOLE, set()).add(photo.key)


def _whole(photo: Photo, options: Options) -> bool | None:
    return True if photo.key in st.session_state.get(_WHOLE, ()) else options.whole


def _result_key(photo: Photo, options: Options) -> tuple[str, ...]:
    return (photo.key, *options.key, str(_whole(photo, options)))
