"""The results of the analyze page: overview, one photo with its faces, downloads."""

from __future__ import annotations

import io
import math
import zipfile
from collections import Counter
from pathlib import PurePath

import streamlit as st

from fer_core.vision.draw import UNCERTAIN_COLOR, face_color
from fer_core.vision.face import NOT_SURE, SMALLEST_READABLE_SIDE, TOO_SMALL, Face
from fer_core.vision.photo import PhotoResult, results_as_csv, results_as_json
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.analyze.analysis import classify_whole
from fer_studio.ui.analyze.photos import Photo
from fer_studio.ui.analyze.shown_picture import (
    annotated_jpeg,
    chosen_index,
    set_chosen_photo,
    shown_picture,
    thumbnail,
)
from fer_studio.ui.bars import show_probabilities
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.messages import show_error
from fer_studio.ui.photo_view import Thumbnail, choose_thumbnail, show_photo
from fer_studio.ui.pictures import png_url
from fer_studio.ui.tables import table_height
from fer_studio.ui.text import plain_text

#: Maximum number of failed files that are listed.
_MAX_FAILED = 20
_PHOTOS_PER_PAGE = 40
#: Session state: the index of the chosen face among the faces that are large enough, by the key of
#: the photo.
_CHOSEN_FACES = "chosen_faces"
#: Maximum height of the table of photos in pixels.
_MAX_TABLE_HEIGHT = 300
#: Displayed width of a crop in pixels. A crop of 48x48 pixels is enlarged three times, so that its
#: pixels are visible.
_CROP_WIDTH = 144


def show_results(
    photos: list[Photo],
    results: list[PhotoResult],
    *,
    detector_title: str,
    classes: tuple[str, ...],
) -> None:
    """Draw the chosen photo with its faces, and the downloads.

    Several photos are also drawn as thumbnails and as a table.

    Args:
        photos: The photos.
        results: The result of each photo.
        detector_title: The title of the detector.
        classes: The classes of the model.
    """
    photo_index = chosen_index(photos)
    if len(results) > 1:
        _show_failed(results)
        _choose_photo(photos, results, photo_index)
    _show_photo(photos[photo_index], results[photo_index], detector_title)
    _show_downloads(photos, results, photo_index, classes)
    if len(results) > 1:
        _show_summary(results)


def _show_failed(results: list[PhotoResult]) -> None:
    failed = [result for result in results if result.error is not None]
    if not failed:
        return
    with st.expander(
        f"{len(failed)} of {len(results)} files could not be analyzed; the other results are below",
        icon=":material/warning:",
        expanded=True,
    ):
        for result in failed[:_MAX_FAILED]:
            st.write(plain_text(result.error or ""))
        if len(failed) > _MAX_FAILED:
            st.caption(
                f"And {len(failed) - _MAX_FAILED} more; the table below and the CSV list all of "
                "them."
            )


def _choose_photo(photos: list[Photo], results: list[PhotoResult], photo_index: int) -> None:
    """Draw the photos as a row of thumbnails; a click chooses one."""
    page_count = math.ceil(len(photos) / _PHOTOS_PER_PAGE)
    first_index = 0
    if page_count > 1:
        first_index = (st.pagination(page_count, key="photo_pages") - 1) * _PHOTOS_PER_PAGE
    page_photos = photos[first_index : first_index + _PHOTOS_PER_PAGE]
    thumbnails = [
        Thumbnail(result.file, _class_counts(result), photo_color(result), thumbnail(photo))
        for photo, result in zip(page_photos, results[first_index:], strict=False)
    ]
    keys = tuple(photo.key for photo in page_photos)
    choose_thumbnail(
        thumbnails,
        photo_index - first_index,
        lambda index: set_chosen_photo(page_photos[index]),
        # The component reports the index of the clicked thumbnail. The key of the component depends
        # on the photos, so that a late click on an earlier list of photos is ignored. The mask
        # makes the hash positive.
        key=f"photo_strip_{hash(keys) & 0xFFFFFFFF:x}",
    )


def photo_color(result: PhotoResult) -> tuple[int, int, int]:
    """Return the color of the most frequent class among the faces of a photo.

    The color is gray if no face is classified with confidence. If several classes are equally
    frequent, the color is that of the leftmost face of these classes.
    """
    confident = [face for face in result.faces if face.is_confident]
    counts = Counter(face.label for face in confident)
    most_frequent = max(confident, key=lambda face: counts[face.label], default=None)
    return UNCERTAIN_COLOR if most_frequent is None else face_color(most_frequent)


def _show_summary(results: list[PhotoResult]) -> None:
    face_count = sum(len(result.faces) for result in results)
    failed_count = sum(result.error is not None for result in results)
    faceless_count = sum(1 for result in results if result.error is None and not result.faces)
    with st.grid(4, min_column_width=120):
        st.metric("Photos", len(results), border=True, height="stretch")
        st.metric("Faces", face_count, border=True, height="stretch")
        st.metric("No face", faceless_count, border=True, height="stretch")
        st.metric("Failed", failed_count, border=True, height="stretch")
    rows = [
        {
            "Photo": result.file,
            "Classes": _class_counts(result),
            "Faces": len(result.faces),
        }
        for result in results
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key="photo_table",
        height=table_height(len(rows), maximum=_MAX_TABLE_HEIGHT),
        column_config={
            # The columns are narrow, so that a phone shows the first two.
            "Photo": st.column_config.TextColumn(width=150),
            "Classes": st.column_config.TextColumn(width="medium"),
            "Faces": st.column_config.NumberColumn(width="small"),
        },
        alt="The photos, with the classes and the number of their faces",
    )


