"""Collect the faces that a reader reads, in one growing block of memory."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet
from fer_core.dataset.persons import Person, person_from_path
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.problems import ProblemLog, printable_text
from fer_core.dataset.split_groups import create_grouped_splits
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

#: Maximum number of faces, which take 2.3 GB of memory. FER2013 has 35,887.
MAX_FACES = 1_000_000
#: Number of faces for which memory is allocated at the beginning.
_FIRST_CAPACITY = 4_096


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
        #: True if the split of at least one face is an official test set of FER2013. In this case,
        #: missing splits are not created.
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
            label: As ``ClassRegister.count_and_label`` returns it.
            split: Index into ``SPLITS``.
            name: The origin of the face, such as the path of its picture.
            person: The person in the image; None if the source does not name the person.

        Raises:
            InputError: There are more faces than the limit.
        """
        row = len(self._names)
        if row >= MAX_FACES:
            raise InputError(
                f"{self._label} contains more than {MAX_FACES:,} faces; provide fewer pictures."
            )
        if row == len(self._images):
            # The array is resized in place. For a block of this size, the system remaps the memory
            # instead of copying it, so that the faces are never in memory twice. NumPy does not
            # have to check for references (refcheck), because no other array uses this memory.
            capacity = max(_FIRST_CAPACITY, row + row // 4)
            self._images.resize((capacity, FACE_SIZE, FACE_SIZE), refcheck=False)
        self._images[row] = image
        self._labels.append(label)
        self._splits.append(split)
        self._names.append(printable_text(name))
        self._persons.append(person)

    def to_face_set(
        self,
        split_choice: SplitChoice,
        register: ClassRegister,
        problems: ProblemLog,
        report: ProgressReport | None = None,
    ) -> FaceSet:
        """Create missing splits, and return the faces in the order in which they were added.

        This method can be called only once, because the result takes over the memory of the images.

        If there are official splits of FER2013, no splits are created. When splits are created,
        copies of an image and images of one person stay in the same split, unless the dataset has
        too few groups of images for this (see ``create_grouped_splits``). The person of an image is
        the one that its path (the argument ``name`` of ``add``) names. If the path names no person,
        it is the argument ``person`` of ``add``.

        Args:
            split_choice: How missing splits are created.
            register: The register that assigned the labels.
            problems: The problems of the result. This method adds the classes that are left out.
            report: Called repeatedly while images are compared to find copies.

        Raises:
            InputError: As for ``ClassRegister.finish``.
        """
        found_classes = register.finish(problems)
        labels = found_classes.final_labels[np.array(self._labels, dtype=np.int8)]
        splits = np.array(self._splits, dtype=np.int8)
        self._images.resize((len(self._names), FACE_SIZE, FACE_SIZE), refcheck=False)
        groups = None
        notes: tuple[str, ...] = ()
        if self.has_official_splits:
            missing = [name for index, name in enumerate(SPLITS) if index not in splits]
            notes = tuple(
                f"There is no {name} split: the other splits are FER2013's official ones, so that "
                "no further split was created."
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
                classes=found_classes.classes,
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
            classes=found_classes.classes,
            source_classes=found_classes.source_classes,
            notes=notes,
        )
