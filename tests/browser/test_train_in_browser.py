"""The train page in a real Chromium: start, watch, reload, restart the app, stop, use the model."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from browser.helpers import IDLE, assert_fits_the_width, wait_until
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
    """Write the faces as PNG files in a folder for each split and class."""
    for image, label, split, name in zip(
        faces.images, faces.labels, faces.splits, faces.names, strict=True
    ):
        path = folder / SPLITS[split] / EMOTIONS[label] / f"{Path(name).stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return folder


@pytest.fixture(scope="module")
def servers(start_server: Callable[[], Any]) -> Iterator[list[Any]]:
    """Servers on the same folders; the last one is running, a restart appends another."""
    servers = [start_server()]
    yield servers
    # A failed test must not leave a training process.
    for summary in list_runs(servers[0].settings):
        run = RunFolder(summary.path)
        if is_active(run):
            kill_run(run)


@pytest.fixture(scope="module")
def faces(
    servers: list[Any],
    tiny_faces: FaceSet,
    png: Callable[[Any], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> FaceSet:
    """The images of the dataset "tiny", imported on that server."""
    source = write_class_folders(tmp_path_factory.mktemp("source"), tiny_faces, png)
    import_dataset(source, servers[0].settings, name="tiny")
    return tiny_faces


def the_run(settings: Settings) -> RunSummary:
    (run,) = list_runs(settings)
    return run


def shown_epochs(page: Page) -> int:
    """The number of finished epochs on the page."""
    found = re.search(r"(\d+) of [\d,]+ epochs", page.get_by_test_id("stMain").inner_text())
    return 0 if found is None else int(found[1])


def fill_number(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    expect(field).to_have_value(value)


def test_a_training_survives_reload_and_restart_and_its_model_is_used(
    open_page: OpenPage, start_server: Callable[..., Any], servers: list[Any], faces: FaceSet
) -> None:
    settings = servers[0].settings
    page = open_page("/train", at=servers[0])
    fill_number(page, "Epochs", "10000")  # more than are trained during this test
    page.get_by_role("radio", name="Advanced").click()
    page.get_by_text("Batch size, seed, precision").click()
    fill_number(page, "Batch size", "28")
    page.get_by_text("Checkpoint selection").click()
    fill_number(page, "Early stopping patience", "")
    expect(page.get_by_text("3 settings changed from the recipe")).to_be_visible()
    page.get_by_label("Name (optional)").fill("Overnight")
    page.get_by_role("button", name="Start training").click()

    # The page updates without an interaction.
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("Overnight"))
    expect(page.locator(CHART)).to_have_count(4, timeout=240_000)
    first = shown_epochs(page)
    wait_until(page, lambda: shown_epochs(page) >= first + 3, "three epochs more")
    run = the_run(settings)
    assert (run.data, run.epochs, run.title) == ("tiny", 10_000, "Overnight")
    expect(page).to_have_url(re.compile(f"run={run.id}$"))

    # After a reload it shows the same run with more epochs.
    seen = shown_epochs(page)
    page.reload()
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("Overnight"))
    wait_until(page, lambda: shown_epochs(page) > seen, "a later epoch")

    # So does a new server on the same folders, after the first has ended.
    seen = shown_epochs(page)
    page.context.close()
    servers[0].stop()
    assert is_active(RunFolder(run.path))
    servers.append(start_server(settings))
    page = open_page("/train?view=Runs", at=servers[1])
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("Overnight"))
    wait_until(page, lambda: shown_epochs(page) > seen, "a later epoch")

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Trained model", exact=True)).to_be_visible(timeout=240_000)
    # The process still ends when its model is complete.
    wait_until(page, lambda: the_run(settings).state == "stopped", "the end of the training")
    run = the_run(settings)
    assert run.has_bundle
    assert run.epoch > seen
    wait_until(page, lambda: shown_epochs(page) == run.epoch, "the last epoch")
    page.locator(IDLE).wait_for()
    page.get_by_role("button", name="Use as default").click()
    expect(page.get_by_text("Trained model · default model")).to_be_visible()

    bundle = find_bundle(None, settings)
    assert bundle.name == run.id
    rows = faces.rows("validation")
    probabilities = load_predictor(bundle).probabilities(faces.images[rows])
    assert probabilities.shape == (21, 7)
    right = np.mean(probabilities.argmax(axis=1) == faces.labels[rows])
    assert right == pytest.approx(bundle.record.metrics["validation"]["accuracy"])
    assert right > 0.5  # the classes are balanced and easy to tell apart

    # The analyze page uses it.
    page.get_by_role("link", name="Analyze a photo").click()
    model = page.get_by_role("combobox", name="Model")
    expect(model).to_have_value(re.compile("Overnight"))
    expect(page).to_have_url(re.compile(f"model={run.id}"))


def test_a_click_before_the_code_of_a_field_has_arrived_does_not_empty_the_field(
    open_page: OpenPage,
) -> None:
    page = open_page("/", is_first_visit=True)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/NumberInput*.js", hold)
    page.get_by_role("link", name="Train", exact=True).first.click()
    page.get_by_role("radio", name="Advanced").click()
    expect(page.get_by_text("More settings")).to_be_visible()
    page.locator(IDLE).wait_for()
    assert held
    for route in held:
        route.continue_()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("50")
    page.get_by_text("Optimizer", exact=True).click()
    expect(page.get_by_label("Learning rate", exact=True)).to_have_value("0.001")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()


def test_a_number_out_of_range_is_reported_and_stays_in_the_field(
    open_page: OpenPage,
) -> None:
    page = open_page("/train")
    page.get_by_role("radio", name="Advanced").click()
    page.get_by_text("Optimizer", exact=True).click()
    fill_number(page, "Learning rate", "11")
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    expect(
        page.get_by_role("alert").filter(has_text="Learning rate should be above 0 and at most 10")
    ).to_be_visible()
    fill_number(page, "Learning rate", "0.00025")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    expect(page.get_by_text("1 setting changed from the recipe")).to_be_visible()
    # Changed settings are kept while another section is open.
    page.get_by_role("radio", name="Runs").click()
    expect(page.get_by_text("No training has been started yet")).to_be_visible()
    page.get_by_role("radio", name="New training").click()
    expect(page.get_by_text("1 setting changed from the recipe")).to_be_visible()
    # So is the open part of the form, also for a reload.
    expect(page).to_have_url(re.compile("settings=advanced"))
    expect(page.get_by_label("Learning rate", exact=True)).to_have_value("0.00025")


def test_on_a_phone_no_section_has_to_be_scrolled_sideways(
    open_page: OpenPage, servers: list[Any]
) -> None:
    page = open_page("/train", at=servers[-1], viewport={"width": 390, "height": 844})
    for name in ("New training", "Runs", "Compare", "Search", "Models"):
        section = page.get_by_role("radio", name=name)
        section.click()
        expect(section).to_be_checked()
        page.locator(IDLE).wait_for()
        assert_fits_the_width(page, name)
