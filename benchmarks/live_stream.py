"""Measure the live page in a real browser: ``python -m benchmarks.live_stream VIDEO [--parts …]``.

Chromium's camera plays the video. Every frame contains its number, so that a displayed frame can be
identified. A minimal page that returns frames unchanged is measured alternately in the same run,
for comparison. The values are meaningful only if nothing else runs.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np

from benchmarks.live_browser import (
    Tab,
    app_server,
    minimal_server,
    open_browser_with_camera,
    open_tab,
)
from benchmarks.live_camera import load_loop, write_camera_file
from benchmarks.live_probe import Playback
from benchmarks.measurement import Measurement, print_table
from benchmarks.servers import PageServer, chromium_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

Part = Literal["playing", "cold", "warm", "changes", "memory"]
PARTS: tuple[Part, ...] = get_args(Part)

_APP, _MINIMAL = "live page", "minimal page"
#: Waiting time until the bit rate of the connection and the caches of the page are stable.
_SETTLING_SECONDS = 5.0
#: Time without a new frame after which a stream counts as stopped.
_STOPPED_MILLISECONDS = 2000.0
_BETWEEN_CHANGES_MILLISECONDS = 120
_MEMORY_SAMPLE_SECONDS = 5.0
#: Minimum share of the minimal page's frame rate, by the number of tabs.
_MIN_RATE_SHARE = {1: 0.9, 2: 0.8}
_MINIMAL_STARTS = 3
#: The stream of the minimal page sometimes does not start (a defect of streamlit-webrtc). It gets
#: several attempts, so that the comparison is not lost. The app gets only one.
_MINIMAL_ATTEMPTS = 3

_T = TypeVar("_T")


@dataclass(frozen=True)
class Extent:
    """What is measured, and how often or how long.

    Attributes:
        parts: The parts to measure.
        rounds: How often the page and the minimal page alternate, with one tab and with two.
        seconds: Duration of each observation.
        cold_starts: Number of starts with a new server and a new browser.
        warm_starts: Number of starts in a new tab.
        changes: Number of quick changes of widgets during playback.
        minutes: Duration of the memory measurement.
    """

    parts: Sequence[Part] = PARTS
    rounds: int = 3
    seconds: float = 20.0
    cold_starts: int = 20
    warm_starts: int = 20
    changes: int = 50
    minutes: float = 10.0


#: A measurement that takes a few minutes, for the table of all measurements.
SHORT = Extent(rounds=2, seconds=15.0, cold_starts=3, warm_starts=5, minutes=2.0)


@dataclass(frozen=True)
class _Observation:
    """One observation of a page.

    Attributes:
        tabs: The playback in each tab.
        load: CPU load of the server, 1 for one core.
    """

    tabs: list[Playback]
    load: float


@dataclass(frozen=True)
class _Start:
    """A successful start.

    Attributes:
        first: Seconds from the click on Start to the first displayed frame.
        annotated: Seconds from the click on Start to the first annotated frame.
    """

    first: float
    annotated: float


def measure(video: Path, extent: Extent, yunet: Path | None = None) -> list[Measurement]:
    """Measure the page.

    Args:
        video: A video with a face, for the browser's camera.
        extent: The extent of the measurement.
        yunet: YuNet's file, to measure with it if the checkout does not have it.

    Raises:
        ValueError: The video cannot be used.
    """
    from playwright.sync_api import Error as BrowserError
    from playwright.sync_api import sync_playwright

    if chromium_path() is None:
        return [Measurement("live page", "not measured", "Chromium is not installed")]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        camera = Path(folder) / "camera.mjpeg"
        write_camera_file(load_loop(video), camera)
        runner = _Runner(playwright, camera, extent, yunet)
        by_part: dict[Part, Callable[[], list[Measurement]]] = {
            "playing": runner.playing,
            "cold": runner.cold_starts,
            "warm": runner.warm_starts,
            "changes": runner.changes,
            "memory": runner.memory,
        }
        measurements: list[Measurement] = []
        for part in PARTS:
            if part not in extent.parts:
                continue
            try:
                measurements += by_part[part]()
            except (TimeoutError, BrowserError) as error:
                # Keep the results of the other parts.
                measurements.append(Measurement(part, "failed", str(error).splitlines()[0]))
        return measurements


class _Runner:
    def __init__(
        self, playwright: Playwright, camera: Path, extent: Extent, yunet: Path | None
    ) -> None:
        self._playwright = playwright
        self._camera = camera
        self._extent = extent
        self._yunet = yunet

    def playing(self) -> list[Measurement]:
        """Measure both pages alternately, with one tab and with two."""
        measurements: list[Measurement] = []
        with self._served() as (browser, app), minimal_server() as minimal:
            servers = {_APP: app, _MINIMAL: minimal}
            attempts = {_APP: 1, _MINIMAL: _MINIMAL_ATTEMPTS}
            for name, server in servers.items():
                _retry(attempts[name], name, partial(self._warm_up, browser, server))
            for tab_count in (1, 2):
                observations: dict[str, list[_Observation]] = {name: [] for name in servers}
                speeds: list[_Speed] = []
                for turn in range(self._extent.rounds):
                    # Alternate the order, because the first page of a round may have an advantage.
                    for name in list(servers)[:: 1 if turn % 2 == 0 else -1]:
                        _log(f"{tab_count} tab(s), round {turn + 1}, {name}")
                        play = partial(self._play, browser, servers[name], tab_count, name == _APP)
                        observation, speed = _retry(attempts[name], name, play)
                        observations[name].append(observation)
                        if speed is not None:
                            speeds.append(speed)
                measurements += _compared(tab_count, observations[_APP], observations[_MINIMAL])
                measurements.append(_processing(tab_count, speeds))
        return measurements

    def cold_starts(self) -> list[Measurement]:
        """Measure starts with a new server and a new browser."""

        def start() -> _Start:
            with self._served() as (browser, server):
                return _measure_start(browser, server)

        starts, failures = _repeat_starts("cold start", self._extent.cold_starts, start)
        return [
            _success_rate("cold starts that show moving frames", starts, failures),
            *_durations("cold", starts),
        ]

    def warm_starts(self) -> list[Measurement]:
        """Measure starts in new tabs of one server and one browser."""
        with self._served() as (browser, server), minimal_server() as minimal:
            self._warm_up(browser, server)
            starts, failures = _repeat_starts(
                "warm start", self._extent.warm_starts, lambda: _measure_start(browser, server)
            )
            minimal_start = partial(_measure_minimal_start, browser, minimal)
            minimal_times = [
                _retry(_MINIMAL_ATTEMPTS, _MINIMAL, minimal_start) for _ in range(_MINIMAL_STARTS)
            ]
        comparison = f"; {_MINIMAL} {statistics.median(minimal_times):.2f} s"
        return [
            _success_rate("warm starts that show moving frames", starts, failures),
            *_durations("warm", starts, comparison, "; limit 3 s"),
        ]

    def changes(self) -> list[Measurement]:
        """Measure the stream during quick changes of widgets."""
        with self._served() as (browser, server), _tabs(browser, server, 1) as (tab,):
            tab.page.wait_for_timeout(1000 * _SETTLING_SECONDS)
            begin = tab.now()
            for number in range(self._extent.changes):
                _change(tab, number)
                tab.page.wait_for_timeout(_BETWEEN_CHANGES_MILLISECONDS)
            # A stream may stop some time after its cause.
            tab.page.wait_for_timeout(1000 * _SETTLING_SECONDS)
            played = tab.playback_since(begin)
        has_stopped = played.longest_pause > _STOPPED_MILLISECONDS
        return [
            Measurement(
                f"{self._extent.changes} quick changes of widgets while playing",
                "the stream stopped" if has_stopped else "the stream continued",
                f"longest time without a new frame {played.longest_pause:.0f} ms, "
                f"{played.new_frames_per_second:.1f} new frames per second",
            )
        ]

    def memory(self) -> list[Measurement]:
        """Measure memory with one tab that plays for minutes and is then closed."""
        seconds = 60 * self._extent.minutes
        with self._served() as (browser, server):
            self._warm_up(browser, server)
            with _tabs(browser, server, 1) as (tab,):
                tab.page.wait_for_timeout(1000 * _SETTLING_SECONDS)
                begin, start = tab.now(), time.monotonic()
                times, memory = [0.0], [server.memory_megabytes]
                while times[-1] < seconds:
                    tab.page.wait_for_timeout(1000 * _MEMORY_SAMPLE_SECONDS)
                    times.append(time.monotonic() - start)
                    memory.append(server.memory_megabytes)
                    if len(memory) % 12 == 0:
                        _log(f"{times[-1] / 60:.0f} min: {memory[-1]:.0f} MB")
                played = tab.playback_since(begin)
            time.sleep(2 * _MEMORY_SAMPLE_SECONDS)
            after = server.memory_megabytes
        # Skip the first fifth of the samples, during which the caches are filled.
        first = len(memory) // 5
        slope = float(np.polyfit(times[first:], memory[first:], 1)[0]) * 60
        return [
            Measurement(
                f"server's memory over {played.seconds / 60:.1f} min of playing",
                f"{memory[first]:.0f} MB, at the end {memory[-1]:.0f} MB ({slope:+.2f} MB/min)",
                f"at the beginning {memory[0]:.0f} MB, after closing the tab {after:.0f} MB; "
                f"longest time without a new frame {played.longest_pause:.0f} ms",
            )
        ]

    @contextlib.contextmanager
    def _served(self) -> Iterator[tuple[Browser, PageServer]]:
        with (
            app_server(self._yunet) as server,
            open_browser_with_camera(self._playwright, self._camera) as browser,
        ):
            yield browser, server

    def _warm_up(self, browser: Browser, server: PageServer) -> None:
        with _tabs(browser, server, 1):
            pass

    def _play(
        self, browser: Browser, server: PageServer, tab_count: int, reads_speed: bool
    ) -> tuple[_Observation, _Speed | None]:
        """Observe a page in some tabs, and read the speed that it displays, if it displays one."""
        with _tabs(browser, server, tab_count) as opened:
            observation = self._observe(server, opened)
            return observation, _speed(opened[0]) if reads_speed else None

    def _observe(self, server: PageServer, tabs: Sequence[Tab]) -> _Observation:
        tabs[0].page.wait_for_timeout(1000 * _SETTLING_SECONDS)
        begins = [tab.now() for tab in tabs]
        cpu_seconds, start = server.cpu_seconds, time.monotonic()
        tabs[0].page.wait_for_timeout(1000 * self._extent.seconds)
        load = (server.cpu_seconds - cpu_seconds) / (time.monotonic() - start)
        return _Observation(
            [tab.playback_since(begin) for tab, begin in zip(tabs, begins, strict=True)], load
        )


def _retry(attempts: int, name: str, action: Callable[[], _T]) -> _T:
    """Run an action, and repeat it after a failure.

    Raises:
        TimeoutError: The last attempt failed. Errors of the browser are raised, too.
    """
    from playwright.sync_api import Error as BrowserError

    for _ in range(attempts - 1):
        try:
            return action()
        except (TimeoutError, BrowserError) as error:
            _log(f"{name} is repeated: {str(error).splitlines()[0]}")
    return action()


@contextlib.contextmanager
def _tabs(browser: Browser, server: PageServer, count: int) -> Iterator[list[Tab]]:
    """Open tabs with playing streams, in which annotated frames are no longer searched for."""
    with contextlib.ExitStack() as stack:
        tabs = []
        for _ in range(count):
            tab = stack.enter_context(open_tab(browser, server.url))
            tab.start()
            tab.stop_comparing()
            tabs.append(tab)
        yield tabs


def _measure_start(browser: Browser, server: PageServer) -> _Start:
    with open_tab(browser, server.url) as tab:
        tab.start()
        annotated = tab.wait_for_annotations()
        return _Start(tab.first_frame_seconds, annotated)


def _measure_minimal_start(browser: Browser, server: PageServer) -> float:
    """Return the seconds to the first frame of the minimal page.

    Raises:
        RuntimeError: Its frames appear to be annotated, so that the detection of annotations is
            wrong.
    """
    with open_tab(browser, server.url) as tab:
        tab.start()
        if tab.is_annotated:
            raise RuntimeError("Unchanged frames were detected as annotated.")
        return tab.first_frame_seconds


def _repeat_starts(
    name: str, count: int, start: Callable[[], _Start]
) -> tuple[list[_Start], list[str]]:
    """Return the successful starts, and the reasons of the failed ones."""
    from playwright.sync_api import Error as BrowserError

    starts: list[_Start] = []
    failures: list[str] = []
    for number in range(1, count + 1):
        try:
            starts.append(start())
            _log(f"{name} {number}: first frame after {starts[-1].first:.2f} s")
        except (TimeoutError, BrowserError) as error:
            failures.append(str(error).splitlines()[0])
            _log(f"{name} {number}: {failures[-1]}")
    return starts, failures


def _success_rate(name: str, starts: Sequence[_Start], failures: Sequence[str]) -> Measurement:
    attempts = len(starts) + len(failures)
    reasons = "; ".join(sorted(set(failures)))
    return Measurement(
        name, f"{len(starts)} of {attempts}", reasons or f"limit {attempts} of {attempts}"
    )


def _durations(
    kind: str, starts: Sequence[_Start], first_comparison: str = "", annotated_comparison: str = ""
) -> list[Measurement]:
    if not starts:
        return []
    return [
        Measurement(
            f"{kind} start: from the click on Start to the first {event}, median",
            f"{statistics.median(times):.2f} s",
            f"maximum {max(times):.2f} s{comparison}",
        )
        for event, times, comparison in (
            ("frame on the screen", [start.first for start in starts], first_comparison),
            ("annotated frame", [start.annotated for start in starts], annotated_comparison),
        )
    ]


def _compared(
    tab_count: int, app: Sequence[_Observation], minimal: Sequence[_Observation]
) -> list[Measurement]:
    """Compare new frames, delays, pauses and CPU load of both pages."""
    subject = "one tab" if tab_count == 1 else f"each of {tab_count} tabs"
    app_rates, minimal_rates = _rates(app), _rates(minimal)
    share = min(app_rates) / statistics.mean(minimal_rates)
    (median, slow), (minimal_median, minimal_slow) = _delays(app), _delays(minimal)
    return [
        Measurement(
            f"{subject}: new frames per second",
            _listed(app_rates),
            f"{_MINIMAL} {_listed(minimal_rates)}; share {share:.0%}, "
            f"limit {_MIN_RATE_SHARE[tab_count]:.0%}",
        ),
        Measurement(
            f"{subject}: delay from camera to screen, median / 95th percentile",
            f"{median:.0f} / {slow:.0f} ms",
            f"{_MINIMAL} {minimal_median:.0f} / {minimal_slow:.0f} ms; difference of medians "
            f"{median - minimal_median:+.0f} ms, limits +60 ms and 250 ms",
        ),
        Measurement(
            f"{subject}: longest time without a new frame",
            f"{max(tab.longest_pause for run in app for tab in run.tabs):.0f} ms",
            f"{_MINIMAL} {max(tab.longest_pause for run in minimal for tab in run.tabs):.0f} ms",
        ),
        Measurement(
            f"{subject}: server's share of a core",
            f"{statistics.median(run.load for run in app):.0%}",
            f"{_MINIMAL} {statistics.median(run.load for run in minimal):.0%}",
        ),
    ]


def _rates(runs: Sequence[_Observation]) -> list[float]:
    """Return new frames per second of each tab, the median of all runs."""
    by_tab = zip(*([tab.new_frames_per_second for tab in run.tabs] for run in runs), strict=True)
    return [statistics.median(rates) for rates in by_tab]


def _delays(runs: Sequence[_Observation]) -> tuple[float, float]:
    """Return median and 95th percentile of the delay over all runs; NaN if there is no delay."""
    delays = [delay for run in runs for tab in run.tabs for delay in tab.delays]
    if not delays:
        return float("nan"), float("nan")
    return float(np.median(delays)), float(np.percentile(delays, 95))


def _listed(rates: Sequence[float]) -> str:
    return " and ".join(f"{rate:.1f}" for rate in rates)


@dataclass(frozen=True)
class _Speed:
    """The speed of a stream, as the page displays it.

    Attributes:
        typical: Time per frame, median, as text.
        slow: Time per frame, 95th percentile, as text.
        dropped: Number of dropped frames since the start of the stream, as text.
    """

    typical: str
    slow: str
    dropped: str


def _speed(tab: Tab) -> _Speed:
    """Read the speed that the page displays."""
    # The expander is collapsed: its text is in the page, but not visible.
    text = tab.page.get_by_text("Skipped frames:").locator("xpath=../..").first.text_content() or ""
    found = re.search(
        r"Processing per frame: (\S+ ms) \(median\), (\S+ ms) \(95th.*Skipped frames: ([\d,]+)",
        text,
        re.DOTALL,
    )
    assert found is not None, text
    return _Speed(found[1], found[2], found[3])


def _processing(tab_count: int, speeds: Sequence[_Speed]) -> Measurement:
    return Measurement(
        f"{'one tab' if tab_count == 1 else f'{tab_count} tabs'}: processing per frame, "
        "95th percentile of the last 90 frames, by round",
        ", ".join(speed.slow for speed in speeds),
        f"median {', '.join(speed.typical for speed in speeds)}; limit 33 ms with one face; frames "
        f"dropped since Start {', '.join(speed.dropped for speed in speeds)}",
    )


def _change(tab: Tab, number: int) -> None:
    """Change a widget, a different one each time."""
    if number % 3 == 0:
        # The input itself is covered by its decoration.
        tab.page.get_by_text("Mirror the picture").click()
    elif number % 3 == 1:
        tab.page.get_by_role("button", name="Bars", exact=True).click()
    else:
        slider = tab.page.get_by_role("slider", name="Smoothing")
        slider.press("ArrowRight" if number % 2 == 0 else "ArrowLeft")


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    # Exit through an exception, so that servers and browser are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    default = Extent()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, help="a video with a face, used as the webcam")
    parser.add_argument("--yunet", type=Path, help="YuNet's file, if the checkout has none")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=default.rounds)
    parser.add_argument("--seconds", type=float, default=default.seconds, help="per page and round")
    parser.add_argument("--cold", type=int, default=default.cold_starts, help="number of starts")
    parser.add_argument("--warm", type=int, default=default.warm_starts, help="number of starts")
    parser.add_argument("--changes", type=int, default=default.changes, help="number of changes")
    parser.add_argument("--minutes", type=float, default=default.minutes, help="of the memory test")
    options = parser.parse_args()
    extent = Extent(
        parts=options.parts,
        rounds=options.rounds,
        seconds=options.seconds,
        cold_starts=options.cold,
        warm_starts=options.warm,
        changes=options.changes,
        minutes=options.minutes,
    )
    print_table(measure(options.video, extent, options.yunet))


if __name__ == "__main__":
    main()
