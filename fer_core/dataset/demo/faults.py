"""The record of what is wrong with the demo set on purpose, so that findings can be checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError, first_line
from fer_core.files import read_json, write_json

#: The record's file in the demo set's folder.
PLANTED_FILE = "planted.json"


@dataclass(frozen=True)
class Copy:
    """A row that shows what another one shows.

    Attributes:
        row: The copy.
        source: The row that it was copied from, always of the training split.
    """

    row: int
    source: int


@dataclass(frozen=True)
class WrongLabel:
    """A row whose label is not what was drawn.

    Attributes:
        row: Which.
        given: The label in the data, an index into ``EMOTIONS``.
        true: The emotion that was drawn, likewise.
    """

    row: int
    given: int
    true: int


@dataclass(frozen=True)
class PlantedFaults:
    """Everything that is wrong with the demo set, by row.

    Exact and near copies are of correctly labelled faces that no other fault touches.

    Attributes:
        duplicates: Exact copies within train.
        conflicts: Exact copies within train whose label is another; these also stand in
            ``wrong_labels``.
        leaks: Images of validation and test that are exact copies of training images.
        near_duplicates: Copies a little brighter or darker, and moved by a pixel; in all splits.
        wrong_labels: Faces labelled as another emotion, all of them.
        blanks: Images of one grey.
        non_faces: Pictures of something else; their labels mean nothing.
    """

    duplicates: tuple[Copy, ...]
    conflicts: tuple[Copy, ...]
    leaks: tuple[Copy, ...]
    near_duplicates: tuple[Copy, ...]
    wrong_labels: tuple[WrongLabel, ...]
    blanks: tuple[int, ...]
    non_faces: tuple[int, ...]

    def counts(self) -> dict[str, int]:
        """How many rows each kind of fault has."""
        return {name: len(rows) for name, rows in vars(self).items()}

    def to_json(self) -> dict[str, Any]:
        """The document that ``read_planted_faults`` reads back."""
        return {"emotions": list(EMOTIONS), "counts": self.counts()} | asdict(self)


def write_planted_faults(folder: Path, planted: PlantedFaults) -> None:
    """Keep the record in the demo set's folder."""
    write_json(folder / PLANTED_FILE, planted.to_json())


def read_planted_faults(folder: Path) -> PlantedFaults:
    """Read the record from the demo set's folder.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        document = read_json(folder / PLANTED_FILE)

        def copies(name: str) -> tuple[Copy, ...]:
            return tuple(Copy(**entry) for entry in document[name])

        return PlantedFaults(
            duplicates=copies("duplicates"),
            conflicts=copies("conflicts"),
            leaks=copies("leaks"),
            near_duplicates=copies("near_duplicates"),
            wrong_labels=tuple(WrongLabel(**entry) for entry in document["wrong_labels"]),
            blanks=tuple(document["blanks"]),
            non_faces=tuple(document["non_faces"]),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"The demo set's record of planted faults in {folder} is damaged "
            f"({first_line(error)}); delete the folder, and the set is drawn again."
        ) from error
