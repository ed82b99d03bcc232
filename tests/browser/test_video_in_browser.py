"""The video page in a real Chromium, with a job in its own process."""

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_videos import at_rate, write_video
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from browser.conftest import Server
from browser.helpers import IDLE, downloaded, upload
from fer_core.video.analyses import list_analyses
from fer_core.vision.sample import sample_picture

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def clean(server: Server) -> Iterator[None]:
    """Leave no analysis to the tests that follow."""
    yield
    shutil.rmtree(server.settings.analyses_root, ignore_errors=True)


def portrait() -> NDArray[np.uint8]:
    picture = Image.open(io.BytesIO(sample_picture()[1])).convert("RGB")
    return np.array(picture.crop((60, 0, 380, 320)).resize((240, 240)), np.uint8)


def test_upload_timeline_click_frame_rename_download(
    open_page: Callable[..., Page], server: Server, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "interview.mp4", at_rate([portrait()] * 12, 10))
    page = open_page("/video", viewport={"width": 1280, "height": 1600})
    upload(page, ("interview.mp4", "video/mp4", clip.read_bytes()))
    page.get_by_text("interview.mp4").first.wait_for()
    page.get_by_role("button", name="Analyze", exact=True).click()

    # The job runs in its own process; the page follows it.
    timeline = page.get_by_role("slider", name="Time")
    timeline.wait_for(timeout=180_000)
    page.locator(IDLE).wait_for()
    expect(page.locator("video")).to_have_count(1)
    expect(page.get_by_text("The frame at 0:00.00")).to_be_visible()

    box = timeline.locator(":scope > rect").bounding_box()
    assert box is not None
    # The recording lasts 1.14 s: the last frame is short.
    place = 0.8 / 1.14
    page.mouse.move(box["x"] + place * box["width"], box["y"] + 0.4 * box["height"])
    expect(page.locator(".emotion-timeline .hint")).to_have_text(re.compile(r"Person 1, 0:00.8.*%"))
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("The frame at 0:00.80")).to_be_visible()
    timeline.press("Home")
    expect(page.get_by_text("The frame at 0:00.00")).to_be_visible()
    for _ in range(14):  # 0.8 s in steps of 5 %
        timeline.press("PageUp")
    expect(timeline).to_have_attribute("aria-valuetext", "0:00.8")
    expect(page.get_by_role("img", name="The frame at 0:00.80 with Person 1")).to_be_visible()

    page.get_by_role("tab", name="Persons").click()
    page.get_by_role("textbox", name="Name").fill("Eileen")
    page.get_by_role("textbox", name="Name").press("Enter")
    expect(page.get_by_text("Eileen: ").first).to_be_visible()

    page.get_by_role("tab", name="Downloads").click()
    name, content = downloaded(page, "JSON")
    assert name == "interview-emotions.json"
    document = json.loads(content)
    assert [person["name"] for person in document["persons"]] == ["Eileen"]
    assert document["columns"]["frame"] == list(range(12))
    name, content = downloaded(page, "CSV")
    assert content.decode().splitlines()[1].startswith('"interview.mp4",0,0,1,')

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this analysis").click()
    expect(page.get_by_text("Upload a video above")).to_be_visible()
    assert list_analyses(server.settings) == []
