"""The layout shared by all pages in a real Chromium: links, titles, keyboard and labels."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.browser_times import layout_shift, watch
from browser.conftest import Server
from browser.helpers import BAR_VALUE, IDLE, LAST_LINE, assert_fits_the_width, wait_until
from fer_studio.ui.frame import PAGES, PageEntry

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
NAMES = [entry.name for entry in PAGES]
#: The accessible name of each page's main control.
MAIN_ACTIONS = {
    "home": re.compile("Analyze photos$"),
    "analyze": re.compile("Upload$"),
    "live": re.compile("^Start$"),
    "video": re.compile("Upload$"),
    "dataset": re.compile("Import$"),
    "train": re.compile("Start training"),
    "evaluate": re.compile("^Model"),
}
#: More key presses than any page needs.
MOST_TABS = 70
#: In the accessibility tree, a line of a control without a name ends after the role or state.
NAMELESS = re.compile(
    r"^ *- (?:button|checkbox|combobox|link|radio|radiogroup|searchbox|slider|spinbutton|switch|tab"
    r"|textbox)(?: \[[^\]]*\])*:?$",
    re.MULTILINE,
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: Streamlit closes the navigation after a tap on a link only for phones.
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/128.0.0.0 Mobile Safari/537.36"
)


def links(page: Page) -> Locator:
    return page.get_by_test_id("stTopNavLink")


def heading(entry: PageEntry) -> str:
    return entry.heading or entry.title


def frame(page: Page, name: str) -> dict[str, Any]:
    """The shared parts of a page, once it is complete."""
    entry = next(entry for entry in PAGES if entry.name == name)
    expect(page).to_have_title(f"{entry.title} · FER Studio")
    expect(page.get_by_role("heading", level=1)).to_have_text(heading(entry))
    expect(links(page)).to_have_count(len(PAGES))
    expect(page.get_by_test_id("stHeaderLogo")).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_have_count(0)
    icon = page.locator("link[rel='shortcut icon']")
    expect(icon).to_have_attribute("href", re.compile("^data:image/svg"))
    here = page.locator("[data-testid='stTopNavLink'][aria-current='page']")
    expect(here).to_have_text(entry.title, use_inner_text=True)
    box = page.get_by_test_id("stMainBlockContainer").bounding_box()
    assert box is not None
    return {
        "icon": icon.get_attribute("href"),
        "logo": page.get_by_test_id("stHeaderLogo").get_attribute("src"),
        "navigation": links(page).all_inner_texts(),
        "addresses": links(page).evaluate_all("all => all.map(one => new URL(one.href).pathname)"),
        "here": here.inner_text(),
        "left edge and width": (box["x"], box["width"]),
    }


def settled(page: Page) -> None:
    page.get_by_text(LAST_LINE).wait_for()
    page.locator(IDLE).wait_for()
    # The browser loads the code of some elements only when they are drawn.
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.fixture(scope="module")
def fresh_servers(start_server: Callable[..., Server]) -> Iterator[dict[str, Server]]:
    """A new server for each page, started while other tests run."""
    servers = {name: start_server(waits=False) for name in NAMES}
    yield servers
    for one in servers.values():
        one.stop()


@pytest.fixture(scope="module")
def clicked(
    fresh_servers: dict[str, Server], server: Server, chromium: Browser
) -> dict[str, dict[str, Any]]:
    """The shared parts of each page for a visitor who opens "/" and clicks through all pages."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(server.url)
    settled(page)
    frames = {NAMES[0]: frame(page, NAMES[0])}
    for entry in PAGES[1:]:
        links(page).filter(has_text=entry.title).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading(entry))
        settled(page)
        frames[entry.name] = frame(page, entry.name)
        assert page.url.split("?")[0].endswith(entry.url_path)
    context.close()
    return frames


def test_clicks_lead_through_all_pages(clicked: dict[str, dict[str, Any]]) -> None:
    for entry in PAGES:
        seen = clicked[entry.name]
        assert seen["here"] == entry.title
        assert seen["navigation"] == [one.title for one in PAGES]
        assert seen["addresses"] == [one.url_path for one in PAGES]
        assert seen["icon"].startswith("data:image/svg+xml")
        assert seen["icon"] == clicked[NAMES[0]]["icon"]
        assert seen["logo"] == clicked[NAMES[0]]["logo"]


@pytest.mark.parametrize("name", NAMES)
def test_a_deep_link_on_a_new_server_shows_the_same_as_a_click(
    name: str,
    open_page: OpenPage,
    fresh_servers: dict[str, Server],
    clicked: dict[str, dict[str, Any]],
) -> None:
    fresh = fresh_servers[name]
    fresh.wait_until_healthy()
    entry = next(one for one in PAGES if one.name == name)
    page = open_page(entry.url_path, at=fresh)
    settled(page)
    assert frame(page, name) == clicked[name]
    assert page.url.split("?")[0].endswith(entry.url_path)
    assert_the_keyboard_reaches_the_main_control(page, name)
    if name == "analyze":
        page.get_by_role("button", name="Try a sample picture").click()
        expect(page.locator(BAR_VALUE)).to_have_count(7)
        settled(page)
    assert_every_control_has_a_name_and_every_picture_a_description(page, name)
    # From there, the links work.
    other = PAGES[NAMES.index(name) - 1]
    links(page).filter(has_text=other.title).click()
    assert frame(page, other.name)["navigation"] == clicked[name]["navigation"]
    settled(page)
    page.context.close()
    fresh.stop()


