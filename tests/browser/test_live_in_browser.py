"""The live page in a real Chromium whose camera shows the sample picture, moving left and right."""

import base64
import csv
import io
import json
import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FrameLocator, Locator, Page, expect

from browser.camera import HEIGHT, WIDTH, camera_frames
from browser.conftest import Server
from browser.helpers import BARS, IDLE, downloaded, wait_until
from fer_core.emotions import EMOTIONS

pytestmark = pytest.mark.browser

IFRAME = 'iframe[title="streamlit_webrtc.component.webrtc_streamer"]'
# On a busy machine the browser sends smaller frames.
SIZE = re.compile(r"\d+ by \d+ pixels")
ONE_FACE = re.compile(r"1 face, \d+ by \d+ pixels")
OpenPage = Callable[..., Page]
Picture = NDArray[np.uint8]


def component(page: Page) -> FrameLocator:
    return page.frame_locator(IFRAME)


def press(page: Page, button: str) -> None:
    component(page).get_by_role("button", name=button, exact=True).click()


def video_state(page: Page) -> dict[str, Any]:
    """The number of frames shown so far, and the pixels of the current one at low resolution."""
    state: dict[str, Any] = (
        component(page)
        .locator("video")
        .evaluate(
            """(video) => {
            const canvas = document.createElement('canvas');
            canvas.width = 32; canvas.height = 24;
            const pen = canvas.getContext('2d');
            pen.drawImage(video, 0, 0, 32, 24);
            return {
                shown: video.getVideoPlaybackQuality().totalVideoFrames,
                pixels: [...pen.getImageData(0, 0, 32, 24).data].join(','),
            };
        }"""
        )
    )
    return state


def start(page: Page) -> None:
    press(page, "Start")
    try:
        expect(component(page).locator("video")).to_be_visible()
    except AssertionError as error:
        shown = component(page).locator("body").inner_text()
        raise AssertionError(f"no video; the component shows {shown!r}") from error
    expect(page.get_by_text(SIZE)).to_be_visible()


def assert_moving(page: Page) -> None:
    """Check that the content changes: a frozen stream repeats its last frame."""
    seen = set()
    deadline = time.monotonic() + 60
    while len(seen) < 8:
        assert time.monotonic() < deadline, f"only {len(seen)} different pictures"
        seen.add(video_state(page)["pixels"])
        page.wait_for_timeout(80)


def picture(page: Page) -> Picture:
    """The current frame of the returned video, RGB uint8."""
    png = (
        component(page)
        .locator("video")
        .evaluate(
            """(video) => {
            const canvas = document.createElement('canvas');
            canvas.width = video.videoWidth; canvas.height = video.videoHeight;
            canvas.getContext('2d').drawImage(video, 0, 0);
            return canvas.toDataURL('image/png').split(',')[1];
        }"""
        )
    )
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    return np.asarray(image.resize((WIDTH, HEIGHT)))


def changed_pixels(page: Page) -> int:
    """The number of pixels that differ clearly between the returned frame and the one sent."""
    returned = picture(page).astype(np.int16)
    # The overlay is small, so that the most similar frame is the one that was sent.
    differences = (np.abs(returned - frame) for frame in camera_frames())
    difference = min(differences, key=lambda one: float(one.mean()))
    return int((difference.max(axis=2) > 80).sum())


def recorded_lines(page: Page, *, is_live: bool = False) -> list[dict[str, str]]:
    """The rows of the record, as the page offers them for download."""
    content = downloaded(page, "CSV", is_live=is_live)[1]
    return list(csv.DictReader(io.StringIO(content.decode())))


def places(page: Page) -> list[dict[str, float]]:
    """The places of the stage, which has a row of buttons, and of the card next to it."""
    # In one step, because the card is replaced five times a second.
    found: list[dict[str, float]] = page.evaluate(
        """selectors => selectors.map(selector => {
            const { x, y, width, height } = document.querySelector(selector).getBoundingClientRect()
            return { x, y, width: Math.round(width), height: Math.round(height) }
        })""",
        [IFRAME, ".live-face"],
    )
    return found


def places_at_rest(page: Page) -> list[dict[str, float]]:
    """The places once they have stayed the same for ten readings."""
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    readings: deque[list[dict[str, float]]] = deque(maxlen=10)

    def are_at_rest() -> bool:
        readings.append(places(page))
        return len(readings) == 10 and all(one == readings[0] for one in readings)

    wait_until(page, are_at_rest, "constant places")
    return readings[-1]


