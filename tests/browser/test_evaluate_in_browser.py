"""The evaluate page in a real Chromium, with the shipped model."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, expect

from browser.helpers import (
    IDLE,
    PLOTLY,
    appearing,
    assert_fits_the_width,
    downloaded,
    remove_datasets,
    wait_until,
)
from fer_core.dataset.curation_file import CurationFile
from fer_core.emotions import EMOTIONS
from fer_core.settings import PROJECT_ROOT

pytestmark = pytest.mark.browser

SHIPPED = "fer2013"
OpenPage = Callable[..., Page]


def shipped_counts() -> NDArray[np.int64]:
    """Return the shipped model's confusion matrix from its stored predictions, rows true."""
    with np.load(PROJECT_ROOT / "models" / SHIPPED / "predictions.npz") as stored:
        counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
        np.add.at(counts, (stored["labels"], stored["probabilities"].argmax(axis=1)), 1)
    return counts


def expected_cell(true: str, predicted: str) -> str:
    """Return the sentence about a cell of the matrix."""
    count = shipped_counts()[EMOTIONS.index(true), EMOTIONS.index(predicted)]
    assert count > 1
    return f"{count} {true} images predicted as {predicted}"


@pytest.fixture(scope="module")
def server(server: Any) -> Iterator[Any]:
    """The shared server with the shipped model as the default."""
    models = server.settings.models_root
    shutil.copytree(PROJECT_ROOT / "models" / SHIPPED, models / SHIPPED)
    (models / "default").write_text(f"{SHIPPED}\n")
    yield server
    shutil.rmtree(models / SHIPPED)
    (models / "default").write_text("small\n")
    remove_datasets(server.settings)


@pytest.fixture
def open_evaluate(open_page: OpenPage) -> Callable[..., Page]:
    def call(**options: object) -> Page:
        return open_page("/evaluate", **options)

    return call


def open_section(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    page.locator(IDLE).wait_for()


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=box).first.click()
    page.get_by_role("option", name=option).first.click()
    page.locator(IDLE).wait_for()


def evaluate_on_demo(page: Page) -> None:
    """Evaluate on the demo set, unless an earlier test has done so."""
    choose(page, "Images", "demo")
    # Until the previous evaluation is no longer shown: first its title, at the end of the run its
    # tabs.
    expect(page.get_by_text("on its own validation images")).to_have_count(0)
    page.locator(IDLE).wait_for()
    evaluate = page.get_by_role("button", name=re.compile("Evaluate on"))
    summary = page.get_by_role("tab", name="Summary")
    expect(evaluate.or_(summary).first).to_be_visible()
    if evaluate.is_visible():
        evaluate.click()
    expect(summary).to_be_visible(timeout=180_000)
    page.locator(IDLE).wait_for()


def click_cell(page: Page, true: str, predicted: str, *, with_finger: bool = False) -> None:
    cell = page.get_by_role("gridcell", name=f"{true} predicted as {predicted}:")
    if with_finger:
        cell.tap()
    else:
        cell.click()


def cell_sentence(page: Page) -> Locator:
    return page.get_by_text(re.compile(r"images? predicted as|No \w+ image is predicted as"))


def faces(page: Page) -> Locator:
    return page.locator(".tile").locator("visible=true")


def busiest_mistake(page: Page) -> tuple[str, str]:
    """The classes of the most frequent confusion, which is selected first."""
    words = re.search(r"(\w+) images? predicted as (\w+)", cell_sentence(page).inner_text())
    assert words is not None
    return words[1], words[2]


def test_a_new_installation_shows_the_shipped_models_metrics_and_charts(
    open_evaluate: Callable[..., Page],
) -> None:
    counts = shipped_counts()
    accuracy_share = counts.trace() / counts.sum()
    page = open_evaluate()
    accuracy = page.get_by_test_id("stMetric").filter(has_text="Accuracy").first
    expect(accuracy.get_by_test_id("stMetricValue")).to_have_text(f"{100 * accuracy_share:.1f} %")
    expect(page.locator(PLOTLY).get_by_text("65 ± 5 %")).to_be_visible()
    expect(page.get_by_text("on its own validation images: 3,589 images")).to_be_visible()
    for name in ("Per class", "Calibration"):
        open_section(page, name)
        expect(page.locator(PLOTLY).locator("visible=true").first).to_be_visible()
    open_section(page, "Report")
    expect(page.get_by_role("button", name="Predictions as CSV")).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0


