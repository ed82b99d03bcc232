"""The dataset page in a real Chromium."""

import csv
import io
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from fer_core.dataset.curation_csv import parse_curation
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import dataset_names, import_dataset, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)

OpenPage = Callable[..., Page]
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
FACES = 84


def archive_of(faces: FaceSet) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        rows = zip(faces.images, faces.labels, faces.splits, strict=True)
        for row, (image, label, split) in enumerate(rows):
            name = f"{SPLITS[split]}/{EMOTIONS[label]}/{row:03}.png"
            archive.writestr(name, cv2.imencode(".png", image)[1].tobytes())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Six images of each emotion to train on, three to validate, three to test, and a leak."""
    splits = ["train"] * 42 + ["validation"] * 21 + ["test"] * 21
    drawn = draw_faces([number % 7 for number in range(FACES)], splits=splits)
    images = drawn.images.copy()
    images[42] = images[0]
    return replace(drawn, images=images)


@pytest.fixture
def home(server: Any, faces: FaceSet, tmp_path: Path) -> Settings:
    """The server's folders, with one dataset called "drawn" as after a fresh import."""
    settings: Settings = server.settings
    shutil.rmtree(settings.data_root, ignore_errors=True)
    source = tmp_path / "drawn.zip"
    source.write_bytes(archive_of(faces))
    import_dataset(source, settings)
    return settings


def settle(page: Page) -> None:
    page.wait_for_timeout(200)  # until the click has reached the server
    page.locator(IDLE).wait_for()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    settle(page)


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box, exact=True).first.click()
    page.get_by_role("option", name=option).first.click()
    settle(page)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    settle(page)


def act_until(act: Callable[[], object], outcome: Locator) -> None:
    """Act, and again where the page was drawn anew under the pointer and swallowed it."""
    for _ in range(3):
        try:
            act()
            outcome.wait_for(timeout=10_000)
        except TookTooLong:
            continue
        return
    expect(outcome).to_be_visible()


def metric(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(
        [{"name": name, "mimeType": "application/zip", "buffer": content}]
    )
    expect(page.get_by_test_id("stFileUploader").get_by_text(name)).to_be_visible()
    settle(page)


def fill(page: Page, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")


def decided(settings: Settings) -> list[str]:
    path = settings.data_root / "drawn" / "curation.csv"
    if not path.exists():
        return []
    curation = parse_curation(path.read_bytes(), path.name)
    return [f"{entry.name} {entry.action}" for entry in curation.entries]


def is_within_the_window(page: Page) -> bool:
    width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    return bool(width <= page.viewport_size["width"]) if page.viewport_size else False


def test_a_zip_is_uploaded_imported_and_counted(
    open_page: OpenPage, home: Settings, faces: FaceSet
) -> None:
    shutil.rmtree(home.data_root)
    page = open_page("/dataset")
    expect(page.get_by_text("There is no dataset yet.")).to_be_visible()
    upload(page, "mine.zip", archive_of(faces))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("was imported: 84 images, nothing skipped")).to_be_visible()
    expect(metric(page, "Train")).to_have_text("42")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    assert load_dataset("mine", home).fingerprint  # whole on disk
    assert dataset_names(home) == ["mine"]


def test_two_visitors_upload_at_once_and_lose_nothing(
    open_page: OpenPage, home: Settings, faces: FaceSet
) -> None:
    pages = [open_page("/dataset"), open_page("/dataset")]
    for page in pages:
        page.get_by_text("Import a dataset").click()
        settle(page)
        upload(page, "same.zip", archive_of(faces))
    for page in pages:
        page.get_by_role("button", name="Import", exact=True).click(no_wait_after=True)
    for page in pages:
        settle(page)
    outcome = re.compile("was imported: 84 images|already a dataset|already being imported")
    for page in pages:
        button = page.get_by_role("button", name="Import", exact=True)
        if not page.get_by_text(outcome).is_visible():
            act_until(lambda button=button: button.click(timeout=5_000), page.get_by_text(outcome))
    assert dataset_names(home) == ["drawn", "same"]
    assert len(load_dataset("same", home)) == FACES


def test_a_file_over_the_limit_is_refused_by_the_uploader(
    open_page: OpenPage, home: Settings, tmp_path: Path
) -> None:
    page = open_page("/dataset")
    page.get_by_text("Import a dataset").click()
    settle(page)
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(601 << 20)  # a hole: it takes no room
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(large)
    expect(page.get_by_text("File must be 0.6GB or smaller")).to_be_visible()
    expect(metric(page, "Images")).to_have_text("84")


def test_a_face_is_chosen_with_the_keyboard_and_dropped(
    open_page: OpenPage, home: Settings
) -> None:
    page = open_page("/dataset")
    open_tab(page, "Audit")
    expect(metric(page, "Validation in train")).to_have_text("1")
    box = page.get_by_role("checkbox", name="angry · train")
    box.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("1 chosen")).to_be_visible()
    press(page, "Drop")
    expect(page.get_by_text("image dropped")).to_be_visible()
    assert decided(home) == ["train/angry/000.png drop"]
    open_tab(page, "Clean up")
    expect(metric(page, "Train")).to_have_text("41")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("as they were imported")).to_be_visible()
    assert decided(home) == []


