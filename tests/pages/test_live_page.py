"""The live page without a browser: frames are passed to the processor directly."""

import csv
import io
import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState
from streamlit.testing.v1 import AppTest

from fer_core.emotions import EMOTIONS
from fer_core.live.processor import LiveProcessor
from fer_core.live.session_record import SessionRecord
from fer_core.live.snapshot import LiveSnapshot
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import FaceBox
from fer_core.vision.face import Face
from fer_core.vision.haar import HaarDetector
from fer_studio.ui import webrtc
from fer_studio.ui.ice import ICE_VARIABLE
from fer_studio.ui.live import record as record_view
from fer_studio.ui.live.predictions import faces_html, rate_text, speed_text
from fer_studio.ui.live.session import STREAM_KEY
from fer_studio.ui.live.stream import may_use_camera

OpenApp = Callable[..., AppTest]


def texts(elements: Sequence[Any]) -> list[str]:
    return [element.value for element in elements]


def plain(elements: Sequence[Any]) -> str:
    return " ".join(texts(elements)).replace("\\", "")


def faces_card(app: AppTest) -> str:
    """The HTML of the predictions."""
    return str(next(one.proto.body for one in app.get("html") if "live-faces" in one.proto.body))


def assert_sound(app: AppTest) -> None:
    assert not app.exception, texts(app.exception)
    assert texts(app.title) == ["Live"]
    assert "banned in the European Union" in plain(app.markdown)


