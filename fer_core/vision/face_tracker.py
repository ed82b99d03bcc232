"""Track the faces of a stream: a face keeps its id while its box can be followed.

Tracks are matched by position and size. A person who leaves and returns at another position, or
after ``reappearance_seconds``, gets a new id. If the caller also passes the colors of each
person's hair and clothes, people whose paths cross keep their ids. A person who returns at another
position or later may then get the former id again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceBox
from fer_core.vision.clothing import similarity
from fer_core.vision.face import Face

#: Minimum intersection over union of a followed and a detected box. Below this value, the followed
#: box is wrong and is replaced by the detected box.
_MIN_ACCURATE_IOU = 0.6
#: Time without a detection after which a track is lost. Detectors miss turned heads in some frames.
_LOST_AFTER_SECONDS = 0.8
#: A new face continues a lost track if their distance (in box widths) and the ratio of their sizes
#: do not exceed these values.
_REAPPEARANCE_DISTANCE = 0.8
_REAPPEARANCE_SCALE = 1.6

#: Minimum similarity of colors to recognize the person of a lost track at another position.
_MIN_RECOGNITION_SIMILARITY = 0.85
#: If several lost persons are similar to a face, the most similar one must be this much more
#: similar than the second one.
_SIMILARITY_MARGIN = 0.04
#: Time after which a lost person is no longer recognized by colors.
_RECOGNITION_SECONDS = 60.0
#: Minimum similarity of colors between a detection and the track that it is matched to.
_MIN_MATCHING_SIMILARITY = 0.6
#: Weight of the color difference when pairs of a track and a detection are ranked. The intersection
#: over union has the weight 1; both values are between 0 and 1.
_COLOR_WEIGHT = 2.0
#: Share by which the colors of a track approach those of a new detection.
_COLOR_UPDATE = 0.2
#: If two faces overlap by more than this intersection over union, the colors around each face are
#: those of both persons. Therefore they do not update the colors of the tracks.
_MAX_UNMIXED_IOU = 0.02


@dataclass(eq=False)
class Track:
    """A face that is followed through the frames.

    Attributes:
        face: The face in the latest frame, with the id of the track. After the first
            classification it also has crop, classes and smoothed probabilities.
        detected_at: Time of the latest matched detection, in seconds.
        detection_count: Number of matched detections.
        is_followed: False if optical flow could not follow the face into the latest frame. The next
            matched detection sets it to True.
        classified_at: Time of the latest classification, in seconds.
        raw_probabilities: Result of the latest classification without smoothing, float32
            ``[classes]``; None before the first classification.
        serial: Number that distinguishes the tracks of one tracker, also those without an id.
        colors: Colors of the person, from ``color_histogram``; None if they are unknown.
    """

    face: Face
    detected_at: float
    detection_count: int = 1
    is_followed: bool = True
    classified_at: float = -math.inf
    serial: int = 0
    colors: NDArray[np.float32] | None = None
    raw_probabilities: NDArray[np.float32] | None = None

    @property
    def box(self) -> FaceBox:
        """The box in the latest frame."""
        return self.face.box

    @property
    def track_id(self) -> int | None:
        """The number of the track, from 1 in the order of appearance; None until confirmed."""
        return self.face.track_id

    def move_to(self, box: FaceBox) -> None:
        """Replace the box."""
        self.face = replace(self.face, box=box)

    def add_prediction(self, classified: Face, seconds: float, smoothing_seconds: float) -> None:
        """Include a new prediction in the smoothed probabilities.

        Args:
            classified: The face with crop and probabilities.
            seconds: The time of the frame.
            smoothing_seconds: Time constant of the exponential average; 0 uses the new prediction
                only.
        """
        new, old = classified.probabilities, self.face.probabilities
        assert new is not None  # it comes from Analyzer.classify
        self.raw_probabilities = new
        if old is not None and self.face.classes == classified.classes:
            weight = smoothing_weight(seconds - self.classified_at, smoothing_seconds)
            new = (old + weight * (new - old)).astype(np.float32)
        self.face = replace(
            self.face, crop=classified.crop, probabilities=new, classes=classified.classes
        )
        self.classified_at = seconds

    def discard_prediction(self) -> None:
        """Remove crop and probabilities, for example because the model was replaced."""
        self.face = Face(self.face.box, self.face.detection_score, track_id=self.face.track_id)
        self.classified_at = -math.inf
        self.raw_probabilities = None


def smoothing_weight(elapsed: float, time_constant: float) -> float:
    """Return the weight of a new value in an exponential average, 0 to 1.

    Args:
        elapsed: Seconds since the previous value.
        time_constant: Seconds after which the weight of a value has fallen by 63 %; 0 for no
            averaging.
    """
    if time_constant <= 0:
        return 1.0
    return 1.0 - math.exp(-max(elapsed, 0.0) / time_constant)


class FaceTracker:
    """Matches detections to tracks from frame to frame."""

    def __init__(
        self,
        *,
        next_track_id: int = 1,
        reappearance_seconds: float = 4.0,
        minimum_consecutive_detections: int = 2,
        minimum_matching_iou: float = 0.25,
        lost_after_seconds: float = _LOST_AFTER_SECONDS,
    ) -> None:
        """Create a tracker without tracks.

        Args:
            next_track_id: The id of the first track.
            reappearance_seconds: A new face near a lost track continues the track, with its id, up
                to this number of seconds after the track's last detection.
            minimum_consecutive_detections: Number of consecutive detections after which a track is
                confirmed and gets an id. Something that is detected only once is rarely a face.
            minimum_matching_iou: Minimum intersection over union, 0 to 1, between a detection and
                the track that it is matched to.
            lost_after_seconds: Seconds without a detection after which a track is lost.
        """
        self.next_track_id = next_track_id
        self._lost_after_seconds = lost_after_seconds
        self._next_serial = 1
        self._reappearance_seconds = reappearance_seconds
        self._minimum_consecutive_detections = minimum_consecutive_detections
        self._minimum_matching_iou = minimum_matching_iou
        self._active: list[Track] = []
        self._lost: list[Track] = []
        #: If there was exactly one confirmed track before a gap in the stream, this track. A single
        #: new face continues it at any position. It is set to None as soon as a lost track
        #: continues or several faces are detected.
        self._only_track_before_gap: Track | None = None

    @property
    def active_tracks(self) -> list[Track]:
        """The tracks in the latest frame, with and without an id, in the order of their start."""
        return sorted(self._active, key=lambda track: track.serial)

    @property
    def confirmed_tracks(self) -> list[Track]:
        """The tracks in the latest frame that have an id, ordered by id."""
        confirmed = [track for track in self._active if track.track_id is not None]
        return sorted(confirmed, key=lambda track: track.track_id or 0)

    def id_of(self, serial: int) -> int | None:
        """Return the id of a track; None if the track has no id or no longer exists."""
        for track in (*self._active, *self._lost):
            if track.serial == serial:
                return track.track_id
        return None

    @property
    def needs_detection(self) -> bool:
        """True if optical flow could not follow a track into the latest frame."""
        return any(not track.is_followed for track in self._active)

    def follow(self, move: Callable[[Sequence[FaceBox]], Sequence[FaceBox | None]]) -> None:
        """Move every track to the next frame.

        Args:
            move: Takes boxes in the previous frame, and returns for each the box in the new frame,
                or None if the face could not be followed.
        """
        boxes = move([track.box for track in self._active])
        for track, box in zip(self._active, boxes, strict=True):
            track.is_followed = box is not None
            if box is not None:
                track.move_to(box)

    def rescale(self, factor_x: float, factor_y: float) -> None:
        """Convert the boxes of all tracks to a picture that is resized by these factors."""
        for track in (*self._active, *self._lost):
            track.move_to(track.box.scaled(factor_x, factor_y))

    def resume_after_gap(self, seconds: float) -> None:
        """Prepare for the frames after a gap of any length, such as a stopped and restarted camera.

        Every confirmed track becomes a lost track without predictions. A new face near the position
        of a lost track continues the track. If there was only one confirmed track, a single new
        face continues it at any position. If ``update`` gets colors, the colors of the face must
        also be similar to those of the track.

        Args:
            seconds: The time of the first frame after the gap. It may be earlier than the time of
                the last frame before the gap, because the clock may have been set back.
        """
        tracks_with_id = [
            track for track in (*self._active, *self._lost) if track.track_id is not None
        ]
        for track in tracks_with_id:
            track.discard_prediction()
            track.detected_at = seconds
            track.is_followed = False
        confirmed = [track for track in self._active if track.track_id is not None]
        self._only_track_before_gap = confirmed[0] if len(confirmed) == 1 else None
        self._active, self._lost = [], tracks_with_id

    def copy(self) -> FaceTracker:
        """Return an independent copy of the tracker with all its tracks."""
        other = copy.copy(self)
        other._active = [replace(track) for track in self._active]
        other._lost = [replace(track) for track in self._lost]
        if self._only_track_before_gap in self._lost:
            index = self._lost.index(self._only_track_before_gap)
            other._only_track_before_gap = other._lost[index]
        return other

    def to_json(self) -> dict[str, Any]:
        """Return the state of the tracker as values for JSON, without predictions."""
        return {
            "next_track_id": self.next_track_id,
            "next_serial": self._next_serial,
            "active": [_track_to_json(track) for track in self._active],
            "lost": [_track_to_json(track) for track in self._lost],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Replace the state by one from ``to_json``.

        Raises:
            KeyError, TypeError, ValueError: The state is damaged.
        """
        self.next_track_id = int(state["next_track_id"])
        self._next_serial = int(state["next_serial"])
        self._active = [_track_from_json(track) for track in state["active"]]
        self._lost = [_track_from_json(track) for track in state["lost"]]

    def update(
        self,
        detected: Sequence[Face],
        seconds: float,
        smoothing_seconds: float = 0.0,
        colors: Sequence[NDArray[np.float32] | None] | None = None,
    ) -> None:
        """Match detections to tracks: confirm, start and end tracks.

        Args:
            detected: All faces that the detector found, with boxes in the latest frame.
            seconds: The time of the frame in which they were detected.
            smoothing_seconds: Time constant with which a track's box approaches the detected box.
                It does not delay motion, because optical flow has already moved the track's box.
            colors: For each detected face, the result of ``color_histogram``. None instead of the
                list to match by position and size only.
        """
        max_lost_seconds = self._reappearance_seconds if colors is None else _RECOGNITION_SECONDS
        self._lost = [
            track for track in self._lost if seconds - track.detected_at <= max_lost_seconds
        ]
        detections = [
            _Detection(face, None if colors is None else colors[index])
            for index, face in enumerate(detected)
        ]
        for detection in detections:
            other_boxes = [other.face.box for other in detections if other is not detection]
            detection.is_mixed = any(
                detection.face.box.iou(box) > _MAX_UNMIXED_IOU for box in other_boxes
            )
        matched, unmatched = self._match(detections)
        for track, detection, iou in matched:
            weight = smoothing_weight(seconds - track.detected_at, smoothing_seconds)
            is_accurate = iou >= _MIN_ACCURATE_IOU and track.is_followed
            _add_detection(track, detection, weight if is_accurate else 1.0, seconds)
        matched_tracks = [track for track, _, _ in matched]
        without_detection = [track for track in self._active if track not in matched_tracks]
        if len(detections) > 1:
            self._only_track_before_gap = None
        for detection in unmatched:
            displaced = max(
                (
                    track
                    for track in without_detection
                    if _may_be_same(track.box, detection.face.box)
                    and _color_similarity(track, detection) > _MIN_RECOGNITION_SIMILARITY
                ),
                key=lambda track: _color_similarity(track, detection),
                default=None,
            )
            if displaced is not None:
                # Optical flow had moved this track to a wrong position, because the stream jumped
                # or paused.
                without_detection.remove(displaced)
                _add_detection(displaced, detection, 1.0, seconds)
            else:
                self._start_or_resume(detection, seconds)
        self._assign_ids()
        self._remove_lost(seconds)

    def _match(
        self, detected: Sequence[_Detection]
    ) -> tuple[list[tuple[Track, _Detection, float]], list[_Detection]]:
        """Return the matches, the best first, and the unmatched detections.

        A match consists of the track, the detection and their intersection over union.
        """
        pairs = []
        for track_index, track in enumerate(self._active):
            for detection_index, detection in enumerate(detected):
                iou = track.box.iou(detection.face.box)
                color_similarity = _color_similarity(track, detection)
                is_possible = color_similarity >= _MIN_MATCHING_SIMILARITY
                if is_possible and iou >= self._minimum_matching_iou:
                    rank = iou - _COLOR_WEIGHT * (1 - color_similarity)
                    pairs.append((rank, track_index, detection_index, iou))
        matched: list[tuple[Track, _Detection, float]] = []
        used_tracks: set[int] = set()
        used_detections: set[int] = set()
        for _, track_index, detection_index, iou in sorted(pairs, reverse=True):
            if track_index not in used_tracks and detection_index not in used_detections:
                used_tracks.add(track_index)
                used_detections.add(detection_index)
                matched.append((self._active[track_index], detected[detection_index], iou))
        unmatched = [
            detection for index, detection in enumerate(detected) if index not in used_detections
        ]
        return matched, unmatched

    def _start_or_resume(self, detection: _Detection, seconds: float) -> None:
        """Continue a lost track with an unmatched detection, or start a new track."""
        track = self._find_lost_track(detection, seconds)
        if track is not None:
            self._lost.remove(track)
            self._active.append(track)
            self._only_track_before_gap = None
            _add_detection(track, detection, 1.0, seconds)
            return
        self._active.append(
            Track(detection.face, seconds, serial=self._next_serial, colors=detection.colors)
        )
        self._next_serial += 1

    def _find_lost_track(self, detection: _Detection, seconds: float) -> Track | None:
        """Return the lost track to which an unmatched detection belongs; None if there is none."""
        box = detection.face.box
        nearby = [
            track
            for track in self._lost
            if seconds - track.detected_at <= self._reappearance_seconds
            and _may_be_same(track.box, box)
        ]
        if detection.colors is None:
            if not nearby and self._only_track_before_gap in self._lost:
                return self._only_track_before_gap
            return max(nearby, key=lambda track: track.detected_at, default=None)
        by_similarity = sorted(
            ((_color_similarity(track, detection), track) for track in self._lost),
            key=lambda pair: -pair[0],
        )
        if not by_similarity or by_similarity[0][0] < _MIN_RECOGNITION_SIMILARITY:
            return None
        similarity_of_first, first = by_similarity[0]
        # If it is not clear which lost person this is, the position decides.
        is_clear = (
            len(by_similarity) == 1
            or similarity_of_first - by_similarity[1][0] >= _SIMILARITY_MARGIN
        )
        if is_clear or first in nearby:
            return first
        return next((track for _, track in by_similarity if track in nearby), None)

    def _assign_ids(self) -> None:
        """Assign ids to newly confirmed tracks, from left to right."""
        for track in sorted(self._active, key=lambda track: track.box.x):
            is_confirmed = track.detection_count >= self._minimum_consecutive_detections
            if track.track_id is None and is_confirmed:
                track.face = replace(track.face, track_id=self.next_track_id)
                self.next_track_id += 1

    def _remove_lost(self, seconds: float) -> None:
        """Remove from the active tracks those whose face is no longer found.

        A track with an id becomes a lost track if it has had no detection for some time, or if
        optical flow cannot follow it. A track without an id ends at the first detection that misses
        its face.
        """
        remaining = []
        for track in self._active:
            seconds_since_detection = seconds - track.detected_at
            if track.track_id is None:
                # The time is 0 if the face was detected in the latest frame.
                if seconds_since_detection <= 0:
                    remaining.append(track)
            elif seconds_since_detection > self._lost_after_seconds or (
                not track.is_followed and seconds_since_detection > 0
            ):
                self._lost.append(track)
            else:
                remaining.append(track)
        self._active = remaining


