"""The record of the splits that an import created, and of the images that it kept together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fer_core.plain_records import read_plain_record

#: The kinds of images that are kept in one split. The values are part of the file format.
PERSONS, NEAR_DUPLICATES, EXACT_COPIES = "persons", "near-copies", "exact copies"


@dataclass(frozen=True)
class SplitGroups:
    """How the images were grouped for the splits that an import created.

    Attributes:
        created: The names of the splits that the import created.
        kept_together: The kinds of images that stay in one split: *persons* (images of one person),
            *near-copies* (near-duplicates), *exact copies*; empty if images were not grouped.
        groups: Number of groups. An image that was not grouped with another one counts as a group.
        grouped_images: Number of images in groups of two or more.
        largest_group: Number of images in the largest group.
        persons: Number of known persons.
        images_with_person: Number of images with a known person.
        person_sources: Where the persons come from: "file names of CK+", "column 'subject'".
        is_complete: False if so many images look alike that not all pairs were compared, so that
            near-duplicates may be in different splits.
        warnings: One sentence for each way in which the splits differ from the requested splits.
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
        """The created splits and the grouping, in one sentence for users."""
        splits_text = " and ".join(self.created) or "no split"
        if not self.kept_together:
            return f"Created {splits_text}; each image was assigned independently."
        persons_text = "1 person" if self.persons == 1 else f"{self.persons:,} persons"
        kinds = [
            f"images of one person ({persons_text}, from {' and '.join(self.person_sources)})"
            if kind == PERSONS
            else {NEAR_DUPLICATES: "near-duplicates"}.get(kind, kind)
            for kind in self.kept_together
        ]
        kinds_text = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
        return (
            f"Created {splits_text} from {self.groups:,} groups of images: {kinds_text} stay in "
            "one split."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the record for ``dataset.json`` and for the JSON output of commands."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Any) -> SplitGroups:
        """Read a record. Keys that only later versions know are ignored.

        Raises:
            ValueError: The content is not valid.
        """
        return read_plain_record(cls, values)
