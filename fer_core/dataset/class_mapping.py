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
#: ``folders`` keeps the names of the source's folders or table.
ClassScheme = Literal["emotions", "emotions8", "folders"]
CLASS_SCHEMES: tuple[ClassScheme, ...] = get_args(ClassScheme)


@dataclass(frozen=True)
class ClassChoice:
    """How the classes of a source are mapped to those of a dataset; chosen at import and recorded.

    Attributes:
        scheme: ``emotions`` and ``emotions8`` map names and synonyms to the seven or eight
            emotions and leave out all other classes; ``folders`` keeps the names of the source.
        changes: Pairs of a class of the source and the class that it becomes instead; None to leave
            the class out.
        order: The names of classes that have a number instead of a name; None if they are not
            known.
        number_names: The name of each number by ``order``, once the numbers of the source are
            known: see ``with_numbers``.

    Raises:
        InputError: A class becomes a name that the scheme does not have, or that is invalid.
    """

    scheme: ClassScheme = "emotions"
    changes: tuple[tuple[str, str | None], ...] = ()
    order: ClassOrder | None = None
    number_names: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        if self.scheme not in CLASS_SCHEMES:
            raise InputError(
                f"The classes should be one of {', '.join(CLASS_SCHEMES)}. Received: "
                f"{self.scheme!r}."
            )
        _ = self._targets  # checks the changes

    @cached_property
    def _targets(self) -> dict[str, str | None]:
        targets: dict[str, str | None] = {}
        for name, new_name in self.changes:
            if class_key(name) in targets:
                raise InputError(f"The class {name!r} is mapped twice; map it once.")
            targets[class_key(name)] = None if new_name is None else self._checked(name, new_name)
        return targets

    def _checked(self, name: str, new_name: str) -> str:
        if self.fixed_classes is not None:
            emotion = emotion_from_name(new_name, self.fixed_classes)
            if emotion is None:
                more = "" if self.scheme == "emotions8" else "emotions8 or "
                raise InputError(
                    f"The class {name!r} cannot become {new_name!r}, which is not one of "
                    f"{', '.join(self.fixed_classes)}; choose one of them, or import with "
                    f"--classes {more}folders."
                )
            return emotion
        try:
            return class_name(new_name)
        except ValueError as error:
            raise InputError(f"The class {name!r} cannot be renamed: {error}.") from error

    @property
    def fixed_classes(self) -> tuple[str, ...] | None:
        """The classes of the dataset, if they do not depend on the source."""
        if self.scheme == "folders":
            return None
        return EMOTIONS if self.scheme == "emotions" else EMOTIONS8

    def target(self, name: str, *, is_number: bool = False) -> str | None:
        """Return what a class of the source becomes; None to leave it out.

        Args:
            name: Its name.
            is_number: True for a number in a table, where 0 to 6 are FER2013's numbers of the
                seven emotions unless another order is given.

        Raises:
            InputError: The class keeps its name, and this name is invalid.
        """
        key = class_key(name)
        if key in self._targets:
            return self._targets[key]
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
        """Return the choice with the name of each class number.

        Args:
            names: The classes of the source.

        Raises:
            InputError: The order could begin at 0 or at 1.
        """
        if self.order is None:
            return self
        numbers = {
            number
            for name in names
            if (number := class_number(name)) is not None and class_key(name) not in self._targets
        }
        return replace(self, number_names=tuple(sorted(self.order.names_of(numbers).items())))

    def named_number(self, name: str) -> str | None:
        """Return the name that the order gives a class number; None for other classes."""
        number = class_number(name)
        return None if number is None else self._names_by_number.get(number)

    def is_omitted(self, name: str) -> bool:
        """Return True if a class is left out on request."""
        return self._targets.get(class_key(name), "") is None

    @property
    def changed_keys(self) -> set[str]:
        """The keys of the classes in ``changes``."""
        return set(self._targets)