@pytest.fixture
def component(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The latest arguments of the component, which needs a browser and is replaced."""
    arguments: dict[str, Any] = {}

    def draw(**given: Any) -> None:
        arguments.update(given)
        st.session_state.setdefault(
            given["key"], SimpleNamespace(state=SimpleNamespace(playing=False, signalling=False))
        )

    monkeypatch.delenv(ICE_VARIABLE, raising=False)
    monkeypatch.setattr("fer_studio.ui.webrtc.webrtc_streamer", draw)
    monkeypatch.setattr("fer_studio.ui.webrtc._replace_relay", lambda: None)
    return arguments


def open_live(open_app: OpenApp) -> AppTest:
    app = open_app().switch_page("pages/live.py").run()
    assert_sound(app)
    return app


def processor(app: AppTest) -> LiveProcessor:
    found = app.session_state["live_session"].processor
    assert isinstance(found, LiveProcessor)
    return found


def set_state(app: AppTest, *, playing: bool = False, connecting: bool = False) -> None:
    """Set the state that the browser would report."""
    app.session_state[STREAM_KEY].state = SimpleNamespace(playing=playing, signalling=connecting)


class OneFace:
    """A detector that always returns the same face; the cascades take a tenth of a second."""

    name = "haar"
    geometry = HaarDetector().geometry

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return [Face(FaceBox(200, 120, 160, 160))]


def scene() -> NDArray[np.uint8]:
    """A picture with texture, which optical flow can follow."""
    return np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)


class ImmediateExecutor(Executor):
    """Run what is submitted at once, in the calling thread."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*args, **options))
        return future


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the stream. It stands still, so that a slow test run changes nothing."""
    return Clock()


def stream(app: AppTest, clock: Clock, record: SessionRecord | None = None) -> None:
    """Give the page a stream of twelve frames with one face, four per second."""
    session = app.session_state["live_session"]
    session.analyzer = Analyzer(session.analyzer.predictor, OneFace())
    controls = replace(processor(app).controls, analyzer=session.analyzer)
    session.processor = LiveProcessor(
        controls, record=record, executor=ImmediateExecutor(), clock=clock
    )
    for number in range(12):
        clock.now += 0.25
        processor(app).process(scene(), number / 4)
    set_state(app, playing=True)


@pytest.fixture
def playing(home: Settings, component: dict[str, Any], open_app: OpenApp, clock: Clock) -> AppTest:
    """The page while one person is in front of the camera."""
    app = open_live(open_app)
    stream(app, clock)
    return app.run()


@pytest.mark.parametrize("page", ["pages/live.py", "pages/analyze.py"])
def test_both_pages_open_by_a_click(
    home: Settings, component: dict[str, Any], open_app: OpenApp, page: str
) -> None:
    app = open_app("click").switch_page(page).run()
    assert not app.exception


def test_the_first_view_explains_the_page_and_where_frames_are_sent(
    home: Settings, component: dict[str, Any], open_app: OpenApp
) -> None:
    app = open_live(open_app)
    assert "Press **Start**" in plain(app.info)
    assert "not stored, unless you record the video" in plain(app.caption)
    assert "but no pictures" in plain(app.caption)
    # The card has the size that it has with a face; there are no charts without data.
    assert "The emotion of every face appears here" in faces_card(app)
    assert faces_card(app).count("live-bar") == 7
    assert not app.get("echarts_chart")
    assert [box.label for box in app.main.selectbox] == ["Model", "Face detector"]
    assert [slider.label for slider in app.main.slider] == ["Minimum confidence", "Smoothing"]
    assert not app.error
    assert [button.proto.disabled for button in app.get("download_button")] == [True, True]
    assert [(toggle.label, toggle.value) for toggle in app.main.toggle] == [
        ("Mirror the picture", True),
        ("Record the video", False),
    ]


def test_start_is_enabled_after_the_model_is_loaded_and_warmed_up(
    home: Settings,
    component: dict[str, Any],
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(
        "fer_core.vision.analyzer.Analyzer.classify",
        lambda self, image, faces: calls.append(len(faces)),
    )
    monkeypatch.setattr(
        "fer_studio.ui.webrtc.webrtc_streamer", lambda **given: component.update(before=list(calls))
    )
    open_live(open_app)
    assert component["before"] == [1]


def test_the_component_reruns_the_page_only_when_the_streams_state_changes(
    home: Settings,
    component: dict[str, Any],
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fragments: list[str | None] = []
    reports: list[SimpleNamespace] = []
    draw = webrtc.webrtc_streamer

    def draw_and_report(**given: Any) -> None:
        fragments.append(ThreadState.get().fragment_id)
        draw(**given)
        if reports:
            st.session_state[given["key"]].state = reports.pop()
            given["on_change"]()

    monkeypatch.setattr(webrtc, "webrtc_streamer", draw_and_report)
    app = open_live(open_app)
    # A value that the component sends reruns its fragment. A rerun of the whole page would replace
    # a change of page that is requested in the same moment.
    assert len(fragments) == 1 and fragments[0] is not None
    assert "Press **Start**" in plain(app.info)
    app.run()
    assert len(fragments) == 2
    # What is drawn after the picture depends on the state, too: the record, for example.
    reports.append(SimpleNamespace(playing=False, signalling=True))
    app.run()
    assert len(fragments) == 4
    assert "Connecting" in plain(app.info)


def test_without_a_model_there_is_no_camera(
    empty_home: Settings, component: dict[str, Any], open_app: OpenApp
) -> None:
    app = open_live(open_app)
    assert component == {}
    assert "Live needs a model" in plain(app.info)
    assert "no model" in plain(app.main.error).lower()


def test_a_damaged_model_is_reported_and_another_enables_the_camera(
    home: Settings, component: dict[str, Any], open_app: OpenApp
) -> None:
    (home.models_root / "small" / "model.onnx").write_bytes(b"no network")
    app = open_live(open_app)
    assert component == {}
    assert "'small' is damaged" in plain(app.error)
    app.main.selectbox[0].set_value("other").run()
    assert_sound(app)
    assert not app.error
    assert component["key"] == STREAM_KEY


def test_choosing_a_damaged_model_keeps_the_previous_one(
    home: Settings, component: dict[str, Any], open_app: OpenApp
) -> None:
    app = open_live(open_app)
    before = processor(app).controls.analyzer.predictor
    (home.models_root / "other" / "model.onnx").write_bytes(b"no network")
    app.main.selectbox[0].set_value("other").run()
    assert_sound(app)
    assert "'other' is damaged" in plain(app.error)
    assert "The previous model and detector stay in use" in plain(app.error)
    assert processor(app).controls.analyzer.predictor is before
    (mode,) = [one for one in app.get("button_group") if one.key == "live_mode"]
    mode.set_value("Snapshots").run()
    assert "'other' is damaged" in plain(app.error)
    app.main.selectbox[0].set_value("small").run()
    assert not app.error


def test_controls_take_effect_without_restarting_the_stream(
    home: Settings, component: dict[str, Any], open_app: OpenApp
) -> None:
    app = open_live(open_app)
    one = processor(app)
    assert one.controls.minimum_confidence == 0.4
    assert (one.controls.is_mirrored, one.controls.shows_boxes, one.controls.shows_bars) == (
        True,
        True,
        False,
    )
    app.main.slider[0].set_value(70)
    app.main.slider[1].set_value(1.5)
    app.toggle(key="live_mirror").set_value(False)
    (overlays,) = [one for one in app.get("button_group") if one.key == "live_overlays"]
    overlays.set_value(["shows_bars"])
    app.run()
    assert_sound(app)
    assert processor(app) is one
    assert (one.controls.minimum_confidence, one.controls.smoothing_seconds) == (0.7, 1.5)
    assert (one.controls.is_mirrored, one.controls.shows_boxes, one.controls.shows_bars) == (
        False,
        False,
        True,
    )
    old = one.controls.analyzer.predictor
    app.main.selectbox[0].set_value("other").run()
    assert processor(app) is one
    assert one.controls.analyzer.predictor is not old


def test_faces_speed_and_record_are_shown_while_playing(playing: AppTest) -> None:
    assert_sound(playing)
    assert "1 face, 640 by 480 pixels, 4 fps" in plain(playing.success)
    (details,) = [box for box in playing.expander if box.label == "Speed"]
    for part in (
        "**4 fps, ",
        "Processing per frame",
        "classification",
        "Face detection",
        "Skipped frames",
    ):
        assert part in plain(details.markdown)
    rows = len(processor(playing).session_record)
    assert rows >= 8  # the first frames come before the track is confirmed
    assert f"{rows} rows. Reloading the page deletes them" in plain(playing.caption)
    (face,) = processor(playing).snapshot().faces
    assert "<span>Person 1</span>" in faces_card(playing)
    assert faces_card(playing).count("%</span>") == 7
    (headline,) = re.findall("<strong>(.*)</strong>([^<]*)", faces_card(playing))
    assert headline == (face.label, f"{100 * face.score:.0f} % confidence")
    (table,) = playing.dataframe
    assert list(table.value.columns)[:3] == ["Time", "Person", "Class"]
    assert set(table.value["Person"]) == {1}
    assert np.allclose(table.value[list(EMOTIONS)].sum(axis=1), 100, atol=0.5)
    assert len(playing.get("echarts_chart")) == 2


def test_charts_and_table_refresh_from_the_start_of_a_stream_to_its_end(
    home: Settings,
    component: dict[str, Any],
    open_app: OpenApp,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intervals: dict[str, float | None] = {}
    placed_fragment = record_view.placed_fragment

    def noting_the_interval(draw: Any, *, run_every: float | None = None) -> Any:
        intervals[draw.__name__] = run_every
        return placed_fragment(draw, run_every=run_every)

    monkeypatch.setattr(record_view, "placed_fragment", noting_the_interval)
    app = open_live(open_app)
    assert intervals == {"_show_charts": None}
    # The record is still empty: the first rows appear with a refresh.
    set_state(app, playing=True)
    app.run()
    assert intervals == {"_show_charts": 3.0, "_show_rows": 20.0}
    stream(app, clock)
    app.run()
    set_state(app)
    app.run()
    assert intervals == {"_show_charts": None, "_show_rows": None}
    assert_sound(app)


def face(number: int, probabilities: Sequence[float], **settings: Any) -> Face:
    return Face(
        FaceBox(0, 0, 50, 50),
        probabilities=np.array(probabilities, np.float32),
        classes=("calm", "<tired>", "glad"),
        track_id=number,
        **settings,
    )


def test_the_first_face_is_large_and_the_others_are_lines() -> None:
    sure, unsure = face(1, [0.1, 0.2, 0.7]), face(2, [0.5, 0.4, 0.1], minimum_confidence=0.6)
    page = faces_html([sure, unsure], sure.classes, empty_text="")
    assert "<strong>glad</strong>70 % confidence" in page
    assert "<li>Person 2: not sure: calm or &lt;tired&gt;</li>" in page
    assert page.count("live-bar") == 3
    page = faces_html([unsure], sure.classes, empty_text="")
    assert "<strong>not sure</strong>calm or &lt;tired&gt;" in page
    page = faces_html([face(1, [0.1, 0.2, 0.7], is_too_small=True)], sure.classes, empty_text="")
    assert "<strong>too small to read</strong>" in page
    assert "%" not in page
    page = faces_html([sure] * 7, sure.classes, empty_text="")
    assert page.count("<li") == 5 and "And 2 more" in page


def test_the_record_is_downloaded_as_csv_and_json_also_after_stop(playing: AppTest) -> None:
    set_state(playing)
    playing.run()
    assert_sound(playing)
    labels = [button.label for button in playing.get("download_button")]
    assert labels == ["CSV", "JSON"]
    record = processor(playing).session_record
    lines = list(csv.DictReader(io.StringIO(record.to_csv())))
    document = json.loads(record.to_json())
    assert (lines[-1]["model"], lines[-1]["minimum_confidence"]) == ("small", "0.4")
    assert lines[-1]["detector"] in ("haar", "yunet") and lines[-1]["mirrored"] == "true"
    assert len(lines) == len(document["rows"]) == len(record)
    assert {line["person"] for line in lines} == {"1"}


def is_unsaved(app: AppTest) -> bool:
    """Whether the browser asks before it closes the tab."""
    sent = [
        json.loads(one.proto.json)
        for one in app.get("bidi_component")
        if one.proto.component_name == "fer_studio_address"
    ]
    # The page is drawn after its fragments and has the last word.
    return any(one["unsaved"] for one in sent if one["page"])


def test_the_record_survives_a_visit_to_another_page_and_the_browser_asks_until_it_is_cleared(
    playing: AppTest,
) -> None:
    assert is_unsaved(playing)
    rows = len(processor(playing).session_record)
    playing.switch_page("pages/dataset.py").run()
    assert is_unsaved(playing)
    playing.switch_page("pages/live.py").run()
    assert_sound(playing)
    assert len(processor(playing).session_record) == rows
    assert len(playing.dataframe[0].value) == rows
    set_state(playing)
    playing.button(key="live_clear").click().run()
    assert not is_unsaved(playing)


def test_clearing_the_record_updates_the_page(playing: AppTest) -> None:
    (button,) = [button for button in playing.main.button if button.label == "Clear the record"]
    button.click().run()
    assert_sound(playing)
    assert len(processor(playing).session_record) == 0
    assert not playing.dataframe
    assert len(playing.get("download_button")) == 2  # the stream continues


def test_the_switch_follows_the_recording_and_a_refresh_does_not_set_it(playing: AppTest) -> None:
    recording = processor(playing).video_recording
    for is_running in (True, False):
        if is_running:
            recording.start()
        else:
            recording.stop()
        playing.run()
        assert_sound(playing)
        assert playing.toggle(key="live_recording").value is is_running
        # The browser would replace a click that this refresh does not know by this value.
        playing.run()
        assert playing.toggle(key="live_recording").value is is_running
        assert not playing.toggle(key="live_recording").proto.set_value


def test_a_full_record_is_reported(
    home: Settings, component: dict[str, Any], open_app: OpenApp, clock: Clock
) -> None:
    app = open_live(open_app)
    stream(app, clock, SessionRecord(max_rows=1))
    app.run()
    assert "The record is full" in plain(app.warning)


def test_no_face_for_a_while_is_reported_with_advice(playing: AppTest, clock: Clock) -> None:
    class NoFace(OneFace):
        def detect(self, image: NDArray[np.uint8]) -> list[Face]:
            return []

    session = playing.session_state["live_session"]
    session.analyzer = Analyzer(session.analyzer.predictor, NoFace())
    session.processor.controls = replace(processor(playing).controls, analyzer=session.analyzer)
    empty = np.random.default_rng(0).integers(60, 120, (480, 640, 3)).astype(np.uint8)
    processor(playing).process(empty, 100.0)
    clock.now += 7.2
    processor(playing).process(empty, 100.1)
    playing.run()
    assert "No face for 7" in plain(playing.info)
    dark = np.zeros((480, 640, 3), np.uint8)
    for moment in (100.2, 102.2):
        processor(playing).process(dark, moment)
        clock.now += 2.0
    playing.run()
    assert "The camera is off or covered" in plain(playing.warning)
    assert not playing.info


@pytest.mark.parametrize(
    ("rate", "milliseconds", "expected"),
    [
        (29.4, 5.0, "29 fps, smooth"),
        (12.0, 5.0, "12 fps, slow: limited by camera, connection or server load"),
        (12.0, 80.0, "12 fps, slow: this server skips frames"),
        (None, None, "Measuring the frame rate…"),
    ],
)
def test_the_frame_rate_is_judged(
    rate: float | None, milliseconds: float | None, expected: str
) -> None:
    snapshot = LiveSnapshot(frames_per_second=rate, frame_milliseconds=milliseconds)
    assert speed_text(snapshot) == expected


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [
        (None, "less than once per second"),
        (0.9, "less than once per second"),
        (1.2, "once per second"),
        (5.6, "6 times per second"),
    ],
)
def test_the_rate_of_detections_in_words(per_second: float | None, expected: str) -> None:
    assert rate_text(per_second) == expected


def test_a_stream_without_frames_is_reported(playing: AppTest, clock: Clock) -> None:
    clock.now += 10
    playing.run()
    assert "The camera sends no pictures" in plain(playing.warning)


class BrokenPredictor:
    """A model that fails on every face."""

    classes = EMOTIONS
    input_shape = (48, 48, 1)
    minimum_confidence = 0.0

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("shape [1, 7] expected")


def test_an_error_in_the_model_is_shown_until_another_model_is_chosen(playing: AppTest) -> None:
    one = processor(playing)
    analyzer = Analyzer(BrokenPredictor(), OneFace())
    one.controls = replace(one.controls, analyzer=analyzer)
    one.process(scene(), 3.0)
    playing.run()
    assert_sound(playing)
    assert len(playing.error) == 1
    assert "shape [1, 7] expected" in plain(playing.error)
    playing.main.selectbox[0].set_value("other").run()
    one.process(scene(), 3.1)
    playing.run()
    assert not playing.error


def test_connecting_and_a_connection_that_fails(
    home: Settings,
    component: dict[str, Any],
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = open_live(open_app)
    session = app.session_state["live_session"]
    set_state(app, connecting=True)
    session.connecting_since = time.monotonic() + 3600  # however long the run takes
    app.run()
    assert "Connecting…" in plain(app.info)
    session.connecting_since = time.monotonic() - 9
    app.run()
    assert "configure a TURN server" in plain(app.warning)
    set_state(app)
    session.has_failed_to_connect = True
    monkeypatch.setenv(ICE_VARIABLE, '[{"urls": "stun:stun.example.org:3478"}]')
    app.run()
    assert "cannot connect to each other through stun:stun.example.org:3478" in plain(app.warning)
    assert component["rtc_configuration"] == {
        "iceServers": [{"urls": ["stun:stun.example.org:3478"]}]
    }


def test_invalid_ice_servers_are_reported_and_the_camera_still_works(
    home: Settings,
    component: dict[str, Any],
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ICE_VARIABLE, "{")
    app = open_live(open_app)
    assert f"{ICE_VARIABLE} should be JSON" in plain(app.warning)
    assert component["rtc_configuration"] == {"iceServers": []}


@pytest.mark.parametrize(
    ("url", "may"),
    [
        (None, True),
        ("http://localhost:8501/live", True),
        ("http://127.0.0.1:8501", True),
        ("http://[::1]:8501/live", True),
        ("http://studio.localhost/live", True),
        ("https://faces.example.org/live", True),
        ("http://192.168.1.5:8501/live", False),
        ("http://faces.example.org/live", False),
        ("http://localhost.example.org", False),
    ],
)
def test_addresses_at_which_browsers_allow_the_camera(url: str | None, may: bool) -> None:
    assert may_use_camera(url) is may


def test_an_insecure_address_is_explained_instead_of_the_camera(
    home: Settings,
    component: dict[str, Any],
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        type(st.context), "url", property(lambda self: "http://192.168.1.5:8501/live")
    )
    app = open_live(open_app)
    assert component == {}
    assert "http://192.168.1.5:8501" in plain(app.error)
    assert "http://localhost:8501/live" in plain(app.error)


def test_snapshots_replace_the_video(
    home: Settings, component: dict[str, Any], open_app: OpenApp
) -> None:
    app = open_live(open_app)
    assert not app.get("camera_input")
    component.clear()
    (mode,) = [one for one in app.get("button_group") if one.key == "live_mode"]
    mode.set_value("Snapshots").run()
    assert_sound(app)
    assert component == {}
    assert len(app.get("camera_input")) == 1
