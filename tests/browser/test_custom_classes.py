"""Three custom classes in a real Chromium: imported, trained, evaluated, analyzed and live."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import pytest
from playwright.sync_api import Page, expect

from browser.helpers import BAR_VALUE, IDLE, PLOTLY, remove_datasets, upload
from browser.test_live_in_browser import ONE_FACE, start
from fer_core.bundle import find_bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import load_dataset
from fer_core.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
SHIPPED = "fer2013"
#: As the folders name them, and as they are after one of them was renamed.
FOLDERS = ("ahegao", "scared", "smug <b>")
CLASSES = ("fear", "ahegao", "smug <b>")


@pytest.fixture
def home(server: Any) -> Iterator[Settings]:
    """The folders of the shared server with a shipped model; without data and runs."""
    settings: Settings = server.settings
    remove_datasets(settings)
    shutil.rmtree(settings.runs_root, ignore_errors=True)
    shutil.copytree(PROJECT_ROOT / "models" / SHIPPED, settings.models_root / SHIPPED)
    yield settings
    shutil.rmtree(settings.models_root / SHIPPED)
    (settings.models_root / "default").write_text("small\n")
    remove_datasets(settings)
    shutil.rmtree(settings.runs_root, ignore_errors=True)


def archive_of(faces: FaceSet) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for row, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
            content = cv2.imencode(".png", image)[1].tobytes()
            archive.writestr(f"mine/{FOLDERS[label]}/{row:03}.png", content)
    return buffer.getvalue()


def fill(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    expect(field).to_have_value(value)


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box).first.click()
    page.get_by_role("option", name=option).first.click()
    page.locator(IDLE).wait_for()


def test_three_classes_are_imported_trained_and_used(
    open_page: OpenPage, home: Settings, draw_faces: Callable[..., FaceSet]
) -> None:
    faces = draw_faces([number % 3 for number in range(60)])
    page = open_page("/dataset")
    upload(page, ("mine.zip", "application/zip", archive_of(faces)))
    # The classes and their counts are shown before anything is imported.
    expect(page.get_by_text("smug <b>: 20 images")).to_be_visible()
    page.get_by_role("radio", name="As named").click()
    field = page.get_by_role("combobox", name="scared (20)")
    expect(field).to_have_value("scared")  # the fields were drawn again
    page.locator(IDLE).wait_for()
    field.click()
    field.fill("fear")
    field.press("Enter")
    expect(page.get_by_role("combobox", name="scared (20)")).to_have_value("fear")
    page.locator(IDLE).wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("was imported: 60 images, nothing skipped")).to_be_visible()
    assert load_dataset("mine", home).classes == CLASSES

    page.get_by_role("link", name="Train").first.click()
    choose(page, "Start from", SHIPPED)
    # The page adapts the settings to this model, and would replace a value that is entered before.
    expect(page.get_by_role("combobox", name="Freeze up to")).to_be_visible()
    page.locator(IDLE).wait_for()
    fill(page, "Epochs", "2")
    page.get_by_role("radio", name="Advanced").click()
    page.get_by_text("Batch size, seed, precision").click()
    fill(page, "Batch size", "16")
    expect(page.get_by_text(f"3 classes: {', '.join(CLASSES)}.")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Trained model", exact=True)).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Use as default").click()
    expect(page.get_by_text("Trained model · default model")).to_be_visible()
    record = find_bundle(None, home).record
    assert record.classes == CLASSES
    assert record.start["model"] == SHIPPED

    page.get_by_role("link", name="Evaluate").first.click()
    choose(page, "Images", "mine")
    page.get_by_role("button", name=re.compile("Evaluate on")).wait_for()
    # Until the tabs of the other evaluation are no longer shown.
    page.locator(IDLE).wait_for()
    page.get_by_role("button", name=re.compile("Evaluate on")).click()
    expect(page.get_by_role("tab", name="Confusion matrix")).to_be_visible()
    page.get_by_role("tab", name="Per class").click()
    expect(page.locator(f"{PLOTLY} .ytick")).to_have_count(3)
    expect(page.locator(PLOTLY).get_by_text("smug <b>").first).to_be_visible()

    page.get_by_role("link", name="Analyze photos").first.click()
    page.get_by_role("button", name="Try a sample picture").click()
    expect(page.locator(BAR_VALUE)).to_have_count(3)

    page.get_by_role("link", name="Live").first.click()
    start(page)
    expect(page.get_by_text(ONE_FACE)).to_be_visible()
    shown = re.compile(rf"^({'|'.join(map(re.escape, CLASSES))})\d+ % confidence$")
    expect(page.locator(".live-emotion")).to_have_text(shown)
