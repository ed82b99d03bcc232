"""A table and the pictures next to it that it names, as a source."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.sources import FolderSource
from fer_core.errors import InputError


class TableFolderSource(FolderSource):
    """The pictures that a single table names, relative to its folder.

    Other files in the folder are not read, and no path leads out of it: the folder may be large,
    and contain files of others.

    Args:
        table: The path of the table.
        paths: The paths in it.
    """

    def __init__(self, table: Path, paths: Iterable[str]) -> None:
        super().__init__(table.parent)
        self.label = table.name
        self._table = table
        self._paths = paths

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        del problems
        root = self._table.parent.resolve()
        found = {self._table.name}
        for text in dict.fromkeys(self._paths):
            path = posixpath.normpath(text.replace("\\", "/"))
            if posixpath.isabs(path) and Path(path).is_relative_to(root):
                path = Path(path).relative_to(root).as_posix()
            if self._is_inside(root, path):
                found.add(path)
            if len(found) > sources.MAX_FILES:
                raise InputError(
                    f"{self.label} names more than {sources.MAX_FILES:,} files; provide fewer "
                    "files."
                )
        if len(found) == 1:
            raise InputError(
                f"{self.label} names pictures, and none of them is in its folder; import the "
                "folder or archive that contains both the table and the pictures."
            )
        return sorted(found)

    @staticmethod
    def _is_inside(root: Path, path: str) -> bool:
        if path.startswith(("/", "../")) or path in ("", ".", "..") or ":" in path or "\0" in path:
            return False
        try:
            target = root / path
            return target.is_file() and target.resolve().is_relative_to(root)
        except OSError:
            return False
