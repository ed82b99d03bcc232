"""Collects faces while reading, in one growing block of memory."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet
from fer_core.dataset.persons import Person, person_from_path
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.problems import ProblemLog, as_text
from fer_core.dataset.split_groups import create_grouped_splits
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

#: Maximum number of faces. No public dataset has more, and they take 2.3 GB of memory.
MAX_FACES = 1_000_000
_FIRST_BLOCK = 4_096


class FaceRows:
    """Collects the rows of a ``FaceSet``.

    Args:
        label: The name of the source in messages.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._images = np.empty((0, FACE_SIZE, FACE_SIZE), dtype=np.uint8)
        self._labels = array("b")
        self._splits = array("b")
        self._names: list[str] = []
        self._persons: list[Person | None] = []
        #: Whether splits come from FER2013's official names; then missing splits are not created.
        self.has_official_splits = False

    def __len__(self) -> int:
        return len(self._names)

    def add(
        self,
        image: NDArray[np.uint8],
        label: int,
        split: int,
        name: str,
        person: Person | None = None,
    ) -> None:
        """Append one face.

        Args:
            image: uint8 ``[48, 48]``.
            label: As ``ClassRegister.label`` returns it.
            split: Index into ``SPLITS``.
            name: Its origin.
            person: The person in it, if the source names one.

        Raises:
            InputError: There are more faces than the limit.
        """
        row = len(self._names)
        if row >= MAX_FACES:
            raise InputError(
                f"{self._label} contains more than {MAX_FACES:,} faces; provide fewer pictures."
            )
        if row == len(self._images):
            # The array is resized in place: the system remaps a block of this size instead of
            # copying it, so that its memory is never needed twice. No other array shares it.
            capacity = max(_FIRST_BLOCK, row + row // 4)
            self._images.resize((capacity, FACE_SIZE, FACE_SIZE), refcheck=False)
        self._images[row] = image
        self._labels.append(label)
        self._splits.append(split)
        self._names.append(as_text(name))
        self._persons.append(person)

    def to_face_set(
        self,
        split_choice: SplitChoice,
        register: ClassRegister,
        problems: ProblemLog,
        report: ProgressReport | None = None,
    ) -> FaceSet:
        """Return the rows in their order, with missing splits created; call it only once.

        Official splits of FER2013 are kept, and missing ones stay missing. In splits that are
        created, copies and images of one person stay together. The person is the one that the file
        name reveals, or the one given with the image.

        Args:
            split_choice: How missing splits are created.
            register: The register that assigned the labels.
            problems: What was skipped.
            report: Called with the progress of the comparison of the images.

        Raises:
            InputError: The source has too few classes.
        """
        found = register.finish(problems)
        labels = found.positions[np.array(self._labels, dtype=np.int8)]
        splits = np.array(self._splits, dtype=np.int8)
        self._images.resize((len(self._names), FACE_SIZE, FACE_SIZE), refcheck=False)
        groups = None
        notes: tuple[str, ...] = ()
        if self.has_official_splits:
            missing = [name for index, name in enumerate(SPLITS) if index not in splits]
            notes = tuple(
                f"There is no {name} split: the others are FER2013's official ones, so that no "
                "further split was created."
                for name in missing
            )
        else:
            persons = [
                person_from_path(name) or person
                for name, person in zip(self._names, self._persons, strict=True)
            ]
            splits, groups = create_grouped_splits(
                self._images,
                labels,
                splits,
                persons=persons,
                classes=found.classes,
                choice=split_choice,
                report=report,
            )
        return FaceSet(
            self._images,
            labels,
            splits,
            tuple(self._names),
            problems.listed(),
            skipped_files=problems.skipped_files(),
            split_groups=groups,
            classes=found.classes,
            source_classes=found.source_classes,
            notes=notes,
        )