@dataclass(eq=False)
class _Detection:
    """A detected face with the colors of its person.

    Attributes:
        face: The face.
        colors: Result of ``color_histogram``; None if the colors are unknown or not used.
        is_mixed: True if another face overlaps, so that ``colors`` contains the colors of both
            persons.
    """

    face: Face
    colors: NDArray[np.float32] | None
    is_mixed: bool = False


def _add_detection(track: Track, detection: _Detection, weight: float, seconds: float) -> None:
    """Update a track with a detection.

    Args:
        track: The track.
        detection: The detection.
        weight: The share by which the track's box moves to the detected box, 0 to 1.
        seconds: The time of the frame.
    """
    track.face = replace(
        track.face,
        box=track.box.interpolated(detection.face.box, weight),
        detection_score=detection.face.detection_score,
    )
    track.detected_at = seconds
    track.is_followed = True
    track.detection_count += 1
    if detection.colors is None or detection.is_mixed:
        return
    if track.colors is None:
        track.colors = detection.colors
    else:
        change = np.float32(_COLOR_UPDATE) * (detection.colors - track.colors)
        track.colors = (track.colors + change).astype(np.float32)


def _color_similarity(track: Track, detection: _Detection) -> float:
    """Return the similarity of the colors, 0 to 1; 1 if track or detection has no colors."""
    if track.colors is None or detection.colors is None:
        return 1.0
    return similarity(track.colors, detection.colors)


