"""The height and the columns of tables."""

from __future__ import annotations

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

#: Heights in pixels that Streamlit gives to the header, including the border, and to each row.
_HEADER_HEIGHT = 38
_ROW_HEIGHT = 35


def table_height(row_count: int, *, maximum: int) -> int:
    """Return the height in pixels at which a table shows all its rows, up to a maximum.

    Args:
        row_count: Number of rows. A table without rows is as high as a table with one row.
        maximum: Maximum height in pixels; the user scrolls through a longer table.
    """
    return min(_HEADER_HEIGHT + _ROW_HEIGHT * max(row_count, 1), maximum)


def percent_column() -> ColumnConfig:
    """Return the configuration of a column of percentages, shown as in texts: "68.3 %".

    The values are in percent, 0 to 100. Streamlit's own format writes "68.27%".
    """
    return st.column_config.NumberColumn(format="%.1f %%")
