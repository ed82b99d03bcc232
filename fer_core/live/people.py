"""Who is in the picture: faces that keep their number while they are followed.

A person is known by where they are, not by how they look: whoever leaves and comes back elsewhere,
or after a while, gets a new number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face

#: Intersection over union from which a detection and a followed face are one, whoever is nearest.
_SAME_FACE = 0.25
#: Below this a followed box has gone astray, and the detector's takes its place at once.
_ASTRAY = 0.6
#: Detections in agreement before a face is shown: what is seen once only is rarely one.
_CONFIRMATIONS = 2
#: A face that no detection has seen for so long is gone; turned heads are missed for some frames.
_HIDDEN_AFTER_SECONDS = 0.8
_FORGOTTEN_AFTER_SECONDS = 4.0
#: Of the box's width: how far away somebody who was out of sight may appear again.
_REAPPEARANCE_DISTANCE = 0.8
_REAPPEARANCE_SCALE = 1.6


@dataclass
class Person:
    """A face that is followed.

    Attributes:
        face: Box and track id; once classified, also crop, classes and smoothed probabilities.
        detected_at: Seconds of the latest detection that saw it.
        confirmations: Detections that have seen it.
        is_followed: Whether it could be followed into the latest frame.
        classified_at: Seconds of the latest classification.
    """

    face: Face
    detected_at: float
    confirmations: int = 1
    is_followed: bool = True
    classified_at: float = -math.inf

    @property
    def box(self) -> FaceBox:
        """Where it is, in the latest frame."""
        return self.face.box

    @property
    def number(self) -> int | None:
        """Counted from 1 in the order of appearance; None until it is sure to be a face."""
        return self.face.track_id

    def move_to(self, box: FaceBox) -> None:
        """Replace the box."""
        self.face = replace(self.face, box=box)

    def add_prediction(self, classified: Face, seconds: float, smoothing_seconds: float) -> None:
        """Include a new prediction in the smoothed one.

        Args:
            classified: The face with crop and probabilities.
            seconds: When.
            smoothing_seconds: Time constant of the average; 0 takes the new prediction alone.
        """
        new, old = classified.probabilities, self.face.probabilities
        assert new is not None  # it comes from Analyzer.classify
        if old is not None and self.face.classes == classified.classes:
            share = smoothing_share(seconds - self.classified_at, smoothing_seconds)
            new = (old + share * (new - old)).astype(np.float32)
        self.face = replace(
            self.face, crop=classified.crop, probabilities=new, classes=classified.classes
        )
        self.classified_at = seconds

    def discard_prediction(self) -> None:
        """Forget what was predicted, such as when another model is used."""
        self.face = Face(self.face.box, self.face.detection_score, track_id=self.face.track_id)
        self.classified_at = -math.inf


def smoothing_share(elapsed: float, time_constant: float) -> float:
    """How much a new value counts in an exponential average, 0 to 1.

    Args:
        elapsed: Seconds since the last value.
        time_constant: Seconds after which a value has lost 63 % of its weight; 0: at once.
    """
    if time_constant <= 0:
        return 1.0
    return 1.0 - math.exp(-max(elapsed, 0.0) / time_constant)


class People:
    """The faces of a stream, from frame to frame."""

    def __init__(self, next_number: int = 1) -> None:
        """Begin with nobody.

        Args:
            next_number: What the first person is called.
        """
        self._present: list[Person] = []
        self._away: list[Person] = []
        self.next_number = next_number

    @property
    def visible(self) -> list[Person]:
        """Those that are shown, by number."""
        shown = [one for one in self._present if one.number is not None]
        return sorted(shown, key=lambda one: one.number or 0)

    @property
    def has_lost_someone(self) -> bool:
        """Whether a face could not be followed and should be looked for again."""
        return any(not one.is_followed for one in self._present)

    def follow(self, move: Callable[[Sequence[FaceBox]], Sequence[FaceBox | None]]) -> None:
        """Take every face into the next frame.

        Args:
            move: Gives, for places in the last frame, those in the new one or None.
        """
        boxes = move([one.box for one in self._present])
        for person, box in zip(self._present, boxes, strict=True):
            person.is_followed = box is not None
            if box is not None:
                person.move_to(box)

    def rescale(self, factor_x: float, factor_y: float) -> None:
        """Take every face into a picture of another size."""
        for person in (*self._present, *self._away):
            person.move_to(person.box.scaled(factor_x, factor_y))

    def update(
        self, detected: Sequence[Face], seconds: float, smoothing_seconds: float = 0.0
    ) -> None:
        """Take in what a detector has seen, as of the latest frame.

        Args:
            detected: All faces of the frame.
            seconds: When that frame was taken.
            smoothing_seconds: Time constant over which a followed box is drawn to the detected
                one. Motion itself is followed without delay.
        """
        self._away = [
            one for one in self._away if seconds - one.detected_at <= _FORGOTTEN_AFTER_SECONDS
        ]
        unmatched = list(range(len(detected)))
        pairs = sorted(
            (
                (person.box.iou(face.box), index, position)
                for index, person in enumerate(self._present)
                for position, face in enumerate(detected)
            ),
            reverse=True,
        )
        taken: set[int] = set()
        for overlap, index, position in pairs:
            if overlap < _SAME_FACE or index in taken or position not in unmatched:
                continue
            taken.add(index)
            unmatched.remove(position)
            person = self._present[index]
            share = smoothing_share(seconds - person.detected_at, smoothing_seconds)
            is_astray = overlap < _ASTRAY or not person.is_followed
            self._confirm(person, detected[position], 1.0 if is_astray else share, seconds)
        astray = [one for index, one in enumerate(self._present) if index not in taken]
        for position in unmatched:
            face = detected[position]
            lost = next((one for one in astray if _may_be_same(one.box, face.box)), None)
            if lost is not None:
                # Followed to the wrong place, after a jump or a pause: still the same person.
                astray.remove(lost)
                self._confirm(lost, face, 1.0, seconds)
                continue
            self._appear(face, seconds)
        self._number()
        self._dismiss(seconds)

    def _confirm(self, person: Person, detected: Face, share: float, seconds: float) -> None:
        person.face = replace(
            person.face,
            box=person.box.interpolated(detected.box, share),
            detection_score=detected.detection_score,
        )
        person.detected_at = seconds
        person.is_followed = True
        person.confirmations += 1

    def _number(self) -> None:
        """Give a number to whoever is sure to be there by now, from left to right."""
        for person in sorted(self._present, key=lambda one: one.box.x):
            if person.number is None and person.confirmations >= _CONFIRMATIONS:
                person.face = replace(person.face, track_id=self.next_number)
                self.next_number += 1

    def _appear(self, detected: Face, seconds: float) -> None:
        for person in sorted(self._away, key=lambda one: -one.detected_at):
            if _may_be_same(person.box, detected.box):
                self._away.remove(person)
                self._present.append(person)
                self._confirm(person, detected, 1.0, seconds)
                return
        self._present.append(Person(detected, seconds))

    def _dismiss(self, seconds: float) -> None:
        staying = []
        for person in self._present:
            unseen = seconds - person.detected_at
            if person.number is None:
                # Not yet sure, and the next look did not see it.
                if unseen <= 0:
                    staying.append(person)
            elif unseen > _HIDDEN_AFTER_SECONDS or (not person.is_followed and unseen > 0):
                self._away.append(person)
            else:
                staying.append(person)
        self._present = staying


def _may_be_same(before: FaceBox, now: FaceBox) -> bool:
    (x, y), (other_x, other_y) = before.center, now.center
    distance = math.hypot(other_x - x, other_y - y)
    ratio = math.sqrt(now.area / before.area)
    return (
        distance <= _REAPPEARANCE_DISTANCE * max(before.width, now.width)
        and 1 / _REAPPEARANCE_SCALE <= ratio <= _REAPPEARANCE_SCALE
    )
