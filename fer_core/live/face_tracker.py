"""Track the faces of a stream: a face keeps its id while its box can be followed.

Tracks are matched by position and size, not by appearance: a person who leaves and returns at
another position, or after ``lost_track_buffer`` seconds, gets a new id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face

#: Minimum intersection over union of a followed and a detected box. Below it, the followed box is
#: wrong, and the detected box replaces it.
_MIN_ACCURATE_IOU = 0.6
#: Time without a detection after which a track is lost. Turned heads are missed in some frames.
_LOST_AFTER_SECONDS = 0.8
#: Maximum distance (in box widths) and maximum ratio of sizes between a lost face and a new one, if
#: both are regarded as the same face.
_REAPPEARANCE_DISTANCE = 0.8
_REAPPEARANCE_SCALE = 1.6


@dataclass(eq=False)
class Track:
    """A face that is followed through the frames.

    Attributes:
        face: Box in the latest frame and track id (None until the track is confirmed); after the
            first classification also crop, classes and smoothed probabilities.
        detected_at: Time of the latest matched detection, in seconds.
        detections: Number of matched detections.
        is_followed: True if optical flow could follow the face into the latest frame.
        classified_at: Time of the latest classification, in seconds.
    """

    face: Face
    detected_at: float
    detections: int = 1
    is_followed: bool = True
    classified_at: float = -math.inf

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
        if old is not None and self.face.classes == classified.classes:
            weight = smoothing_weight(seconds - self.classified_at, smoothing_seconds)
            new = (old + weight * (new - old)).astype(np.float32)
        self.face = replace(
            self.face, crop=classified.crop, probabilities=new, classes=classified.classes
        )
        self.classified_at = seconds

    def discard_prediction(self) -> None:
        """Remove crop and probabilities, such as those of another model."""
        self.face = Face(self.face.box, self.face.detection_score, track_id=self.face.track_id)
        self.classified_at = -math.inf


def smoothing_weight(elapsed: float, time_constant: float) -> float:
    """Return the weight of a new value in an exponential average, 0 to 1.

    Args:
        elapsed: Seconds since the last value.
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
        lost_track_buffer: float = 4.0,
        minimum_consecutive_frames: int = 2,
        minimum_matching_threshold: float = 0.25,
    ) -> None:
        """Create a tracker without tracks.

        Args:
            next_track_id: The id of the first track.
            lost_track_buffer: Seconds after its last detection during which a lost track may
                reappear with the same id.
            minimum_consecutive_frames: Number of consecutive detections before a track gets an id;
                a single detection is rarely a face.
            minimum_matching_threshold: Minimum intersection over union, 0 to 1, between a detection
                and a track.
        """
        self.next_track_id = next_track_id
        self._lost_track_buffer = lost_track_buffer
        self._minimum_consecutive_frames = minimum_consecutive_frames
        self._minimum_matching_threshold = minimum_matching_threshold
        self._active: list[Track] = []
        self._lost: list[Track] = []

    @property
    def confirmed_tracks(self) -> list[Track]:
        """The tracks in the latest frame that have an id, ordered by it."""
        confirmed = [track for track in self._active if track.track_id is not None]
        return sorted(confirmed, key=lambda track: track.track_id or 0)

    @property
    def needs_detection(self) -> bool:
        """True if optical flow could not follow a track into the latest frame."""
        return any(not track.is_followed for track in self._active)

    def follow(self, move: Callable[[Sequence[FaceBox]], Sequence[FaceBox | None]]) -> None:
        """Move every track to the next frame.

        Args:
            move: Returns for boxes in the last frame their boxes in the new one, or None.
        """
        boxes = move([track.box for track in self._active])
        for track, box in zip(self._active, boxes, strict=True):
            track.is_followed = box is not None
            if box is not None:
                track.move_to(box)

    def rescale(self, factor_x: float, factor_y: float) -> None:
        """Convert every track to a picture resized by these factors."""
        for track in (*self._active, *self._lost):
            track.move_to(track.box.scaled(factor_x, factor_y))

    def update(
        self, detected: Sequence[Face], seconds: float, smoothing_seconds: float = 0.0
    ) -> None:
        """Match detections to tracks: confirm, start and end tracks.

        Args:
            detected: All faces that the detector found, with boxes in the latest frame.
            seconds: The time of the frame in which they were detected.
            smoothing_seconds: Time constant with which a track's box approaches the detected one.
                Motion is followed without delay.
        """
        self._lost = [
            track for track in self._lost if seconds - track.detected_at <= self._lost_track_buffer
        ]
        matched, unmatched = self._match(detected)
        for track, face, iou in matched:
            weight = smoothing_weight(seconds - track.detected_at, smoothing_seconds)
            is_accurate = iou >= _MIN_ACCURATE_IOU and track.is_followed
            _add_detection(track, face, weight if is_accurate else 1.0, seconds)
        matched_tracks = [track for track, _, _ in matched]
        without_detection = [track for track in self._active if track not in matched_tracks]
        for face in unmatched:
            displaced = next(
                (track for track in without_detection if _may_be_same(track.box, face.box)), None
            )
            if displaced is not None:
                # After a jump or a pause, the flow followed this face to a wrong position.
                without_detection.remove(displaced)
                _add_detection(displaced, face, 1.0, seconds)
            else:
                self._start_or_resume(face, seconds)
        self._assign_ids()
        self._remove_lost(seconds)

    def _match(
        self, detected: Sequence[Face]
    ) -> tuple[list[tuple[Track, Face, float]], list[Face]]:
        """Return matched tracks with detection and IoU, best first, and unmatched detections."""
        pairs = sorted(
            (
                (track.box.iou(face.box), index, position)
                for index, track in enumerate(self._active)
                for position, face in enumerate(detected)
            ),
            reverse=True,
        )
        matched: list[tuple[Track, Face, float]] = []
        used_tracks: set[int] = set()
        used_faces: set[int] = set()
        for iou, index, position in pairs:
            if iou < self._minimum_matching_threshold:
                break
            if index not in used_tracks and position not in used_faces:
                used_tracks.add(index)
                used_faces.add(position)
                matched.append((self._active[index], detected[position], iou))
        unmatched = [face for position, face in enumerate(detected) if position not in used_faces]
        return matched, unmatched

    def _start_or_resume(self, detected: Face, seconds: float) -> None:
        for track in sorted(self._lost, key=lambda track: -track.detected_at):
            if _may_be_same(track.box, detected.box):
                self._lost.remove(track)
                self._active.append(track)
                _add_detection(track, detected, 1.0, seconds)
                return
        self._active.append(Track(detected, seconds))

    def _assign_ids(self) -> None:
        """Assign ids to newly confirmed tracks, from left to right."""
        for track in sorted(self._active, key=lambda track: track.box.x):
            is_confirmed = track.detections >= self._minimum_consecutive_frames
            if track.track_id is None and is_confirmed:
                track.face = replace(track.face, track_id=self.next_track_id)
                self.next_track_id += 1

    def _remove_lost(self, seconds: float) -> None:
        remaining = []
        for track in self._active:
            unseen = seconds - track.detected_at
            if track.track_id is None:
                # An unconfirmed track ends with the first detection that misses it.
                if unseen <= 0:
                    remaining.append(track)
            elif unseen > _LOST_AFTER_SECONDS or (not track.is_followed and unseen > 0):
                self._lost.append(track)
            else:
                remaining.append(track)
        self._active = remaining


def _add_detection(track: Track, detected: Face, weight: float, seconds: float) -> None:
    track.face = replace(
        track.face,
        box=track.box.interpolated(detected.box, weight),
        detection_score=detected.detection_score,
    )
    track.detected_at = seconds
    track.is_followed = True
    track.detections += 1


def _may_be_same(before: FaceBox, now: FaceBox) -> bool:
    (x, y), (other_x, other_y) = before.center, now.center
    distance = math.hypot(other_x - x, other_y - y)
    ratio = math.sqrt(now.area / before.area)
    return (
        distance <= _REAPPEARANCE_DISTANCE * max(before.width, now.width)
        and 1 / _REAPPEARANCE_SCALE <= ratio <= _REAPPEARANCE_SCALE
    )
