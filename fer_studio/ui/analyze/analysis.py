"""Analyze the photos of a session, once for each photo and combination of options."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from fer_core.phrases import format_duration
from fer_core.vision.decode import picture_slot
from fer_core.vision.photo import PhotoResult, analyze_photo
from fer_studio.ui.address import set_unsaved_results
from fer_studio.ui.analyze.options import Options
from fer_studio.ui.analyze.photos import Photo
from fer_studio.ui.analyze.shown_picture import (
    chosen_index,
    discard_pictures,
    keep_picture,
    keep_thumbnail,
)

#: Session state: results by the key that ``_result_key`` returns.
_RESULTS = "photo_results"
#: Session state: keys of the photos that the user wants to be classified as one face.
_CLASSIFIED_WHOLE = "photos_classified_whole"
#: Seconds after which progress is shown. A shorter analysis shows no progress.
_SILENT_SECONDS = 0.5


def analyze_photos(photos: list[Photo], options: Options) -> list[PhotoResult]:
    """Return the results of the photos, in their order; draw progress while photos are analyzed.

    Each result is stored as soon as it is available, so that it is not lost if a click interrupts
    the analysis.
    """
    results: dict[tuple[str, ...], PhotoResult] = st.session_state.setdefault(_RESULTS, {})
    photo_by_key = {_result_key(photo, options): photo for photo in photos}
    unfinished = [(key, photo) for key, photo in photo_by_key.items() if key not in results]
    finished_before = len(photo_by_key) - len(unfinished)
    progress_bar = None
    displayed_photo = photos[chosen_index(photos)]
    start = time.monotonic()
    for done_count, (key, photo) in enumerate(unfinished):
        elapsed = time.monotonic() - start
        # Before the first photo is done, the time left cannot be estimated.
        if done_count and elapsed > _SILENT_SECONDS:
            seconds_left = elapsed / done_count * (len(unfinished) - done_count)
            text = (
                f"{finished_before + done_count} of {len(photo_by_key)} photos analyzed, about "
                f"{format_duration(max(seconds_left, 1))} left"
            )
            progress_bar = progress_bar or st.progress(0.0)
            progress_bar.progress((finished_before + done_count) / len(photo_by_key), text)
        if photo.rejection is not None:
            results[key] = PhotoResult(photo.name, error=photo.rejection)
            continue
        content = photo.read()
        # Only one session at a time holds the slot for a large photo, to limit the memory. The slot
        # is held until the pixels are released (``del image``). The displayed picture and the
        # thumbnail are made before that, so that the photo need not be decoded again.
        with picture_slot(content):
            result, image = analyze_photo(
                content, photo.name, options.analyzer, as_one_face=_skips_detection(photo, options)
            )
            results[key] = result
            if image is not None and result.error is None:
                keep_thumbnail(photo, image)
                if photo is displayed_photo:
                    keep_picture(photo, image)
            del image
    if progress_bar is not None:
        progress_bar.empty()
    return [results[_result_key(photo, options)] for photo in photos]


def discard_results_except(photo_keys: frozenset[str]) -> None:
    """Remove results and pictures of photos that no longer exist from the session's memory.

    Existing photos keep their results with earlier options, because the user may return to these
    options.

    Args:
        photo_keys: Keys of the photos that still exist.
    """
    results = st.session_state.get(_RESULTS, {})
    for key in [key for key in results if key[0] not in photo_keys]:
        del results[key]
    st.session_state[_CLASSIFIED_WHOLE] = {
        key for key in st.session_state.get(_CLASSIFIED_WHOLE, ()) if key in photo_keys
    }
    discard_pictures(photo_keys)


def ask_before_results_are_lost(photos: Sequence[Photo]) -> None:
    """Let the browser ask before its tab is closed, because the results would be lost.

    If the only photo is the sample picture, the browser does not ask.
    """
    set_unsaved_results("photos", " ".join(photo.key for photo in photos if not photo.is_sample))


def classify_whole(photo: Photo) -> None:
    """Classify this photo as one face from now on, without face detection."""
    st.session_state.setdefault(_CLASSIFIED_WHOLE, set()).add(photo.key)


def _skips_detection(photo: Photo, options: Options) -> bool | None:
    """Return True if the user wants this photo to be classified as one face.

    Otherwise, return ``options.skips_detection``.
    """
    return (
        True
        if photo.key in st.session_state.get(_CLASSIFIED_WHOLE, ())
        else options.skips_detection
    )


def _result_key(photo: Photo, options: Options) -> tuple[str, ...]:
    return (photo.key, *options.key, str(_skips_detection(photo, options)))
