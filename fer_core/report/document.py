"""The parts of a report: sections with paragraphs, tables, figures and faces, numbered in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes:
        number: Number of the table in the report, from 1.
        caption: What the table shows.
        header: Titles of the columns.
        rows: Cells of each row; the first cell is the title of the row.
        is_text: True if the cells are text instead of numbers.
        kind: The type of the block, by which the template chooses the layout.
    """

    number: int
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_text: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A chart, or example faces, with its caption.

    Attributes:
        number: Number of the figure in the report, from 1.
        caption: What the figure shows.
        chart: The Plotly figure; None for faces.
        faces: For each face, the data URL of its picture and the text below the picture; empty
            for a chart.
        kind: The type of the block, by which the template chooses the layout.
    """

    number: int
    caption: str
    chart: go.Figure | None = None
    faces: tuple[tuple[str, str], ...] = ()
    kind: str = "figure"


@dataclass
class Section:
    """A section of the report.

    Attributes:
        title: Heading of the section.
        paragraphs: Paragraphs of plain text, before the tables and figures.
        blocks: Tables and figures, in order.
    """

    title: str
    paragraphs: list[str] = field(default_factory=list)
    blocks: list[Table | Figure] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The name of the section in links within the report."""
        return self.title.lower().replace(" ", "-")


class Numbering:
    """Creates tables and figures with increasing numbers."""

    def __init__(self) -> None:
        self._tables, self._figures = count(1), count(1)

    def table(
        self,
        caption: str,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        is_text: bool = False,
    ) -> Table:
        """Return a table with the next number."""
        return Table(next(self._tables), caption, header, rows, is_text)

    def charts(self, figures: Sequence[tuple[str, Any]]) -> list[Figure]:
        """Return a figure with the next number for each chart.

        Args:
            figures: Caption and Plotly figure of each chart.
        """
        return [Figure(next(self._figures), caption, chart) for caption, chart in figures]

    def faces(self, caption: str, faces: Sequence[tuple[str, str]]) -> Figure:
        """Return a figure with the next number, which shows faces.

        Args:
            caption: What the figure shows.
            faces: For each face, the data URL of its picture and the text below the picture.
        """
        return Figure(next(self._figures), caption, faces=tuple(faces))
