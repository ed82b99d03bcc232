"""The errors that the demo set contains on purpose, so that audits can be tested."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Copy:
    """A row whose image is a copy of the image in another row.

    Attributes:
        row: The row number of the copy.
        source: The row number of the image that was copied, always in the training split.
    """

    row: int
    source: int


@dataclass(frozen=True)
class WrongLabel:
    """A row whose label differs from the emotion that was drawn.

    Attributes:
        row: The row number.
        given: The label in the data, an index into ``EMOTIONS``.
        true: The emotion that was drawn, an index into ``EMOTIONS``.
    """

    row: int
    given: int
    true: int


@dataclass(frozen=True)
class InjectedErrors:
    """All injected errors of the demo set.

    The source of every copy is a face without an injected error.

    Attributes:
        duplicates: Exact copies within train.
        conflicts: Exact copies within train whose label differs from that of their source. They are
            also in ``wrong_labels``.
        leaks: Images of validation and test that are exact copies of training images.
        near_duplicates: Copies that are a little brighter or darker and shifted by up to one
            pixel; in all splits.
        wrong_labels: All faces whose label is not the emotion that was drawn.
        blanks: Row numbers of images with a single pixel intensity.
        non_faces: Row numbers of pictures that show no face; their labels have no meaning.
    """

    duplicates: tuple[Copy, ...]
    conflicts: tuple[Copy, ...]
    leaks: tuple[Copy, ...]
    near_duplicates: tuple[Copy, ...]
    wrong_labels: tuple[WrongLabel, ...]
    blanks: tuple[int, ...]
    non_faces: tuple[int, ...]

    def counts(self) -> dict[str, int]:
        """Return the number of rows per kind of error."""
        return {name: len(rows) for name, rows in vars(self).items()}

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary that can be written as JSON, and that ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> InjectedErrors:
        """Read a dictionary that ``to_json`` returned.

        Raises:
            KeyError: A kind of error is missing.
            TypeError: An entry has missing or unknown fields.
        """

        def copies(name: str) -> tuple[Copy, ...]:
            return tuple(Copy(**entry) for entry in document[name])

        return cls(
            duplicates=copies("duplicates"),
            conflicts=copies("conflicts"),
            leaks=copies("leaks"),
            near_duplicates=copies("near_duplicates"),
            wrong_labels=tuple(WrongLabel(**entry) for entry in document["wrong_labels"]),
            blanks=tuple(document["blanks"]),
            non_faces=tuple(document["non_faces"]),
        )
