"""An upload that breaks off does not affect the next one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.helpers import archive_of
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import dataset_names

#: It takes half a minute and mostly checks Streamlit.
pytestmark = [pytest.mark.browser, pytest.mark.soak]

SIZE = 40 << 20


def choose_file(page: Page, path: Path) -> None:
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(path)


def test_an_interrupted_upload_leaves_no_files(
    open_page: Callable[..., Page],
    server: Any,
    tiny_faces: FaceSet,
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
    mine = tmp_path / "mine.zip"
    mine.write_bytes(archive_of(tiny_faces))
    choose_file(page, mine)
    expect(page.get_by_test_id("stFileUploader").get_by_text("mine.zip")).to_be_visible()
    expect(page.get_by_role("radio", name="Seven emotions")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("was imported: 91 images, nothing skipped")).to_be_visible()
    assert dataset_names(server.settings) == ["mine"]
    assert [path.name for path in server.settings.data_root.iterdir()] == ["mine"]
    # Streamlit's web server logs the lost connection with a traceback; the fixture checks the log
    # for all others.
    log = server.log_path.read_text(encoding="utf-8")
    assert log.count("Traceback") == log.count("starlette.requests.ClientDisconnect")
    os.truncate(server.log_path, 0)
