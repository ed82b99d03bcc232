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
from playwright.sync_api import Browser, Page, expect

from browser.conftest import Server
from browser.helpers import IDLE, downloaded, upload, wait_until
from fer_core.settings import PROJECT_ROOT
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

    hint = page.locator(".emotion-timeline .hint")

    def is_under_the_pointer() -> bool:
        """Move the pointer to 0.8 s; until player and frame are loaded, the timeline may move."""
        box = timeline.locator(":scope > rect").bounding_box()
        assert box is not None
        # The recording lasts 1.14 s: the last frame is short.
        place = 0.8 / 1.14
        page.mouse.move(box["x"] + place * box["width"], box["y"] + 0.4 * box["height"])
        return re.match(r"Person 1, 0:00.8.*%", hint.inner_text(), re.DOTALL) is not None

    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_function("document.querySelector('video').readyState > 0")
    wait_until(page, is_under_the_pointer, "the time under the pointer")
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("The frame at 0:00.80")).to_be_visible()
    page.locator(IDLE).wait_for()
    timeline.press("Home")
    expect(page.get_by_text("The frame at 0:00.00")).to_be_visible()
    page.locator(IDLE).wait_for()
    for _ in range(14):  # 0.8 s in steps of 5 %
        timeline.press("PageUp")
    expect(timeline).to_have_attribute("aria-valuetext", "0:00.8")
    expect(page.get_by_role("img", name="The frame at 0:00.80 with Person 1")).to_be_visible()

    page.get_by_role("tab", name="Persons").click()
    page.get_by_role("textbox", name="Name").fill("Eileen")
    page.get_by_role("textbox", name="Name").press("Enter")
    expect(page.get_by_text("Eileen: ").first).to_be_visible()
    page.locator(IDLE).wait_for()

    page.get_by_role("tab", name="Downloads").click()
    name, content = downloaded(page, "JSON")
    assert name == "interview-emotions.json"
    document = json.loads(content)
    assert [person["name"] for person in document["persons"]] == ["Eileen"]
    assert document["columns"]["frame"] == list(range(12))
    name, content = downloaded(page, "CSV")
    assert content.decode().splitlines()[1].startswith('"interview.mp4",0,0,1,')

    # The server deletes the video: until the browser reads no more of it.
    expect(page.locator("video")).to_have_js_property("networkState", 1)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this analysis").click()
    expect(page.get_by_text("Upload a video above")).to_be_visible()
    assert list_analyses(server.settings) == []


def test_the_page_s_answer_to_a_key_does_not_undo_the_next_keys(chromium: Browser) -> None:
    """On a slow server, further keys were pressed before the page showed the time of the first."""
    page = chromium.new_page()
    page.set_content('<main><div class="emotion-timeline" style="width: 600px"></div></main>')
    script = PROJECT_ROOT / "fer_studio" / "ui" / "assets" / "emotion_timeline.js"
    page.evaluate(
        """async (script) => {
            const address = "data:text/javascript," + encodeURIComponent(script)
            const { default: draw } = await import(address)
            const data = {
                limits: [0, 10], ticks: [], persons: [], markers: [], label: "",
                classes: [{ name: "happy", color: "red" }],
                sizes: { lane: 26, person: 30, top: 22, bottom: 44, height: 66 },
            }
            window.sent = []
            window.answer = (current) => {
                draw({
                    data: { ...data, current },
                    parentElement: document.querySelector("main"),
                    setTriggerValue: (_, time) => window.sent.push(time),
                })
            }
            window.answer(null)
        }""",
        script.read_text(encoding="utf-8"),
    )
    timeline = page.get_by_role("slider", name="Time")
    timeline.press("PageUp")
    page.wait_for_function("sent.at(-1) === 0.5")
    page.evaluate("answer(null)")  # a run of the page that began before the key was pressed
    expect(timeline).to_have_attribute("aria-valuenow", "0.5")
    timeline.press("PageUp")
    page.evaluate("answer(0.5)")
    expect(timeline).to_have_attribute("aria-valuenow", "1")
    page.wait_for_function("sent.at(-1) === 1")
    timeline.press("PageUp")
    page.evaluate("answer(1)")
    expect(timeline).to_have_attribute("aria-valuenow", "1.5")
    page.wait_for_function("sent.at(-1) === 1.5")
    page.evaluate("answer(1.5)")
    expect(timeline).to_have_attribute("aria-valuenow", "1.5")
    # A time that was chosen elsewhere on the page counts, also instead of a key that waits.
    timeline.press("PageUp")
    page.evaluate("answer(7)")
    expect(timeline).to_have_attribute("aria-valuenow", "7")
    page.close()
