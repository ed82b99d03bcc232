"""Behavior of streamlit-webrtc that fer_studio works around: these tests fail when it changes."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from aiortc.contrib.media import MediaRelay
from streamlit_webrtc import component
from streamlit_webrtc.relay import get_global_relay

from fer_core.errors import InputError
from fer_studio.ui import webrtc
from fer_studio.ui.video_channel import NewestFrameRelay, VideoChannel

KEY = "stream"


class Worker:
    """A stand-in for a running stream."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The number of the script run, as the package reads it, in a separate session."""
    info = SimpleNamespace(script_run_count=1)
    monkeypatch.setattr(component, "get_this_session_info", lambda: info)
    st.session_state.clear()
    yield info
    st.session_state.clear()


def play(runs: SimpleNamespace) -> tuple[Any, Worker]:
    """A stream drawn in run 1 of five; the runs in between are those of fragments."""
    context = component._get_or_create_context(KEY)
    worker = Worker()
    context._set_worker(worker)
    context._set_state(component.WebRtcStreamerState(playing=True, signalling=False))
    runs.script_run_count = 5
    return context, worker


def test_without_the_guard_quick_runs_stop_the_stream(runs: SimpleNamespace) -> None:
    # If this fails, the package has changed: remove the guard from fer_studio/ui/webrtc.py.
    _, worker = play(runs)
    component._get_or_create_context(KEY)
    assert worker.stops == 1


def test_with_the_guard_the_stream_continues(runs: SimpleNamespace) -> None:
    context, worker = play(runs)
    webrtc._forget_run_count(KEY)
    component._get_or_create_context(KEY)
    assert worker.stops == 0
    assert context._get_worker() is worker
    assert webrtc.stream_state(KEY) == webrtc.StreamState(is_playing=True)


def test_guard_and_state_accept_a_stream_that_was_never_drawn(
    runs: SimpleNamespace,
) -> None:
    webrtc._forget_run_count("other")
    assert webrtc.stream_state("other") == webrtc.StreamState()


def test_the_package_takes_our_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    class Runtime:
        pass

    runtime = Runtime()
    for where in ("fer_studio.ui.webrtc.Runtime", "streamlit_webrtc.relay.Runtime"):
        monkeypatch.setattr(f"{where}.instance", lambda: runtime)
    monkeypatch.setattr(
        "streamlit_webrtc.relay.get_global_event_loop", lambda: pytest.fail("made its own relay")
    )
    webrtc._replace_relay()
    relay = get_global_relay()
    assert isinstance(relay, NewestFrameRelay)
    webrtc._replace_relay()
    assert get_global_relay() is relay
    # Needed while the default relay keeps all frames.
    assert MediaRelay.subscribe.__defaults__ == (True,)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the component."""
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(webrtc, "_replace_relay", lambda: None)
    monkeypatch.setattr(webrtc, "webrtc_streamer", lambda **given: arguments.update(given))
    return arguments


def show() -> None:
    webrtc.show_webcam(
        KEY,
        lambda: VideoChannel(lambda image, seconds: image),
        ice_servers=[],
        on_change=lambda: None,
    )


def test_video_only_and_no_server_on_the_internet(drawn: dict[str, Any]) -> None:
    show()
    assert drawn["rtc_configuration"] == {"iceServers": []}
    assert drawn["media_stream_constraints"]["audio"] is False
    assert drawn["sendback_audio"] is False
    assert drawn["source_video_track"] is drawn["sink_video_track"].output


def test_a_failed_connection_setup_gives_one_sentence(
    monkeypatch: pytest.MonkeyPatch, drawn: dict[str, Any]
) -> None:
    def fail(**given: Any) -> None:
        raise OSError("no port")

    monkeypatch.setattr(webrtc, "webrtc_streamer", fail)
    with pytest.raises(InputError, match=r"could not be set up \(no port\); press Stop, then"):
        show()
