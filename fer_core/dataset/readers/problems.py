"""Collect the files and rows that a reader skips: count all of them, and list some of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from fer_core.dataset.face_set import Problem, SkippedFiles
from fer_core.errors import system_reason

#: Maximum number of problems of each kind that are listed by name. All others are only counted.
MAX_LISTED = 1_000
#: Maximum number of kinds of problems; all others are combined into one kind. A limit is necessary,
#: because some reasons contain data, such as the name of a class.
MAX_KINDS = 50
#: Maximum number of combinations of class, suffix and reason that are counted separately. All other
#: combinations are counted together.
_MAX_GROUPS = 1_000
_OTHER_KIND = "cannot be used for other reasons"
#: Maximum length of a suffix and of the name of a file or row, in characters; longer ones are cut.
_MAX_SUFFIX = 10
_MAX_NAME = 300


@dataclass(frozen=True)
class SkipReason:
    """Why a file or row is skipped.

    Attributes:
        reason: The end of a sentence that begins with the name of the file or row:
            "has 2303 pixel values instead of 2304".
        kind: The reason without details, by which problems are counted; by default ``reason``.
    """

    reason: str
    kind: str = ""


class ProblemLog:
    """Collects any number of problems in limited memory."""

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._counts: dict[str, int] = {}
        self._left_out: list[Problem] = []
        self._groups: Counter[tuple[str, str, str]] = Counter()

    def add_class(self, name: str, reason: str, count: int) -> None:
        """Add a class that is left out as a whole, with the number of its files or rows."""
        self._left_out.append(Problem(f"class {name!r}", reason, count))

    def add_folder(self, name: str, reason: str, count: int) -> None:
        """Add a folder that is left out as a whole, with the number of its pictures."""
        self._left_out.append(
            Problem(f"folder {shortened(printable_text(name), 100)!r}", reason, count)
        )

    def add(self, name: str, skip: SkipReason, class_name: str | None = None) -> None:
        """Add a skipped file or row.

        Args:
            name: The path of the file, or the table and the number of the row.
            skip: Why the file or row is skipped.
            class_name: The class of a skipped file, which ``skipped_files`` then counts; an empty
                string if the class is unknown. With None, as for rows, ``skipped_files`` does not
                count it.
        """
        kind = skip.kind or skip.reason
        if class_name is not None:
            group = printable_text(class_name), _suffix(name), kind
            if group not in self._groups and len(self._groups) >= _MAX_GROUPS:
                group = "", "", _OTHER_KIND
            self._groups[group] += 1
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = _OTHER_KIND
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= MAX_LISTED:
            self._listed.append(Problem(shortened(printable_text(name), _MAX_NAME), skip.reason))

    @property
    def first(self) -> Problem | None:
        """The problem to name in an error message; None if there are no problems.

        This is the first damaged file, because it may be the cause of the other problems. If no
        file is damaged, it is the first class or folder that is left out, and if there is none, it
        is the first skipped file or row.
        """
        # "cannot be read", "cannot be opened" and "cannot be unpacked" mean damage.
        damaged = [problem for problem in self._listed if problem.reason.startswith("cannot be ")]
        return next(iter((*damaged, *self._left_out, *self._listed)), None)

    def first_in_brackets(self) -> str:
        """Return the end of a sentence: the first problem in brackets, if any, and a period."""
        first = self.first
        return "." if first is None else f" (first problem: {first.name} {first.reason})."

    def listed(self) -> tuple[Problem, ...]:
        """Return the classes and folders that are left out, then the skipped files and rows.

        The last entries state how many other files and rows of each kind were skipped.
        """
        rest = [
            Problem(f"… and {count - MAX_LISTED:,} more", kind, count - MAX_LISTED)
            for kind, count in self._counts.items()
            if count > MAX_LISTED
        ]
        return (*self._left_out, *self._listed, *rest)

    def skipped_files(self) -> tuple[SkippedFiles, ...]:
        """Return the numbers of the skipped files by class, suffix and reason; see ``add``."""
        return tuple(SkippedFiles(*group, count) for group, count in sorted(self._groups.items()))


def _suffix(name: str) -> str:
    # In a picture with several faces, the number of the face follows the suffix: "a.jpg#2".
    suffix = PurePosixPath(re.sub(r"#\d+$", "", name)).suffix.lower()
    return shortened(printable_text(suffix), _MAX_SUFFIX)


def printable_text(name: str) -> str:
    """Return a name with line breaks and undecodable bytes escaped, as one line of text."""
    if name.isprintable():
        return name
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in name
    )


def shortened(text: str, length: int = 40) -> str:
    """Return a text, cut with an ellipsis if it is longer than ``length``."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def error_text(error: Exception) -> str:
    """Return an error message, shortened because some libraries include parts of the file."""
    return shortened(printable_text(system_reason(error)), 150)


def reading_failed(error: Exception) -> SkipReason:
    """Return the reason for skipping a file that the system or a library could not read."""
    return SkipReason(f"cannot be read ({error_text(error)})", "cannot be read")
