"""``LiveProcessor``: one frame in, the annotated frame out, thirty times a second.

It knows nothing of browsers: a video file's frames do as well as a webcam's.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError, first_line
from fer_core.live.controls import LiveControls
from fer_core.live.flow import FlowFrame, follow
from fer_core.live.looking import Look, Lookout
from fer_core.live.overlay import draw_overlay
from fer_core.live.people import People, Person
from fer_core.live.recording import VideoRecording
from fer_core.live.rectangle import Rectangle
from fer_core.live.session_record import SessionRecord
from fer_core.live.snapshot import LiveFace, LiveSnapshot
from fer_core.live.statistics import Durations, Rate
from fer_core.vision.crop import crop_face

logger = logging.getLogger(__name__)

#: What reading the faces may take of a frame's time; with many faces they take turns.
_READING_MILLISECONDS = 12.0
#: A face is read so often at most: expressions are slower, and readings are smoothed anyway.
_READING_PAUSE_SECONDS = 0.06
#: A camera's clock that jumps by more has been stopped in between, or is another camera's.
_LONGEST_GAP_SECONDS = 2.0


class LiveProcessor:
    """Follows, reads and draws the faces of a stream.

    ``process`` is called by one thread, everything else by any.
    """

    def __init__(
        self,
        controls: LiveControls,
        *,
        record: SessionRecord | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Begin a stream.

        Args:
            controls: Model, detector and options.
            record: Where persons are noted down; a new one by default.
            executor: Where faces are looked for; by default a thread that all streams share.
        """
        self.record = SessionRecord() if record is None else record  # an empty one is falsy
        self.recording = VideoRecording()
        self._controls = controls
        self._lock = threading.Lock()
        self._lookout = Lookout(executor)
        self._people = People()
        self._flow: FlowFrame | None = None
        self._last_seconds: float | None = None
        self._milliseconds_per_face = 0.0
        self._controls_in_use = controls
        self._error: str | None = None
        self._is_closed = False
        self._frame_rate, self._look_rate = Rate(), Rate()
        self._frame_durations, self._network_durations = Durations(), Durations()
        self._look_durations = Durations()
        self._frames = self._dropped = 0
        self._faces: tuple[LiveFace, ...] = ()
        self._shape: tuple[int, int] | None = None
        self._last_face_at = self._started_at = time.monotonic()
        self._last_frame_at: float | None = None

    @property
    def controls(self) -> LiveControls:
        """In force from the next frame on; exchanging them takes an error away."""
        return self._controls

    @controls.setter
    def controls(self, controls: LiveControls) -> None:
        if controls != self._controls:
            self._controls = controls

    def process(self, image: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """Annotate a frame. It never raises: what goes wrong is logged and told in the snapshot.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``; must not be changed afterwards, for
                a look at it may be under way.
            seconds: When it was taken, on the camera's clock.

        Returns:
            RGB uint8 of the same shape. After an error, the frame without annotations.
        """
        controls = self._controls
        start = time.perf_counter()
        if controls is not self._controls_in_use:
            self._take_over(controls)
        faces: tuple[LiveFace, ...] = ()
        if self._error is None and not self._is_closed:
            try:
                faces = self._read_frame(image, seconds, controls)
            except Exception as error:
                # A stream must not end with an error in a model: the picture goes on.
                self._fail(error)
        try:
            drawn = draw_overlay(image, faces, controls)
        except Exception as error:
            self._fail(error)
            drawn = image
        self.recording.add(drawn, seconds)
        self._note(faces, image.shape[:2], 1000 * (time.perf_counter() - start))
        return drawn

    def count_dropped(self, frames: int) -> None:
        """Note frames that came while another was worked on and were passed over."""
        with self._lock:
            self._dropped += frames

    def snapshot(self) -> LiveSnapshot:
        """The state of the stream now."""
        with self._lock:
            now = time.monotonic()
            height, width = self._shape or (None, None)
            return LiveSnapshot(
                faces=self._faces,
                frames=self._frames,
                frames_per_second=self._frame_rate.per_second,
                frame_milliseconds=self._frame_durations.percentile(50),
                slow_frame_milliseconds=self._frame_durations.percentile(95),
                detection_milliseconds=self._look_durations.percentile(50),
                looks_per_second=self._look_rate.per_second,
                network_milliseconds=self._network_durations.percentile(50),
                frames_dropped=self._dropped,
                seconds_without_face=0.0 if self._faces else now - self._last_face_at,
                seconds_since_frame=(
                    None if self._last_frame_at is None else now - self._last_frame_at
                ),
                width=width,
                height=height,
                error=self._error,
            )

    def close(self) -> None:
        """End: later frames pass through without being read, and nothing is kept of them."""
        self._is_closed = True
        self.recording.stop()
        with self._lock:
            self._faces = ()

    def _take_over(self, controls: LiveControls) -> None:
        before, self._controls_in_use = self._controls_in_use, controls
        self._error = None
        if controls.detector is not before.detector:
            # Its boxes have another shape: what was seen with the old one is no guide.
            self._lookout.forget()
        if controls.predictor is not before.predictor:
            for person in self._people.visible:
                person.probabilities, person.read_at = None, -math.inf
            self._milliseconds_per_face = 0.0

    def _fail(self, error: Exception) -> None:
        logger.error("A frame could not be analyzed", exc_info=error)
        if isinstance(error, InputError):
            self._error = str(error)
        else:
            self._error = (
                f"The faces cannot be read ({type(error).__name__}: {first_line(error)}); choose "
                "another model or detector. The log of the app says more."
            )

    def _read_frame(
        self, image: NDArray[np.uint8], seconds: float, controls: LiveControls
    ) -> tuple[LiveFace, ...]:
        flow = self._advance(image, seconds)
        look = self._lookout.found()
        if look is not None:
            self._take_in(look, flow, controls)
        self._lookout.look(
            controls.detector, image, flow, seconds, is_urgent=self._people.has_lost_someone
        )
        people = self._people.visible
        self._read_faces(image, people, seconds, controls)
        return tuple(
            _live_face(person, controls.unsure_below)
            for person in people
            if person.probabilities is not None
        )

    def _advance(self, image: NDArray[np.uint8], seconds: float) -> FlowFrame:
        """Take everybody from the last frame into this one."""
        before, flow = self._flow, FlowFrame.of(image)
        last = self._last_seconds
        self._flow, self._last_seconds = flow, seconds
        if last is not None and not 0 <= seconds - last <= _LONGEST_GAP_SECONDS:
            self._people = People(self._people.next_number)
            self._lookout.forget()
        elif before is not None and before.shape != flow.shape:
            # The browser changes the size as its connection allows: the same picture, scaled.
            self._people.rescale(flow.shape[1] / before.shape[1], flow.shape[0] / before.shape[0])
            self._lookout.forget()
        elif before is not None:
            self._people.follow(lambda places: follow(places, before, flow))
        return flow

    def _take_in(self, look: Look, flow: FlowFrame, controls: LiveControls) -> None:
        """Bring what was found in an earlier frame to where it is now."""
        with self._lock:
            self._look_durations.add(look.milliseconds)
            self._look_rate.count()
        carried = follow([Rectangle.of(box) for box in look.boxes], look.flow, flow)
        boxes = [
            place.to_box(box.score)
            for place, box in zip(carried, look.boxes, strict=True)
            if place is not None
        ]
        self._people.update(boxes, look.seconds, controls.smoothing_seconds / 2)

    def _read_faces(
        self,
        image: NDArray[np.uint8],
        people: Sequence[Person],
        seconds: float,
        controls: LiveControls,
    ) -> None:
        """Read the faces that are due, or as many as there is time for, the oldest first."""
        due = [one for one in people if seconds - one.read_at >= _READING_PAUSE_SECONDS]
        if not due:
            return
        affordable = len(due)
        if self._milliseconds_per_face:
            affordable = max(1, int(_READING_MILLISECONDS / self._milliseconds_per_face))
        chosen = sorted(due, key=lambda person: person.read_at)[:affordable]
        square = controls.detector.geometry.square
        start = time.perf_counter()
        crops = np.stack([crop_face(image, square(person.place.to_box())) for person in chosen])
        rows = controls.predictor.probabilities(crops)
        milliseconds = 1000 * (time.perf_counter() - start)
        for person, row in zip(chosen, rows, strict=True):
            person.read(row, seconds, controls.smoothing_seconds)
        with self._lock:
            self._network_durations.add(milliseconds)
        cost, usual = milliseconds / len(chosen), self._milliseconds_per_face
        self._milliseconds_per_face = 0.9 * usual + 0.1 * cost if usual else cost

    def _note(
        self, faces: tuple[LiveFace, ...], shape: tuple[int, ...], milliseconds: float
    ) -> None:
        """Keep what the page asks for."""
        now = time.monotonic()
        with self._lock:
            if self._is_closed:
                return
            self._faces = faces
            self._frames += 1
            self._frame_rate.count()
            self._frame_durations.add(milliseconds)
            self._shape = (shape[0], shape[1])
            self._last_frame_at = now
            if faces:
                self._last_face_at = now
        for face in faces:
            row = np.array([face.probability_by_emotion[name] for name in EMOTIONS], np.float32)
            self.record.note(face.person, face.box, row)


def _live_face(person: Person, unsure_below: float) -> LiveFace:
    assert person.number is not None  # it is visible
    assert person.probabilities is not None  # it has been read
    probabilities = person.probabilities
    score = float(probabilities.max())
    return LiveFace(
        person=person.number,
        box=person.place.to_box(person.score),
        label=EMOTIONS[int(probabilities.argmax())],
        score=score,
        is_unsure=score < unsure_below,
        probability_by_emotion=dict(zip(EMOTIONS, map(float, probabilities), strict=True)),
    )
