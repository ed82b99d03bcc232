"""Track and classify the faces of consecutive frames.

The result depends only on the frames and the settings, and not on the speed of the machine.

The live page decides by the clock when to detect and how many faces to classify. In this module,
``AnalysisSettings.detection_seconds`` fixes the schedule. Frames are handled in intervals that end
with a detection. If a face appeared, disappeared or could not be followed in an interval, the faces
are detected in each frame of the interval, so that the times of changes are exact to one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.cuts import CutDetector, thumbnail
from fer_core.video.reader import VideoFrame
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import FaceBox
from fer_core.vision.clothing import color_histogram
from fer_core.vision.crop import crop_face
from fer_core.vision.face import Face
from fer_core.vision.face_tracker import FaceTracker, Track
from fer_core.vision.flow import FlowFrame, follow

#: Time for which a face is followed although it is not detected, for example because the head is
#: turned to the side. The rows of this time are kept only if the face is detected again.
_LOST_AFTER_SECONDS = 1.5
#: Tolerance in seconds when times are compared.
_TOLERANCE = 1e-6
#: Maximum memory of the pictures of one interval.
_MAX_INTERVAL_BYTES = 96 << 20
#: Minimum number of confirmed rows that are classified in one call of the network. At the end of a
#: segment, fewer rows may be classified.
_BATCH_SIZE = 32
_PORTRAIT_SHAPE = (96, 96, 3)
#: Side of a portrait relative to FER2013's square, which ends at the chin.
_PORTRAIT_SCALE = 1.4


@dataclass(eq=False)
class FaceRow:
    """One face in one analyzed frame.

    Attributes:
        frame: Index of the frame in the file, from 0.
        seconds: Time of the frame.
        person: The person's number, from 1; 0 until the track of the face has an id.
        box: The face, in pixels of the upright frame at its full size.
        detection_score: Score of the track's latest detection, 0 to 1.
        crop: The network's input; None once the face is classified.
        probabilities: float32 ``[classes]``; None until the face is classified.
        is_confirmed: True if the face was detected in this frame or in a later one; False while the
            face is only followed.
    """

    frame: int
    seconds: float
    person: int
    box: FaceBox
    detection_score: float
    crop: NDArray[np.uint8] | None = field(default=None, repr=False)
    probabilities: NDArray[np.float32] | None = None
    is_confirmed: bool = False


@dataclass(eq=False)
class PreparedFrame:
    """A frame with values that depend only on its picture, so that any thread can compute them.

    Attributes:
        frame: The decoded frame.
        flow: The picture prepared for optical flow.
        cut_thumbnail: The thumbnail for ``CutDetector``.
        faces: The detected faces, in pixels of ``frame.image``, which may be smaller than the
            frame; None before the detection.
        colors: The ``color_histogram`` of each detected face.
    """

    frame: VideoFrame
    flow: FlowFrame
    cut_thumbnail: NDArray[np.uint8]
    faces: list[Face] | None = None
    colors: list[NDArray[np.float32] | None] = field(default_factory=list)

    @classmethod
    def of(cls, frame: VideoFrame) -> PreparedFrame:
        """Prepare a decoded frame."""
        return cls(frame, FlowFrame.of(frame.image), thumbnail(frame.image))

    def detect(self, analyzer: Analyzer) -> None:
        """Detect the faces and compute their color histograms, if this was not done yet."""
        if self.faces is None:
            image = self.frame.image
            faces = analyzer.detect(image)
            self.colors = [color_histogram(image, face.box) for face in faces]
            self.faces = faces


@dataclass(frozen=True, eq=False)
class _TrackInFrame:
    """The state of a track in one frame.

    Attributes:
        track: A copy of the track with its box in the frame.
        is_detected: True if the detector found the face of the track in this frame.
    """

    track: Track
    is_detected: bool


@dataclass(eq=False)
class Portrait:
    """The best picture of a person so far.

    Attributes:
        quality: Computed from size and detection score; a larger value is better.
        image: RGB, uint8 ``[96, 96, 3]``; None once it is stored.
    """

    quality: float
    image: NDArray[np.uint8] | None = field(default=None, repr=False)


class FaceObserver:
    """Turns frames into rows: which person is where, with which probabilities."""

    def __init__(self, analyzer: Analyzer, settings: AnalysisSettings) -> None:
        """Begin with no tracks.

        Args:
            analyzer: Detects and classifies the faces.
            settings: The schedule of the detection, and the smoothing of boxes.
        """
        self._analyzer = analyzer
        self._settings = settings
        self._tracker = FaceTracker(lost_after_seconds=_LOST_AFTER_SECONDS)
        self._cuts = CutDetector()
        #: The frames after the last detection; the next detection ends the interval.
        self._interval: list[PreparedFrame] = []
        #: Time of the last detection in seconds.
        self._last_detection = -np.inf
        #: The last frame of the previous interval; None at the start of a segment or scene.
        self._flow: FlowFrame | None = None
        #: Rows that are not confirmed yet, or whose track has no id yet, by the track's serial
        #: number.
        self._pending: dict[int, list[FaceRow]] = {}
        #: Confirmed rows of tracks with an id. They are classified in batches.
        self._released: list[FaceRow] = []
        self._classified: list[FaceRow] = []
        #: The best new picture of each track, by the track's serial number. It is kept until it is
        #: compared with the person's portrait.
        self._portrait_candidates: dict[int, Portrait] = {}
        #: The best portrait of each person so far, by the person's number.
        self.portraits: dict[int, Portrait] = {}
        #: Times of the hard cuts, in seconds; the caller empties the list.
        self.cuts: list[float] = []

    @property
    def detects_in_all_frames(self) -> bool:
        """True if frames are at least ``detection_seconds`` apart, so each gets a detection."""
        per_second = self._settings.per_second
        seconds_between_frames = 1 / per_second if per_second is not None else 0.0
        return seconds_between_frames >= self._settings.detection_seconds - _TOLERANCE

    def prepare(self, frame: VideoFrame) -> PreparedFrame:
        """Prepare a frame for ``add``; may be called by several threads at once."""
        prepared = PreparedFrame.of(frame)
        if self.detects_in_all_frames:
            prepared.detect(self._analyzer)
        return prepared

    def add(self, prepared: PreparedFrame) -> None:
        """Add the next frame, and process the interval if the frame ends it."""
        frame = prepared.frame
        if self._cuts.is_cut(prepared.cut_thumbnail):
            self._end_interval()
            self._start_scene()
            self.cuts.append(frame.seconds)
        self._interval.append(prepared)
        is_detection_due = (
            frame.seconds - self._last_detection >= self._settings.detection_seconds - _TOLERANCE
        )
        size = len(self._interval) * frame.image.nbytes
        if is_detection_due or size >= _MAX_INTERVAL_BYTES:
            self._end_interval()

    def take_rows(self) -> list[FaceRow]:
        """Return the rows that were classified since the last call, in no particular order."""
        rows, self._classified = self._classified, []
        return rows

    def end_segment(self) -> dict[str, Any]:
        """End the current interval, and return the state for the next segment as JSON values.

        The next segment has the same results if this observer continues as if another observer
        restores the state. The state does not contain the last frame, so neither of them continues
        optical flow from that frame.
        """
        self._end_interval()
        self._classify(self._released)
        self._classified += self._released
        self._released = []
        pending = [row for rows in self._pending.values() for row in rows]
        self._classify([row for row in pending if row.probabilities is None])
        self._flow = None
        self._last_detection = -np.inf
        return {
            "tracker": self._tracker.to_json(),
            "cuts": self._cuts.to_json(),
            # "held" is the former name of the pending rows; stored analyses contain it.
            "held": {
                str(serial): [_row_to_json(row) for row in rows]
                for serial, rows in self._pending.items()
            },
            "portraits": {
                str(person): portrait.quality for person, portrait in self.portraits.items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue after a segment that another observer has analyzed.

        Args:
            state: The state that ``end_segment`` returned at the end of the segment.

        Raises:
            KeyError, TypeError, ValueError: The state is damaged.
        """
        self._tracker.restore(state["tracker"])
        self._cuts.restore(state["cuts"])
        self._pending = {
            int(serial): [_row_from_json(row) for row in rows]
            for serial, rows in state["held"].items()
        }
        self.portraits = {
            int(person): Portrait(float(quality)) for person, quality in state["portraits"].items()
        }

    def _start_scene(self) -> None:
        """End all tracks, because the faces of the next scene are at other positions."""
        # The tracker itself continues, so that the ids of the ended tracks are not used again.
        state = self._tracker.to_json() | {"active": [], "lost": []}
        self._tracker.restore(state)
        self._pending.clear()
        self._portrait_candidates.clear()
        self._flow = None

    def _end_interval(self) -> None:
        """Track the faces through the frames of the interval.

        Faces are detected in the last frame only. If a face appeared, disappeared or could not be
        followed, the interval is tracked again with a detection in each frame.
        """
        frames, self._interval = self._interval, []
        if not frames:
            return
        tracker_before = self._tracker.copy()
        tracks_by_frame, is_changed = self._track(frames, detects_in_all=False)
        if is_changed and len(frames) > 1:
            self._tracker = tracker_before
            tracks_by_frame, _ = self._track(frames, detects_in_all=True)
        self._flow = frames[-1].flow
        self._last_detection = frames[-1].frame.seconds
        for prepared, tracks in zip(frames, tracks_by_frame, strict=True):
            self._add_pending(prepared, tracks)
        self._release_confirmed_rows()

    def _track(
        self, frames: Sequence[PreparedFrame], *, detects_in_all: bool
    ) -> tuple[list[list[_TrackInFrame]], bool]:
        """Return the tracks in each frame, and whether faces have changed.

        A change is a face that appeared, disappeared or could not be followed.
        """
        previous_flow, is_changed = self._flow, False
        tracks_by_frame = []
        for prepared in frames:
            seconds, flow = prepared.frame.seconds, prepared.flow
            if previous_flow is not None and previous_flow.shape != flow.shape:
                self._tracker.rescale(
                    flow.shape[1] / previous_flow.shape[1], flow.shape[0] / previous_flow.shape[0]
                )
            elif previous_flow is not None:
                self._tracker.follow(partial(follow, before=previous_flow, after=flow))
            previous_flow = flow
            is_changed |= self._tracker.needs_detection
            if detects_in_all or prepared is frames[-1]:
                followed = {track.serial for track in self._tracker.active_tracks}
                prepared.detect(self._analyzer)
                self._tracker.update(
                    prepared.faces or [],
                    seconds,
                    self._settings.smoothing_seconds / 2,  # see AnalysisSettings
                    prepared.colors,
                )
                detected = {
                    track.serial
                    for track in self._tracker.active_tracks
                    if track.detected_at == seconds
                }
                is_changed |= detected != followed
            tracks_by_frame.append(
                [
                    _TrackInFrame(replace(track), track.detected_at == seconds)
                    for track in self._tracker.active_tracks
                ]
            )
        return tracks_by_frame, is_changed

    def _add_pending(self, prepared: PreparedFrame, tracks: Sequence[_TrackInFrame]) -> None:
        """Add a pending row for each track.

        A detection of the face, in this frame or in a later one, confirms the row.
        """
        frame = prepared.frame
        faces = self._analyzer.crop(frame.image, [tracked.track.face for tracked in tracks])
        factor_x = frame.width / frame.image.shape[1]
        factor_y = frame.height / frame.image.shape[0]
        for tracked, face in zip(tracks, faces, strict=True):
            serial = tracked.track.serial
            rows = self._pending.setdefault(serial, [])
            rows.append(
                FaceRow(
                    frame=frame.index,
                    seconds=frame.seconds,
                    person=0,
                    box=face.box.scaled(factor_x, factor_y),
                    detection_score=face.detection_score or 0.0,
                    crop=face.crop,
                )
            )
            if tracked.is_detected:
                self._consider_portrait(serial, face, frame)
                for row in rows:
                    row.is_confirmed = True

    def _consider_portrait(self, serial: int, face: Face, frame: VideoFrame) -> None:
        """Replace the portrait candidate of a track if this picture of the face is better."""
        # Portraits are small, so a face of more than twice their width does not look better.
        quality = (face.detection_score or 0.0) * min(face.box.width, 2 * _PORTRAIT_SHAPE[0])
        previous = self._portrait_candidates.get(serial)
        if previous is not None and previous.quality >= quality:
            return
        square = self._analyzer.detector.geometry.square(face.box)
        square = replace(square, side=_PORTRAIT_SCALE * square.side)
        image = crop_face(frame.image, square, _PORTRAIT_SHAPE)
        self._portrait_candidates[serial] = Portrait(quality, image)

    def _release_confirmed_rows(self) -> None:
        """Release confirmed rows for classification if their track has an id.

        When a track ends, its unconfirmed rows are discarded. If it ends without an id, all its
        rows are discarded.
        """
        active = {track.serial: track.track_id for track in self._tracker.active_tracks}
        for serial in [serial for serial in self._pending if serial not in active]:
            # The track belongs to a person that was lost in this interval, or it was a false
            # detection and has no id.
            rows = self._pending.pop(serial)
            self._release_rows(rows, self._tracker.id_of(serial))
            if self._tracker.id_of(serial) is None:
                self._portrait_candidates.pop(serial, None)
        for serial, person in active.items():
            rows = self._pending.get(serial, [])
            if person is not None:
                self._pending[serial] = [row for row in rows if not row.is_confirmed]
                self._release_rows(rows, person)
                self._accept_portrait(serial, person)
        if len(self._released) >= _BATCH_SIZE:
            self._classify(self._released)
            self._classified += self._released
            self._released = []

    def _release_rows(self, rows: Sequence[FaceRow], person: int | None) -> None:
        for row in rows:
            if row.is_confirmed and person is not None:
                row.person = person
                self._released.append(row)

    def _accept_portrait(self, serial: int, person: int) -> None:
        candidate = self._portrait_candidates.pop(serial, None)
        previous = self.portraits.get(person)
        if candidate is not None and (previous is None or previous.quality < candidate.quality):
            self.portraits[person] = candidate

    def _classify(self, rows: Sequence[FaceRow]) -> None:
        unclassified = [row for row in rows if row.probabilities is None]
        if not unclassified:
            return
        crops = [row.crop for row in unclassified if row.crop is not None]
        probabilities = self._analyzer.predictor.probabilities(np.stack(crops))
        for row, values in zip(unclassified, probabilities, strict=True):
            row.probabilities = np.asarray(values, np.float32)
            row.crop = None


def _row_to_json(row: FaceRow) -> dict[str, Any]:
    assert row.probabilities is not None  # pending rows are classified at the end of a segment
    return {
        "frame": row.frame,
        "seconds": row.seconds,
        "is_confirmed": row.is_confirmed,
        "box": [row.box.x, row.box.y, row.box.width, row.box.height],
        "detection_score": row.detection_score,
        "probabilities": row.probabilities.tolist(),
    }


def _row_from_json(values: dict[str, Any]) -> FaceRow:
    return FaceRow(
        frame=int(values["frame"]),
        seconds=float(values["seconds"]),
        person=0,
        box=FaceBox(*values["box"]),
        detection_score=float(values["detection_score"]),
        probabilities=np.array(values["probabilities"], np.float32),
        is_confirmed=bool(values["is_confirmed"]),
    )
