"""The video page with the results of one hour: seconds to open it and to react to a click.

The hour is a short video of two drawn people, repeated. The table is as long as that of a real
hour, and so is the video. ``python -m benchmarks --only video-page``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measurement import Measurement
from benchmarks.servers import IDLE, PageServer, environment_of, open_browser, serve
from benchmarks.video import new_analysis, write_video_of_faces
from fer_core.settings import Settings, load_settings
from fer_core.video.analysis_folder import SUBTITLES_FILE
from fer_core.video.analysis_job import run_analysis
from fer_core.video.face_table import FaceTable, read_table, to_arrow
from fer_core.video.webvtt import to_webvtt

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_HOUR_SECONDS = 3600
#: Length of the video that is repeated, in seconds.
_PART_SECONDS = 20
_LOADS = 5
#: Positions of the clicks, as shares of the width of the timeline.
_CLICKS = (0.2, 0.45, 0.7, 0.3, 0.6, 0.1, 0.9)
_TABS = ("Persons", "Markers", "Downloads", "Episodes")


def measure() -> list[Measurement]:
    """Measure opening the page, a click on the timeline, and another tab."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        settings = replace(load_settings(), configured_analyses_root=root / "analyses")
        rows, megabytes = _write_hour(settings, root)
        environment = environment_of(settings) | {
            "FER_STUDIO_ANALYSES": str(settings.analyses_root)
        }
        with (
            serve(path="/video", environment=environment) as server,
            sync_playwright() as playwright,
            open_browser(playwright) as browser,
        ):
            # One context, whose cache has the files of the page after the first visit.
            context = browser.new_context(viewport={"width": 1440, "height": 1700})
            opened = [_seconds_to_open(context, server) for _ in range(1 + _LOADS)][1:]
            page = _open(context, server)
            clicks = _seconds_per_click(page)
            tabs = {tab: _seconds_to_open_tab(page, tab) for tab in _TABS}
    slowest = max(tabs, key=lambda tab: tabs[tab])
    return [
        Measurement(
            "video page with one hour of two people, timeline and faces drawn",
            f"{statistics.median(opened):.2f} s",
            f"{min(opened):.2f} to {max(opened):.2f} s, limit 2 s; {rows:,} rows, "
            f"table {megabytes:.1f} MB",
        ),
        Measurement(
            "a click on the timeline, until the frame is described",
            f"{statistics.median(clicks):.2f} s",
            f"slowest {max(clicks):.2f} s, limit 0.5 s",
        ),
        Measurement("slowest tab", f"{tabs[slowest]:.2f} s", f"{slowest}; limit 0.5 s"),
    ]


def _write_hour(settings: Settings, root: Path) -> tuple[int, float]:
    """Write an analysis of one hour; return the number of rows, and the size of the table in MB."""
    part = root / "part.mp4"
    write_video_of_faces(part, (640, 480), 2, _PART_SECONDS)
    out = settings.analyses_root / "20260101-000000-hour"
    folder, analyzer = new_analysis(part, out, settings)
    outcome = run_analysis(folder, settings, analyzer=analyzer)
    table = _repeated(read_table(folder.table_path), _HOUR_SECONDS // _PART_SECONDS)
    pq.write_table(to_arrow(table), folder.table_path, compression="zstd")
    (folder.path / SUBTITLES_FILE).write_text(to_webvtt(table), encoding="utf-8")
    hour = root / "hour.mp4"
    _repeat_video(part, hour, _HOUR_SECONDS // _PART_SECONDS)
    folder.change_settings(replace(folder.read_settings(), video=hour.name, source=str(hour)))
    folder.write_status(replace(outcome.status, seconds=float(_HOUR_SECONDS)))
    return len(table), folder.table_path.stat().st_size / 1_000_000


def _repeated(table: FaceTable, repetitions: int) -> FaceTable:
    """Return a table several times in a row, with ascending times and frame numbers."""
    count = len(table)
    repetition = np.repeat(np.arange(repetitions), count)
    rows = table.selected(np.tile(np.arange(count), repetitions))
    frames = int(table.frame.max()) + 1
    return replace(
        rows,
        seconds=rows.seconds + _PART_SECONDS * repetition,
        frame=rows.frame + frames * repetition,
    )


def _repeat_video(part: Path, target: Path, repetitions: int) -> None:
    """Write a video several times in a row, without encoding it again."""
    import av

    with av.open(str(part)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        assert stream.time_base is not None
        copy = container.add_stream_from_template(stream)
        for number in range(repetitions):
            source.seek(0)
            offset = int(number * _PART_SECONDS / stream.time_base)
            for packet in source.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                packet.pts += offset
                packet.dts += offset
                packet.stream = copy
                container.mux(packet)


def _open(context: BrowserContext, server: PageServer) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.locator(".emotion-timeline svg").wait_for()
    page.locator(".fer-bars").first.wait_for()
    return page


def _seconds_to_open(context: BrowserContext, server: PageServer) -> float:
    start = time.perf_counter()
    page = _open(context, server)
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def _seconds_per_click(page: Page) -> list[float]:
    page.locator(IDLE).wait_for()
    box = page.locator(".emotion-timeline .times > rect").bounding_box()
    assert box is not None
    seconds = []
    for share in _CLICKS:
        caption = page.get_by_text("The frame at").first.inner_text()
        start = time.perf_counter()
        page.mouse.click(box["x"] + share * box["width"], box["y"] + 50)
        page.wait_for_function(
            "old => [...document.querySelectorAll('[data-testid=stCaptionContainer]')].some("
            "one => one.innerText.startsWith('The frame at') && one.innerText.trim() !== old)",
            arg=caption.strip(),
            polling=20,
        )
        seconds.append(time.perf_counter() - start)
        # Work that this click still causes must not delay the next one.
        page.wait_for_timeout(500)
        page.locator(IDLE).wait_for()
    return seconds


def _seconds_to_open_tab(page: Page, name: str) -> float:
    start = time.perf_counter()
    page.get_by_role("tab", name=name).click()
    page.wait_for_timeout(30)
    page.locator(IDLE).wait_for()
    return time.perf_counter() - start
