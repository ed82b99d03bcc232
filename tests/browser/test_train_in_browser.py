"""The train page in a real Chromium: start, watch, reload, restart the app, stop, use the model."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from fer_core.bundle import find_bundle
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import import_dataset
from fer_core.emotions import EMOTIONS
from fer_core.predictor import load_predictor
from fer_core.settings import Settings
from fer_core.training.control import is_active, kill_run
from fer_core.training.registry import RunSummary, list_runs
from fer_core.training.run_folder import RunFolder

pytestmark = pytest.mark.browser

CHART = '[data-testid="stVegaLiteChart"]'
OpenPage = Callable[..., Page]


def write_class_folders(folder: Path, faces: FaceSet, png: Callable[[Any], bytes]) -> Path:
    """The faces as people have them: a folder per split and emotion."""
    for image, label, split, name in zip(
        faces.images, faces.labels, faces.splits, faces.names, strict=True
    ):
        path = folder / SPLITS[split] / EMOTIONS[label] / f"{Path(name).stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return folder


@pytest.fixture(scope="module")
def faces(
    server: Any,
    tiny_faces: FaceSet,
    png: Callable[[Any], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> FaceSet:
    """An imported dataset whose epochs take a moment."""
    source = write_class_folders(tmp_path_factory.mktemp("source"), tiny_faces, png)
    import_dataset(source, server.settings, name="tiny")
    return tiny_faces


@pytest.fixture(scope="module", autouse=True)
def _no_training_left(server: Any) -> Iterator[None]:
    """A failed test leaves no process behind."""
    yield
    for summary in list_runs(server.settings):
        run = RunFolder(summary.path)
        if is_active(run):
            kill_run(run)


def the_run(settings: Settings) -> RunSummary:
    (run,) = list_runs(settings)
    return run


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def shown_epochs(page: Page) -> int:
    """How many finished epochs the page tells of."""
    found = re.search(r"(\d+) of [\d,]+ epochs", page.get_by_test_id("stMain").inner_text())
    return 0 if found is None else int(found[1])


def fill_number(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    expect(field).to_have_value(value)


def test_a_training_outlives_page_and_app_and_its_model_is_used(
    open_page: OpenPage, start_server: Callable[..., Any], server: Any, faces: FaceSet
) -> None:
    settings = server.settings
    page = open_page("/train")
    page.get_by_role("tab", name="Epochs, batch size, precision").click()
    fill_number(page, "Epochs", "5000")
    fill_number(page, "Batch size", "28")
    page.get_by_role("tab", name="Data and checkpoint selection").click()
    fill_number(page, "Early stopping patience", "")
    expect(page.get_by_text("3 settings changed from the recipe")).to_be_visible()
    page.get_by_label("Name (optional)").fill("Overnight")
    page.get_by_role("button", name="Start training").click()

    # Three epochs arrive while the page is only looked at.
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("Overnight"))
    expect(page.locator(CHART)).to_have_count(4, timeout=60_000)
    first = shown_epochs(page)
    wait_until(lambda: shown_epochs(page) >= first + 3)
    run = the_run(settings)
    assert (run.data, run.epochs, run.title) == ("tiny", 5000, "Overnight")
    assert page.url.endswith(f"run={run.id}")

    # A reload shows the same run, further on.
    seen = shown_epochs(page)
    page.reload()
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("Overnight"))
    wait_until(lambda: shown_epochs(page) > seen)

    # So does another server on the same folders, after the first has been ended.
    seen = shown_epochs(page)
    page.context.close()
    server.stop()
    assert is_active(RunFolder(run.path))
    again = start_server(settings)
    page = open_page("/train?view=Runs", at=again)
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("Overnight"))
    wait_until(lambda: shown_epochs(page) > seen)

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Trained model", exact=True)).to_be_visible(timeout=60_000)
    run = the_run(settings)
    assert (run.state, run.has_bundle) == ("stopped", True)
    assert shown_epochs(page) == run.epoch > seen
    page.get_by_role("button", name="Use as default").click()
    expect(page.get_by_text("Trained model · default model")).to_be_visible()

    bundle = find_bundle(None, settings)
    assert bundle.name == run.id
    rows = faces.rows("validation")
    probabilities = load_predictor(bundle).probabilities(faces.images[rows])
    assert probabilities.shape == (21, 7)
    right = np.mean(probabilities.argmax(axis=1) == faces.labels[rows])
    assert right == pytest.approx(bundle.record.metrics["validation"]["accuracy"])
    assert right > 0.5  # seven equally frequent classes, and bright squares in seven places

    # And the analyze page offers it.
    page.get_by_role("link", name="Analyze photos").first.click()
    model = page.get_by_test_id("stSidebar").get_by_role("combobox", name="Model")
    expect(model).to_have_value(re.compile(re.escape(run.id)))


def test_a_number_out_of_range_is_told_and_stays_as_it_was_typed(
    open_page: OpenPage, start_server: Callable[..., Any]
) -> None:
    page = open_page("/train", at=start_server())
    page.get_by_role("tab", name="Optimizer", exact=True).click()
    fill_number(page, "Learning rate", "11")
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    expect(
        page.get_by_role("alert").filter(has_text="Learning rate should be above 0 and at most 10")
    ).to_be_visible()
    fill_number(page, "Learning rate", "0.00025")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    expect(page.get_by_text("1 setting changed from the recipe")).to_be_visible()
    # What another section and another page do not show is not lost.
    page.get_by_role("radio", name="Runs").click()
    expect(page.get_by_text("No training has been started yet")).to_be_visible()
    page.get_by_role("radio", name="New training").click()
    expect(page.get_by_text("1 setting changed from the recipe")).to_be_visible()


@pytest.mark.parametrize("view", ["New training", "Runs", "Compare", "Search"])
def test_nothing_is_wider_than_a_phone(
    open_page: OpenPage, start_server: Callable[..., Any], server: Any, view: str
) -> None:
    at = server if server.process.poll() is None else start_server(server.settings)
    page = open_page(f"/train?view={view}", at=at, viewport={"width": 390, "height": 844})
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")
