"""Map the classes of a source to those of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from fer_core.classes import MAX_CLASSES, MIN_CLASSES, class_key, class_name
from fer_core.dataset.class_numbers import CLASS_ORDERS, ClassOrder, class_number
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.emotions import EMOTIONS, EMOTIONS8, emotion_from_name
from fer_core.errors import InputError

#: ``emotions`` and ``emotions8`` map names and synonyms to the seven or the eight emotions;
#: ``folders`` keeps the class names of the source (its folders, or the labels in its table).
ClassScheme = Literal["emotions", "emotions8", "folders"]
CLASS_SCHEMES: tuple[ClassScheme, ...] = get_args(ClassScheme)


@dataclass(frozen=True)
class ClassChoice:
    """How the classes of a source are mapped to those of a dataset.

    The choice is made at import and stored with the dataset.

    Attributes:
        scheme: ``emotions`` and ``emotions8`` map names and synonyms to the seven or eight
            emotions and leave out all other classes; ``folders`` keeps the names of the source.
        changes: Exceptions from the scheme: pairs of a class of the source and the class of the
            dataset that it becomes. The second item is None if the class is left out.
        order: If the classes of the source are numbers, the names that these numbers stand for;
            None if the names are not known.
        number_names: Pairs of a class number of the source and the name that it stands for. Empty
            until ``with_numbers`` looks up the names in ``order``.

    Raises:
        InputError: ``scheme`` does not exist, or ``changes`` map a class twice or to a name that
            is not valid in this scheme.
    """

    scheme: ClassScheme = "emotions"
    changes: tuple[tuple[str, str | None], ...] = ()
    order: ClassOrder | None = None
    number_names: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        if self.scheme not in CLASS_SCHEMES:
            raise InputError(
                f"The class scheme should be one of {', '.join(CLASS_SCHEMES)}. Received: "
                f"{self.scheme!r}."
            )
        _ = self._changed_targets  # raises an error for invalid changes

    @cached_property
    def _changed_targets(self) -> dict[str, str | None]:
        """The new names in ``changes``, by the ``class_key`` of the class of the source."""
        targets: dict[str, str | None] = {}
        for name, new_name in self.changes:
            if class_key(name) in targets:
                raise InputError(f"The class {name!r} is mapped twice; map it once.")
            targets[class_key(name)] = (
                None if new_name is None else self._validated_target(name, new_name)
            )
        return targets

    def _validated_target(self, name: str, new_name: str) -> str:
        """Return the new name of a class in the spelling of the dataset.

        Raises:
            InputError: The scheme has no class with the new name, or the new name is invalid.
        """
        if self.fixed_classes is not None:
            emotion = emotion_from_name(new_name, self.fixed_classes)
            if emotion is None:
                larger_scheme = "" if self.scheme == "emotions8" else "emotions8 or "
                raise InputError(
                    f"The class {name!r} cannot become {new_name!r}, which is not one of "
                    f"{', '.join(self.fixed_classes)}; choose one of them, or import with "
                    f"--classes {larger_scheme}folders."
                )
            return emotion
        try:
            return class_name(new_name)
        except ValueError as error:
            raise InputError(f"The class {name!r} cannot be renamed: {error}.") from error

    @property
    def fixed_classes(self) -> tuple[str, ...] | None:
        """The classes of the dataset; None if they depend on the source."""
        if self.scheme == "folders":
            return None
        return EMOTIONS if self.scheme == "emotions" else EMOTIONS8

    def target(self, name: str, *, is_number: bool = False) -> str | None:
        """Return the class of the dataset that a class of the source becomes; None to leave it out.

        Args:
            name: The name of the class in the source.
            is_number: True if the name is a number in a table. If ``number_names`` does not contain
                this number, it is looked up in FER2013's order of the seven emotions, 0 to 6.

        Raises:
            InputError: The class keeps its name, and this name is invalid.
        """
        key = class_key(name)
        if key in self._changed_targets:
            return self._changed_targets[key]
        number = class_number(name)
        if number is not None and number in self._names_by_number:
            name, is_number = self._names_by_number[number], False
        if self.fixed_classes is None:
            try:
                return class_name(name)
            except ValueError as error:
                raise InputError(
                    f"The classes cannot keep their names: {error}; rename this class or leave it "
                    "out (--map NAME=OTHER or --map NAME=)."
                ) from error
        if is_number:
            position = int(name)
            return EMOTIONS[position] if 0 <= position < len(EMOTIONS) else None
        return emotion_of_folder(name, self.fixed_classes)

    @cached_property
    def _names_by_number(self) -> dict[int, str]:
        return dict(self.number_names)

    def with_numbers(self, names: Iterable[str]) -> ClassChoice:
        """Return this choice with the names that ``order`` gives to the class numbers of a source.

        If ``order`` is None, the choice is returned unchanged.

        Args:
            names: The names of the classes of the source.

        Raises:
            InputError: It is not clear whether the numbers begin at 0 or at 1.
        """
        if self.order is None:
            return self
        numbers = {
            number
            for name in names
            if (number := class_number(name)) is not None
            and class_key(name) not in self._changed_targets
        }
        return replace(self, number_names=tuple(sorted(self.order.names_of(numbers).items())))

    def name_for_number(self, name: str) -> str | None:
        """Return the name that a class number of the source stands for; None for other classes."""
        number = class_number(name)
        return None if number is None else self._names_by_number.get(number)

    def is_omitted(self, name: str) -> bool:
        """Return True if ``changes`` leave a class of the source out."""
        key = class_key(name)
        return key in self._changed_targets and self._changed_targets[key] is None

    @property
    def changed_keys(self) -> set[str]:
        """The ``class_key`` of each class of the source in ``changes``."""
        return set(self._changed_targets)


def choice_for_model(classes: Iterable[str]) -> ClassChoice:
    """Return how to map the classes of a source so that a model can be applied to it.

    Args:
        classes: The classes of the model.

    Returns:
        The scheme of the seven or the eight emotions if all classes of the model are emotions. For
        other models, the scheme that keeps the names of the source. These names are later matched
        with the classes of the model.
    """
    names = tuple(classes)
    schemes: tuple[tuple[ClassScheme, tuple[str, ...]], ...] = (
        ("emotions", EMOTIONS),
        ("emotions8", EMOTIONS8),
    )
    for scheme, emotions in schemes:
        if all(emotion_from_name(name, emotions) is not None for name in names):
            return ClassChoice(scheme)
    return ClassChoice("folders")


def parse_class_changes(texts: Iterable[str]) -> tuple[tuple[str, str | None], ...]:
    """Parse the texts of ``--map`` into ``ClassChoice.changes``.

    ``OLD=NEW`` renames a class or combines classes, ``OLD=`` leaves a class out.

    Raises:
        InputError: A text has no ``=``, or no name before it.
    """
    changes: list[tuple[str, str | None]] = []
    for text in texts:
        # Split at the last "=", because names of folders may contain this character.
        name, separator, new_name = text.rpartition("=")
        if not separator or not name.strip():
            raise InputError(
                f"--map expects OLD=NEW, or OLD= to leave a class out. Received: {text!r}."
            )
        changes.append((name.strip(), new_name.strip() or None))
    return tuple(changes)


@dataclass(frozen=True)
class SourceClass:
    """A class of a source, as an import found it.

    Attributes:
        name: The name of the class in the source.
        count: Number of files or rows of this class, including those that cannot be used.
        target: The class of the dataset that this class became; None if it was left out.
        is_number: True if the name is a number in a table.
    """

    name: str
    count: int
    target: str | None
    is_number: bool = False


def with_targets(
    source_classes: Iterable[SourceClass], choice: ClassChoice
) -> tuple[SourceClass, ...]:
    """Return the classes of a source with the targets that a choice gives them.

    The target is None for a class that would keep its name, but whose name is invalid.
    """
    result = []
    source_classes = tuple(source_classes)
    # If it is not clear whether the class numbers begin at 0 or at 1, they get no names.
    with suppress(InputError):
        choice = choice.with_numbers(source_class.name for source_class in source_classes)
    for source_class in source_classes:
        try:
            target = choice.target(source_class.name, is_number=source_class.is_number)
        except InputError:
            target = None
        result.append(replace(source_class, target=target))
    return tuple(result)


def choice_problem(source_classes: Sequence[SourceClass], choice: ClassChoice) -> str | None:
    """Return a sentence that says why a source cannot be imported with a choice.

    Args:
        source_classes: The classes of the source, at least one.
        choice: How these classes are mapped to those of the dataset.

    Returns:
        The sentence; None if the source can be imported.
    """
    try:
        choice = choice.with_numbers(source_class.name for source_class in source_classes)
        question = number_question(source_classes, choice)
        if question is not None:
            return question
        targets = [
            choice.target(source_class.name, is_number=source_class.is_number)
            for source_class in source_classes
        ]
    except InputError as error:
        return str(error)
    keys = {class_key(source_class.name) for source_class in source_classes}
    missing = [name for name, _ in choice.changes if class_key(name) not in keys]
    if missing:
        return f"The class {missing[0]!r} cannot be mapped, because the source does not contain it."
    classes = {class_key(target) for target in targets if target is not None}
    if choice.fixed_classes is None and not MIN_CLASSES <= len(classes) <= MAX_CLASSES:
        return (
            f"A dataset has {MIN_CLASSES} to {MAX_CLASSES} classes, but this choice results in "
            f"{len(classes)}; combine or leave out some classes, or provide more."
        )
    if not classes:
        return (
            "None of these classes is known as an emotion; choose an emotion for each, or keep the "
            "names of the source."
        )
    return None


#: In a table with the classes 0 to 7, class 7 is the eighth emotion if at least this share of the
#: rows has class 7. If the share is smaller, the rows with class 7 are errors in the table.
_MIN_SHARE_OF_CLASS_7 = 0.01


def number_question(source_classes: Sequence[SourceClass], choice: ClassChoice) -> str | None:
    """Return a sentence that asks which emotions the class numbers stand for.

    Args:
        source_classes: The classes of the source.
        choice: How these classes are mapped to those of the dataset, after ``with_numbers``.

    Returns:
        The sentence; None if the meaning of every class number is known, or if the dataset may use
        the numbers as the names of its classes.
    """
    unknown_names = unknown_numbers(source_classes, choice)
    if not unknown_names:
        return None
    numbers_text = ", ".join(unknown_names[:12])
    if choice.order is not None:
        changes = " ".join(f"--map {name}=CLASS" for name in unknown_names[:3])
        return (
            f"The class {'number' if len(unknown_names) == 1 else 'numbers'} {numbers_text} "
            f"{'is' if len(unknown_names) == 1 else 'are'} not in {choice.order.title}; add "
            f"{changes} (--map {unknown_names[0]}= leaves the class {unknown_names[0]} out)."
        )
    return (
        f"The classes are numbers ({numbers_text}), and each dataset numbers the emotions in its "
        f"own order; add --class-order ORDER ({', '.join(CLASS_ORDERS)}, or the names in order: "
        f"angry,disgust,…), name each number with --map {unknown_names[0]}=CLASS, or keep the "
        "numbers with --classes folders."
    )


def unknown_numbers(source_classes: Sequence[SourceClass], choice: ClassChoice) -> list[str]:
    """Return the names of numbered classes whose emotions are not known.

    The numbers 0 to 6 in a table are known, because most tables use FER2013's order. The numbers
    1 to 7 are unknown. The numbers 0 to 7 are known only if class 7 is so rare that it is an error.
    """
    if choice.fixed_classes is None:
        return []
    numbered = [
        source_class
        for source_class in source_classes
        if class_number(source_class.name) is not None
        and class_key(source_class.name) not in choice.changed_keys
        and choice.name_for_number(source_class.name) is None
    ]
    if len(numbered) > MAX_CLASSES:
        return []  # so many numbers are not class numbers
    if choice.order is None and all(source_class.is_number for source_class in numbered):
        counts = {int(source_class.name): source_class.count for source_class in numbered}
        has_0_to_7 = counts.keys() >= set(range(8))
        is_7_rare = counts.get(7, 0) < _MIN_SHARE_OF_CLASS_7 * sum(counts.values())
        # Class 7 without class 0 means that the numbers begin at 1. All classes 0 to 7,
        # with a class 7 that is not rare, mean that there are eight emotions. The order of the
        # emotions in such tables is unknown. In other tables with a class 7, this class is an
        # error, and the order is FER2013's.
        if 7 not in counts or (0 in counts and (not has_0_to_7 or is_7_rare)):
            return []
    return [source_class.name for source_class in numbered]


def merged_classes(source_classes: Iterable[SourceClass]) -> dict[str, list[str]]:
    """Return which classes of the source were combined, by the resulting class of the dataset.

    A class of the dataset that comes from a single class of the source is left out.
    """
    by_target: dict[str, list[str]] = {}
    for source_class in source_classes:
        if source_class.target is not None:
            by_target.setdefault(source_class.target, []).append(source_class.name)
    return {target: names for target, names in by_target.items() if len(names) > 1}
