"""What the live page keeps for one visitor: it outlives reruns, stops and changes of page."""

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
#: A connection that ends sooner without a picture was stopped by hand.
_FAILURE_SECONDS = 4.0


@dataclass
class LiveSession:
    """One visitor's stream.

    Attributes:
        processor: Reads the frames; None until a model has been loaded.
        analyzer: The model and detector in use; None until a model has been loaded.
        chosen: Identifies them: names and file versions.
        choice: Their names, by the key of their widget in the sidebar.
        is_waiting: Whether the page was drawn without a model.
        takes_snapshots: Whether single pictures take the stream's place.
        problem: Why the model or detector that was chosen last is not in force, in one sentence.
        ice_servers: Those that are offered to the browser.
        connecting_since: When the browser began to look for the way here (monotonic seconds).
        has_failed_to_connect: Whether its last attempt found none.
    """

    processor: LiveProcessor | None = None
    analyzer: Analyzer | None = None
    chosen: tuple[str, ...] | None = None
    choice: dict[str, str] = field(default_factory=dict)
    is_waiting: bool = False
    takes_snapshots: bool = False
    problem: str | None = None
    ice_servers: list[dict[str, Any]] = field(default_factory=list)
    connecting_since: float | None = None
    has_failed_to_connect: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def state(self) -> StreamState:
        """What the browser says."""
        return stream_state(STREAM_KEY)

    @property
    def is_active(self) -> bool:
        """Whether there is a stream, or about to be one."""
        return self.state.is_playing or self.state.is_connecting

    @property
    def connecting_seconds(self) -> float | None:
        """How long the browser has been connecting; None while it is not."""
        if not self.state.is_connecting or self.connecting_since is None:
            return None
        return time.monotonic() - self.connecting_since

    def take(self, controls: LiveControls) -> None:
        """Put controls in force."""
        if self.processor is None:
            self.processor = LiveProcessor(controls)
        else:
            self.processor.controls = controls

    def make_channel(self) -> VideoChannel:
        """What a new connection goes through."""
        processor = self.processor
        assert processor is not None  # START is offered when there is one

        def process(image: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
            # The thread of a connection that has just ended may still be at its last frame.
            with self._turn:
                return processor.process(image, seconds)

        def end() -> None:
            processor.recording.stop()

        return VideoChannel(process, count_dropped=processor.count_dropped, on_end=end)

    def note_change(self) -> None:
        """Follow the stream's state; the component calls it when that changes."""
        state = self.state
        if state.is_connecting:
            self.connecting_since = time.monotonic()
            self.has_failed_to_connect = False
        elif self.connecting_since is not None:
            tried = time.monotonic() - self.connecting_since
            self.has_failed_to_connect = not state.is_playing and tried > _FAILURE_SECONDS
            self.connecting_since = None


def live_session() -> LiveSession:
    """This visitor's stream."""
    session: LiveSession = st.session_state.setdefault(_SESSION, LiveSession())
    return session