def delay_downloads(page: Page) -> None:
    """Let the page request each file a second late, after several refreshes, as a slow browser."""
    page.evaluate(
        """() => {
            const click = HTMLAnchorElement.prototype.click
            HTMLAnchorElement.prototype.click = function () {
                setTimeout(() => click.call(this), 1000)
            }
        }"""
    )


def stream_threads(server: Server) -> int:
    """The number of threads that decode or process the frames of a stream.

    The number of all threads also depends on the speed: pools start a thread for each request while
    all others are busy, and keep it.
    """
    stacks = server.stacks()
    return stacks.count("in decoder_worker") + stacks.count("in _process_frames")


def test_threads_end_on_stop_on_reload_on_change_of_page_and_when_the_tab_is_closed(
    open_page: OpenPage, server: Server
) -> None:
    """The first test: the stream of a test before it may end half a minute after its page."""
    other, page = open_page("/"), open_page("/live")

    def assert_ended() -> None:
        wait_until(other, lambda: stream_threads(server) == 0, "no thread of a stream")

    assert_ended()
    start(page)
    assert stream_threads(server) == 2
    press(page, "Stop")
    expect(page.get_by_text("Press Start and allow the camera")).to_be_visible()
    assert_ended()
    for _ in range(2):
        start(page)
        page.reload()
        expect(component(page).get_by_role("button", name="Start", exact=True)).to_be_visible()
    start(page)
    page.get_by_role("link", name="Analyze photos").click()
    expect(page.get_by_role("heading", name="Analyze photos")).to_be_visible()
    assert_ended()
    page.get_by_role("link", name="Live").click()
    start(page)
    assert_moving(page)
    page.close()
    assert_ended()


