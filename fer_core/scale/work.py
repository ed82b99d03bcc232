"""The interface of a kind of work: how a worker processes the files of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fer_core.scale.inputs import Item

if TYPE_CHECKING:
    import pyarrow

#: A row of the results, by column.
Row = Mapping[str, Any]

#: Two columns that every table of results has: the path or address of the file, and the reason why
#: the file could not be processed.
FILE_COLUMN, ERROR_COLUMN = "file", "error"


class Worker(Protocol):
    """An open ``Work``: its model and detector are loaded in the process of a worker."""

    def process(self, items: Sequence[Item]) -> pyarrow.Table:
        """Process files.

        Returns:
            A table with the columns of ``Work.schema``: at least one row per file, in the order of
            the files. A file that cannot be processed has one row with the reason, and the other
            files are processed nevertheless.
        """
        ...


class Work(Protocol):
    """A kind of work with its settings. It is pickled and sent to every worker."""

    @property
    def plural_noun(self) -> str:
        """The word for the files in messages, in the plural: "pictures"."""
        ...

    def open(self, *, threads: int, memory_bytes: int) -> Worker:
        """Load the model and the detector in the worker's process.

        Args:
            threads: Number of threads to use.
            memory_bytes: Memory of the worker. A file that needs more memory becomes a row with the
                reason.

        Raises:
            InputError: A model or detector cannot be used.
        """
        ...

    def schema(self) -> pyarrow.Schema:
        """Return the columns of the rows."""
        ...

    def description(self) -> dict[str, Any]:
        """Return the model, the detector and the options as values for JSON.

        These values determine the rows. A job can be continued only with the description that it
        began with.
        """
        ...

    def error_row(self, item: Item, sentence: str) -> Row:
        """Return the row of a file that cannot be processed."""
        ...
