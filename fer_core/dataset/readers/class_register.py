"""Assign labels to the class names of a source while it is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_core.classes import MAX_CLASSES, MIN_CLASSES, class_key, sorted_classes
from fer_core.dataset.class_mapping import ClassChoice, SourceClass, number_question
from fer_core.dataset.readers.problems import ProblemLog, printable_text, shortened
from fer_core.errors import InputError

#: Maximum number of class names that are counted separately. Beyond this number, the names of
#: classes that are left out are counted together. A source with so many names probably has a
#: damaged column, or does not contain classes.
MAX_NAMES = 1_000
OTHER_NAMES = "other names"
#: Maximum length of a name in lists, in characters; longer names are cut.
_MAX_NAME_LENGTH = 100


@dataclass(frozen=True)
class FoundClasses:
    """The classes of a source, after it was read.

    Attributes:
        classes: The class list of the dataset.
        final_labels: For each preliminary label that ``ClassRegister.count_and_label`` returned:
            the label in the dataset, which is an index into ``classes``. int8.
        source_classes: The classes of the source, in the order of ``sorted_classes``.
    """

    classes: tuple[str, ...]
    final_labels: NDArray[np.int8]
    source_classes: tuple[SourceClass, ...]


class ClassRegister:
    """Counts the classes of a source, and gives each class of the dataset a preliminary label.

    Args:
        choice: How the classes of the source are mapped to the classes of the dataset.
        source: The name of the source in messages.
        counts_only: True to count all classes, even those that the choice does not allow, and to
            give no labels.
    """

    def __init__(self, choice: ClassChoice, source: str, *, counts_only: bool = False) -> None:
        self.choice = choice
        self._source = source
        self._counts_only = counts_only
        #: The key of each name: names that differ only in case are one class.
        self._keys: dict[str, str] = {}
        #: By key: the name of a class, the number of its files or rows, and its preliminary label,
        #: which is None if the class is left out.
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._labels: dict[str, int | None] = {}
        #: The keys of classes that are numbers in a table.
        self._numbers: set[str] = set()
        #: The classes of the dataset, in the order of the preliminary labels.
        self._targets: list[str] = list(choice.fixed_classes or ())
        #: The preliminary label of each class of the dataset, by the key of the class.
        self._target_labels = {class_key(name): label for label, name in enumerate(self._targets)}

    def resolve_class_numbers(self, class_names: Iterable[str]) -> None:
        """Find the names of the class numbers, if the user gave an order of the classes.

        Call this method before the first call of ``count_and_label``.

        Args:
            class_names: All classes in the source: names, and numbers as text. The numbers show
                whether the order begins at 0 or at 1.

        Raises:
            InputError: See ``ClassChoice.with_numbers``.
        """
        self.choice = self.choice.with_numbers(class_names)

    def count_and_label(self, name: str, *, is_number: bool = False) -> int | None:
        """Count one file or row of a class, and return the label of the class.

        Args:
            name: The name of the class in the source.
            is_number: True if the class is a number in a table.

        Returns:
            A preliminary label, which ``FoundClasses.final_labels`` later maps to the final one;
            None if the class is left out.

        Raises:
            InputError: The class keeps its name and this name is invalid, or there are too many
                classes.
        """
        key = self._keys.get(name)
        if key is None:
            key = self._register(name, is_number=is_number)
        self._counts[key] += 1
        return self._labels[key]

    def _register(self, name: str, *, is_number: bool) -> str:
        """Return the key of a class name, and add the class if it is new."""
        key = class_key(name)
        if key not in self._names:
            label = self._new_label(name, is_number=is_number)
            if label is None and len(self._names) >= MAX_NAMES:
                name = key = OTHER_NAMES
            if is_number:
                self._numbers.add(key)
            if key not in self._names:
                self._names[key], self._counts[key], self._labels[key] = name, 0, label
        if len(self._keys) < 4 * MAX_NAMES:  # a damaged column may contain millions of names
            self._keys[name] = key
        return key

    def _new_label(self, name: str, *, is_number: bool) -> int | None:
        """Return the preliminary label of a new class; None if the class is left out."""
        if self._counts_only:
            return None
        target = self.choice.target(name, is_number=is_number)
        if target is None:
            return None
        key = class_key(target)
        if key not in self._target_labels:
            if len(self._targets) == MAX_CLASSES:
                names = ", ".join(sorted_classes(self._targets)[:5])
                raise InputError(
                    f"{self._source} contains more than {MAX_CLASSES} classes ({names}, …), and a "
                    f"dataset has {MIN_CLASSES} to {MAX_CLASSES}; combine or leave out some of "
                    "them (--map OLD=NEW, --map OLD=), or check that the folders are classes."
                )
            self._target_labels[key] = len(self._targets)
            self._targets.append(target)
        return self._target_labels[key]

    def check_class_numbers(self) -> None:
        """Raise an error if the user has to say which emotions the class numbers are.

        Raises:
            InputError: See ``number_question``.
        """
        question = number_question(self.source_classes, self.choice)
        if question is not None:
            raise InputError(f"{self._source}: {question[0].lower()}{question[1:]}")

    def finish(self, problems: ProblemLog) -> FoundClasses:
        """Return the classes, after the last call of ``count_and_label``.

        Args:
            problems: Collects the classes that are left out.

        Raises:
            InputError: There are fewer than two classes, a class that should be mapped or left out
                was not found, or the user has to say which emotions the class numbers are.
        """
        self.check_class_numbers()
        missing = [name for name, _ in self.choice.changes if class_key(name) not in self._names]
        if missing:
            raise InputError(
                f"{self._source} contains no class {missing[0]!r}, which should be mapped; its "
                f"classes are {', '.join(sorted_classes(self._names.values())) or 'none'}."
            )
        classes = self.choice.fixed_classes or sorted_classes(self._targets)
        if len(classes) < MIN_CLASSES:
            found = f"one class, {classes[0]!r}" if classes else "no class"
            raise InputError(
                f"{self._source} contains {found}, and a dataset has {MIN_CLASSES} to "
                f"{MAX_CLASSES} classes; provide a folder or a name in the table for each class."
            )
        self.report_left_out(problems)
        final_labels = [classes.index(target) for target in self._targets]
        return FoundClasses(classes, np.array(final_labels, dtype=np.int8), self.source_classes)

    @property
    def source_classes(self) -> tuple[SourceClass, ...]:
        """The classes of the source, in the order of ``sorted_classes``."""
        keys = {name: key for key, name in self._names.items()}
        return tuple(
            SourceClass(
                shortened(printable_text(name), _MAX_NAME_LENGTH),
                self._counts[keys[name]],
                self._target_of(keys[name]),
                is_number=keys[name] in self._numbers,
            )
            for name in sorted_classes(keys)
        )

    def report_left_out(self, problems: ProblemLog) -> None:
        """Add each class that is left out to the problems, with its number of files or rows."""
        for source_class in self.source_classes:
            if source_class.target is None:
                name = source_class.name
                problems.add_class(name, self._left_out_reason(name), source_class.count)

    def _target_of(self, key: str) -> str | None:
        label = self._labels[key]
        return None if label is None else self._targets[label]

    def _left_out_reason(self, name: str) -> str:
        """Return why a class is left out."""
        if self.choice.is_omitted(name):
            return "was left out as requested"
        count_word = "seven" if self.choice.scheme == "emotions" else "eight"
        number_name = self.choice.name_for_number(name)
        meaning = "" if number_name is None else f"({number_name}) "
        return f"{meaning}is not one of the {count_word} emotions"
