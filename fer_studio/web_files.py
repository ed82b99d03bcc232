"""What the browser loads before it draws a page: the HTML, and Streamlit's static files."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import mimetypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fer_studio.ui.frame import ASSETS

#: The folder of ``index.html``.
STREAMLIT_FILES = Path(st.__file__).parent / "static"
#: The files with the styles of pages. Components have styles of their own.
_STYLE_FILES = ("app.css", "live.css")
_TITLE = "<title>Streamlit</title>"
_END_OF_BODY = "</body>"

#: By default, Streamlit searches its server below the URL of the page first, such as
#: ``/evaluate/_stcore/health``. That request fails, which delays each page except the home page by
#: about 0.1 s. The server is where the static files are, whose URLs are relative. The setting is
#: not documented; tests/browser/test_navigation.py checks its effect.
_SERVER_URL_SCRIPT = (
    '<script>window.__streamlit = { BACKEND_BASE_URL: new URL(".", document.baseURI).href }'
    "</script>\n"
)

#: Streamlit's largest scripts for elements, by the first part of their name. ``preload.js`` loads
#: them before a tab shows such an element for the first time.
_PRELOADED = ("PlotlyChart.", "DataFrame.")

#: Delay before such a script is sent to a browser on this machine. There it would arrive almost at
#: once, and while it runs, the page is blocked for up to half a second. React shows the elements of
#: a new page at the earliest 0.3 s after their placeholders, so without the delay, the selections
#: would appear only after the script has run. The chart is not shown later than without the delay.
_LARGE_SCRIPT_DELAY_SECONDS = 0.2

#: Path prefixes under which Streamlit serves HTML that is not a page, such as files of components
#: and downloads.
_OTHER_HTML = ("_stcore", "component", "media", "static")

#: Headers with which a browser asks whether its copy of a file is still valid.
_CONDITIONS = (b"if-none-match", b"if-modified-since")

#: The headers of the responses with static files; Streamlit itself would send the same. Browsers
#: can cache a file forever, because its name contains a hash of its content.
_STATIC_HEADERS = {"Cache-Control": "public, immutable, max-age=31536000"}


def base_path() -> str:
    """Return the path of the app on its server: empty, or like "/studio"."""
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}" if base else ""


class StyledPages:
    """A middleware that sends our HTML for every page, and for URLs without a page.

    Streamlit itself can only send styles as an element of a page. The browser would draw this
    element late, and the elements around it would move. Our HTML contains the styles.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._html = page_html().encode()
        self._other_prefixes = tuple(f"{base_path()}/{name}/" for name in _OTHER_HTML)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app respond, and replace its HTML."""
        if scope["type"] != "http" or scope["path"].startswith(self._other_prefixes):
            await self._app(scope, receive, send)
            return
        is_page = False

        async def send_styled(message: Message) -> None:
            nonlocal is_page
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_html = headers.get("content-type", "").startswith("text/html")
                is_page = is_html and message["status"] == 200
                if is_page:
                    for name in ("content-encoding", "etag", "last-modified"):
                        del headers[name]
                    headers["content-length"] = str(len(self._html))
            elif is_page:
                if message.get("more_body"):
                    return
                body = b"" if scope["method"] == "HEAD" else self._html
                message = {"type": "http.response.body", "body": body}
            await send(message)

        # The browser may have cached Streamlit's HTML from an earlier version of this app, or from
        # another app with the same address, and ask whether it is still valid. The app does not see
        # the headers that ask this, so that it always sends the HTML.
        headers = [entry for entry in scope["headers"] if entry[0] not in _CONDITIONS]
        await self._app({**scope, "headers": headers}, receive, send_styled)


class StaticFilesFromMemory:
    """A middleware that responds to requests for Streamlit's static files.

    The first visit of a browser requests about 80 files, most of them small. Starlette reads each
    one from the disk in another thread, which takes the server four times as long.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files = dict(_files_by_url_path())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond, or leave the request to the app."""
        file = self._files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        is_large = file.name.startswith(_PRELOADED) and file.suffix == ".js"
        if is_large and _is_from_this_machine(scope):
            await asyncio.sleep(_LARGE_SCRIPT_DELAY_SECONDS)
        media_type, _ = mimetypes.guess_type(file.name)
        response = Response(_content(file), media_type=media_type, headers=_STATIC_HEADERS)
        await response(scope, receive, send)


def _is_from_this_machine(scope: Scope) -> bool:
    """Return True if a request comes from this machine.

    A request through a tunnel, or through a proxy without ``X-Forwarded-For``, looks the same.
    """
    host, _ = scope.get("client") or ("", 0)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def page_html() -> str:
    """Return Streamlit's HTML with our title, our styles and two scripts.

    One script sets the URL of the server, the other preloads large files.
    """
    html = (STREAMLIT_FILES / "index.html").read_text(encoding="utf-8")
    if _TITLE not in html or _END_OF_BODY not in html:
        raise ValueError(f"Streamlit's index.html has no {_TITLE} or no {_END_OF_BODY}.")
    styles = "".join((ASSETS / name).read_text(encoding="utf-8") for name in _STYLE_FILES)
    script = (ASSETS / "preload.js").read_text(encoding="utf-8")
    files = [
        path.relative_to(STREAMLIT_FILES).as_posix()
        for name in _PRELOADED
        for path in sorted(STREAMLIT_FILES.glob(f"static/js/{name}*.js"))
    ]
    # At the end of the body, because Streamlit adds its own styles to the head later. Of two rules
    # with the same specificity, the later one applies.
    added = (
        f"{_SERVER_URL_SCRIPT}<style>\n{styles}</style>\n"
        f'<script type="module">\n{script.replace("PRELOADED_FILES", json.dumps(files))}</script>\n'
    )
    return html.replace(_TITLE, "<title>FER Studio</title>").replace(
        _END_OF_BODY, f"{added}{_END_OF_BODY}"
    )


def _files_by_url_path() -> Iterator[tuple[str, Path]]:
    for path in (STREAMLIT_FILES / "static").rglob("*"):
        if path.is_file():
            yield f"{base_path()}/{path.relative_to(STREAMLIT_FILES).as_posix()}", path


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
