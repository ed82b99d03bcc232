"""The analyze page in a real Chromium."""

import csv
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from browser.conftest import Server
from browser.helpers import (
    BAR_VALUE,
    BARS,
    IDLE,
    appearing,
    assert_fits_the_width,
    downloaded,
    metric,
    wait_until,
)
from browser.helpers import upload as upload_files
from fer_core.bundle import load_bundle
from fer_core.emotions import EMOTIONS
from fer_core.predictor import load_predictor
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.detector_files import yunet_path
from fer_core.vision.haar import HaarDetector
from fer_core.vision.photo import analyze_photo, results_document
from fer_core.vision.sample import sample_picture

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


def astronaut() -> Image.Image:
    return Image.open(io.BytesIO(sample_picture()[1])).convert("RGB")


def encoded(picture: Image.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def crowd(count: int) -> Image.Image:
    """The astronaut's face several times, side by side."""
    face = astronaut().crop((100, 0, 360, 260))
    picture = Image.new("RGB", (260 * count, 260))
    for number in range(count):
        picture.paste(face, (260 * number, 0))
    return picture


def png_bomb() -> bytes:
    """A small PNG file whose header states 900 million pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    kinds = {"png": "image/png"}
    upload_files(
        page, *((name, kinds.get(name[-3:], "image/jpeg"), content) for name, content in files)
    )


def choose_sample(page: Page) -> None:
    page.get_by_role("button", name="Try a sample picture").click()
    expect(page.locator(BAR_VALUE)).to_have_count(7)


def thumbnail(page: Page, name: str) -> Locator:
    """The thumbnail of a photo or of a face, whose name begins with its number."""
    return page.get_by_role("option", name=name)


def choose_option(page: Page, box: str, option: str) -> None:
    # Playwright's pointer jumps: the first click elsewhere would only close the tooltip of the
    # button that was clicked before.
    page.get_by_role("combobox", name=box).hover()
    expect(page.get_by_role("tooltip")).to_have_count(0)
    page.get_by_role("combobox", name=box).click()
    page.get_by_role("option", name=option).click()


def test_the_sample_picture_its_downloads_and_another_model(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page("/analyze")
    choose_sample(page)
    expect(page.locator(BARS)).to_have_count(1)
    page.locator(IDLE).wait_for()
    assert page.locator(f"{BARS} .bar-name").all_text_contents() == list(EMOTIONS)
    values = page.locator(BAR_VALUE).all_text_contents()
    assert all(text.endswith(" %") for text in values)

    def are_as_long_as_the_values() -> bool:
        lengths = page.locator(f"{BARS} .bar-track").evaluate_all(
            "tracks => tracks.map(track => 100 * track.firstChild.clientWidth / track.clientWidth)"
        )
        return bool(lengths == pytest.approx([float(text[:-2]) for text in values], abs=1))

    # The browser may load the styles after the bars.
    wait_until(page, are_as_long_as_the_values, "bars as long as their values")
    crop = page.get_by_alt_text("The network's input for face 1")
    expect(crop).to_be_visible()
    photo = page.get_by_alt_text("astronaut.png with 1")
    expect(photo).to_be_visible()
    for picture in (crop, photo):
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth > 0")
    assert_the_downloads_equal_the_output_of_the_command_line(page, server)

    before = page.locator(BAR_VALUE).all_text_contents()
    choose_option(page, "Model", "other")
    expect(page.locator(BAR_VALUE).first).not_to_have_text(before[0])
    expect(page.locator(BARS)).to_have_count(1)


def assert_the_downloads_equal_the_output_of_the_command_line(page: Page, server: Server) -> None:
    name, content = sample_picture()
    predictor = load_predictor(load_bundle(server.settings.models_root / "small"))
    result, image = analyze_photo(content, name, Analyzer(predictor, HaarDetector()))
    assert image is not None
    (face,) = result.faces

    file_name, document = downloaded(page, "JSON")
    assert file_name == "emotions.json"
    assert json.loads(document) == results_document([result])

    file_name, table = downloaded(page, "CSV")
    assert file_name == "emotions.csv"
    (row,) = csv.DictReader(io.StringIO(table.decode()))
    assert (row["file"], row["label"]) == (name, face.label)
    assert float(row["score"]) == pytest.approx(face.score)

    file_name, picture = downloaded(page, "Annotated picture")
    assert file_name == "astronaut-emotions.jpg"
    marked = np.asarray(Image.open(io.BytesIO(picture)))
    assert marked.shape == image.shape
    x, y, _, height = face.box.rounded()
    edge = difference(marked, image)[y : y + height, x]
    assert edge.mean() > 40
    assert difference(marked, image)[400:].mean() < 5


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(np.abs(one.astype(float) - other).mean(axis=2))


BROKEN: Sequence[tuple[str, bytes, str]] = (
    ("archive.jpg", b"PK\x03\x04" + bytes(500), "zip archive"),
    ("cut.jpg", encoded(astronaut())[:5000], "cut short"),
    ("empty.jpg", b"", "empty"),
    ("bomb.png", png_bomb(), "30,000 x 30,000 pixels"),
    ("words.jpg", b"plain text", "not a picture"),
    ("dot.png", encoded(Image.new("RGB", (1, 1)), "PNG"), "too small to show a face"),
)


def test_broken_files_are_reported_one_by_one_and_the_others_analyzed(open_page: OpenPage) -> None:
    page = open_page("/analyze")
    upload(
        page,
        *((name, content) for name, content, _ in BROKEN),
        ("good.jpg", encoded(astronaut())),
    )
    expect(metric(page, "Photos")).to_have_text("7")
    expect(metric(page, "Failed")).to_have_text(str(len(BROKEN)))
    report = page.get_by_test_id("stExpander").filter(has_text="could not be analyzed")
    for name, _, words in BROKEN:
        expect(report.get_by_text(name)).to_contain_text(words)
    # The valid photo can still be selected.
    thumbnail(page, "good.jpg").click()
    expect(page.get_by_alt_text("good.jpg with 1")).to_be_visible()
    expect(page.locator(BAR_VALUE)).to_have_count(7)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_click_opens_a_photo_and_a_click_on_a_face_shows_its_probabilities(
    open_page: OpenPage,
) -> None:
    page = open_page("/analyze")
    upload(page, ("one.jpg", encoded(astronaut())), ("three.jpg", encoded(crowd(3))))
    expect(page.get_by_alt_text("one.jpg with")).to_be_visible()
    expect(thumbnail(page, "one.jpg")).to_have_attribute("aria-selected", "true")
    thumbnail(page, "three.jpg").click()
    expect(page.get_by_alt_text("three.jpg with")).to_be_visible()
    expect(page.get_by_alt_text("one.jpg with")).to_have_count(0)
    # Lines and labels have the same size on the screen on every photo.
    boxes = page.locator(".photo .box")
    expect(boxes).to_have_count(3)
    expect(boxes.nth(1)).to_have_css("border-width", "2px")
    expect(page.locator(".photo .label").first).to_have_css("font-size", "14px")
    expect(thumbnail(page, "1: ")).to_have_attribute("aria-selected", "true")
    page.locator(IDLE).wait_for()
    # The pointer on a thumbnail shows which box it is, and a click on either selects the face.
    thumbnail(page, "3: ").hover()
    expect(boxes.nth(2)).to_have_class(re.compile("is-hovered"))
    thumbnail(page, "3: ").click()
    crop = page.get_by_alt_text("The network's input for face")
    expect(crop).to_have_attribute("alt", re.compile("face 3"))
    page.locator(IDLE).wait_for()
    boxes.nth(1).click()
    expect(crop).to_have_attribute("alt", re.compile("face 2"))
    expect(thumbnail(page, "2: ")).to_have_attribute("aria-selected", "true")
    page.locator(IDLE).wait_for()
    thumbnail(page, "2: ").press("ArrowLeft")
    expect(crop).to_have_attribute("alt", re.compile("face 1"))
    expect(page.locator(BARS)).to_have_count(1)
    name, archive = downloaded(page, "All annotated pictures")
    assert name == "emotions.zip"
    assert archive.startswith(b"PK")


def test_a_photo_without_a_face_can_be_classified_as_a_whole(open_page: OpenPage) -> None:
    page = open_page("/analyze")
    upload(page, ("wall.jpg", encoded(Image.new("RGB", (400, 300), "gray"))))
    expect(page.get_by_text("No face found in wall.jpg")).to_be_visible()
    page.get_by_role("button", name="Classify the whole picture as one face").click()
    expect(page.locator(BAR_VALUE)).to_have_count(7)
    expect(page.get_by_text("No face found")).to_have_count(0)


def test_a_snapshot_of_the_camera_is_analyzed(open_page: OpenPage) -> None:
    page = open_page("/analyze")
    page.get_by_role("tab", name="Camera").click()
    video = page.locator('[data-testid="stCameraInput"] video')
    video.wait_for()
    page.wait_for_function("document.querySelector('video').readyState == 4")
    page.get_by_role("button", name="Take photo").click()
    outcome = page.get_by_text("No face found in snapshot.jpg").or_(page.locator(BARS).first)
    expect(outcome.first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    # Leaving the tab switches the camera off.
    page.get_by_role("tab", name="Photos").click()
    expect(page.get_by_role("button", name="Try a sample picture")).to_be_visible()
    expect(page.get_by_test_id("stCameraInput")).to_have_count(0)


def test_on_a_phone_nothing_has_to_be_scrolled_sideways(open_page: OpenPage) -> None:
    page = open_page(
        "/analyze", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    upload(page, ("one.jpg", encoded(astronaut())), ("three.jpg", encoded(crowd(3))))
    photo = page.get_by_alt_text("one.jpg with")
    expect(photo).to_be_visible()
    expect(page.locator(BAR_VALUE)).to_have_count(7)
    assert_fits_the_width(page)

    def is_visible_without_scrolling() -> bool:
        box = photo.bounding_box()
        return box is not None and box["y"] + box["height"] < 844

    wait_until(page, is_visible_without_scrolling, "the result without scrolling")


def test_in_dark_mode_the_page_and_its_bars_are_readable(open_page: OpenPage) -> None:
    page = open_page("/analyze", color_scheme="dark")
    choose_sample(page)
    background = brightness(page.get_by_test_id("stApp"), "backgroundColor")
    assert background < 60
    assert brightness(page.get_by_role("heading", level=1), "color") > 180
    assert brightness(page.locator(BAR_VALUE).first, "color") > 120


def brightness(element: Locator, style: str) -> float:
    """The mean of a color's red, green and blue, 0 to 255."""
    color = element.evaluate("(element, style) => getComputedStyle(element)[style]", style)
    digits = color[color.index("(") + 1 : color.index(")")].split(",")
    return sum(float(digit) for digit in digits[:3]) / 3


def test_a_detector_file_added_by_hand_becomes_the_default_and_another_can_be_chosen(
    open_page: OpenPage, server: Any, real_data: Path
) -> None:
    target = yunet_path(server.settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((real_data / target.name).read_bytes())
    try:
        page = open_page("/analyze")
        choose_sample(page)
        box = downloaded_box(page)
        before = page.locator(".photo .box").get_attribute("style")
        assert before is not None
        choose_option(page, "Face detector", "Basic")
        expect(page.locator(".photo .box")).not_to_have_attribute("style", before)
        expect(page.locator(BAR_VALUE)).to_have_count(7)
        assert box[2] != box[3]  # YuNet's boxes are upright, the cascades' square
        other = downloaded_box(page)
        assert other[2] == other[3]
    finally:
        target.unlink()


def downloaded_box(page: Page) -> list[int]:
    (file,) = json.loads(downloaded(page, "JSON")[1])["files"]
    (face,) = file["faces"]
    return list(face["box"])


def test_many_photos_at_once_show_progress_and_are_all_analyzed(open_page: OpenPage) -> None:
    page = open_page("/analyze")
    picture = astronaut()
    files = []
    for number in range(25):
        size = 400 + number
        files.append((f"{number:02}.jpg", encoded(picture.resize((size, size)))))
    with appearing(page, "of 25 photos analyzed"):
        upload(page, *files)
    expect(metric(page, "Photos")).to_have_text("25")
    expect(metric(page, "Faces")).to_have_text("25")
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
