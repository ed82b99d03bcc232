"""Estimates of time and memory.

An estimate that is not known yet is measured in the background when the user asks for it.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

import psutil
import streamlit as st

from fer_core.access import Role
from fer_core.dataset.store import DEMO_NAME
from fer_core.jobs.job import Job, JobKind
from fer_core.phrases import as_sentence, format_duration
from fer_core.recipes import TrainingConfig
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.settings import Settings
from fer_core.training.estimate import TrainingEstimate, cached_estimate, estimate_training
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.jobs import job_service, start_job
from fer_studio.ui.metrics import METRIC_HEIGHT, metric_grid
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.datasets import ChosenDataset, dataset_sizes
from fer_studio.ui.train.feedback import run_action
from fer_studio.ui.train.formatting import format_bytes

#: Seconds between two refreshes during a measurement.
_REFRESH_SECONDS = 1.0
#: Typical duration of a measurement on two cores; loading the training library takes most of it.
_USUAL_SECONDS = 15.0

#: One measurement at a time, because concurrent measurements would slow each other down.
ESTIMATE = JobKind("training estimate", Role.EDITOR, max_parallel=1, max_finished=50)


class _Key(NamedTuple):
    """Identifies an estimate by all values that it depends on.

    Attributes:
        config: The configuration as JSON.
        training_image_count: Number of training images.
        validation_image_count: Number of validation images.
        runs_root: The location of ``runs/``, where measurements are stored.
        class_count: Number of classes.
        last_frozen_stage: The last frozen stage; None to train all layers.
    """

    config: str
    training_image_count: int
    validation_image_count: int
    runs_root: str
    class_count: int
    last_frozen_stage: str | None


def show_estimate(
    config: TrainingConfig,
    last_frozen_stage: str | None,
    dataset: ChosenDataset,
    settings: Settings,
) -> None:
    """Draw the number of parameters; also memory and time, as soon as they are known.

    Args:
        config: The configuration in the form.
        last_frozen_stage: The last frozen stage; None to train all layers.
        dataset: The dataset with the numbers of images that the training uses.
        settings: Settings with the locations of ``data/`` and ``runs/``.
    """
    key = _key(config, last_frozen_stage, dataset, settings)
    # The fragment also refreshes while other settings than those in the form are measured, because
    # the result may apply to both. For example, the speed does not depend on the number of epochs.
    is_measuring = _oldest_request_time() is not None
    draw_estimate = placed_fragment(_show, run_every=_REFRESH_SECONDS if is_measuring else None)
    draw_estimate(config, dataset, settings, key, is_measuring)


def _oldest_request_time() -> float | None:
    """Return when the oldest unfinished measurement was requested; None if there is none.

    The time is in seconds of ``time.monotonic``.
    """
    unfinished = job_service().unfinished(ESTIMATE)
    return min((job.created for job in unfinished), default=None)


def _start(key: _Key, config: TrainingConfig, settings: Settings) -> None:
    """Start a measurement; the callback of a button."""
    run_action(
        lambda: start_job(
            ESTIMATE,
            key,
            "Timing a few training steps",
            lambda job: estimate_training(
                config,
                key.training_image_count,
                key.validation_image_count,
                settings,
                class_count=key.class_count,
                freeze=key.last_frozen_stage,
            ),
        )
    )


def _key(
    config: TrainingConfig,
    last_frozen_stage: str | None,
    dataset: ChosenDataset,
    settings: Settings,
) -> _Key:
    return _Key(
        json.dumps(config.to_json()),
        dataset.training_image_count,
        dataset.validation_image_count,
        str(settings.runs_root),
        len(dataset.classes),
        last_frozen_stage,
    )


def _show(
    config: TrainingConfig,
    dataset: ChosenDataset,
    settings: Settings,
    key: _Key,
    was_measuring: bool,
) -> None:
    """Draw the estimate, and the progress of a measurement or the button that starts one.

    Args:
        config: The configuration in the form.
        dataset: The dataset with the numbers of images that the training uses.
        settings: Settings with the locations of ``data/`` and ``runs/``.
        key: Identifies the estimate.
        was_measuring: True if a measurement was unfinished when the whole page was drawn.
    """
    rerun_if_refused("train")
    job, request_time = job_service().get(ESTIMATE, key), _oldest_request_time()
    is_measuring = request_time is not None
    if was_measuring != is_measuring:
        st.rerun()  # the page starts or ends the refreshes of this fragment
    estimate, problem = _known_estimate(job, config, key.last_frozen_stage, dataset, settings)
    parameters = ARCHITECTURES[config.architecture].parameters_for(len(dataset.classes))
    with metric_grid(1 if estimate is None else 3):
        st.metric("Parameters", f"{parameters / 1e6:.2f} M", border=True, height=METRIC_HEIGHT)
        if estimate is not None:
            st.metric(
                "Memory", format_bytes(estimate.memory_bytes), border=True, height=METRIC_HEIGHT
            )
            st.metric(
                "Estimated time",
                format_duration(estimate.seconds),
                border=True,
                height=METRIC_HEIGHT,
            )
    if problem:
        st.error(plain_text(problem), icon=":material/error:")
    if estimate is not None:
        _show_details(estimate, config, key.last_frozen_stage, dataset, settings)
    if request_time is not None:
        seconds = time.monotonic() - request_time
        st.progress(
            min(seconds / _USUAL_SECONDS, 0.95),  # not full before the end
            text=f"Timing a few training steps: {seconds:.0f} of about {_USUAL_SECONDS:.0f} s",
        )
    elif estimate is None or estimate.was_busy:
        st.button(
            "Estimate time and memory" if estimate is None else "Estimate again",
            key="estimate",
            icon=":material/timer:",
            on_click=_start,
            args=(key, config, settings),
            help="Times a few steps of this training on this machine. This takes about "
            f"{_USUAL_SECONDS:.0f} seconds; the result is kept.",
        )


def _known_estimate(
    job: Job | None,
    config: TrainingConfig,
    last_frozen_stage: str | None,
    dataset: ChosenDataset,
    settings: Settings,
) -> tuple[TrainingEstimate | None, str]:
    """Return the estimate, and why its latest measurement failed.

    The estimate is None if it is not known. The reason is empty if the measurement did not fail.
    """
    if job is not None and job.is_finished and job.error is None:
        return job.result, ""
    problem = "" if job is None or job.error is None else job.error
    stored_estimate = cached_estimate(
        config,
        dataset.training_image_count,
        dataset.validation_image_count,
        settings,
        class_count=len(dataset.classes),
        freeze=last_frozen_stage,
    )
    return stored_estimate, problem


def _show_details(
    estimate: TrainingEstimate,
    config: TrainingConfig,
    last_frozen_stage: str | None,
    dataset: ChosenDataset,
    settings: Settings,
) -> None:
    """Draw the estimate in words, and warn if memory is short.

    If the time on the demo set is known, it is drawn for comparison.
    """
    text = estimate.text
    if dataset.name != DEMO_NAME:
        sizes = dataset_sizes(DEMO_NAME, settings)
        demo_estimate = cached_estimate(config, *sizes, settings, freeze=last_frozen_stage)
        if demo_estimate is not None:
            text += f"; on the demo set {format_duration(demo_estimate.seconds)}"
    st.caption(as_sentence(text))
    available_memory = psutil.virtual_memory().available
    if estimate.memory_bytes > available_memory:
        st.warning(
            f"This training needs about {format_bytes(estimate.memory_bytes)} of memory, but only "
            f"{format_bytes(available_memory)} is free; choose a smaller batch size, or close "
            "other programs.",
            icon=":material/memory:",
        )
