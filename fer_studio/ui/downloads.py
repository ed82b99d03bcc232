"""Download buttons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import streamlit as st

#: MIME type and icon by the extension of the file name.
_FILE_TYPES = {
    ".bib": ("application/x-bibtex", ":material/format_quote:"),
    ".csv": ("text/csv", ":material/table:"),
    ".html": ("text/html", ":material/description:"),
    ".jpg": ("image/jpeg", ":material/image:"),
    ".json": ("application/json", ":material/data_object:"),
    ".mp4": ("video/mp4", ":material/movie:"),
    ".parquet": ("application/vnd.apache.parquet", ":material/view_column:"),
    ".tex": ("application/x-tex", ":material/functions:"),
    ".vtt": ("text/vtt", ":material/subtitles:"),
    ".zip": ("application/zip", ":material/folder_zip:"),
}


def offer_download(
    label: str,
    content: str | bytes | Callable[[], str | bytes],
    file_name: str,
    *,
    key: str,
    hint: str | None = None,
    icon: str | None = None,
    is_primary: bool = False,
    is_disabled: bool = False,
    is_wide: bool = False,
) -> None:
    """Draw a download button. A click does not run the page again.

    Args:
        label: Label of the button.
        content: The content of the file, or a function that returns it and is called at the click.
        file_name: The name of the file; its extension determines MIME type and icon.
        key: The key of the button.
        hint: The tooltip.
        icon: The icon of the button; None for the icon of the file type.
        is_primary: True to draw it as the main button of a part of the page.
        is_disabled: True if there is nothing to download.
        is_wide: True to make the button as wide as its container.
    """
    mime_type, type_icon = _FILE_TYPES[PurePath(file_name).suffix]
    st.download_button(
        label,
        content,
        file_name,
        mime_type,
        key=key,
        help=hint,
        icon=icon or type_icon,
        type="primary" if is_primary else "secondary",
        disabled=is_disabled,
        width="stretch" if is_wide else "content",
        on_click="ignore",
    )
