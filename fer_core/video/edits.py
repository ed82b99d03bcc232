"""The edits of users to an analysis: names, merged and excluded persons, markers; with undo.

The edits are stored in ``edits.json``. The table that the job wrote does not change.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fer_core.errors import InputError
from fer_core.files import (
    os_errors_as_input_errors,
    read_errors_as_input_errors,
    read_json,
    write_json,
)
from fer_core.validation import IGNORE_UNKNOWN, Integer, Number, Text, from_dict
from fer_core.video.face_table import FaceTable

EDITS_FILE = "edits.json"
MAX_NAME_LENGTH = 60
_MAX_MARKERS = 500
#: Maximum number of stored versions of the edits, the current one included.
_MAX_HISTORY = 50


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class Marker:
    """A named time of the video.

    Attributes:
        seconds: The time, in seconds.
        name: The name that the user gave.
    """

    seconds: Number
    name: Text


@dataclass(frozen=True, config=IGNORE_UNKNOWN)
class Edits:
    """All edits to an analysis. The keys of the dictionaries are person numbers, as text for JSON.

    Attributes:
        names: The name of each person that has one.
        merged: The keys are persons that were merged into another person; the values are the
            numbers of these other persons.
        excluded: Numbers of the persons that are left out of charts, tables and summaries.
        markers: Markers in the order of time.
    """

    names: dict[Text, Text] = Field(default_factory=dict)
    merged: dict[Text, Integer] = Field(default_factory=dict)
    excluded: tuple[Integer, ...] = ()
    markers: tuple[Marker, ...] = ()

    @property
    def name_by_person(self) -> dict[int, str]:
        """The name of each person that has one, by the person's number."""
        return {int(person): name for person, name in self.names.items()}

    def title(self, person: int) -> str:
        """Return a person's name, or a title such as "Person 2" if it has no name."""
        return self.names.get(str(person)) or f"Person {person}"

    def merged_person(self, person: int) -> int:
        """Return the number of the person to which a tracked person belongs after all merges."""
        return self.merged.get(str(person), person)

    def renamed(self, person: int, name: str) -> Edits:
        """Return edits in which a person has a new name; an empty text removes the name.

        Raises:
            InputError: The name is too long.
        """
        name = _checked_name(name, "person")
        names = {key: old for key, old in self.names.items() if key != str(person)}
        return replace(self, names=names | ({str(person): name} if name else {}))

    def with_merge(self, person: int, target: int) -> Edits:
        """Return edits in which all rows of a person belong to ``target``.

        Raises:
            InputError: ``target`` is the same person, or was merged into it.
        """
        target = self.merged_person(target)
        if person == target:
            raise InputError("A person cannot be merged with itself; choose two persons.")
        # Persons that were merged into this person also belong to the target.
        merged = {key: target if old == person else old for key, old in self.merged.items()}
        names = {key: name for key, name in self.names.items() if key != str(person)}
        name = self.names.get(str(person))
        if name and str(target) not in names:
            names[str(target)] = name
        return replace(
            self,
            merged=merged | {str(person): target},
            names=names,
            excluded=tuple(number for number in self.excluded if number != person),
        )

    def with_excluded(self, person: int, *, is_excluded: bool) -> Edits:
        """Return edits in which a person is excluded, or is included again."""
        others = tuple(number for number in self.excluded if number != person)
        excluded = (*others, person) if is_excluded else others
        return replace(self, excluded=excluded)

    def with_marker(self, seconds: float, name: str) -> Edits:
        """Return edits with an additional marker.

        Raises:
            InputError: The name is empty or too long, or there are too many markers.
        """
        name = _checked_name(name, "marker")
        if not name:
            raise InputError("A marker needs a name; type one.")
        if len(self.markers) >= _MAX_MARKERS:
            raise InputError(f"An analysis has at most {_MAX_MARKERS} markers; remove some.")
        markers = (*self.markers, Marker(round(seconds, 3), name))
        return replace(self, markers=tuple(sorted(markers, key=lambda marker: marker.seconds)))

    def without_marker(self, index: int) -> Edits:
        """Return edits without the marker at an index of ``markers``."""
        markers = self.markers[:index] + self.markers[index + 1 :]
        return replace(self, markers=markers)

    def apply(self, table: FaceTable) -> FaceTable:
        """Return the table with merged persons and without excluded ones.

        If two merged persons are in one frame, the row with the higher detection score stays.
        """
        person = table.person.copy()
        for key, target in self.merged.items():
            person[table.person == int(key)] = target
        changed = replace(table, person=person)
        is_kept = ~np.isin(person, self.excluded)
        if self.merged:
            # In this order, the rows of a person in a frame are adjacent, the best one first.
            order = np.lexsort((-table.detection_score, person, table.frame))
            is_repeated = (np.diff(table.frame[order]) == 0) & (np.diff(person[order]) == 0)
            is_kept[order[1:][is_repeated]] = False
            return changed.selected(order[is_kept[order]])
        return changed if is_kept.all() else changed.selected(is_kept)


def _checked_name(name: str, kind: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME_LENGTH:
        raise InputError(
            f"The name of a {kind} may have at most {MAX_NAME_LENGTH} characters; this name has "
            f"{len(name)}."
        )
    return name


class EditHistory:
    """The edits of an analysis on disk, with earlier versions for undo."""

    def __init__(self, folder: Path) -> None:
        """Read the edits.

        Args:
            folder: The folder of the analysis.

        Raises:
            InputError: ``edits.json`` is damaged.
        """
        self._path = folder / EDITS_FILE
        self._history = self._read()

    @property
    def current(self) -> Edits:
        """The latest edits."""
        return self._history[-1]

    @property
    def can_undo(self) -> bool:
        """True if there are earlier edits."""
        return len(self._history) > 1

    def add(self, edits: Edits) -> None:
        """Store new edits.

        Raises:
            InputError: The edits cannot be written.
        """
        self._write([*self._history, edits][-_MAX_HISTORY:])

    def undo(self) -> None:
        """Remove the latest edits; the earliest edits always stay.

        Raises:
            InputError: The edits cannot be written.
        """
        self._write(self._history[:-1] or self._history)

    def _write(self, history: list[Edits]) -> None:
        with os_errors_as_input_errors(f"The changes cannot be stored in {self._path}"):
            write_json(self._path, {"history": [asdict(edits) for edits in history]})
        self._history = history

    def _read(self) -> list[Edits]:
        with read_errors_as_input_errors(self._path, "correct or delete it"):
            try:
                values: Any = read_json(self._path)
            except FileNotFoundError:
                return [Edits()]
            return [from_dict(Edits, entry) for entry in values["history"]] or [Edits()]
