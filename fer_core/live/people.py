"""Who is in the picture: faces that keep their number while they are followed.

A person is known by where they are, not by how they look: whoever leaves and comes back elsewhere,
or after a while, gets a new number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fer_core.live.rectangle import Rectangle
from fer_core.vision.boxes import FaceBox

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
        number: Counted from 1 in the order of appearance; None until it is sure to be a face.
        place: Where it is, in the latest frame.
        detected_at: Seconds of the latest detection that saw it.
        score: Of that detection, 0 to 1; None if the detector gives none.
        confirmations: Detections that have seen it.
        is_followed: Whether it could be followed into the latest frame.
        probabilities: Smoothed, float32 ``[7]``; None until it is read.
        read_at: Seconds of the latest reading.
    """

    number: int | None
    place: Rectangle
    detected_at: float
    score: float | None = None
    confirmations: int = 1
    is_followed: bool = True
    probabilities: NDArray[np.float32] | None = field(default=None, repr=False)
    read_at: float = -math.inf

    def read(self, row: NDArray[np.float32], seconds: float, smoothing_seconds: float) -> None:
        """Take a new reading into the smoothed one.

        Args:
            row: Probabilities, float32 ``[7]``.
            seconds: When.
            smoothing_seconds: Time constant of the average; 0 takes the new reading alone.
        """
        if self.probabilities is None:
            self.probabilities = row
        else:
            share = smoothing_share(seconds - self.read_at, smoothing_seconds)
            self.probabilities = (self.probabilities + share * (row - self.probabilities)).astype(
                np.float32
            )
        self.read_at = seconds


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

    def follow(self, move: Callable[[Sequence[Rectangle]], Sequence[Rectangle | None]]) -> None:
        """Take every face into the next frame.

        Args:
            move: Gives, for places in the last frame, those in the new one or None.
        """
        places = move([one.place for one in self._present])
        for person, place in zip(self._present, places, strict=True):
            person.is_followed = place is not None
            if place is not None:
                person.place = place

    def rescale(self, factor_x: float, factor_y: float) -> None:
        """Take every face into a picture of another size."""
        for person in (*self._present, *self._away):
            person.place = person.place.scaled(factor_x, factor_y)

    def update(
        self, boxes: Sequence[FaceBox], seconds: float, smoothing_seconds: float = 0.0
    ) -> None:
        """Take in what a detector has seen, as of the latest frame.

        Args:
            boxes: All faces of the frame.
            seconds: When that frame was taken.
            smoothing_seconds: Time constant over which a followed box is drawn to the detected
                one. Motion itself is followed without delay.
        """
        self._away = [
            one for one in self._away if seconds - one.detected_at <= _FORGOTTEN_AFTER_SECONDS
        ]
        unmatched = list(range(len(boxes)))
        detected = [Rectangle.of(box) for box in boxes]
        pairs = sorted(
            (
                (person.place.overlap(place), index, position)
                for index, person in enumerate(self._present)
                for position, place in enumerate(detected)
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
            person.score = boxes[position].score
        astray = [one for index, one in enumerate(self._present) if index not in taken]
        for position in unmatched:
            lost = next(
                (one for one in astray if _may_be_same(one.place, detected[position])), None
            )
            if lost is not None:
                # Followed to the wrong place, after a jump or a pause: still the same person.
                astray.remove(lost)
                self._confirm(lost, detected[position], 1.0, seconds)
                lost.score = boxes[position].score
                continue
            self._appear(detected[position], boxes[position].score, seconds)
        self._number()
        self._dismiss(seconds)

    def _confirm(self, person: Person, place: Rectangle, share: float, seconds: float) -> None:
        person.place = person.place.towards(place, share)
        person.detected_at = seconds
        person.is_followed = True
        person.confirmations += 1

    def _number(self) -> None:
        """Give a number to whoever is sure to be there by now, from left to right."""
        for person in sorted(self._present, key=lambda one: one.place.x):
            if person.number is None and person.confirmations >= _CONFIRMATIONS:
                person.number = self.next_number
                self.next_number += 1

    def _appear(self, place: Rectangle, score: float | None, seconds: float) -> None:
        for person in sorted(self._away, key=lambda one: -one.detected_at):
            if _may_be_same(person.place, place):
                self._away.remove(person)
                self._present.append(
                    replace(person, place=place, score=score, detected_at=seconds, is_followed=True)
                )
                return
        self._present.append(Person(None, place, seconds, score))

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


def _may_be_same(before: Rectangle, now: Rectangle) -> bool:
    (x, y), (other_x, other_y) = before.center, now.center
    distance = math.hypot(other_x - x, other_y - y)
    ratio = math.sqrt(now.width * now.height / (before.width * before.height))
    return (
        distance <= _REAPPEARANCE_DISTANCE * max(before.width, now.width)
        and 1 / _REAPPEARANCE_SCALE <= ratio <= _REAPPEARANCE_SCALE
    )