def test_a_choice_survives_the_turning_of_a_page(
    open_page: OpenPage, home: Settings, faces: FaceSet, tmp_path: Path
) -> None:
    images = faces.images.copy()
    images[42:56] = images[:14]  # more pairs than a page has room for
    source = tmp_path / "paired.zip"
    source.write_bytes(archive_of(replace(faces, images=images)))
    import_dataset(source, home)
    page = open_page("/dataset")
    choose(page, "Dataset", "paired")
    open_tab(page, "Audit")
    boxes = page.get_by_role("main").get_by_role("checkbox", name="·")
    expect(boxes).to_have_count(24)

    def choose_the_second() -> None:
        if not boxes.nth(1).is_checked():
            boxes.nth(1).focus()
            page.keyboard.press("Space")

    act_until(choose_the_second, page.get_by_text("1 chosen"))
    pages = page.get_by_test_id("stPagination")
    pages.get_by_role("button", name="2").click()
    expect(boxes).to_have_count(4)
    expect(page.get_by_text("1 chosen")).to_be_visible()
    press(page, "Choose this page")
    expect(page.get_by_text("5 chosen")).to_be_visible()
    pages.get_by_role("button", name="1").click()
    expect(boxes).to_have_count(24)
    expect(boxes.nth(1)).to_be_checked()
    press(page, "Choose none")
    expect(page.get_by_text("None chosen")).to_be_visible()


def test_a_quick_fix_and_its_csv(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset")
    open_tab(page, "Clean up")
    page.get_by_role("button", name="Drop train copies of validation").click()
    expect(page.get_by_text("1 training image dropped")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Decisions as CSV").click()
    assert waiting.value.suggested_filename == "drawn-curation.csv"
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["name"], row["action"]) == ("train/angry/000.png", "drop")


def test_a_point_of_the_map_shows_its_face(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset", viewport={"width": 1280, "height": 1400})
    open_tab(page, "Audit")
    choose(page, "Finding", "Map")
    choose(page, "Projection", "PCA")
    page.get_by_role("button", name="Draw the map").click()
    chart = page.locator(".js-plotly-plot")
    expect(chart).to_be_visible()
    settle(page)
    expect(page.get_by_text("No point is chosen")).to_be_visible()
    place = chart.evaluate(
        """plot => {
            const layout = plot._fullLayout, box = plot.getBoundingClientRect();
            const trace = plot._fullData[0];
            return [box.left + layout.xaxis._offset + layout.xaxis.c2p(trace.x[0]),
                    box.top + layout.yaxis._offset + layout.yaxis.c2p(trace.y[0])];
        }"""
    )
    page.mouse.move(place[0], place[1])
    page.wait_for_timeout(300)
    page.mouse.click(place[0], place[1])
    expect(page.get_by_text("None chosen")).to_be_visible()
    expect(page.get_by_text("No point is chosen")).to_have_count(0)
    assert page.get_by_role("main").get_by_role("checkbox").count() >= 1


def test_a_dataset_is_deleted_after_a_question(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset")
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("disappears from this server")).to_be_visible()
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_have_count(0)
    assert dataset_names(home) == ["drawn"]
    page.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("There is no dataset yet.")).to_be_visible()
    assert dataset_names(home) == []


def test_a_folder_deleted_while_the_page_is_open_is_a_sentence(
    open_page: OpenPage, home: Settings
) -> None:
    page = open_page("/dataset")
    open_tab(page, "Browse images")
    shutil.rmtree(home.data_root / "drawn")
    page.get_by_role("button", name="Shuffle").click()  # runs the gallery alone
    expect(page.get_by_text("There is no dataset 'drawn'")).to_be_visible()
    page.reload()
    expect(page.get_by_text("There is no dataset yet.")).to_be_visible()


def test_faces_are_large_and_crisp(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset")
    open_tab(page, "Browse images")
    pictures = page.get_by_role("main").locator("img")
    expect(pictures).to_have_count(24)
    picture = pictures.first
    expect(picture).to_have_attribute("alt", re.compile(r"^(train|validation|test)/"))
    natural, shown = picture.evaluate("one => [one.naturalHeight, one.clientHeight]")
    assert (natural, shown) == (96, 96)  # two by two for each of its own pixels


@pytest.mark.parametrize(
    "section", ["Overview", "Browse images", "Audit", "Clean up", "Annotator votes"]
)
def test_a_phone_shows_every_section_without_scrolling_sideways(
    open_page: OpenPage, home: Settings, section: str
) -> None:
    page = open_page("/dataset", viewport={"width": 390, "height": 844})
    open_tab(page, section)
    assert is_within_the_window(page)


def test_the_figures_stand_in_the_page(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset")
    share = np.mean(load_dataset("drawn", home).labels == 0)
    expect(metric(page, "Always")).to_have_text(f"{100 * share:.1f} %")
