"""Selectors and actions that the browser tests share."""

import io
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from playwright.sync_api import Locator, Page, expect

from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import dataset_names, delete_dataset
from fer_core.emotions import EMOTIONS
from fer_core.settings import Settings

#: The app when no script is running. Directly after an action this is still the state before it:
#: first wait for something that only the run of the script shows.
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PLOTLY = '[data-testid="stPlotlyChart"]'
#: The bars of one face, and the value next to each.
BARS = ".fer-bars"
BAR_VALUE = ".fer-bars .bar-value"
#: In the last line of every page.
LAST_LINE = "banned in the European Union"


def archive_of(faces: FaceSet) -> bytes:
    """The faces as a zip archive with a folder for each split and class."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        rows = zip(faces.images, faces.labels, faces.splits, strict=True)
        for row, (image, label, split) in enumerate(rows):
            name = f"{SPLITS[split]}/{EMOTIONS[label]}/{row:03}.png"
            archive.writestr(name, cv2.imencode(".png", image)[1].tobytes())
    return buffer.getvalue()


def metric(page: Page, label: str) -> Locator:
    """The value of the metric with this label."""
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def upload(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Give files to the page's uploader, each as (name, media type, content)."""
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(
        [{"name": name, "mimeType": kind, "buffer": content} for name, kind, content in files]
    )


def downloaded(page: Page, button: str, *, is_live: bool = False) -> tuple[str, bytes]:
    """Click a download button; return the file's name and content.

    The button of an earlier run may offer an earlier file, or one that is deleted at the end of the
    present run. On a page that always refreshes itself, ``is_live`` does not wait for that end.
    """
    if not is_live:
        page.get_by_role("button", name=button, exact=True).wait_for()
        page.locator(IDLE).wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def assert_fits_the_width(page: Page, where: str = "the page") -> None:
    """Check that neither the document nor the page's content has to be scrolled sideways.

    Elements that are being replaced may be too wide for a moment.
    """
    page.locator(IDLE).wait_for()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)

    def fits() -> bool:
        surplus: int = page.evaluate(
            """Math.max(
                ...[document.documentElement, document.querySelector('[data-testid=stMain]')].map(
                    element => element.scrollWidth - element.clientWidth))"""
        )
        return surplus <= 0

    wait_until(page, fits, f"{where} does not fit the width", seconds=60)


@contextmanager
def appearing(page: Page, text: str) -> Iterator[None]:
    """Check that an action in the block makes a text appear, for however short a time.

    A toast or a progress bar may be gone when this process looks.
    """
    page.evaluate(
        """text => {
            window.hasAppeared = false
            const observer = new MutationObserver(() => {
                if (!document.body.textContent.includes(text)) return
                window.hasAppeared = true
                observer.disconnect()
            })
            observer.observe(document.body, { childList: true, subtree: true, characterData: true })
        }""",
        text,
    )
    yield
    page.wait_for_function("window.hasAppeared")


def remove_datasets(settings: Settings) -> None:
    """Delete all datasets of a running server.

    ``delete_dataset`` waits for background jobs of the server that write to the folder; what they
    wrote during the deletion would remain.
    """
    for name in dataset_names(settings):
        delete_dataset(name, settings)
    shutil.rmtree(settings.data_root, ignore_errors=True)


def wait_until(
    page: Page, condition: Callable[[], bool], expected: str, *, seconds: float = 120
) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It does not within this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timeout: {expected}"
        page.wait_for_timeout(100)
