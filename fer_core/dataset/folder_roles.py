"""The roles that a user gives to folders of a source: a split or a class."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fer_core.dataset.face_set import SPLITS
from fer_core.errors import InputError
from fer_core.phrases import shell_quoted

#: A split, or ``class`` for a folder whose name is a class; None to leave the folder out.
Role = Literal["train", "validation", "test", "class"] | None
#: Other names of splits that ``--split`` accepts.
_SYNONYMS = {"val": "validation", "valid": "validation", "training": "train", "testing": "test"}


@dataclass(frozen=True)
class FolderRoles:
    """The roles of folders, which the user chooses for an import.

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
                    f"The folder {name!r} cannot have the role {role!r}; use {', '.join(SPLITS)} "
                    f"or class, or leave it out (--split {shell_quoted(f'{name}=')})."
                )
        if len(self._role_by_path) < len(self.roles):
            raise InputError("--split names a folder twice; name each folder once.")

    @cached_property
    def _role_by_path(self) -> dict[tuple[str, ...], Role]:
        """The role of each folder, by the normalized parts of the path that the user gave."""
        return {_path_key(name): role for name, role in self.roles}

    def role_of(self, folders: Sequence[str]) -> tuple[int, Role] | None:
        """Find the deepest folder with a role in a path.

        Args:
            folders: The folders of the path, from the top.

        Returns:
            The position of this folder in ``folders``, and its role, which is None if the folder is
            left out. If no folder has a role, the result itself is None.
        """
        if not self.roles:
            return None
        keys = [_folder_key(folder) for folder in folders]
        for end in range(len(keys), 0, -1):
            for start in range(end):
                if (path := tuple(keys[start:end])) in self._role_by_path:
                    return end - 1, self._role_by_path[path]
        return None

    def missing(self, paths: Iterable[Sequence[str]]) -> list[str]:
        """Return the folders that have a role but do not exist in a source.

        Args:
            paths: The folders of each path in the source, from the top.
        """
        if not self.roles:
            return []
        # Collect all sequences of consecutive folders, because the user may have named any of them.
        existing: set[tuple[str, ...]] = set()
        for folders in paths:
            keys = [_folder_key(folder) for folder in folders]
            existing |= {
                tuple(keys[start:end]) for end in range(1, len(keys) + 1) for start in range(end)
            }
        return [name for name, _ in self.roles if _path_key(name) not in existing]


def parse_folder_roles(texts: Iterable[str]) -> FolderRoles:
    """Parse the texts of ``--split``: ``FOLDER=ROLE``, or ``FOLDER=`` to leave a folder out.

    Raises:
        InputError: A text has no ``=`` or nothing before it, a folder is named twice, or a role
            does not exist.
    """
    roles: list[tuple[str, Role]] = []
    for text in texts:
        # Split at the last "=", because names of folders may contain this character.
        name, separator, role_text = text.rpartition("=")
        if not separator or not name.strip():
            raise InputError(
                "--split expects FOLDER=train, FOLDER=validation, FOLDER=test or FOLDER=class, or "
                f"FOLDER= to leave a folder out. Received: {text!r}."
            )
        role = role_text.strip().lower()
        # FolderRoles rejects a role that does not exist.
        roles.append((name.strip(), _SYNONYMS.get(role, role) or None))  # type: ignore[arg-type]
    return FolderRoles(tuple(roles))


def _path_key(path: str) -> tuple[str, ...]:
    return tuple(_folder_key(folder) for folder in path.strip().strip("/").split("/"))


def _folder_key(folder: str) -> str:
    """Return a folder's name without differences of case and of Unicode composition."""
    return unicodedata.normalize("NFC", folder).casefold()
