"""The dataset page in a real Chromium."""

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browser.helpers import (
    IDLE,
    appearing,
    archive_of,
    assert_fits_the_width,
    downloaded,
    metric,
    remove_datasets,
    wait_until,
)
from browser.helpers import upload as upload_files
from fer_core.dataset.curation_csv import parse_curation
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import dataset_names, import_dataset, load_dataset
from fer_core.settings import Settings

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
FACES = 84


@pytest.fixture(scope="module")
def faces(draw_faces: Callable[..., FaceSet]) -> FaceSet:
    """Six training, three validation and three test images per class; one of them leaks."""
    splits = ["train"] * 42 + ["validation"] * 21 + ["test"] * 21
    drawn = draw_faces([number % 7 for number in range(FACES)], splits=splits)
    images = drawn.images.copy()
    images[42] = images[0]
    return replace(drawn, images=images)


@pytest.fixture
def home(server: Any, faces: FaceSet, tmp_path: Path) -> Iterator[Settings]:
    """The server's folders with one dataset, "drawn", freshly imported."""
    settings: Settings = server.settings
    source = tmp_path / "drawn.zip"
    source.write_bytes(archive_of(faces))
    import_dataset(source, settings)
    yield settings
    remove_datasets(settings)


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def open_finding(page: Page, kind: str) -> None:
    """Open a finding of the tab Audit when the search for near-duplicates has ended.

    Its end redraws the whole page.
    """
    open_tab(page, "Audit")
    button = page.locator(f".st-key-show_{kind}").get_by_role("button")
    button.wait_for()
    page.locator(IDLE).wait_for()
    expect(page.get_by_text("searching…")).to_have_count(0)
    page.locator(IDLE).wait_for()
    button.click()


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box, exact=True).first.click()
    page.get_by_role("option", name=option).first.click()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def upload(page: Page, name: str, content: bytes) -> None:
    upload_files(page, (name, "application/zip", content))
    expect(page.get_by_test_id("stFileUploader").get_by_text(name)).to_be_visible()
    # The classes are shown before anything can be imported.
    expect(page.get_by_role("radio", name="Seven emotions")).to_be_visible()
    # Only the button below them, which is drawn last, imports what they show.
    page.locator(IDLE).wait_for()


def press_import(page: Page) -> None:
    """With the keyboard: the charts below the form may still move the page under a mouse."""
    button = page.get_by_role("button", name="Import", exact=True)
    button.focus()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")


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


def test_a_zip_is_uploaded_imported_and_counted(
    open_page: OpenPage, home: Settings, faces: FaceSet
) -> None:
    shutil.rmtree(home.data_root)
    page = open_page("/dataset")
    expect(page.get_by_text("There is no dataset yet.")).to_be_visible()
    # "test" and "held" have the same length, so that the archive stays valid.
    upload(page, "mine.zip", archive_of(faces).replace(b"test/", b"held/"))
    expect(page.get_by_text("Choose the split of held")).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    page.get_by_role("combobox", name=re.compile("^held ")).click()
    page.get_by_role("option", name="test", exact=True).click()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    page.locator(IDLE).wait_for()
    press_import(page)
    expect(page.get_by_text("was imported: 84 images, nothing skipped")).to_be_visible()
    expect(metric(page, "Train")).to_have_text("42")
    expect(metric(page, "Test")).to_have_text("21")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    assert load_dataset("mine", home).fingerprint  # complete on disk
    assert dataset_names(home) == ["mine"]


def test_two_visitors_who_upload_at_once_each_see_the_outcome(
    open_page: OpenPage, home: Settings, faces: FaceSet
) -> None:
    pages = [open_page("/dataset"), open_page("/dataset")]
    for page in pages:
        page.get_by_text("Import a dataset").click()
        upload(page, "same.zip", archive_of(faces))
    for page in pages:
        press_import(page)
    outcome = re.compile("was imported: 84 images|already a dataset|already being imported")
    for page in pages:
        # The second visitor may see both reasons: first the import, then the dataset.
        expect(page.get_by_text(outcome).first).to_be_visible()
    # The page that began later may say that the other one still imports it.
    wait_until(page, lambda: dataset_names(home) == ["drawn", "same"], "one import")
    assert len(load_dataset("same", home)) == FACES


