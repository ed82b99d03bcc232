"""The place is remembered: reloads, the back button, shared links and closing a tab."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from browser.conftest import Server
from browser.helpers import BAR_VALUE, IDLE, LAST_LINE, upload, wait_until
from fer_core.dataset.store import install_demo_set
from fer_core.vision.sample import sample_picture

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


@pytest.fixture
def with_demo(server: Server) -> Iterator[Server]:
    install_demo_set(server.settings)
    yield server


def settled(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.get_by_text(LAST_LINE).wait_for()
    page.locator(IDLE).wait_for()


def go(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    settled(page, title)


def open_tab(page: Page, title: str) -> None:
    page.get_by_role("tab", name=title).click()
    expect(page.get_by_role("tab", name=title)).to_have_attribute("aria-selected", "true")


def shows(page: Page, **query: str) -> None:
    """Wait until the address has these parameters, among others."""

    def has() -> bool:
        return query.items() <= dict(parse_qsl(urlsplit(page.url).query)).items()

    wait_until(page, has, f"{query} in the address")


def open_browse_view(page: Page) -> None:
    open_tab(page, "Browse images")
    # Until the faces are drawn, the views above them may be replaced.
    shows(page, tab="browse-images")
    expect(page.locator(".faces img").first).to_be_visible()
    page.locator(IDLE).wait_for()
    page.get_by_role("radio", name="Mean faces").click()
    expect(page.get_by_role("radio", name="Mean faces")).to_be_checked()
    shows(page, tab="browse-images", view="Mean faces")


def is_browse_view(page: Page) -> None:
    expect(page.get_by_role("tab", name="Browse images")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("radio", name="Mean faces")).to_be_checked()


def test_back_reload_and_a_shared_link_lead_to_the_same_view(
    with_demo: Server, open_page: OpenPage
) -> None:
    page = open_page("/dataset")
    shows(page, dataset="demo")
    entries = page.evaluate("history.length")
    open_browse_view(page)
    link = page.url
    # Selections are no steps of "back": it leads to the previous page.
    assert page.evaluate("history.length") == entries
    go(page, "Evaluate")
    shows(page, model="small")
    page.go_back()
    settled(page, "Dataset")
    is_browse_view(page)
    expect(page).to_have_url(link)
    page.go_forward()
    settled(page, "Evaluate")
    # A click on the page's name also remembers its view.
    go(page, "Dataset")
    is_browse_view(page)
    shows(page, tab="browse-images", view="Mean faces")
    page.reload()
    settled(page, "Dataset")
    is_browse_view(page)
    shared = open_page(link.removeprefix(with_demo.url))
    is_browse_view(shared)
    expect(shared).to_have_url(link)
    invalid = open_page("/dataset?dataset=demo&tab=nothing")
    expect(invalid.get_by_text("The tab nothing is not available")).to_be_visible()
    wait_until(invalid, lambda: "nothing" not in invalid.url, "a valid address")


def test_the_tab_asks_before_results_are_lost_on_every_page(
    with_demo: Server, open_page: OpenPage
) -> None:
    page = open_page("/analyze")
    upload(page, ("me.jpg", "image/jpeg", sample_picture()[1]))
    expect(page.locator(BAR_VALUE)).to_have_count(7)
    go(page, "Dataset")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    # A component of the page, which the browser runs when it has loaded it, lets the browser ask.
    page.wait_for_function("window.onbeforeunload && window.ferStudioUnsaved")
    page.close(run_before_unload=True)
    wait_until(page, lambda: bool(asked), "a question")
    assert asked == ["beforeunload"]
    go(page, "Analyze photos")
    expect(page.get_by_text("1 earlier photo still in memory")).to_be_visible()
    expect(page.locator(BAR_VALUE)).to_have_count(7)
    with page.expect_download():
        page.get_by_role("button", name="CSV", exact=True).click()
    wait_until(
        page,
        lambda: page.evaluate("window.ferStudioSaved === window.ferStudioUnsaved"),
        "no question",
    )


def test_a_click_before_the_code_of_a_select_box_has_arrived_does_not_change_what_it_shows(
    open_page: OpenPage,
) -> None:
    page = open_page("/", is_first_visit=True)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/Selectbox.*.js", hold)
    page.goto(page.url + "live?model=other")
    page.get_by_role("radio", name="Snapshots").click()
    shows(page, model="other", camera="snapshots")
    page.locator(IDLE).wait_for()
    assert held
    for route in held:
        route.continue_()
    models = page.get_by_role("combobox", name="Model")
    expect(models).to_have_value(re.compile("^Model: other"))
    shows(page, model="other")
