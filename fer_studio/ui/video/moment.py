"""The frame at the chosen time, with a box for each face, and the probabilities of the faces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from fer_core.errors import InputError
from fer_core.video.face_table import FaceTable
from fer_core.video.stills import read_still
from fer_core.video.timecode import format_time
from fer_core.vision.boxes import FaceBox, FaceSquare
from fer_core.vision.crop import crop_face
from fer_core.vision.draw import draw_boxes, labeled_box
from fer_core.vision.face import Face
from fer_studio.ui.bars import show_probabilities
from fer_studio.ui.pictures import jpeg_url, png_url
from fer_studio.ui.text import plain_text
from fer_studio.ui.video.chosen_time import chosen_time
from fer_studio.ui.video.loaded_analysis import LoadedAnalysis
from fer_studio.ui.video.picture_place import picture_place

#: Maximum distance in seconds between the chosen time and the analyzed frame whose faces are shown.
_MAX_DISTANCE_SECONDS = 0.6
#: Height, width and color channels of the crop that shows a face next to its probabilities.
_CROP_SHAPE = (96, 96, 3)
#: Side of the crop, relative to the geometric mean of the sides of the face's box.
_CROP_SCALE = 1.2
#: Maximum number of faces that are shown with their probabilities, and number of faces in a row.
_MAX_FACES, _FACES_IN_ROW = 9, 3


@dataclass(frozen=True, eq=False)
class Picture:
    """The picture of a moment.

    Attributes:
        image: RGB, uint8 ``[height, width, 3]``.
        seconds: Time of the picture, in seconds.
        is_exact: True if the picture is a frame of the video; False if it is one of the small
            stored pictures.
    """

    image: NDArray[np.uint8]
    seconds: float
    is_exact: bool


@dataclass(frozen=True, eq=False)
class Moment:
    """The analyzed frame with faces that is nearest to the chosen time, if it is near enough.

    Attributes:
        seconds: Time of this frame in seconds; the chosen time if no frame with faces is near.
        rows: The faces in this frame, one per row; empty if no frame with faces is near.
        picture: Picture of this time; None if there is neither a video nor a stored picture.
    """

    seconds: float
    rows: FaceTable
    picture: Picture | None


def chosen_moment(analysis: LoadedAnalysis) -> Moment:
    """Return the moment that the user chose; by default the first one with a face."""
    chosen = chosen_time(analysis.key)
    table = analysis.table
    if chosen is None:
        chosen = float(table.seconds[0]) if len(table) else analysis.limits[0]
    frame = table.nearest_frame(chosen)
    # No frame has the number -1, so this selects no rows if there are no faces.
    rows = table.in_frame(-1 if frame is None else frame)
    if len(rows) and abs(float(rows.seconds[0]) - chosen) > _MAX_DISTANCE_SECONDS:
        rows = table.in_frame(-1)
    seconds = float(rows.seconds[0]) if len(rows) else chosen
    return Moment(seconds, rows, _picture(analysis, seconds))


def show_frame(analysis: LoadedAnalysis, moment: Moment) -> None:
    """Draw the frame with a box and a label for each person."""
    if moment.picture is None:
        st.info("There is no stored picture of this moment.", icon=":material/image:")
        return
    with picture_place(analysis, "frame"):
        _show_picture(analysis, moment.picture, moment.rows)
    kind = "The frame at" if moment.picture.is_exact else "A small stored picture of about"
    caption = f"{kind} {format_time(moment.seconds, 2)}"
    # The caption says "unsmoothed", because the subtitles of the player show other percentages.
    st.caption(f"{caption}, with unsmoothed probabilities" if len(moment.rows) else caption)


def show_faces(analysis: LoadedAnalysis, moment: Moment) -> None:
    """Draw the faces of the moment with their probabilities, at most ``_MAX_FACES`` of them."""
    if not len(moment.rows):
        st.caption(f"No tracked face at {format_time(moment.seconds, 2)}.")
        return
    count = len(moment.rows)
    # Each face as a table with one row.
    face_rows = [moment.rows.selected(np.array([row])) for row in range(min(count, _MAX_FACES))]
    for start in range(0, len(face_rows), _FACES_IN_ROW):
        columns = st.columns(_FACES_IN_ROW)
        for column, row in zip(columns, face_rows[start : start + _FACES_IN_ROW], strict=False):
            with column:
                _show_face(analysis, row, moment.picture)
    if count > _MAX_FACES:
        st.caption(
            f"The probabilities of {_MAX_FACES} of the {count} faces at this time are shown. The "
            "downloads contain all faces."
        )


def _picture(analysis: LoadedAnalysis, seconds: float) -> Picture | None:
    """Return the frame at a time, or the nearest stored picture if the frame cannot be read.

    Return None if there is no stored picture either.
    """
    source = analysis.source
    if source is not None:
        try:
            image = _still(str(source), source.stat().st_mtime_ns, seconds, analysis.settings.video)
        except (InputError, OSError):
            image = None
        if image is not None:
            return Picture(image, seconds, is_exact=True)
    stored = analysis.folder.thumbnail_near(seconds)
    if stored is None:
        return None
    stored_seconds, path = stored
    with Image.open(path) as small:
        return Picture(np.array(small.convert("RGB"), np.uint8), stored_seconds, is_exact=False)


@st.cache_resource(max_entries=24, show_spinner=False)
def _still(path: str, modified: int, seconds: float, name: str) -> NDArray[np.uint8] | None:
    # modified is only part of the cache key: a replaced file is read again.
    frame = read_still(Path(path), seconds, name)
    return None if frame is None else frame.image


def _show_picture(analysis: LoadedAnalysis, picture: Picture, rows: FaceTable) -> None:
    factors = _scale_factors(analysis, picture)
    labeled_boxes = []
    for row in range(len(rows)):
        face = _face(rows, row)
        title = analysis.edits.title(int(rows.person[row]))
        scaled = replace(face, box=face.box.scaled(*factors))
        labeled_boxes.append(labeled_box(scaled, f"{title}: {face.description}"))
    names = ", ".join(box.text for box in labeled_boxes) or "no tracked face"
    st.image(
        jpeg_url(draw_boxes(picture.image, labeled_boxes) if labeled_boxes else picture.image),
        width="stretch",
        alt=f"The frame at {format_time(picture.seconds, 2)} with {names}",
    )


def _show_face(analysis: LoadedAnalysis, row: FaceTable, picture: Picture | None) -> None:
    """Draw a face and its probabilities; ``row`` is a table with the one row of the face."""
    face, person = _face(row, 0), int(row.person[0])
    title = analysis.edits.title(person)
    with st.container(border=True):
        st.markdown(f"**{plain_text(title)}: {plain_text(face.description)}**")
        crop_column, chart = st.columns([1, 2], vertical_alignment="center")
        if picture is not None:
            box = face.box.scaled(*_scale_factors(analysis, picture))
            (x, y), side = box.center, _CROP_SCALE * float(np.sqrt(box.area))
            crop_column.image(
                png_url(crop_face(picture.image, FaceSquare(x, y, side), _CROP_SHAPE)),
                width=_CROP_SHAPE[1],
                alt=f"The face of {title} at this moment",
            )
        with chart:
            show_probabilities(
                dict(zip(row.classes, map(float, row.probabilities[0]), strict=True))
            )


def _face(rows: FaceTable, row: int) -> Face:
    return Face(
        FaceBox(*(float(number) for number in rows.boxes[row])),
        detection_score=float(min(rows.detection_score[row], 1.0)),
        probabilities=rows.probabilities[row],
        classes=rows.classes,
        track_id=int(rows.person[row]),
        minimum_confidence=rows.minimum_confidence,
        is_too_small=bool(rows.is_too_small[row]),
    )


def _scale_factors(analysis: LoadedAnalysis, picture: Picture) -> tuple[float, float]:
    """Return the factors that scale x and y from pixels of the video to pixels of the picture."""
    status = analysis.summary.status
    if status is None or not status.width or not status.height:
        return 1.0, 1.0
    height, width = picture.image.shape[:2]
    return width / status.width, height / status.height
