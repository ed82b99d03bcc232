"""Annotate the frames of a live stream, thirty times a second.

This module does not depend on a browser: the frames may also come from a video file.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError, first_line
from fer_core.live.controls import LiveControls
from fer_core.live.detection_scheduler import DetectionResult, DetectionScheduler
from fer_core.live.overlay import draw_overlay
from fer_core.live.recording import VideoRecording
from fer_core.live.session_record import RecordContext, SessionRecord
from fer_core.live.snapshot import LiveSnapshot
from fer_core.live.stream_statistics import Durations, Rate
from fer_core.vision.face import Face, is_too_small
from fer_core.vision.face_tracker import FaceTracker, Track
from fer_core.vision.flow import FlowFrame, follow

logger = logging.getLogger(__name__)

#: Time per frame for classification. If this time is too short for all faces, the faces take turns.
_CLASSIFICATION_MILLISECONDS = 12.0
#: Minimum time between two classifications of a face. More frequent classifications would not help,
#: because expressions change more slowly and the probabilities are smoothed.
_CLASSIFICATION_INTERVAL_SECONDS = 0.06
#: Minimum time for which a prediction is shown before the next one replaces it: in the picture, on
#: the page and in the session record. About five predictions per second can still be read. Boxes
#: move with every frame.
_MIN_SHOWN_SECONDS = 0.19
#: A picture whose intensity levels have a smaller standard deviation shows nothing: the camera is
#: off or covered. Noise alone stays below this value; a picture of any room exceeds it.
_BLANK_DEVIATION = 4.0
#: The standard deviation is computed from every 16th row and every 16th column of the pixels.
_BLANK_STEP = 16
#: Maximum time between two frames of a stream, on the camera's clock. A longer time means that the
#: stream was interrupted or replaced.
_MAX_GAP_SECONDS = 2.0


class LiveProcessor:
    """Tracks, classifies and draws the faces of a stream.

    Only one thread at a time may call ``process``. Any thread may call the other methods.
    """

    def __init__(
        self,
        controls: LiveControls,
        *,
        record: SessionRecord | None = None,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the processor of a stream.

        Args:
            controls: Analyzer and display options.
            record: Collects the predictions over time; a new one by default.
            executor: Runs the face detection; by default a thread that all streams share.
            clock: Returns seconds, for the frame rate and the times in ``snapshot``.
        """
        # "record or SessionRecord(…)" would replace an empty record, because it is falsy.
        if record is None:
            record = SessionRecord(controls.analyzer.predictor.classes, clock=clock)
        self.session_record = record
        self.video_recording = VideoRecording()
        self._clock = clock
        self._controls = controls
        self._lock = threading.Lock()
        self._scheduler = DetectionScheduler(executor)
        self._tracker = FaceTracker()
        self._flow: FlowFrame | None = None
        #: Time of the latest frame on the camera's clock; None before the first frame.
        self._last_seconds: float | None = None
        #: Moving average of the time to classify a face; 0 before the first classification.
        self._milliseconds_per_face = 0.0
        #: The controls with which the latest frame was processed.
        self._controls_in_use = controls
        self._error: str | None = None
        self._is_closed = False
        self._frame_rate, self._detection_rate = Rate(clock), Rate(clock)
        self._frame_durations, self._network_durations = Durations(), Durations()
        self._detection_durations = Durations()
        self._frame_count = self._dropped_count = 0
        self._faces: tuple[Face, ...] = ()
        #: The prediction that is shown for each track, by track id.
        self._shown_predictions: dict[int, _ShownPrediction] = {}
        self._blank_since: float | None = None
        self._shape: tuple[int, int] | None = None
        #: Time on ``clock`` of the latest frame with a face. If there was no face yet, the time of
        #: the first frame; None before it. A gap in the stream counts like a new start.
        self._last_face_at: float | None = None
        #: Time of the latest frame on ``clock``; None before the first frame.
        self._last_frame_at: float | None = None

    @property
    def controls(self) -> LiveControls:
        """The controls. New controls apply from the next frame on and clear an error."""
        return self._controls

    @controls.setter
    def controls(self, controls: LiveControls) -> None:
        # A page sets the controls again when it reruns. Equal controls must not clear an error.
        if controls != self._controls:
            self._controls = controls

    def process(self, image: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """Annotate a frame. Errors are logged and reported in the snapshot, not raised.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``; must not be changed afterwards,
                because a detection in the background may use it.
            seconds: The time of the frame, on the camera's clock.

        Returns:
            RGB uint8 of the same shape. After an error, and after ``close``, it has no annotations.
        """
        controls = self._controls
        start = time.perf_counter()
        if controls is not self._controls_in_use:
            self._apply(controls)
        faces: tuple[Face, ...] = ()
        if self._error is None and not self._is_closed:
            try:
                faces = self._analyze(image, seconds, controls)
            except Exception as error:
                # An error in a model must not end the stream.
                self._set_error(error)
        try:
            drawn = draw_overlay(image, faces, controls)
        except Exception as error:
            self._set_error(error)
            drawn = image
        self.video_recording.add(drawn, seconds)
        self._update_statistics(faces, image, controls, 1000 * (time.perf_counter() - start))
        return drawn

    def count_dropped(self, frame_count: int) -> None:
        """Count frames that were skipped because another frame was being processed."""
        with self._lock:
            self._dropped_count += frame_count

    def snapshot(self) -> LiveSnapshot:
        """Return the current state of the stream."""
        with self._lock:
            now = self._clock()
            height, width = self._shape or (None, None)
            return LiveSnapshot(
                faces=self._faces,
                frame_count=self._frame_count,
                frames_per_second=self._frame_rate.per_second,
                frame_milliseconds=self._frame_durations.percentile(50),
                slow_frame_milliseconds=self._frame_durations.percentile(95),
                detection_milliseconds=self._detection_durations.percentile(50),
                detections_per_second=self._detection_rate.per_second,
                network_milliseconds=self._network_durations.percentile(50),
                dropped_frame_count=self._dropped_count,
                seconds_without_face=(
                    0.0 if self._faces or self._last_face_at is None else now - self._last_face_at
                ),
                seconds_since_frame=(
                    None if self._last_frame_at is None else now - self._last_frame_at
                ),
                seconds_blank=0.0 if self._blank_since is None else now - self._blank_since,
                width=width,
                height=height,
                error=self._error,
            )

    def close(self) -> None:
        """Stop the analysis: later frames are not annotated, and nothing about them is stored."""
        self._is_closed = True
        self.video_recording.stop()
        with self._lock:
            self._faces = ()

    def _apply(self, controls: LiveControls) -> None:
        """Use new controls; discard the results of a model or detector that is replaced."""
        old, new = self._controls_in_use.analyzer, controls.analyzer
        self._controls_in_use = controls
        self._error = None
        if new.detector is not old.detector:
            # A detection of the replaced detector may still run. Its result must not be used,
            # because the boxes of the two detectors have different shapes.
            self._scheduler.reset()
        if new.predictor is not old.predictor:
            for track in self._tracker.confirmed_tracks:
                track.discard_prediction()
            self._shown_predictions.clear()
            self._milliseconds_per_face = 0.0
        if new.predictor.classes != self.session_record.classes:
            self._set_error(
                InputError(
                    "The model's classes differ from those in this session's record; download the "
                    "record and reload the page to use this model, or choose another one."
                )
            )

    def _set_error(self, error: Exception) -> None:
        logger.error("The analysis of the stream was stopped", exc_info=error)
        if isinstance(error, InputError):
            self._error = str(error)
        else:
            self._error = (
                f"The faces cannot be classified ({type(error).__name__}: {first_line(error)}); "
                "choose another model or detector. The app's log has the details."
            )

    def _analyze(
        self, image: NDArray[np.uint8], seconds: float, controls: LiveControls
    ) -> tuple[Face, ...]:
        """Follow the tracks to this frame, use a finished detection, and classify the faces."""
        flow = self._follow_tracks(image, seconds)
        result = self._scheduler.take_result()
        if result is not None:
            self._add_detections(result, flow, controls)
        self._scheduler.submit(
            controls.analyzer.detector,
            image,
            flow,
            seconds,
            is_urgent=self._tracker.needs_detection,
        )
        tracks = self._tracker.confirmed_tracks
        self._classify(image, tracks, seconds, controls)
        self._shown_predictions = {
            shown.track_id: shown
            for shown in (self._prediction_to_show(track, seconds) for track in tracks)
            if shown is not None
        }
        return tuple(
            replace(
                self._shown_predictions[track.track_id].face,
                box=track.box,
                minimum_confidence=controls.minimum_confidence,
                is_too_small=is_too_small(track.box),
            )
            for track in tracks
            if track.track_id in self._shown_predictions
        )

    def _prediction_to_show(self, track: Track, seconds: float) -> _ShownPrediction | None:
        """Return the prediction to show for a track; None before its first classification.

        A prediction is shown for at least ``_MIN_SHOWN_SECONDS``. Then the track's latest
        prediction replaces it.
        """
        track_id, raw = track.track_id, track.raw_probabilities
        if track_id is None or raw is None:
            return None
        shown = self._shown_predictions.get(track_id)
        if shown is not None and 0 <= seconds - shown.seconds < _MIN_SHOWN_SECONDS:
            return shown
        return _ShownPrediction(track_id, seconds, track.face, raw)

    def _follow_tracks(self, image: NDArray[np.uint8], seconds: float) -> FlowFrame:
        """Move all tracks from the previous frame to this frame."""
        before, flow = self._flow, FlowFrame.of(image)
        previous_seconds = self._last_seconds
        self._flow, self._last_seconds = flow, seconds
        is_resized = before is not None and before.shape != flow.shape
        if before is not None and is_resized:
            # The browser adapts the size of the picture to the bandwidth. The scene does not
            # change, so the tracks stay valid.
            self._tracker.rescale(flow.shape[1] / before.shape[1], flow.shape[0] / before.shape[0])
            self._scheduler.reset()
        elapsed = None if previous_seconds is None else seconds - previous_seconds
        if elapsed is not None and not 0 <= elapsed <= _MAX_GAP_SECONDS:
            self._tracker.resume_after_gap(seconds)
            self._scheduler.reset()
            self._shown_predictions.clear()
            with self._lock:
                self._last_face_at = None
        elif before is not None and not is_resized:
            self._tracker.follow(lambda boxes: follow(boxes, before, flow))
        return flow

    def _add_detections(
        self, result: DetectionResult, flow: FlowFrame, controls: LiveControls
    ) -> None:
        """Move the faces detected in an earlier frame to this frame, and update the tracks."""
        with self._lock:
            self._detection_durations.add(result.milliseconds)
            self._detection_rate.count()
        boxes = follow([face.box for face in result.faces], result.flow, flow)
        faces = [
            replace(face, box=box)
            for face, box in zip(result.faces, boxes, strict=True)
            if box is not None
        ]
        # Boxes follow the detected faces with half of the time constant; see ``LiveControls``.
        self._tracker.update(faces, result.seconds, controls.smoothing_seconds / 2)

    def _classify(
        self,
        image: NDArray[np.uint8],
        tracks: Sequence[Track],
        seconds: float,
        controls: LiveControls,
    ) -> None:
        """Classify the tracks whose latest classification is no longer recent.

        If there is not enough time for all of them, those with the oldest classification come
        first.
        """
        due = [
            track
            for track in tracks
            if seconds - track.classified_at >= _CLASSIFICATION_INTERVAL_SECONDS
        ]
        if not due:
            return
        max_faces = len(due)
        if self._milliseconds_per_face:
            max_faces = max(1, int(_CLASSIFICATION_MILLISECONDS / self._milliseconds_per_face))
        chosen = sorted(due, key=lambda track: track.classified_at)[:max_faces]
        start = time.perf_counter()
        classified = controls.analyzer.classify(image, [track.face for track in chosen])
        milliseconds = 1000 * (time.perf_counter() - start)
        for track, face in zip(chosen, classified, strict=True):
            track.add_prediction(face, seconds, controls.smoothing_seconds)
        with self._lock:
            self._network_durations.add(milliseconds)
        latest, mean = milliseconds / len(chosen), self._milliseconds_per_face
        self._milliseconds_per_face = 0.9 * mean + 0.1 * latest if mean else latest

    def _update_statistics(
        self,
        faces: tuple[Face, ...],
        image: NDArray[np.uint8],
        controls: LiveControls,
        milliseconds: float,
    ) -> None:
        """Store the values for ``snapshot``, and add the faces to the session record."""
        now = self._clock()
        height, width = image.shape[:2]
        sample = np.ascontiguousarray(image[::_BLANK_STEP, ::_BLANK_STEP, 1])
        is_blank = cv2.meanStdDev(sample)[1].item() < _BLANK_DEVIATION
        with self._lock:
            if self._is_closed:
                return
            self._faces = faces
            self._frame_count += 1
            self._frame_rate.count()
            self._frame_durations.add(milliseconds)
            self._shape = (height, width)
            if not is_blank:
                self._blank_since = None
            elif self._blank_since is None:
                self._blank_since = now
            self._last_frame_at = now
            if faces or self._last_face_at is None:
                self._last_face_at = now
        context = RecordContext(
            model=controls.model,
            detector=controls.detector,
            emphasis=controls.emphasis,
            minimum_confidence=controls.minimum_confidence,
            smoothing_seconds=controls.smoothing_seconds,
            is_mirrored=controls.is_mirrored,
            width=width,
            height=height,
        )
        for face in faces:
            assert face.track_id is not None  # a confirmed track has an id
            raw_probabilities = self._shown_predictions[face.track_id].raw_probabilities
            self.session_record.add(face, raw_probabilities, context)


@dataclass(frozen=True, eq=False)
class _ShownPrediction:
    """A prediction that is shown until the next one replaces it.

    Attributes:
        track_id: The id of the track.
        seconds: The time of the first frame that shows it, on the camera's clock.
        face: The face with smoothed probabilities.
        raw_probabilities: Probabilities without smoothing, float32 ``[classes]``.
    """

    track_id: int
    seconds: float
    face: Face
    raw_probabilities: NDArray[np.float32]
