"""The state of the live page for one user; it survives reruns, stops and page changes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.live.controls import LiveControls
from fer_core.live.processor import LiveProcessor
from fer_core.vision.analyzer import Analyzer
from fer_studio.ui.video_channel import VideoChannel
from fer_studio.ui.webrtc import StreamState, stream_state

STREAM_KEY = "live_stream"
_SESSION = "live_session"
#: Minimum duration of a failed connection attempt; an attempt that ends sooner was stopped by the
#: user.
_MIN_FAILURE_SECONDS = 4.0


@dataclass
class LiveSession:
    """The state of the live page for one user.

    Attributes:
        processor: Analyzes the frames; None until a model has been loaded.
        analyzer: The model and detector in use; None until a model has been loaded.
        analyzer_key: Identifies the model, its files, the emphasis and the detector in use; None
            until a model has been loaded.
        emphasis: How strongly rare classes are favored now.
        names_in_use: The names of the model and the detector in use, by ``"model"`` and
            ``"detector"``; empty until a model has been loaded.
        is_waiting_for_model: True if the page was drawn without a model. The controls rerun the
            page when a model has been loaded.
        takes_snapshots: True if the user takes snapshots instead of streaming video.
        problem: A sentence that says why the model or detector that was selected last cannot be
            used; None if both are in use.
        ice_servers: The ICE servers offered to the browser.
        connecting_since: When the browser started to connect, in seconds of ``time.monotonic``;
            None if the browser is not connecting.
        has_failed_to_connect: True if the browser's last attempt to connect failed.
        has_new_state: True if the stream's state has changed since the page was drawn.
        is_drawing_page: True while the webcam is drawn as part of the whole page; False if only the
            webcam's fragment is drawn, because the browser has sent a message.
    """

    processor: LiveProcessor | None = None
    analyzer: Analyzer | None = None
    analyzer_key: tuple[str, ...] | None = None
    emphasis: str = "default"
    names_in_use: dict[str, str] = field(default_factory=dict)
    is_waiting_for_model: bool = False
    takes_snapshots: bool = False
    problem: str | None = None
    ice_servers: list[dict[str, Any]] = field(default_factory=list)
    connecting_since: float | None = None
    has_failed_to_connect: bool = False
    has_new_state: bool = False
    is_drawing_page: bool = False
    _process_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def state(self) -> StreamState:
        """The state of the stream, as the browser reported it last."""
        return stream_state(STREAM_KEY)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the model's classes; empty until a model has been loaded."""
        return () if self.analyzer is None else tuple(self.analyzer.predictor.classes)

    @property
    def is_active(self) -> bool:
        """True if a stream is playing or connecting."""
        return self.state.is_playing or self.state.is_connecting

    @property
    def connecting_seconds(self) -> float | None:
        """For how many seconds the browser has been connecting; None if it is not connecting."""
        if not self.state.is_connecting or self.connecting_since is None:
            return None
        return time.monotonic() - self.connecting_since

    def apply(self, controls: LiveControls) -> None:
        """Use these controls from the next frame on."""
        if self.processor is None:
            self.processor = LiveProcessor(controls)
        else:
            self.processor.controls = controls

    def make_channel(self) -> VideoChannel:
        """Create the video channel of a new connection."""
        processor = self.processor
        assert processor is not None  # Start is enabled only with a model

        def process(image: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
            # The thread of the previous connection may still be processing its last frame.
            with self._process_lock:
                return processor.process(image, seconds)

        def end() -> None:
            processor.video_recording.stop()

        return VideoChannel(process, count_dropped=processor.count_dropped, on_end=end)

    def on_state_change(self) -> None:
        """Record a change of the stream's state; the callback of the webcam component."""
        self.has_new_state = True
        state = self.state
        if state.is_connecting:
            self.connecting_since = time.monotonic()
            self.has_failed_to_connect = False
        elif self.connecting_since is not None:
            seconds = time.monotonic() - self.connecting_since
            self.has_failed_to_connect = not state.is_playing and seconds > _MIN_FAILURE_SECONDS
            self.connecting_since = None


def live_session() -> LiveSession:
    """Return the state of the live page for this user; create it at the first call."""
    session: LiveSession = st.session_state.setdefault(_SESSION, LiveSession())
    return session
