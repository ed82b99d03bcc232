"""What a training will take: shown at once where it is known, measured in the background if not."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil
import streamlit as st

from fer_core.dataset.store import DEMO_NAME
from fer_core.errors import InputError
from fer_core.networks import ARCHITECTURES
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.estimate import TrainingEstimate, cached_estimate, estimate_training
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.datasets import ChosenDataset, dataset_sizes
from fer_studio.ui.train.words import bytes_in_words, duration_in_words

_POLL_SECONDS = 1.0
#: How long the timing takes on two cores, most of it the loading of the training library.
_USUAL_SECONDS = 15.0
_KEPT = 50

_Key = tuple[str, int, int, str]


@dataclass
class _Job:
    """A measurement, under way or over."""

    future: Future[TrainingEstimate]
    begun: float = field(default_factory=time.monotonic)


class _Jobs:
    """The measurements of all visitors, one at a time: two at once would spoil each other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="estimate")
        self._guard = threading.Lock()
        self._jobs: dict[_Key, _Job] = {}

    def find(self, key: _Key) -> _Job | None:
        with self._guard:
            return self._jobs.get(key)

    def begun(self) -> float | None:
        """When the oldest measurement that is not over was asked for; None where none is."""
        with self._guard:
            return min(
                (job.begun for job in self._jobs.values() if not job.future.done()), default=None
            )

    def start(self, key: _Key, config: TrainingConfig, settings: Settings) -> None:
        """Measure, unless that is being done already."""
        with self._guard:
            known = self._jobs.get(key)
            if known is not None and not known.future.done():
                return
            for outdated in [one for one, job in self._jobs.items() if job.future.done()][:-_KEPT]:
                del self._jobs[outdated]
            self._jobs[key] = _Job(
                self._executor.submit(estimate_training, config, key[1], key[2], settings)
            )


@st.cache_resource(show_spinner=False)
def _jobs() -> _Jobs:
    return _Jobs()


def show_estimate(config: TrainingConfig, dataset: ChosenDataset, settings: Settings) -> None:
    """Draw parameters, memory and time; the rest of the page is not disturbed by a measurement."""
    key = _key(config, dataset, settings)
    # Whichever it is: that of 50 epochs tells of 6, too.
    is_pending = _jobs().begun() is not None
    live = st.fragment(_draw, run_every=_POLL_SECONDS if is_pending else None)
    live(config, dataset, settings, key, is_pending)


def _key(config: TrainingConfig, dataset: ChosenDataset, settings: Settings) -> _Key:
    return (
        json.dumps(config.to_json()),
        dataset.training_images,
        dataset.validation_images,
        str(settings.runs_root),
    )


def _draw(
    config: TrainingConfig,
    dataset: ChosenDataset,
    settings: Settings,
    key: _Key,
    was_pending: bool,
) -> None:
    job, begun = _jobs().find(key), _jobs().begun()
    is_pending = begun is not None
    if was_pending != is_pending:
        st.rerun()  # which also begins or ends the polling
    estimate, problem = _known_estimate(job, config, dataset, settings)
    parameters = ARCHITECTURES[config.architecture].parameters
    with st.container(horizontal=True):
        st.metric("Weights", f"{parameters / 1e6:.2f} M", border=True)
        if estimate is not None:
            st.metric("Memory", bytes_in_words(estimate.memory_bytes), border=True)
            st.metric("Time here", duration_in_words(estimate.seconds), border=True)
    if problem:
        st.error(plain_text(problem), icon=":material/error:")
    if estimate is not None:
        _show_words(estimate, config, dataset, settings)
    if begun is not None:
        seconds = time.monotonic() - begun
        st.progress(
            min(seconds / _USUAL_SECONDS, 0.95),
            text=f"Timing a few steps in a process of their own: {seconds:.0f} of about "
            f"{_USUAL_SECONDS:.0f} s",
        )
    elif estimate is None or estimate.was_busy:
        st.button(
            "Estimate time and memory" if estimate is None else "Estimate again",
            key="estimate",
            icon=":material/timer:",
            on_click=_jobs().start,
            args=(key, config, settings),
            help="Times a few steps of exactly this training on this machine, which takes about "
            "15 seconds, and is remembered.",
        )


def _known_estimate(
    job: _Job | None, config: TrainingConfig, dataset: ChosenDataset, settings: Settings
) -> tuple[TrainingEstimate | None, str]:
    """What is known so far, and a sentence where the measurement failed."""
    problem = ""
    if job is not None and job.future.done():
        try:
            return job.future.result(), ""
        except InputError as error:
            problem = str(error)
    known = cached_estimate(config, dataset.training_images, dataset.validation_images, settings)
    return known, problem


def _show_words(
    estimate: TrainingEstimate,
    config: TrainingConfig,
    dataset: ChosenDataset,
    settings: Settings,
) -> None:
    words = estimate.in_words
    if dataset.name != DEMO_NAME:
        demo = cached_estimate(config, *dataset_sizes(DEMO_NAME, settings), settings)
        if demo is not None:
            words += f"; on the demo set {duration_in_words(demo.seconds)}"
    st.caption(f"{words[:1].upper()}{words[1:]}.")
    free = psutil.virtual_memory().available
    if estimate.memory_bytes > free:
        st.warning(
            f"This training needs about {bytes_in_words(estimate.memory_bytes)} of memory and "
            f"{bytes_in_words(free)} are free; take a smaller batch size, or close other programs.",
            icon=":material/memory:",
        )