def test_a_file_over_the_limit_is_refused_by_the_uploader(
    open_page: OpenPage, home: Settings, tmp_path: Path
) -> None:
    page = open_page("/dataset")
    page.get_by_text("Import a dataset").click()
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(601 << 20)  # a sparse file: it takes no space
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(large)
    expect(page.get_by_text("File must be 0.6GB or smaller")).to_be_visible()
    expect(metric(page, "Images")).to_have_text("84")


def test_a_face_dropped_with_the_keyboard_and_a_quick_fix_with_its_csv(
    open_page: OpenPage, home: Settings
) -> None:
    page = open_page("/dataset")
    open_finding(page, "duplicates")
    box = page.get_by_role("checkbox", name="angry · train")
    box.wait_for()
    page.locator(IDLE).wait_for()
    box.press("Space")
    expect(page.get_by_text("1 selected")).to_be_visible()
    with appearing(page, "1 image dropped."):
        press(page, "Drop 1")
    assert decided(home) == ["train/angry/000.png drop"]
    open_tab(page, "Clean up")
    expect(page.get_by_text("Effect of your decisions")).to_be_visible()
    expect(metric(page, "Train")).to_have_text("41")
    bar = page.locator(".st-key-decision_bar")
    expect(bar).to_have_count(1)  # the one of the previous tab is removed at the end of the run
    expect(bar).to_contain_text("1 decision: 1 dropped")
    bar.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("uses the dataset as imported")).to_be_visible()
    assert decided(home) == []

    page.get_by_role(
        "button", name="Drop train copies of validation and test images: 1 image"
    ).click()
    expect(page.get_by_text("1 training image dropped")).to_be_visible()
    name, content = downloaded(page, "Decisions as CSV")
    assert name == "drawn-curation.csv"
    (row,) = csv.DictReader(io.StringIO(content.decode()))
    assert (row["name"], row["action"]) == ("train/angry/000.png", "drop")


def test_a_selection_is_kept_when_another_page_is_opened(
    open_page: OpenPage, home: Settings, faces: FaceSet, tmp_path: Path
) -> None:
    images = faces.images.copy()
    images[42:56] = images[:14]  # more pairs than fit on a page
    source = tmp_path / "paired.zip"
    source.write_bytes(archive_of(replace(faces, images=images)))
    import_dataset(source, home)
    page = open_page("/dataset")
    choose(page, "Dataset", "paired")
    expect(page).to_have_url(re.compile("dataset=paired"))
    page.locator(IDLE).wait_for()
    open_finding(page, "duplicates")
    boxes = page.get_by_role("main").get_by_role("checkbox", name="·")
    expect(boxes).to_have_count(24)
    page.locator(IDLE).wait_for()
    boxes.nth(1).press("Space")
    expect(page.get_by_text("1 selected")).to_be_visible()
    pages = page.get_by_test_id("stPagination")
    pages.get_by_role("button", name="2").click()
    expect(boxes).to_have_count(4)
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.locator(IDLE).wait_for()
    press(page, "Select page")
    expect(page.get_by_text("5 selected")).to_be_visible()
    pages.get_by_role("button", name="1").click()
    expect(boxes).to_have_count(24)
    expect(boxes.nth(1)).to_be_checked()
    press(page, "Clear selection")
    expect(page.get_by_text("None selected")).to_be_visible()


