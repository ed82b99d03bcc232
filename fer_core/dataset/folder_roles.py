"""The roles of folders of a source: a split or a class, as the user gives them."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError

#: A split, or ``class`` for a folder whose name is a class; None to leave the folder out.
Role = Literal["train", "validation", "test", "class"] | None
_SHORT_NAMES = {"val": "validation", "valid": "validation", "training": "train", "testing": "test"}


@dataclass(frozen=True)
class FolderRoles:
    """The roles of folders; chosen at import and recorded.

    Attributes:
        roles: Pairs of a folder and its role. A folder is given by its name, or by the last parts
            of its path with ``/`` between them.

    Raises:
        InputError: A folder is named twice, or a role does not exist.
    """

    roles: tuple[tuple[str, Role], ...] = ()

    def __post_init__(self) -> None:
        for name, role in self.roles:
            if role not in (None, "class", *SPLITS):
                raise InputError(
                    f"The folder {name!r} cannot be {role!r}; use {', '.join(SPLITS)} or class, or "
                    f"leave it out (--split {shlex.quote(f'{name}=')})."
                )
        if len(self._by_path) < len(self.roles):
            raise InputError("--split names a folder twice; name each folder once.")

    @cached_property
    def _by_path(self) -> dict[tuple[str, ...], Role]:
        return {_key(name): role for name, role in self.roles}

    def role_of(self, folders: Sequence[str]) -> tuple[int, Role] | None:
        """Return the position and the role of the deepest folder with a role; None without one.

        Args:
            folders: The parts of a path.
        """
        if not self.roles:
            return None
        keys = [_part(folder) for folder in folders]
        for end in range(len(keys), 0, -1):
            for start in range(end):
                if (path := tuple(keys[start:end])) in self._by_path:
                    return end - 1, self._by_path[path]
        return None

    def missing(self, paths: Iterable[Sequence[str]]) -> list[str]:
        """Return the folders with a role that are not in a source.

        Args:
            paths: The parts of each path of a folder.
        """
        found: set[tuple[str, ...]] = set()
        for folders in paths if self.roles else ():
            keys = [_part(folder) for folder in folders]
            found |= {
                tuple(keys[start:end]) for end in range(1, len(keys) + 1) for start in range(end)
            }
        return [name for name, _ in self.roles if _key(name) not in found]


def parse_folder_roles(texts: Iterable[str]) -> FolderRoles:
    """Parse ``--split``: ``FOLDER=SPLIT``, or ``FOLDER=`` to leave a folder out.

    Raises:
        InputError: A text has no ``=`` or nothing before it, or a role does not exist.
    """
    roles: list[tuple[str, Role]] = []
    for text in texts:
        # Split at the last "=", because names of folders may contain this character.
        name, separator, word = text.rpartition("=")
        if not separator or not name.strip():
            raise InputError(
                "--split expects FOLDER=train, FOLDER=validation, FOLDER=test or FOLDER=class, or "
                f"FOLDER= to leave a folder out. Received: {text!r}."
            )
        role = word.strip().lower()
        roles.append((name.strip(), _SHORT_NAMES.get(role, role) or None))  # type: ignore[arg-type]
    return FolderRoles(tuple(roles))


def _key(name: str) -> tuple[str, ...]:
    return tuple(_part(part) for part in name.strip().strip("/").split("/"))


def _part(folder: str) -> str:
    return unicodedata.normalize("NFC", folder).casefold()
