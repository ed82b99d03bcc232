"""Download buttons.

This file uses Streamlit's manager of served files, ``Runtime.media_file_mgr``, as of version 1.67.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import PurePath

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

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
    """Draw a download button. A click does not rerun the page.

    Args:
        label: Label of the button.
        content: The content of the file, or a function that returns it; a click calls the function.
        file_name: The name of the file; its extension determines MIME type and icon.
        key: The key of the button.
        hint: The tooltip.
        icon: The icon of the button; None for the icon of the file type.
        is_primary: True to draw the button as the main one of a part of the page.
        is_disabled: True if there is nothing to download.
        is_wide: True to make the button as wide as its container.
    """
    mime_type, type_icon = _FILE_TYPES[PurePath(file_name).suffix]
    st.download_button(
        label,
        _content_callback(content, file_name, mime_type, key) if callable(content) else content,
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


def _content_callback(
    content: Callable[[], str | bytes], file_name: str, mime_type: str, key: str
) -> Callable[[], bytes]:
    """Return a function that returns the content of a file, and keeps the file on the server.

    A click on a download button generates the file. Streamlit deletes such a file after the next
    two reruns. If these reruns are refreshes of a fragment, the file is deleted before the browser
    has requested it. A file that is added to the session stays until the next rerun of the whole
    page, or until the next click generates another file.
    """
    context = get_script_run_ctx()

    def add_to_session(data: bytes) -> None:
        # Streamlit also adds the returned content. It stores equal content only once.
        Runtime.instance().media_file_mgr.add(
            data, mime_type, f"generated {key}", file_name, is_for_static_download=True
        )

    def generate() -> bytes:
        text_or_bytes = content()
        data = text_or_bytes.encode() if isinstance(text_or_bytes, str) else text_or_bytes
        # Streamlit calls this in a thread that belongs to no session. A new thread gets the context
        # of the session, because only such a thread can add a file to it.
        thread = threading.Thread(target=add_to_session, args=(data,))
        add_script_run_ctx(thread, context)
        thread.start()
        thread.join()
        return data

    return generate