def test_a_point_of_the_map_shows_its_face(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset", viewport={"width": 1280, "height": 1400})
    open_finding(page, "map")
    choose(page, "Projection", "PCA")
    page.get_by_role("button", name="Draw the map").click()
    chart = page.locator(".js-plotly-plot")
    expect(chart).to_be_visible()
    expect(page.get_by_text("No point is selected")).to_be_visible()
    page.locator(IDLE).wait_for()
    place = [0.0, 0.0]

    def is_under_the_pointer() -> bool:
        """Move the pointer to the first point; while elements are loaded, the chart may move."""
        place[:] = chart.evaluate(
            """plot => {
                const layout = plot._fullLayout, box = plot.getBoundingClientRect();
                const trace = plot._fullData[0];
                return [box.left + layout.xaxis._offset + layout.xaxis.c2p(trace.x[0]),
                        box.top + layout.yaxis._offset + layout.yaxis.c2p(trace.y[0])];
            }"""
        )
        page.mouse.move(place[0], place[1])
        return chart.locator(".hoverlayer .hovertext").is_visible()

    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    wait_until(page, is_under_the_pointer, "a point under the pointer")
    page.mouse.click(place[0], place[1])
    expect(page.get_by_text("None selected")).to_be_visible()
    expect(page.get_by_text("No point is selected")).to_have_count(0)
    expect(page.get_by_role("main").get_by_role("checkbox").first).to_be_visible()


def test_a_dataset_is_deleted_after_a_confirmation(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset")
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("will be deleted from this server")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert dataset_names(home) == ["drawn"]
    page.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("There is no dataset yet.")).to_be_visible()
    assert dataset_names(home) == []


def test_a_folder_deleted_while_the_page_is_open_is_reported(
    open_page: OpenPage, home: Settings
) -> None:
    page = open_page("/dataset")
    open_tab(page, "Browse images")
    shuffle = page.get_by_role("button", name="Shuffle")
    expect(shuffle).to_be_visible()
    page.locator(IDLE).wait_for()
    shutil.rmtree(home.data_root / "drawn")
    shuffle.click()  # reruns only the gallery
    expect(page.get_by_text("There is no dataset 'drawn'")).to_be_visible()
    page.reload()
    expect(page.get_by_text("There is no dataset yet.")).to_be_visible()


def test_the_baseline_and_large_faces_in_complete_rows(open_page: OpenPage, home: Settings) -> None:
    page = open_page("/dataset")
    share = np.mean(load_dataset("drawn", home).labels == 0)
    expect(metric(page, "Majority baseline")).to_have_text(f"{100 * share:.1f} %")
    open_tab(page, "Browse images")
    pictures = page.get_by_role("main").locator("img")
    expect(pictures).to_have_count(72)
    picture = pictures.first
    expect(picture).to_have_attribute("alt", re.compile(r"^(train|validation|test)/"))
    places = [one.bounding_box() for one in pictures.all()]
    left = {round(place["x"]) for place in places if place is not None}
    assert len(left) == 8  # 72 faces in 9 complete rows
    assert all(place is not None and place["width"] == place["height"] > 120 for place in places)
    page.locator(IDLE).wait_for()
    # The page numbers are below the faces; the next page starts with its first face.
    pages = page.get_by_test_id("stPagination").filter(visible=True)
    pages.get_by_role("button", name="2").click()
    expect(pictures).to_have_count(12)
    expect(picture).to_be_in_viewport()
    page.locator(IDLE).wait_for()
    pages.get_by_role("button", name="1").click()
    expect(pictures).to_have_count(72)
    page.locator(IDLE).wait_for()

    # A click opens the face; keys lead to the next one and decide about it.
    picture.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("1 of 84")).to_be_visible()
    page.locator(IDLE).wait_for()
    page.keyboard.press("ArrowRight")
    expect(drawer.get_by_text("2 of 84")).to_be_visible()
    page.locator(IDLE).wait_for()
    page.keyboard.press("d")
    expect(drawer.get_by_text("Decision: dropped")).to_be_visible()
    assert len(decided(home)) == 1
    page.locator(IDLE).wait_for()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page.locator(".tile").nth(1)).to_contain_text("dropped")


def test_a_phone_shows_every_section_without_scrolling_sideways(
    open_page: OpenPage, home: Settings
) -> None:
    page = open_page("/dataset", viewport={"width": 390, "height": 844})
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(5)
    for tab in tabs.all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        # The content comes from the server; until then the page may still be redrawn.
        panel = page.get_by_role("tabpanel").filter(visible=True)
        expect(panel.get_by_test_id("stElementContainer").first).to_be_visible()
        page.locator(IDLE).wait_for()
        assert_fits_the_width(page, tab.inner_text())
