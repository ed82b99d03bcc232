"""The record of the splits that an import created: the groups that were kept together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fer_core.plain_records import read_plain_record

#: The kinds of groups that are kept in one split, the strictest first. The values are part of the
#: file format.
PERSONS, NEAR_DUPLICATES, EXACT_COPIES = "persons", "near-copies", "exact copies"


@dataclass(frozen=True)
class SplitGroups:
    """How the images were grouped for the splits that an import created.

    Attributes:
        created: The splits that the source lacked, of ``SPLITS``.
        kept_together: The images that stay in one split: *persons*, *near-copies*
            (near-duplicates), *exact copies*.
        groups: Number of groups; an image without copies and without a known person is one.
        grouped_images: Number of images in groups of two or more.
        largest_group: Number of images in the largest group.
        persons: Number of known persons.
        images_with_person: Number of images with a known person.
        person_sources: Where the persons come from: "file names of CK+", "column 'subject'".
        is_complete: False if so many images look alike that not all near-duplicates were verified.
        warnings: One sentence for each difference from the requested splits.
    """

    created: tuple[str, ...]
    kept_together: tuple[str, ...]
    groups: int
    grouped_images: int
    largest_group: int
    persons: int = 0
    images_with_person: int = 0
    person_sources: tuple[str, ...] = ()
    is_complete: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One sentence for users."""
        splits = " and ".join(self.created) or "no split"
        if not self.kept_together:
            return f"Created {splits} from single images."
        persons = "1 person" if self.persons == 1 else f"{self.persons:,} persons"
        kept = [
            f"images of one person ({persons}, from {' and '.join(self.person_sources)})"
            if kind == PERSONS
            else {NEAR_DUPLICATES: "near-duplicates"}.get(kind, kind)
            for kind in self.kept_together
        ]
        listed = kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"
        return (
            f"Created {splits} from {self.groups:,} groups of images: {listed} stay in one split."
        )

    def to_json(self) -> dict[str, Any]:
        """The record in ``dataset.json`` and in the documents of commands."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Any) -> SplitGroups:
        """Read a record; keys of later versions are ignored.

        Raises:
            ValueError: The content is not valid.
        """
        return read_plain_record(cls, values)
