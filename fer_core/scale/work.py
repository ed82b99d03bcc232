"""The interface of a kind of work: how a worker processes the files of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fer_core.scale.inputs import Item

if TYPE_CHECKING:
    import pyarrow

#: A row of the results, by column.
Row = Mapping[str, Any]

#: The columns that every kind of work has: the file, and a sentence if it could not be processed.
FILE_COLUMN, ERROR_COLUMN = "file", "error"


class Worker(Protocol):
    """A ``Work`` whose model and detector are loaded; used by one process."""

    def process(self, items: Sequence[Item]) -> pyarrow.Table:
        """Process files.

        Returns:
            A table with the schema of the work: at least one row per file, in the order of the
            files. A file that cannot be processed has one row with its message; it does not affect
            other files.
        """
        ...


class Work(Protocol):
    """A kind of work with its settings. It is pickled and sent to every worker."""

    @property
    def plural(self) -> str:
        """What the files are, in the plural, for messages: "pictures"."""
        ...

    def open(self, *, threads: int, memory_bytes: int) -> Worker:
        """Load what the work needs, in the worker's process.

        Args:
            threads: Number of threads to use.
            memory_bytes: Files that need more memory become rows with a message.

        Raises:
            InputError: A model or detector cannot be used.
        """
        ...

    def schema(self) -> pyarrow.Schema:
        """Return the columns of the rows."""
        ...

    def description(self) -> dict[str, Any]:
        """Return everything that the rows depend on, as plain values: model, detector, options.

        A job can only be continued with the same description.
        """
        ...

    def error_row(self, item: Item, sentence: str) -> Row:
        """Return the row of a file that cannot be processed."""
        ...