def _class_counts(result: PhotoResult) -> str:
    """Return the number of faces of each class, such as "2 happy, 1 not sure".

    If the photo has no faces, return the reason.
    """
    if result.error is not None:
        return "could not be analyzed"
    if not result.faces:
        return "no face found"
    counts = Counter(
        TOO_SMALL if face.is_too_small else face.label if face.is_confident else NOT_SURE
        for face in result.faces
    )
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _show_downloads(
    photos: list[Photo], results: list[PhotoResult], photo_index: int, classes: tuple[str, ...]
) -> None:
    result = results[photo_index]
    with st.container(horizontal=True):
        offer_download(
            "CSV",
            results_as_csv(results, classes),
            "emotions.csv",
            key="download_csv",
            hint="One row per face: file, box, label and all probabilities.",
        )
        offer_download(
            "JSON",
            results_as_json(results),
            "emotions.json",
            key="download_json",
            hint="The same content as the output of 'python -m fer_core classify --json'.",
        )
        if result.faces:
            offer_download(
                "Annotated picture",
                lambda: annotated_jpeg(photos[photo_index], result),
                f"{_stem(result.file)}-emotions.jpg",
                key="download_picture",
                hint="This photo in full size with boxes and labels.",
            )
        if sum(1 for result in results if result.faces) > 1:
            offer_download(
                "All annotated pictures",
                lambda: _annotated_archive(photos, results),
                "emotions.zip",
                key="download_archive",
                hint="A zip file of all photos that have faces. Many photos take a while.",
            )


def _show_photo(photo: Photo, result: PhotoResult, detector_title: str) -> None:
    if result.error is not None:
        show_error(result.error)
        return
    if result.note is not None:
        st.caption(f":material/photo_size_select_large: {plain_text(result.note)}")
    if not result.faces:
        picture, notice = st.columns([3, 2])
        with picture:
            _draw_photo(photo, result, 0, alt=f"{result.file}, no face found")
        with notice:
            st.warning(
                f"No face found in {plain_text(result.file)} with the detector "
                f"“{detector_title}”. Try another detector above, a sharper or larger photo, or "
                "one in which faces look at the camera.",
                icon=":material/face:",
            )
            st.button(
                "Classify the whole picture as one face",
                key=f"whole_{photo.key}",
                on_click=classify_whole,
                args=(photo,),
            )
        return
    _show_faces(photo, result)


# A fragment: a click on a face does not run the whole page.
@st.fragment
def _show_faces(photo: Photo, result: PhotoResult) -> None:
    rerun_if_refused("analyze")
    # The faces that are large enough, each with its number among all faces, counted from 1.
    readable = [
        (number, face) for number, face in enumerate(result.faces, start=1) if not face.is_too_small
    ]
    chosen_faces: dict[str, int] = st.session_state.setdefault(_CHOSEN_FACES, {})
    face_index = min(chosen_faces.get(photo.key, 0), max(len(readable) - 1, 0))
    picture, details = st.columns([3, 2])
    with picture:
        _draw_photo(
            photo, result, face_index, alt=f"{result.file} with {_class_counts(result)} marked"
        )
    with details:
        if readable:
            number, face = readable[face_index]
            _show_face(face, number if len(result.faces) > 1 else None)
        too_small_count = len(result.faces) - len(readable)
        if too_small_count:
            verb = "is" if too_small_count == 1 else "are"
            subject = (
                "The face"
                if len(result.faces) == 1
                else f"{too_small_count:,} of the {len(result.faces):,} faces"
            )
            st.caption(
                f"{subject} {verb} {TOO_SMALL}: less than {SMALLEST_READABLE_SIDE:.0f} pixels wide "
                "or high. The picture shows dots instead of boxes for such faces. The downloads "
                "contain all faces."
            )


def _draw_photo(photo: Photo, result: PhotoResult, face_index: int, *, alt: str) -> None:
    assert result.width is not None and result.height is not None  # the photo was decoded
    show_photo(
        shown_picture(photo),
        result.analyzed_size or (result.width, result.height),
        result.faces,
        face_index,
        lambda index: _choose_face(photo, index),
        alt=alt,
        key=f"photo_{photo.key}",
    )


def _choose_face(photo: Photo, face_index: int) -> None:
    st.session_state[_CHOSEN_FACES][photo.key] = face_index


def _show_face(face: Face, number: int | None) -> None:
    assert face.crop is not None  # all faces in results are classified
    height, width = face.crop.shape[:2]
    color = "gray" if face.crop.ndim == 2 else "color"
    with st.container(border=True):
        prefix = "" if number is None else f"{number}: "
        crop, title = st.columns([1, 2], vertical_alignment="center", wrap=False)
        crop.image(
            png_url(face.crop),
            width=_CROP_WIDTH,
            alt=f"The network's input for face {number or 1}: {width} by {height} {color} pixels",
        )
        title.markdown(f"**{prefix}{plain_text(face.description)}**")
        show_probabilities(face.probability_by_class())


def _annotated_archive(photos: list[Photo], results: list[PhotoResult]) -> bytes:
    """Return a zip archive of the annotated photos that have faces."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, (photo, result) in enumerate(zip(photos, results, strict=True), start=1):
            if result.faces:
                # The names are numbered, because two uploads may have the same name.
                name = f"{number:04}-{_stem(result.file)}-emotions.jpg"
                archive.writestr(name, annotated_jpeg(photo, result))
    return buffer.getvalue()


def _stem(file: str) -> str:
    return PurePath(file).stem or "photo"