def test_a_cell_its_faces_the_heat_map_and_the_report(
    open_evaluate: Callable[..., Page], chromium: Browser, tmp_path: Path
) -> None:
    page = open_evaluate()
    evaluate_on_demo(page)
    expect(page.get_by_text("Demo: not real faces")).to_be_visible()

    open_section(page, "Confusion matrix")
    expect(faces(page).first).to_be_visible()
    true, predicted = busiest_mistake(page)
    click_cell(page, predicted, predicted)
    expect(cell_sentence(page)).to_contain_text(f"{predicted} image")
    click_cell(page, true, predicted)
    expect(cell_sentence(page)).to_contain_text(f"predicted as {predicted}")
    expect(faces(page).first).to_contain_text(f"{true} → {predicted}")
    expect(
        page.get_by_role("img", name=re.compile(f", {true} → {predicted}")).first
    ).to_be_visible()

    faces(page).first.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(
        dialog.get_by_text(re.compile(f"Label: {true}. Prediction: {predicted}"))
    ).to_be_visible()
    heat = dialog.get_by_role("img", name=f"with the heat map for {predicted}")
    expect(heat).to_be_visible()
    expect(dialog.get_by_text("Grad-CAM")).to_be_visible()
    expect(dialog.locator(f"{PLOTLY} .bartext")).to_have_count(7)
    first = heat.get_attribute("src")
    dialog.get_by_role("combobox", name="Heat map for").click()
    page.get_by_role("option", name=f"{true} (label)").click()
    other = dialog.get_by_role("img", name=f"with the heat map for {true}")
    expect(other).to_be_visible()
    assert other.get_attribute("src") != first
    # A run that draws the dialog to its end would open it again.
    page.locator(IDLE).wait_for()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    open_section(page, "Report")
    name, content = downloaded(page, "Report")
    assert name == f"{SHIPPED}-on-demo-validation.html"
    report = tmp_path / "report.html"
    report.write_bytes(content)
    context = chromium.new_context(offline=True)
    read = context.new_page()
    failures: list[str] = []
    read.on("pageerror", lambda error: failures.append(str(error)))
    read.goto(report.as_uri())
    expect(read.get_by_role("heading", level=1)).to_contain_text(SHIPPED)
    expect(read.locator("figure .main-svg").first).to_be_visible()
    assert read.locator("figure").count() >= 9
    expect(read.get_by_text("Human accuracy", exact=False).first).to_be_visible()
    assert failures == []
    context.close()


def test_an_example_can_be_curated_in_its_dialog(
    open_evaluate: Callable[..., Page], server: Any
) -> None:
    folder = server.settings.data_root / "demo"
    page = open_evaluate()
    evaluate_on_demo(page)
    open_section(page, "Mistakes")
    faces(page).first.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("No decision about this image yet.")).to_be_visible()
    # The click comes before the server has received the text.
    with appearing(page, "1 image dropped."):
        dialog.get_by_role("textbox", name="Reason").fill("no face visible")
        dialog.get_by_role("button", name="Drop").click()
    expect(dialog.get_by_text("Decision: dropped. no face visible")).to_be_visible()
    (entry,) = CurationFile(folder).read().entries
    assert (entry.action, entry.reason) == ("drop", "no face visible")
    dialog.get_by_role("button", name=re.compile("Undo:")).click()
    expect(dialog.get_by_text("No decision about this image yet.")).to_be_visible()
    assert len(CurationFile(folder).read()) == 0
    page.locator(IDLE).wait_for()

    (folder / "dataset.json").rename(folder / "dataset.gone")
    try:
        page.keyboard.press("k")  # the key of "Keep"
        expect(dialog.get_by_text("There is no dataset 'demo'")).to_be_visible()
    finally:
        (folder / "dataset.gone").rename(folder / "dataset.json")
    page.locator(IDLE).wait_for()
    dialog.get_by_role("button", name="Relabel").click()
    expect(dialog.get_by_text("Decision: relabeled as")).to_be_visible()
    # A run that draws the dialog to its end would open it again.
    page.locator(IDLE).wait_for()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    page.reload()
    page.locator(IDLE).wait_for()
    evaluate_on_demo(page)
    page.get_by_text("Apply my data-cleaning decisions").click()
    page.get_by_role("button", name=re.compile("Evaluate on")).wait_for()
    # Until the tabs of the other evaluation are no longer shown.
    page.locator(IDLE).wait_for()
    page.get_by_role("button", name=re.compile("Evaluate on")).click()
    expect(page.get_by_role("tab", name="Summary")).to_be_visible(timeout=180_000)
    open_section(page, "Summary")  # the open section was remembered
    expect(page.get_by_text(re.compile("1 has a new label"))).to_be_visible()
    expect(page.get_by_text("images of demo (curated)")).to_be_visible()
    assert page.get_by_test_id("stException").count() == 0
    CurationFile(folder).undo()


