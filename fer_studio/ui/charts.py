"""Charts on pages: title, figure, caption, and a menu to download picture and data."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.charts.table import chart_csv
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.text import plain_text

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SCRIPT = (Path(__file__).parent / "assets" / "chart_pictures.js").read_text(encoding="utf-8")
_BUTTONS = """
<div>
  <button type="button" value="png">PNG</button>
  <button type="button" value="svg">SVG</button>
</div>
"""
#: Makes the buttons PNG and SVG look like Streamlit's button CSV below them.
_STYLE = """
div { display: flex; flex-direction: column; gap: 0.5rem; }
button {
  min-height: 2.5rem; padding: 0.25rem 0.75rem; cursor: pointer;
  font: inherit; font-size: 0.875rem;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover, button:focus-visible {
  color: var(--st-primary-color); border-color: var(--st-primary-color); outline: none;
}
"""

_picture_buttons = st.components.v2.component(
    "fer_studio_chart_pictures", html=_BUTTONS, css=_STYLE, js=_SCRIPT
)


def show_chart(
    figure: go.Figure,
    *,
    title: str,
    key: str,
    alt: str,
    caption: str = "",
    file: str = "",
    **settings: Any,
) -> Any:
    """Draw a Plotly chart with its title, its caption and a download menu.

    Args:
        figure: The chart. It has no title of its own.
        title: What the chart shows, in a few words; plain text.
        key: The key of the chart.
        alt: Describes the chart with its values.
        caption: How to read the chart; plain text.
        file: The name of downloaded files, without suffix; by default, the title.
        settings: Further arguments of ``st.plotly_chart``.

    Returns:
        What ``st.plotly_chart`` returns.
    """
    with chart_frame(title, key=key, table=lambda: chart_csv(figure), caption=caption, file=file):
        return st.plotly_chart(
            figure,
            key=key,
            alt=alt,
            **{"config": {"displayModeBar": False}, **settings},
        )


@contextlib.contextmanager
def chart_frame(
    title: str, *, key: str, table: Callable[[], str], caption: str = "", file: str = ""
) -> Iterator[DeltaGenerator]:
    """Draw a title and a download menu above the ``with`` block, and a caption below it.

    The ``with`` block draws one chart. For a Plotly chart, call ``show_chart`` instead; this
    function is for other charts, such as those of Vega-Lite.

    Args:
        title: What the chart shows, in a few words; plain text.
        key: Identifies the chart; part of the keys of the frame's elements.
        table: Returns the data of the chart as the text of a CSV file; called when the user
            downloads it.
        caption: How to read the chart; plain text.
        file: The name of downloaded files, without suffix; by default, the title.

    Yields:
        An empty container next to the download menu, for controls of this chart.
    """
    frame_key = f"chart_{key}"
    name = file_stem(file or title)
    with st.container(key=frame_key, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain_text(title)}**", width="stretch")
            controls = st.container(width="content")
            with st.popover(
                "Download",
                icon=":material/download:",
                type="tertiary",
                key=f"{frame_key}_menu",
                help="Save the chart as a picture, or its data as a table.",
            ).container(gap="xsmall"):
                _picture_buttons(
                    key=f"{frame_key}_pictures",
                    data={
                        "chart": _css_class(frame_key),
                        "file": name,
                        "title": title,
                        "caption": caption,
                    },
                )
                offer_download("CSV", table, f"{name}.csv", key=f"{frame_key}_csv", is_wide=True)
        yield controls
        if caption:
            st.caption(plain_text(caption))


def file_stem(text: str) -> str:
    """Return a title as a file name without suffix: lower case, words separated by hyphens."""
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-.") or "chart"


def _css_class(key: str) -> str:
    """Return the CSS class that Streamlit gives to the element with this key."""
    return "st-key-" + re.sub(r"[^a-zA-Z0-9_-]", "-", key.strip())
