"""The results of the analyze page: overview, one photo with its faces, downloads."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import PurePath

import streamlit as st

from fer_core.vision.face import NOT_SURE, SMALLEST_READABLE_SIDE, TOO_SMALL, Face
from fer_core.vision.photo import PhotoResult, results_as_csv, results_as_json
from fer_studio.ui.analyze.analysis import classify_whole
from fer_studio.ui.analyze.photos import Photo
from fer_studio.ui.analyze.shown_picture import (
    annotated_jpeg,
    choose,
    chosen_index,
    shown_picture,
)
from fer_studio.ui.bars import show_probabilities
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

_FACES_PER_PAGE = 12
#: Displayed width of a crop in pixels: three times that of a 48x48 crop, so that its pixels are
#: visible.
_CROP_WIDTH = 144


def show_results(photos: list[Photo], results: list[PhotoResult], detector: str) -> None:
    """Draw summary, photo table, downloads and the chosen photo with its faces."""
    chosen = 0
    if len(results) > 1:
        _show_summary(results)
        chosen = _choose_photo(photos, results)
    _show_downloads(photos, results, chosen)
    _show_photo(photos[chosen], results[chosen], detector)


def _show_summary(results: list[PhotoResult]) -> None:
    face_count = sum(len(result.faces) for result in results)
    failed = [result for result in results if result.error is not None]
    faceless = sum(1 for result in results if result.error is None and not result.faces)
    with st.container(horizontal=True):
        st.metric("Photos", len(results), border=True, height="stretch")
        st.metric("Faces", face_count, border=True, height="stretch")
        st.metric("No face", faceless, border=True, height="stretch")
        st.metric("Failed", len(failed), border=True, height="stretch")
    if failed:
        with st.expander(
            f"{len(failed)} of {len(results)} files could not be analyzed; the other results are "
            "below",
            icon=":material/warning:",
            expanded=True,
        ):
            for result in failed[:20]:
                st.write(plain_text(result.error or ""))
            if len(failed) > 20:
                st.caption(f"And {len(failed) - 20} more; the table below and the CSV list all.")


def _choose_photo(photos: list[Photo], results: list[PhotoResult]) -> int:
    """Draw a table with one row per photo, and return the row of the chosen one."""
    keys = [photo.key for photo in photos]
    # Streamlit stores the selection by row number: after photos are added or removed a new table
    # is drawn, in which the same photo is selected.
    first_choice = chosen_index(photos)
    rows = [
        {
            "Photo": result.file,
            "Classes": _class_counts(result),
            "Faces": len(result.faces),
        }
        for result in results
    ]
    selection = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [first_choice]}},
        key=f"photo_table_{hash(tuple(keys)) & 0xFFFFFFFF:x}",
        height=min(38 + 35 * len(rows), 300),
        column_config={
            # The columns are narrow, so that a phone shows the first two.
            "Photo": st.column_config.TextColumn(width=150),
            "Classes": st.column_config.TextColumn(width="medium"),
            "Faces": st.column_config.NumberColumn(width="small"),
        },
    )
    selected = selection["selection"]["rows"]
    chosen: int = selected[0] if selected and selected[0] < len(results) else 0
    choose(photos[chosen])
    return chosen


def _class_counts(result: PhotoResult) -> str:
    if result.error is not None:
        return "could not be analyzed"
    if not result.faces:
        return "no face found"
    counts = Counter(
        TOO_SMALL if face.is_too_small else face.label if face.is_confident else NOT_SURE
        for face in result.faces
    )
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _show_downloads(photos: list[Photo], results: list[PhotoResult], chosen: int) -> None:
    result = results[chosen]
    with st.container(horizontal=True):
        offer_download(
            "CSV",
            results_as_csv(results),
            "emotions.csv",
            key="download_csv",
            hint="One row per face: file, box, label and all probabilities.",
        )
        offer_download(
            "JSON",
            results_as_json(results),
            "emotions.json",
            key="download_json",
            hint="The document that 'python -m fer_core classify --json' prints.",
        )
        if result.faces:
            offer_download(
                "Annotated picture",
                lambda: annotated_jpeg(photos[chosen], result),
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
                hint="A zip of every photo with a face. Many photos take a while.",
            )


def _show_photo(photo: Photo, result: PhotoResult, detector: str) -> None:
    if result.error is not None:
        show_error(result.error)
        return
    if result.note is not None:
        st.caption(f":material/photo_size_select_large: {plain_text(result.note)}")
    shown = shown_picture(photo, result)
    if not result.faces:
        picture, notice = st.columns([3, 2])
        picture.image(shown, width="stretch", alt=f"{result.file}, no face found")
        with notice:
            st.warning(
                f"No face found in {plain_text(result.file)} with the detector "
                f"“{detector}”. Try another detector above, a sharper or larger photo, or "
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
    is_numbered = len(result.faces) > 1
    alt = f"{result.file} with {_class_counts(result)} marked"
    if len(result.faces) <= 2:
        picture, faces = st.columns([3, 2])
        picture.image(shown, width="stretch", alt=alt)
        with faces:
            for number, face in enumerate(result.faces, start=1):
                _show_face(face, number if is_numbered else None, photo.key)
        return
    st.image(shown, width="stretch", alt=alt)
    too_small = sum(face.is_too_small for face in result.faces)
    if too_small:
        verb = "is" if too_small == 1 else "are"
        st.caption(
            f"{too_small:,} of the {len(result.faces):,} faces {verb} {TOO_SMALL}: narrower or "
            f"lower than {SMALLEST_READABLE_SIDE:.0f} pixels, a dot in the picture. The downloads "
            "contain all faces."
        )
    _show_face_pages(photo, result)


def _show_face_pages(photo: Photo, result: PhotoResult) -> None:
    readable = [
        (number, face) for number, face in enumerate(result.faces, start=1) if not face.is_too_small
    ]
    page_count = -(-len(readable) // _FACES_PER_PAGE)
    page = 1
    if page_count > 1:
        page = st.pagination(page_count, key=f"faces_{photo.key}")
    first = (page - 1) * _FACES_PER_PAGE
    shown = readable[first : first + _FACES_PER_PAGE]
    for start in range(0, len(shown), 3):
        for column, (number, face) in zip(st.columns(3), shown[start : start + 3], strict=False):
            with column:
                _show_face(face, number, photo.key)


def _show_face(face: Face, number: int | None, photo_key: str) -> None:
    assert face.crop is not None  # results hold classified faces
    height, width = face.crop.shape[:2]
    color = "gray" if face.crop.ndim == 2 else "color"
    with st.container(border=True):
        prefix = "" if number is None else f"{number}: "
        st.markdown(f"**{prefix}{plain_text(face.description)}**")
        crop, chart = st.columns([1, 2], vertical_alignment="center")
        crop.image(
            face.crop,
            width=_CROP_WIDTH,
            alt=f"The network's input for face {number or 1}: {width} by {height} {color} pixels",
        )
        with chart:
            show_probabilities(face.probability_by_class(), key=f"bars_{photo_key}_{number}")


def _annotated_archive(photos: list[Photo], results: list[PhotoResult]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, (photo, result) in enumerate(zip(photos, results, strict=True), start=1):
            if result.faces:
                # Numbered, because two uploads may have the same name.
                name = f"{number:04}-{_stem(result.file)}-emotions.jpg"
                archive.writestr(name, annotated_jpeg(photo, result))
    return buffer.getvalue()


def _stem(file: str) -> str:
    return PurePath(file).stem or "photo"