def test_a_link_opens_the_model_in_its_address(open_page: OpenPage) -> None:
    page = open_page("/evaluate?model=other")
    expect(page.get_by_text("The model 'other' contains no validation predictions")).to_be_visible()
    choose(page, "Model", SHIPPED)
    expect(page.get_by_text("on its own validation images")).to_be_visible()
    expect(page).to_have_url(re.compile(f"model={SHIPPED}"))


def test_a_cell_can_be_selected_by_keyboard_and_by_class_names(
    open_evaluate: Callable[..., Page],
) -> None:
    page = open_evaluate()
    open_section(page, "Confusion matrix")
    click_cell(page, "angry", "angry")
    expect(cell_sentence(page)).to_contain_text(expected_cell("angry", "angry"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(cell_sentence(page)).to_contain_text(expected_cell("disgust", "fear"))

    choose(page, "True", "surprise")
    choose(page, "Predicted", "fear")
    expect(cell_sentence(page)).to_contain_text(expected_cell("surprise", "fear"))
    marked = page.locator('[role="gridcell"][aria-selected="true"]')
    expect(marked).to_have_text(expected_cell("surprise", "fear").split()[0])
    page.locator(IDLE).wait_for()
    for kind in ("PNG", "SVG", "CSV"):
        page.get_by_role("button", name="Download", exact=True).click()
        name, saved = downloaded(page, kind)
        assert name == f"{SHIPPED}-confusion-matrix.{kind.lower()}"
        assert saved.startswith(b"\x89PNG") or b"surprise" in saved
        page.keyboard.press("Escape")


def test_a_phone_selects_cells_by_touch_and_needs_no_sideways_scrolling(
    open_evaluate: Callable[..., Page],
) -> None:
    page = open_evaluate(viewport={"width": 390, "height": 844}, has_touch=True)
    open_section(page, "Confusion matrix")
    click_cell(page, "happy", "angry", with_finger=True)
    expect(cell_sentence(page)).to_contain_text(expected_cell("happy", "angry"))
    assert_fits_the_width(page)


def test_in_dark_mode_charts_and_cells_stay_readable(open_evaluate: Callable[..., Page]) -> None:
    page = open_evaluate(color_scheme="dark")
    label = page.locator(f"{PLOTLY} .ytick text").first
    expect(label).to_be_visible()

    def is_bright() -> bool:
        color = label.evaluate("element => getComputedStyle(element).fill")
        return min(int(part) for part in re.findall(r"\d+", color)[:3]) > 120

    wait_until(page, is_bright, "bright labels of the axis")


def test_the_temperature_is_saved_and_confirmed(
    open_evaluate: Callable[..., Page], server: Any
) -> None:
    path = server.settings.models_root / SHIPPED / "calibration.json"
    shipped = path.read_text()
    path.write_text('{"temperature": 1.5}')
    try:
        page = open_evaluate()
        open_section(page, "Calibration")
        page.get_by_role("button", name="Save the temperature").click()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        # Fitted on the same predictions as the shipped one.
        temperature = json.loads(shipped)["temperature"]
        outcome = re.compile(f"The temperature of .* is now {temperature:.3f}")
        expect(page.get_by_text(outcome)).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert json.loads(path.read_text())["temperature"] == pytest.approx(temperature, abs=1e-3)
    finally:
        path.write_text(shipped)
