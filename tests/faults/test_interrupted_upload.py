"""Someone closes the page in the middle of an upload: the next one is served as ever."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# The fixtures of the browser tests, one server for this file.
from browser.conftest import chromium, open_page, server, start_server
from playwright.sync_api import Page, expect
from writers import archive

from fer_core.dataset.store import dataset_names

__all__ = ["chromium", "open_page", "server", "start_server"]

#: Half a minute, and what it holds to is mostly Streamlit's.
pytestmark = [pytest.mark.browser, pytest.mark.soak]

expect.set_options(timeout=30_000)

SIZE = 40 << 20


def choose_file(page: Page, path: Path) -> None:
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(path)


def test_an_upload_that_breaks_off_costs_nobody_anything(
    open_page: Callable[..., Page],
    server: Any,
    tmp_path: Path,
) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(SIZE)
    for way in ("close", "reload"):
        page = open_page("/dataset")
        network = page.context.new_cdp_session(page)
        network.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": 0,
                "downloadThroughput": -1,
                "uploadThroughput": 2 << 20,  # twenty seconds for the file
            },
        )
        finished: list[str] = []
        page.on("requestfinished", lambda request, seen=finished: seen.append(request.url))
        with page.expect_request(lambda request: "upload_file" in request.url):
            choose_file(page, large)
        page.wait_for_timeout(1500)
        assert not any("upload_file" in url for url in finished)
        if way == "close":
            page.close()
        else:
            page.reload()
            page.close()
    page = open_page("/dataset")
    choose_file(page, archive(tmp_path / "mine.zip"))
    expect(page.get_by_test_id("stFileUploader").get_by_text("mine.zip")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("was imported: 14 images, nothing skipped")).to_be_visible()
    assert dataset_names(server.settings) == ["mine"]
    assert [path.name for path in server.settings.data_root.iterdir()] == ["mine"]
    # Streamlit leaves it to its web server to note who has gone; the fixture's look at the log is
    # for everything else.
    log = server.log_path.read_text(encoding="utf-8")
    assert log.count("Traceback") == log.count("starlette.requests.ClientDisconnect")
    os.truncate(server.log_path, 0)
