"""Every page in a real browser: first content, layout shift, and the seconds that clicks take.

The workspace has the drawn demo set, an evaluation, finished runs and a search. The first round has
a new server. Times are medians of the following rounds, next to those of the first round. Layout
shifts and repeated clicks are medians of all rounds. ``python -m benchmarks.interactions``.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.browser_times import ClickTimes, click_times, layout_shift, shown_seconds, watch
from benchmarks.measurement import Measurement, print_table
from benchmarks.servers import (
    IDLE,
    LAST_TEXT,
    chromium_path,
    environment_of,
    minimal_page,
    open_browser,
    serve,
)
from benchmarks.train_page import write_runs
from fer_core.dataset.store import DEMO_NAME
from fer_core.recipes import RECIPES
from fer_core.settings import Settings, load_settings
from fer_core.training.search import create_study, load_study, study_setup

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_ROUNDS = 4
_TIMEOUT_MILLISECONDS = 120_000
_RUNS, _EPOCHS, _TRIALS = 12, 30, 12
_DESKTOP, _PHONE = (1440, 900), (390, 844)
#: Time after a run of the script in which elements may still move.
_SETTLE_MILLISECONDS = 800
_CONTENT, _COMPLETE = "content", "complete"
_SELECTORS = {_CONTENT: "h1", _COMPLETE: f'//*[contains(text(), "{LAST_TEXT}")]'}
_STUDY = "learning-rate"
_MINIMAL = "minimal page"


def _button(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("button", name=name).first


def _radio(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("radio", name=name, exact=True).first


def _tab(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("tab", name=name)


def _css(selector: str) -> Callable[[Page], Locator]:
    return lambda page: page.locator(selector).locator("visible=true").first


@dataclass(frozen=True)
class _View:
    """A page as an address opens it.

    Attributes:
        address: The path and the parameters.
        clicks: Functions that find the element to click, by a description, in the order of clicks.
        is_loop: True if the last click leads back to the first state, so that all clicks can be
            repeated in the same tab of the browser.
    """

    address: str
    clicks: dict[str, Callable[[Page], Locator]] = field(default_factory=dict)
    is_loop: bool = False


_EVALUATED = f"/evaluate?dataset={DEMO_NAME}&split=test"
_VIEWS = (
    _View("/"),
    _View("/analyze", {"sample picture": _button("Try a sample picture")}),
    _View("/live", {"snapshots": _radio("Snapshots"), "video": _radio("Video")}, is_loop=True),
    _View("/video"),
    _View(
        f"/dataset?dataset={DEMO_NAME}",
        {
            "Browse images": _tab("Browse images"),
            "second page of images": _button("Page 2"),
            "a face": _css("button.face"),
        },
    ),
    _View(
        f"/dataset?dataset={DEMO_NAME}&tab=overview",
        {
            "Audit": _tab("Audit"),
            "Clean up": _tab("Clean up"),
            "Annotator votes": _tab("Annotator votes"),
            "Overview": _tab("Overview"),
        },
        is_loop=True,
    ),
    _View(
        "/train",
        {
            "advanced settings": _radio("Advanced"),
            "basic settings": _radio("Basic"),
            "Runs": _radio("Runs"),
            "Compare": _radio("Compare"),
            "Search": _radio("Search"),
            "Models": _radio("Models"),
            "New training": _radio("New training"),
        },
        is_loop=True,
    ),
    _View("/train?view=runs"),
    _View("/train?view=compare"),
    _View("/train?view=search"),
    _View(
        _EVALUATED,
        {
            "Per class": _tab("Per class"),
            "Confusion matrix": _tab("Confusion matrix"),
            "a cell": _css('[role="gridcell"]'),
            "Mistakes": _tab("Mistakes"),
            "a mistake": _css("button.face"),
        },
    ),
    _View(
        f"{_EVALUATED}&tab=summary",
        {
            "Calibration": _tab("Calibration"),
            "Robustness": _tab("Robustness"),
            "Report": _tab("Report"),
            "Summary": _tab("Summary"),
        },
        is_loop=True,
    ),
)


@dataclass(frozen=True)
class _Results:
    """What was measured, in the order of the rounds.

    Attributes:
        content: Seconds until the heading and the last text were visible, by address.
        shifts: Layout shifts, by address and width of the window.
        clicks: The times of a click, by address and description of the click.
        repeated_clicks: The times of the repeated clicks of a loop, by the same keys.
    """

    content: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    shifts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    clicks: dict[str, list[ClickTimes]] = field(default_factory=lambda: defaultdict(list))
    repeated_clicks: dict[str, list[ClickTimes]] = field(default_factory=lambda: defaultdict(list))


def measure() -> list[Measurement]:
    """Measure all views and clicks."""
    if chromium_path() is None:
        return [Measurement("interactions", "not measured", "Chromium is not installed")]
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = replace(load_settings(), data_root=root / "data", runs_root=root / "runs")
        _write_workspace(settings)
        with (
            serve(environment=environment_of(settings)) as server,
            minimal_page() as minimal,
            sync_playwright() as playwright,
            open_browser(playwright) as browser,
        ):
            _evaluate(browser, server.url)
            results = _Results()
            for _ in range(_ROUNDS):
                for view in _VIEWS:
                    _visit(browser, server.url, view, results)
                results.content[_MINIMAL].append(_minimal_seconds(browser, minimal.url))
    return [
        *_content_rows(results.content),
        *_shift_rows(results.shifts),
        *_click_rows(results),
    ]


def _write_workspace(settings: Settings) -> None:
    """Write finished runs and a search with finished trials."""
    import optuna

    write_runs(settings, _RUNS, _EPOCHS)
    recipe = next(iter(RECIPES.values()))
    rate, dropout = "learning_rate", "dropout_scale"
    create_study(
        study_setup(
            {
                "name": _STUDY,
                "recipe": recipe.name,
                "data": DEMO_NAME,
                "config": recipe.config.to_json(),
                "space": {
                    "parameters": [
                        {"field": rate, "low": 1e-4, "high": 1e-2, "log": True},
                        {"field": dropout, "low": 0.5, "high": 1.5},
                    ]
                },
            }
        ),
        settings,
    )
    study = load_study(_STUDY, settings)
    generator = np.random.default_rng(0)
    for _ in range(_TRIALS):
        values = {rate: 10 ** generator.uniform(-4, -2), dropout: generator.uniform(0.5, 1.5)}
        result = float(generator.uniform(0.4, 0.7))
        study.add_trial(
            optuna.trial.create_trial(
                params=values,
                distributions={
                    rate: optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
                    dropout: optuna.distributions.FloatDistribution(0.5, 1.5),
                },
                value=result,
                intermediate_values={epoch: result * epoch / 10 for epoch in range(1, 11)},
            )
        )


def _evaluate(browser: Browser, url: str) -> None:
    """Evaluate the default model on the demo set; later visits show the stored result."""
    page = browser.new_page()
    page.set_default_timeout(_TIMEOUT_MILLISECONDS)
    page.goto(f"{url}{_EVALUATED}")
    page.get_by_role("button", name="Evaluate on").click()
    page.get_by_role("tab", name="Confusion matrix").wait_for()
    page.locator(IDLE).wait_for()
    page.close()


def _visit(browser: Browser, url: str, view: _View, results: _Results) -> None:
    """Open a view in new browsers of two sizes, and click through it in the larger one."""
    for width, height in (_PHONE, _DESKTOP):
        # A new context has an empty cache, like the browser of a new visitor.
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(_TIMEOUT_MILLISECONDS)
        watch(context, _SELECTORS)
        page = context.new_page()
        page.goto(f"{url}{view.address}")
        seconds = max(shown_seconds(page, name) for name in _SELECTORS)
        page.locator(IDLE).wait_for()
        page.wait_for_timeout(_SETTLE_MILLISECONDS)
        results.shifts[f"{view.address}, {width} px"].append(layout_shift(page))
        if (width, height) == _DESKTOP:
            results.content[view.address].append(seconds)
            _click_through(page, view, results.clicks)
            if view.is_loop:
                _click_through(page, view, results.repeated_clicks)
        context.close()


def _click_through(page: Page, view: _View, clicks: dict[str, list[ClickTimes]]) -> None:
    for name, find in view.clicks.items():
        target = find(page)
        target.wait_for()
        clicks[f"{view.address}, {name}"].append(click_times(page, target))
        page.wait_for_timeout(_SETTLE_MILLISECONDS)


def _minimal_seconds(browser: Browser, url: str) -> float:
    context = browser.new_context(viewport={"width": _DESKTOP[0], "height": _DESKTOP[1]})
    watch(context, _SELECTORS)
    page = context.new_page()
    page.goto(url)
    seconds = max(shown_seconds(page, name) for name in _SELECTORS)
    context.close()
    return seconds


def _content_rows(content: dict[str, list[float]]) -> list[Measurement]:
    minimal = statistics.median(content.pop(_MINIMAL)[1:])
    rows = []
    for address, times in content.items():
        median = statistics.median(times[1:])
        rows.append(
            Measurement(
                f"heading and last text: {address}",
                f"{median:.2f} s",
                f"limit 1.5 s; {median / minimal:.2f} times {_MINIMAL} ({minimal:.2f} s); "
                f"first time {times[0]:.2f} s",
            )
        )
    return rows


def _shift_rows(shifts: dict[str, list[float]]) -> list[Measurement]:
    return [
        Measurement(
            f"layout shift: {view}",
            f"{statistics.median(values):.3f}",
            f"limit 0.1; {min(values):.3f} to {max(values):.3f} in {len(values)} loads",
        )
        for view, values in shifts.items()
    ]


def _click_rows(results: _Results) -> list[Measurement]:
    rows = []
    for name, times in results.clicks.items():
        remarks = [f"everything drawn {_median(times[1:], 'settled'):.2f} s"]
        if name in results.repeated_clicks:
            repeated = results.repeated_clicks[name]
            remarks.append(f"again in the same tab {_median(repeated, 'settled'):.2f} s")
        remarks.append(f"new server {times[0].answered:.2f} and {times[0].settled:.2f} s")
        answered = f"{_median(times[1:], 'answered'):.2f} s"
        rows.append(Measurement(f"click: {name}", answered, "; ".join(["limit 0.5 s", *remarks])))
    return rows


def _median(times: list[ClickTimes], attribute: str) -> float:
    return statistics.median(float(getattr(one, attribute)) for one in times)


if __name__ == "__main__":
    print_table(measure())