def choice_for_model(classes: Iterable[str]) -> ClassChoice:
    """Return how the classes of data are mapped if they are read for a model.

    Args:
        classes: The classes of the model.

    Returns:
        The seven or the eight emotions for a model of emotions. For all other models the names of
        the source, which are then matched with those of the model.
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
    """Parse ``--map``: ``OLD=NEW`` to rename or combine classes, ``OLD=`` to leave one out.

    Raises:
        InputError: A text has no ``=``, or nothing before it.
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
        name: Its name in the source.
        count: Number of files or rows of this class, including those that cannot be used.
        target: The class of the dataset that it became; None if it was left out.
        is_number: True for a number in a table.
    """

    name: str
    count: int
    target: str | None
    is_number: bool = False


def with_targets(found: Iterable[SourceClass], choice: ClassChoice) -> tuple[SourceClass, ...]:
    """Return classes of a source with the targets of a choice; None for invalid names."""
    result = []
    found = tuple(found)
    with suppress(InputError):
        choice = choice.with_numbers(source_class.name for source_class in found)
    for source_class in found:
        try:
            target = choice.target(source_class.name, is_number=source_class.is_number)
        except InputError:
            target = None
        result.append(replace(source_class, target=target))
    return tuple(result)


def choice_problem(found: Sequence[SourceClass], choice: ClassChoice) -> str | None:
    """Return why a source cannot be imported with a choice, in one sentence; None if it can be.

    Args:
        found: The classes of the source, at least one.
        choice: How they become those of the dataset.
    """
    try:
        choice = choice.with_numbers(source_class.name for source_class in found)
        question = number_question(found, choice)
        if question is not None:
            return question
        targets = [
            choice.target(source_class.name, is_number=source_class.is_number)
            for source_class in found
        ]
    except InputError as error:
        return str(error)
    names = {class_key(source_class.name) for source_class in found}
    missing = [name for name, _ in choice.changes if class_key(name) not in names]
    if missing:
        return f"There is no class {missing[0]!r}, which should be mapped."
    classes = {class_key(target) for target in targets if target is not None}
    if choice.fixed_classes is None and not MIN_CLASSES <= len(classes) <= MAX_CLASSES:
        return (
            f"A dataset has {MIN_CLASSES} to {MAX_CLASSES} classes, and these are {len(classes)}; "
            "combine or leave out some of them, or provide more."
        )
    if not classes:
        return (
            "None of these classes is known as an emotion; choose what each becomes, or keep the "
            "names of the source."
        )
    return None


#: In a table with the classes 0 to 7, class 7 is the eighth emotion if at least this share of the
#: rows has it. If fewer rows have it, they are errors.
_MIN_SHARE = 0.01


def number_question(found: Sequence[SourceClass], choice: ClassChoice) -> str | None:
    """Return a sentence that asks which emotions the class numbers stand for.

    Args:
        found: The classes of the source.
        choice: How they become those of the dataset, with the numbers of its order.

    Returns:
        None if there are no class numbers, or if all of them are known or may stay numbers.
    """
    unknown_names = unknown_numbers(found, choice)
    if not unknown_names:
        return None
    shown = ", ".join(unknown_names[:12])
    if choice.order is not None:
        changes = " ".join(f"--map {name}=CLASS" for name in unknown_names[:3])
        return (
            f"The class {'number' if len(unknown_names) == 1 else 'numbers'} {shown} "
            f"{'is' if len(unknown_names) == 1 else 'are'} not in {choice.order.title}; add "
            f"{changes} (--map {unknown_names[0]}= leaves one out)."
        )
    return (
        f"The classes are numbers ({shown}), which datasets order differently; import it "
        f"with --class-order ORDER ({', '.join(CLASS_ORDERS)}, or the names in order: "
        f"angry,disgust,…), name each number with --map {unknown_names[0]}=CLASS, or keep the "
        "numbers with --classes folders."
    )


def unknown_numbers(found: Sequence[SourceClass], choice: ClassChoice) -> list[str]:
    """Return the class numbers whose emotions are not known.

    FER2013's order applies to 0 to 6 in a table, where it is the common order, but not to 1 to 7.
    """
    if choice.fixed_classes is None:
        return []
    numbered = [
        source_class
        for source_class in found
        if class_number(source_class.name) is not None
        and class_key(source_class.name) not in choice.changed_keys
        and choice.named_number(source_class.name) is None
    ]
    if len(numbered) > MAX_CLASSES:
        return []  # numbers of something else
    if choice.order is None and all(source_class.is_number for source_class in numbered):
        counts = {int(source_class.name): source_class.count for source_class in numbered}
        is_complete = counts.keys() >= set(range(8))
        is_rare = counts.get(7, 0) < _MIN_SHARE * sum(counts.values())
        if 7 not in counts or (0 in counts and (not is_complete or is_rare)):
            return []
    return [source_class.name for source_class in numbered]


def merged_classes(found: Iterable[SourceClass]) -> dict[str, list[str]]:
    """Return the names of combined classes of the source, by their class of the dataset.

    Classes of the dataset that come from a single class of the source are left out.
    """
    by_target: dict[str, list[str]] = {}
    for source_class in found:
        if source_class.target is not None:
            by_target.setdefault(source_class.target, []).append(source_class.name)
    return {target: names for target, names in by_target.items() if len(names) > 1}