def test_start_annotated_frames_record_stop_and_downloads(open_page: OpenPage) -> None:
    page = open_page("/live")
    expect(page.get_by_text("Press Start and allow the camera")).to_be_visible()
    # The stage has its size when its script has loaded.
    expect(component(page).get_by_role("button", name="Start", exact=True)).to_be_visible()
    idle = places_at_rest(page)
    assert idle[0]["width"] / (idle[0]["height"] - 48) == pytest.approx(4 / 3, abs=0.01)
    start(page)
    expect(page.get_by_text(ONE_FACE)).to_be_visible()
    expect(page.locator(".live-emotion strong")).to_have_css("font-size", "36px")
    assert places_at_rest(page) == idle
    assert_moving(page)
    wait_until(page, lambda: len(recorded_lines(page, is_live=True)) >= 5, "five rows")

    press(page, "Stop")
    expect(page.get_by_text("Press Start and allow the camera")).to_be_visible()
    # With more than 100 rows, another sentence also states their number.
    expect(page.get_by_text(re.compile(r"\b([5-9]|\d\d+) rows")).first).to_be_visible()
    lines = recorded_lines(page)
    assert len(lines) >= 5
    # On a very busy machine a face may be lost for seconds, and get a new number.
    assert lines[0]["person"] == "1"
    assert lines[0]["model"] and lines[0]["detector"] and lines[0]["mirrored"] == "true"
    assert len({line["x"] for line in lines}) > 1  # the box follows the moving face
    for line in lines:
        assert sum(float(line[emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=0.01)
    document = json.loads(downloaded(page, "JSON")[1])
    # The last frames may still have been processed during the first download.
    assert len(lines) <= len(document["rows"]) <= len(lines) + 2

    # The person keeps the number when the stream is started again, and the card has it.
    start(page)
    expect(page.get_by_text(ONE_FACE)).to_be_visible()
    expect(
        page.get_by_test_id("live-faces").get_by_text(re.compile(r"^Person \d+"))
    ).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    delay_downloads(page)
    again: list[dict[str, str]] = []

    def have_grown() -> bool:
        again[:] = recorded_lines(page, is_live=True)
        return len(again) > len(lines)

    wait_until(page, have_grown, "a row of the second stream")
    assert again[len(lines)]["person"] == lines[-1]["person"]
    press(page, "Stop")
    expect(page.get_by_text("Press Start and allow the camera")).to_be_visible()
    page.locator(IDLE).wait_for()

    # The record is kept when another page is opened.
    page.get_by_role("link", name="Analyze photos").click()
    expect(page.get_by_role("heading", name="Analyze photos")).to_be_visible()
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def open_settings(page: Page) -> Locator:
    """Open the settings of the stream; return them."""
    page.get_by_role("button", name="Settings").click()
    return page.get_by_test_id("stPopoverBody")


def test_the_overlay_is_drawn_on_the_picture_and_can_be_switched_off(open_page: OpenPage) -> None:
    page = open_page("/live")
    start(page)
    settings = open_settings(page)
    settings.get_by_text("Mirror the picture").click()
    # With a minimum confidence of 0 the box has the class color; otherwise it is gray, as the wall.
    settings.get_by_role("slider").first.press("Home")
    wait_until(page, lambda: 800 < changed_pixels(page) < 60_000, "a box and a label")
    for overlay in ("Boxes", "Labels"):
        settings.get_by_role("button", name=overlay).click()
    wait_until(page, lambda: changed_pixels(page) < 600, "an unchanged frame")
    assert_moving(page)


def test_quick_changes_of_controls_do_not_stop_the_stream(open_page: OpenPage) -> None:
    page = open_page("/live")
    start(page)
    settings = open_settings(page)
    mirror, sliders = settings.get_by_text("Mirror the picture"), settings.get_by_role("slider")
    for _ in range(12):
        mirror.click()
        for number in range(2):
            sliders.nth(number).press("ArrowRight")
    page.keyboard.press("Escape")
    choose_model(page, "other")
    shown = video_state(page)["shown"]
    wait_until(page, lambda: video_state(page)["shown"] > shown + 30, "30 more frames")
    assert_moving(page)
    expect(component(page).get_by_role("button", name="Stop", exact=True)).to_be_visible()


def test_a_damaged_model_is_reported_before_a_stream_starts(
    open_page: OpenPage, server: Any
) -> None:
    path = server.settings.models_root / "other" / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(b"no network")
    try:
        page = open_page("/live")
        error = page.get_by_text("The previous model and detector stay in use.")
        choose_model(page, "other")
        expect(error).to_be_visible()
        choose_model(page, "small")
        expect(error).to_have_count(0)
    finally:
        path.write_bytes(content)


def choose_model(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name).click()


def test_the_minimum_confidence_applies_to_the_current_snapshot(open_page: OpenPage) -> None:
    page = open_page("/live")
    page.get_by_text("Snapshots", exact=True).click()
    page.wait_for_function("document.querySelector('video')?.readyState == 4")
    page.get_by_role("button", name="Take photo").click()
    expect(page.locator(BARS).first).to_be_visible()
    slider = open_settings(page).get_by_role("slider").first
    slider.press("Home")
    expect(page.get_by_text("not sure")).to_have_count(0)
    slider.press("End")
    expect(page.get_by_text("not sure").first).to_be_visible()


def test_a_click_during_a_message_of_the_webcam_is_not_lost(open_page: OpenPage) -> None:
    page = open_page("/live")
    mode = page.get_by_test_id("stButtonGroup")
    mode.get_by_text("Snapshots").click()
    snapshot_camera = page.get_by_test_id("stCameraInput")
    expect(snapshot_camera).to_be_visible()
    # Click "Snapshots" in the same task of the browser in which the webcam sends its first state.
    mode.get_by_text("Snapshots").evaluate(
        """(button) => addEventListener("message", (event) => {
            if (event.data?.type !== "streamlit:setComponentValue") return
            window.clickedDuringMessage = true
            button.click()
        })"""
    )
    mode.get_by_text("Video").click()
    page.wait_for_function("window.clickedDuringMessage")
    expect(snapshot_camera).to_be_visible()


def test_two_visitors_have_separate_streams(open_page: OpenPage) -> None:
    first, second = open_page("/live"), open_page("/live")
    start(first)
    start(second)
    for page in (first, second):
        assert_moving(page)
    press(first, "Stop")
    expect(first.get_by_text("Press Start and allow the camera")).to_be_visible()
    assert_moving(second)


def test_recording_is_off_by_default_and_gives_a_video_file(
    open_page: OpenPage,
) -> None:
    page = open_page("/live")
    start(page)
    expect(page.get_by_test_id("stVideo")).to_have_count(0)
    switch = page.get_by_text("Record the video", exact=True)
    switch.click()
    expect(page.get_by_text(re.compile("[1-9] s of 2 min"))).to_be_visible()
    switch.click()
    video = page.get_by_test_id("stVideo")
    expect(video).to_be_visible()
    # The server deletes the file when the recording is discarded: until the browser reads no more.
    expect(video).to_have_js_property("networkState", 1)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="MB").click()
    assert Path(waiting.value.path()).read_bytes()[4:8] == b"ftyp"
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_test_id("stVideo")).to_have_count(0)
    assert_moving(page)


def test_a_denied_camera_is_reported_and_explained(open_page: OpenPage) -> None:
    page = open_page("/live")
    page.context.clear_permissions()
    press(page, "Start")
    expect(component(page).get_by_text("NotAllowedError")).to_be_visible()
    page.get_by_text("If the picture does not start").click()
    expect(page.get_by_text("the browser or the system denies the camera")).to_be_visible()
