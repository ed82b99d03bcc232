"""A source that consists of one table and the pictures that the table names."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path

from fer_core.dataset.readers import sources
from fer_core.dataset.readers.problems import ProblemLog
from fer_core.dataset.readers.sources import FolderSource
from fer_core.errors import InputError
from fer_core.phrases import on_one_line


class TableFolderSource(FolderSource):
    """A table and those pictures in its folder that the table names.

    Other files in the folder are not read, because the folder may be large and may contain files of
    other people. Paths that lead out of the folder are ignored.

    Args:
        table: The path of the table.
        paths: The paths that the table names, absolute or relative to the folder of the table.
    """

    def __init__(self, table: Path, paths: Iterable[str]) -> None:
        super().__init__(table.parent)
        self.label = on_one_line(table.name)
        self._table = table
        self._paths = paths

    def names(self, problems: ProblemLog) -> list[str]:
        """See ``Source``."""
        del problems
        root = self._table.parent.resolve()
        files = {self._table.name}
        for named_path in dict.fromkeys(self._paths):
            path = posixpath.normpath(named_path.replace("\\", "/"))
            if posixpath.isabs(path) and Path(path).is_relative_to(root):
                path = Path(path).relative_to(root).as_posix()
            if self._is_file_inside(root, path):
                files.add(path)
            if len(files) > sources.MAX_FILES:
                raise InputError(
                    f"{self.label} names more than {sources.MAX_FILES:,} files; provide fewer "
                    "files."
                )
        if len(files) == 1:  # only the table
            raise InputError(
                f"{self.label} names pictures, but none of them is in its folder; import the "
                "folder or archive that contains both the table and the pictures."
            )
        return sorted(files)

    @staticmethod
    def _is_file_inside(root: Path, path: str) -> bool:
        """Return True if a path, after following links, leads to a file in the folder."""
        if path.startswith(("/", "../")) or path in ("", ".", "..") or ":" in path or "\0" in path:
            return False
        try:
            target = root / path
            return target.is_file() and target.resolve().is_relative_to(root)
        except OSError:
            return False
