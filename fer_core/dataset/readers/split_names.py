"""Recognize the split that a name states: the name of a folder or table, or a ``Usage`` value."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from fer_core.dataset.face_set import SPLITS


@lru_cache(maxsize=4096)
def split_from_name(name: str) -> tuple[int, bool] | None:
    """Return the split that a name states, and whether FER2013 has a test set of this name.

    The name is divided into parts at spaces, punctuation, digits and capital letters. One part that
    states a split is enough (``my-training``, ``val_afew``, ``test (1)``). Letter case and the
    order of the parts do not matter.

    Args:
        name: A name such as ``"Public Test"``, ``"training_set"`` or ``"valData"``.

    Returns:
        Index into ``SPLITS``, and True if the name is an official name of one of FER2013's two test
        sets. None if no part states a split, or if parts contradict each other (``train_val``,
        ``not_test``).
    """
    parts = _parts(name)
    official = _OFFICIAL.get(frozenset(part for part in parts if not _is_general(part)))
    if official is not None:
        return SPLITS.index(official), True
    splits = {split for part in parts for split in _splits_of_part(part)}
    if len(splits) != 1 or not _NEGATIONS.isdisjoint(parts):
        return None
    (split,) = splits
    return SPLITS.index(split), False


@lru_cache(maxsize=4096)
def is_evaluation_name(name: str) -> bool:
    """Return True if a name states a split only by words such as ``eval`` and ``dev``.

    ``split_from_name`` returns the validation split for such a name, but some datasets use it for
    test data.
    """
    kinds = {bool(_EVALUATION.fullmatch(part)) for part in _parts(name) if _splits_of_part(part)}
    return kinds == {True}


@lru_cache(maxsize=4096)
def is_plain_split_name(name: str) -> bool:
    """Return True if each word in a name states a split or is a general word: ``test_set (1)``."""
    return all(_splits_of_part(part) or _GENERAL.fullmatch(part) for part in _parts(name))


#: The splits of FER2013's two test sets, by the parts of their official names.
_OFFICIAL = {
    frozenset(parts): split
    for parts, split in (
        (("public", "test"), "validation"),
        (("publictest",), "validation"),
        (("private", "test"), "test"),
        (("privatetest",), "test"),
    )
}
_NEGATIONS = frozenset(("no", "not", "non", "without", "except", "un"))

_TRAIN = r"train(?:s|ing)?|trn"
_EVALUATION_WORD = r"dev(?:el|elopment)?|eval(?:uation|uate)?"
_VALIDATION = rf"val(?:s|id|ids|idation|idate|idating)?|{_EVALUATION_WORD}"
_TEST = r"test(?:s|ing)?|tst"
#: Words that say nothing about the split. "dataset" is missing, because "data" and "set" match it.
#: If it were in the list, a pattern that repeats the words could match "dataset" in two ways. For
#: "datasetdatasetdataset…", it would then take exponential time.
_GENERAL_WORDS = (
    r"(?:data|datas|sets?|images?|imgs?|pics?|pictures?|photos?|faces?|files?|samples?|"
    r"examples?|splits?|folders?|dirs?|copy|part|subset|partition)"
)
_GENERAL = re.compile(rf"{_GENERAL_WORDS}|dataset")
_EVALUATION = re.compile(rf"(?:{_EVALUATION_WORD}){_GENERAL_WORDS}*")
#: The words of each split, with general words before or after them: "trainset", "imagestest",
#: "mytrainingdata".
_SPLIT_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (split, re.compile(rf"(?:my|new|all|{_GENERAL_WORDS})*(?:{words}){_GENERAL_WORDS}*"))
    for split, words in (("train", _TRAIN), ("validation", _VALIDATION), ("test", _TEST))
)
#: Two or more splits in one word: "trainval".
_TWO_SPLITS = re.compile(rf"(?:{_TRAIN}|{_VALIDATION}|{_TEST}){{2,}}{_GENERAL_WORDS}*")


def _is_general(part: str) -> bool:
    return part == "fer" or _GENERAL.fullmatch(part) is not None


@lru_cache(maxsize=4096)
def _parts(name: str) -> frozenset[str]:
    """Return the parts of a name in lower case.

    A word that states no split is divided at its capital letters.
    """
    parts: set[str] = set()
    for word in re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", name)):
        folded = word.casefold()
        if _splits_of_part(folded):  # "TRAIN", "vAL", "trainset"
            parts.add(folded)
        else:  # "PublicTest", "AFEWVal"
            pieces = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z]+", word)
            parts |= {piece.casefold() for piece in pieces}
    return frozenset(parts)


@lru_cache(maxsize=4096)
def _splits_of_part(part: str) -> tuple[str, ...]:
    """Return the split that a part states.

    The result is empty if the part states no split. It contains all splits if the part states
    several splits, such as "trainval".
    """
    splits = tuple(split for split, pattern in _SPLIT_WORDS if pattern.fullmatch(part))
    if not splits and _TWO_SPLITS.fullmatch(part):
        return SPLITS
    return splits