def _track_to_json(track: Track) -> dict[str, Any]:
    box = track.box
    return {
        "box": [box.x, box.y, box.width, box.height],
        "detection_score": track.face.detection_score,
        "track_id": track.track_id,
        "detected_at": track.detected_at,
        "detections": track.detection_count,
        "is_followed": track.is_followed,
        "serial": track.serial,
        "colors": None if track.colors is None else [float(share) for share in track.colors],
    }


def _track_from_json(values: dict[str, Any]) -> Track:
    colors = values["colors"]
    return Track(
        Face(FaceBox(*values["box"]), values["detection_score"], track_id=values["track_id"]),
        detected_at=float(values["detected_at"]),
        detection_count=int(values["detections"]),
        is_followed=bool(values["is_followed"]),
        serial=int(values["serial"]),
        colors=None if colors is None else np.array(colors, np.float32),
    )


def _may_be_same(before: FaceBox, now: FaceBox) -> bool:
    """Return True if position and size allow two boxes to be the same face."""
    (x, y), (other_x, other_y) = before.center, now.center
    distance = math.hypot(other_x - x, other_y - y)
    ratio = math.sqrt(now.area / before.area)
    return (
        distance <= _REAPPEARANCE_DISTANCE * max(before.width, now.width)
        and 1 / _REAPPEARANCE_SCALE <= ratio <= _REAPPEARANCE_SCALE
    )
