"""What the app adds to Streamlit's server: the HTML of its pages, and the work at its start."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from fer_studio import server, web_files
from fer_studio.ui.frame import ASSETS
from fer_studio.web_files import STREAMLIT_FILES, page_html


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the calls that continue pending work; nothing is started."""
    calls: list[str] = []
    monkeypatch.setattr(server, "_start_pending_work", lambda: calls.append("started"))
    monkeypatch.setattr(server, "_PENDING_WORK_DELAY_SECONDS", 0.0)
    return calls


@pytest.fixture
def option(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``option(value)`` sets Streamlit's option ``server.baseUrlPath``."""
    return lambda value: monkeypatch.setattr(st, "get_option", lambda _name: value)


@pytest.fixture
def client() -> TestClient:
    """The middleware in front of an app with Streamlit's HTML, other HTML, text and an error."""

    async def html(_request: Request) -> FileResponse:
        return FileResponse(STREAMLIT_FILES / "index.html")

    async def other_html(_request: Request) -> HTMLResponse:
        return HTMLResponse("<p>Other</p>")

    async def text(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def error(_request: Request) -> HTMLResponse:
        return HTMLResponse("<p>Error</p>", status_code=500)

    routes = [
        *(Route(path, other_html) for path in ("/media/a.html", "/component/b/index.html")),
        Route("/_stcore/health", text),
        Route("/_stcore/page", other_html),
        Route("/text", text),
        Route("/error", error),
        *(Route(path, html) for path in ("/", "/analyze", "/unknown")),
    ]
    return TestClient(
        Starlette(routes=routes, middleware=[*server.middleware(), Middleware(GZipMiddleware)])
    )


@pytest.mark.parametrize("path", ["/", "/analyze", "/unknown"])
def test_every_page_has_our_html(client: TestClient, path: str) -> None:
    for headers in ({}, {"Accept-Encoding": "identity"}):
        response = client.get(path, headers=headers)
        assert response.status_code == 200
        assert response.text == page_html()
        assert "etag" not in response.headers
    length = response.headers["Content-Length"]
    response = client.head(path)
    assert response.headers["Content-Length"] == length == str(len(page_html().encode()))
    assert response.content == b""


def test_a_copy_of_the_html_of_streamlit_is_not_used_again() -> None:
    files = Mount("/", StaticFiles(directory=STREAMLIT_FILES, html=True))
    conditions = {
        "If-None-Match": TestClient(Starlette(routes=[files])).get("/").headers["ETag"],
        "If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT",
    }
    assert TestClient(Starlette(routes=[files])).get("/", headers=conditions).status_code == 304
    styled = TestClient(Starlette(routes=[files], middleware=server.middleware()))
    response = styled.get("/", headers=conditions)
    assert response.status_code == 200
    assert response.text == page_html()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/media/a.html", "<p>Other</p>"),
        ("/component/b/index.html", "<p>Other</p>"),
        ("/_stcore/page", "<p>Other</p>"),
        ("/_stcore/health", "ok"),
        ("/text", "ok"),
        ("/error", "<p>Error</p>"),
    ],
)
def test_other_responses_are_unchanged(client: TestClient, path: str, text: str) -> None:
    assert client.get(path).text == text


def test_the_html_is_that_of_streamlit_with_title_styles_and_script() -> None:
    original = (STREAMLIT_FILES / "index.html").read_text(encoding="utf-8")
    html = page_html()
    for line in original.splitlines():
        assert line in html or line.strip() in ("<title>Streamlit</title>", "</body>")
    assert "<title>FER Studio</title>" in html
    # After everything that Streamlit itself adds to the head.
    for name in ("app.css", "live.css"):
        assert html.index((ASSETS / name).read_text(encoding="utf-8")) > html.index("<body>")
    assert "PRELOADED_FILES" not in html


def test_every_preloaded_file_exists() -> None:
    files = re.findall(r'"(static/js/[^"]+)"', page_html())
    assert len(files) == len(web_files._PRELOADED)
    assert all((STREAMLIT_FILES / file).is_file() for file in files)


def test_an_unknown_html_of_streamlit_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<title>Another</title><body></body>")
    monkeypatch.setattr(web_files, "STREAMLIT_FILES", tmp_path)
    with pytest.raises(ValueError, match="no <title>Streamlit</title>"):
        page_html()


def test_static_files_come_from_memory_as_streamlit_sends_them(client: TestClient) -> None:
    for pattern in ("js/react-dom.*.js", "css/index.*.css"):
        address = address_of(pattern)
        file = STREAMLIT_FILES / address[1:]
        response = client.get(address)
        assert response.content == file.read_bytes()
        assert response.headers["Cache-Control"] == "public, immutable, max-age=31536000"
        kind = "javascript" if file.suffix == ".js" else "css"
        assert kind in response.headers["Content-Type"]
        # The second response comes from memory.
        assert client.get(address).content == response.content


@pytest.mark.parametrize(
    ("client", "pattern", "expected"),
    [
        ("127.0.0.1", "js/PlotlyChart.*.js", [0.2]),
        ("::1", "js/DataFrame.*.js", [0.2]),
        ("127.0.0.1", "css/DataFrame.*.css", []),
        ("127.0.0.1", "js/Selectbox.*.js", []),
        ("192.0.2.7", "js/PlotlyChart.*.js", []),
        ("unknown", "js/PlotlyChart.*.js", []),
    ],
)
def test_only_a_browser_on_this_machine_gets_large_scripts_later(
    client: str, pattern: str, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    monkeypatch.setattr(web_files.asyncio, "sleep", sleep)
    app = Starlette(middleware=server.middleware())
    assert TestClient(app, client=(client, 50_000)).get(address_of(pattern)).status_code == 200
    assert delays == expected


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/static",
        "/static/js",
        "/static/js/none.js",
        "/static/%2e%2e/index.html",
    ],
)
def test_other_requests_are_left_to_the_app(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_only_get_is_answered_from_memory(client: TestClient) -> None:
    assert client.post(address_of("css/index.*.css")).status_code == 404


def test_static_files_are_below_the_base_path(option: Callable[[str], None]) -> None:
    option("studio")
    address = address_of("css/index.*.css")
    client = TestClient(Starlette(middleware=server.middleware()))
    assert client.get(f"/studio{address}").status_code == 200
    assert client.get(address).status_code == 404


def test_the_server_continues_pending_work_without_a_visitor(work: list[str]) -> None:
    with TestClient(Starlette(lifespan=server.lifespan)):
        end_of_preparation()
    assert work == ["started"]


def test_a_server_that_is_stopped_at_once_starts_no_work(
    work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PENDING_WORK_DELAY_SECONDS", 300.0)
    with TestClient(Starlette(lifespan=server.lifespan)):
        assert preparations()
    end_of_preparation()
    assert work == []


def test_an_error_during_the_preparation_is_logged(
    work: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_COMMON_MODULES", ("no_such_module",))
    with TestClient(Starlette(lifespan=server.lifespan)):
        end_of_preparation()
    assert "the server could not be prepared" in caplog.text
    assert "No module named 'no_such_module'" in caplog.text
    assert work == []


def preparations() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prepare-server"]


def end_of_preparation() -> None:
    for thread in preparations():
        thread.join(timeout=120)
        assert not thread.is_alive()


def address_of(pattern: str) -> str:
    """The address of the only code file of Streamlit that matches a pattern."""
    (file,) = STREAMLIT_FILES.glob(f"static/{pattern}")
    return f"/{file.relative_to(STREAMLIT_FILES).as_posix()}"
