"""What a reader skips: every thing counted, and as many of a kind listed as anyone would read."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.dataset.face_set import Problem
from fer_core.errors import first_line

#: Of each kind so many are listed by name; the rest are counted in one last entry.
MAX_LISTED = 1_000
#: Reasons come from the data as well (the name of a class): beyond so many kinds they share one.
MAX_KINDS = 50
_OTHER_KIND = "cannot be used for other reasons"
_MAX_TEXT = 300


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file or row, to be read behind its name.

    Attributes:
        reason: Why it is skipped: "has 2303 pixel values instead of 2304".
        kind: What it has in common with others like it, where the reason names particulars.
    """

    reason: str
    kind: str = ""


class ProblemLog:
    """Collects problems in bounded memory, whatever their number."""

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._counts: dict[str, int] = {}

    def add(self, name: str, fault: Fault) -> None:
        """Note that what ``name`` stands for is skipped."""
        kind = fault.kind or fault.reason
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = _OTHER_KIND
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= MAX_LISTED:
            self._listed.append(Problem(shortened(as_text(name), _MAX_TEXT), fault.reason))

    @property
    def first(self) -> Problem | None:
        """The first problem, which a refusal names."""
        return self._listed[0] if self._listed else None

    def first_in_brackets(self) -> str:
        """The first problem as the end of a sentence, with its full stop."""
        first = self.first
        return "." if first is None else f" (first problem: {first.name} {first.reason})."

    def listed(self) -> tuple[Problem, ...]:
        """The problems in the order of their appearance, then how many more of which kind."""
        rest = [
            Problem(f"… and {count - MAX_LISTED:,} more", kind, count - MAX_LISTED)
            for kind, count in self._counts.items()
            if count > MAX_LISTED
        ]
        return (*self._listed, *rest)


def as_text(name: str) -> str:
    """The name with line breaks and bytes of another encoding spelled out: one line of text."""
    if name.isprintable():
        return name
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in name
    )


def shortened(text: str, length: int = 40) -> str:
    """The text, cut with an ellipsis where it is longer than that."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def error_text(error: Exception) -> str:
    """What a library says about a damaged file, in short: some of them cite the file at length."""
    return shortened(as_text(first_line(error)), 150)