def assert_the_keyboard_reaches_the_main_control(page: Page, name: str) -> None:
    if name == "live":
        stream = page.frame_locator('iframe[title*="webrtc"]')
        expect(stream.get_by_role("button", name="Start")).to_be_visible()
    reached = []
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        reached.append(focused(page))
        if MAIN_ACTIONS[name].search(reached[-1]):
            return
    pytest.fail(f"none of {reached}")


def assert_every_control_has_a_name_and_every_picture_a_description(page: Page, name: str) -> None:
    tree = page.locator("body").aria_snapshot()
    assert f'heading "{heading(next(one for one in PAGES if one.name == name))}"' in tree
    assert NAMELESS.findall(tree) == []
    # In one step, because elements may be replaced in between.
    nameless = page.locator("img").evaluate_all(
        "all => all.filter(one => !one.alt).map(one => one.outerHTML)"
    )
    assert nameless == []
    headings = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(one => one.tagName)")
    assert headings[0] == "H1"
    # Heading levels are not skipped.
    levels = [int(one[1]) for one in headings]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def focused(page: Page) -> str:
    """The accessible name of the focused control, also inside a component's frame."""
    for frame in reversed(page.frames):
        name: str = frame.evaluate(
            """() => {
                const one = document.activeElement;
                if (!one || one === document.body || one.tagName === 'IFRAME') return '';
                return one.getAttribute('aria-label') || one.labels?.[0]?.innerText
                    || one.innerText || '';
            }"""
        )
        if name and (frame is page.main_frame or frame.evaluate("document.hasFocus()")):
            return re.sub(r"\s+", " ", name).strip()
    return ""


def test_the_check_sees_a_control_without_a_name() -> None:
    tree = (
        '- main:\n  - textbox\n  - button "Go":\n  - slider [disabled]: "4"\n  - radio [checked]:\n'
    )
    assert [line.strip() for line in NAMELESS.findall(tree)] == ["- textbox", "- radio [checked]:"]


def test_on_a_phone_no_page_has_to_be_scrolled_sideways(open_page: OpenPage) -> None:
    page = open_page(
        PAGES[0].url_path,
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
        user_agent=PHONE,
    )
    for entry in PAGES:
        if entry is not PAGES[0]:
            # The navigation is closed and opens on a tap.
            page.get_by_test_id("stExpandSidebarButton").tap()
            page.get_by_test_id("stSidebarNavLink").filter(has_text=entry.title).tap()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading(entry))
        settled(page)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
            assert_fits_the_width(page, f"{entry.name}, {scheme}")
        wait_until(
            page,
            lambda: page.get_by_role("tablist").evaluate_all(
                "lists => lists.every(list => list.scrollWidth <= list.clientWidth)"
            ),
            f"{entry.name}: every tab is in the visible part of its row",
            seconds=60,
        )


@pytest.mark.parametrize("address", ["/", "/no-such-page"])
def test_the_styles_apply_before_the_script_has_run(
    chromium: Browser, server: Server, address: str
) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    # The server never answers, so that only the HTML can contain the styles.
    page.route_web_socket(re.compile("/_stcore/stream"), lambda _socket: None)
    page.goto(server.url + address)
    assert page.title() == "FER Studio"
    container = page.get_by_test_id("stMainBlockContainer")
    expect(container).to_have_css("max-width", "none")
    expect(container).to_have_css("width", "1440px")
    context.close()


def test_a_page_finds_its_server_with_the_first_request(open_page: OpenPage) -> None:
    page = open_page("/evaluate")
    paths = page.evaluate(
        "performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname)"
    )
    assert sorted(path for path in paths if "_stcore" in path) == [
        "/_stcore/health",
        "/_stcore/host-config",
    ]


@pytest.mark.parametrize(
    ("address", "width"), [("/", 1440), ("/analyze", 390), ("/live", 390), ("/evaluate", 1440)]
)
def test_elements_hardly_move_while_a_page_loads(
    chromium: Browser, server: Server, address: str, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900})
    watch(context, {})
    page = context.new_page()
    page.goto(server.url + address)
    settled(page)
    assert layout_shift(page) < 0.1
    context.close()


def test_the_code_for_charts_runs_before_a_chart_is_drawn(open_page: OpenPage) -> None:
    page = open_page("/train", saves_data=False)
    page.wait_for_function("window.Plotly")
    assert page.locator(".js-plotly-plot").count() == 0


def test_the_code_for_charts_does_not_run_while_the_mouse_moves(
    chromium: Browser, server: Server
) -> None:
    context = chromium.new_context()
    context.add_init_script(
        "window.moves = setInterval(() => dispatchEvent(new PointerEvent('pointermove')), 50)"
    )
    page = context.new_page()
    page.goto(f"{server.url}/train")
    wait_for_preloaded_code(page)
    page.wait_for_timeout(1000)
    assert page.evaluate("window.Plotly") is None
    page.evaluate("clearInterval(window.moves)")
    page.wait_for_function("window.Plotly")
    context.close()


def test_a_phone_preloads_the_code_for_charts_without_running_it(
    chromium: Browser, server: Server
) -> None:
    context = chromium.new_context(has_touch=True, is_mobile=True, user_agent=PHONE)
    page = context.new_page()
    page.goto(f"{server.url}/train")
    wait_for_preloaded_code(page)
    page.wait_for_timeout(1000)
    assert page.evaluate("window.Plotly") is None
    context.close()


def wait_for_preloaded_code(page: Page) -> None:
    """Wait until the browser has the code for charts, which is not needed for the train page."""
    link = page.locator("link[rel=modulepreload][href*=PlotlyChart]")
    expect(link).to_have_count(1)
    page.wait_for_function(
        "url => performance.getEntriesByName(url).some(entry => entry.responseStatus === 200)",
        arg=link.evaluate("link => link.href"),
    )
