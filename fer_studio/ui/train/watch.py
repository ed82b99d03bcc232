"""Runs: the queue, and the current state of one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from fer_core.charts.training import (
    LiveCurves,
    accuracy_curves,
    learning_rate_curve,
    loss_curves,
    recall_curves,
)
from fer_core.dataset.store import is_demo
from fer_core.phrases import as_sentence, format_duration
from fer_core.settings import Settings
from fer_core.training.queue import continue_queue
from fer_core.training.registry import (
    RunSummary,
    list_runs,
    log_tail,
    read_run_epochs,
    run_summary,
)
from fer_core.training.resources import ResourceUse, resource_use
from fer_core.training.run_folder import EpochRecord, RunStatus
from fer_studio.ui.access import leave_if_refused
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.kept import kept_selectbox
from fer_studio.ui.metrics import METRIC_HEIGHT, metric_grid
from fer_studio.ui.text import plain_text, without_server_paths
from fer_studio.ui.train.actions import show_actions, show_details, show_model
from fer_studio.ui.train.configure import RUN
from fer_studio.ui.train.curve_style import CurveStyle, choose_curve_style
from fer_studio.ui.train.feedback import show_outcome
from fer_studio.ui.train.formatting import (
    STATE_STYLES,
    format_bytes,
    format_percent,
    format_started,
    run_titles,
)
from fer_studio.ui.train.no_runs import show_no_runs
from fer_studio.ui.train.pending_queue import show_queue

#: Seconds between two refreshes of the progress and of the curves of a running training.
_PROGRESS_SECONDS = 1.0
_CURVES_SECONDS = 2.0
#: Number of lines at the end of the log that are shown.
_LOG_LINES = 40
#: Session keys of the drawn curves by name, and of the last measurement of a run's process.
_CURVES = "run_figures"
_RESOURCES = "run_resources"


def show_runs(settings: Settings) -> None:
    """Draw the section."""
    runs = list_runs(settings)
    if not runs:
        show_outcome()
        show_no_runs(
            "**No training has been started yet.** Choose a dataset and a recipe, start the "
            "training, and watch it here; a training on the demo set takes minutes."
        )
        return
    show_queue(runs, settings)
    run = _choose_run(runs)
    is_live = _is_live(run)
    progress = placed_fragment(_show_progress, run_every=_PROGRESS_SECONDS if is_live else None)
    progress(run, settings)
    if run.has_bundle:
        show_model(run, settings)
    style = choose_curve_style("Logarithmic loss")
    curves = placed_fragment(_show_curves, run_every=_CURVES_SECONDS if is_live else None)
    curves(run, style, settings)
    show_details(run)


def _choose_run(runs: list[RunSummary]) -> RunSummary:
    """Draw the select box of runs: running ones first, then pending ones, then the newest."""
    ordered = sorted(runs, key=lambda run: (not run.is_active, run.state != "queued"))
    by_id, titles = {run.id: run for run in ordered}, run_titles(ordered)
    chosen = kept_selectbox(
        "Run",
        list(by_id),
        key=RUN,
        name="run",
        is_always_shown=True,
        format_func=titles.__getitem__,
        help="Running runs come first, then pending ones, then the newest. The selection is part "
        "of the page's address, so you can bookmark it.",
    )
    run = by_id[chosen]
    _show_identity(run)
    return run


def _show_identity(run: RunSummary) -> None:
    """Draw what the run is: its ID, recipe, data and start."""
    parts = [run.id] if run.name else []
    if run.config is not None:
        parts += [f"{run.recipe} on {run.data}, seed {run.seed}"]
    if run.started is not None:
        parts += [f"started {format_started(run)}"]
    st.caption(" · ".join(map(plain_text, parts)))


def _is_live(run: RunSummary) -> bool:
    return run.is_active or run.state == "queued"


def _layout_state(run: RunSummary) -> tuple[bool, bool]:
    """Return the values on which the parts of the page outside the fragments depend."""
    return _is_live(run), run.has_bundle


def _show_progress(drawn: RunSummary, settings: Settings) -> None:
    """Draw what changes every second: state, progress, speed and actions.

    Args:
        drawn: The run as the rest of the page shows it.
        settings: The root folders of the program.
    """
    leave_if_refused("train")
    run = run_summary(drawn.path, settings)
    if _layout_state(run) != _layout_state(drawn) or not run.path.exists():
        # The refreshes start or end, and the rest of the page changes too.
        continue_queue(settings)  # a run that was killed from outside did not start the next run
        st.rerun()
    color, icon = STATE_STYLES[run.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(run.state, color=color, icon=icon)
        if run.state in ("failed", "damaged"):
            st.error(plain_text(as_sentence(run.reason)))
        elif run.is_silent:
            st.warning(plain_text(as_sentence(run.reason)))
        elif run.reason and not _has_steps(run):
            st.markdown(plain_text(as_sentence(run.reason)))
    if is_demo(run.data):
        st.caption("Demo data: drawn faces. The metrics do not apply to real faces.")
    if run.config is not None:
        _show_bars(run)
        _show_metrics(run)
    show_actions(run, settings)
    show_outcome()


def _has_steps(run: RunSummary) -> bool:
    """Return True if the progress bars already show what ``run.reason`` says."""
    return run.state == "running" and run.status is not None and run.status.steps > 0


def _show_bars(run: RunSummary) -> None:
    status = run.status
    share = run.epoch / max(run.epochs, 1)
    text = f"{run.epoch:,} of {run.epochs:,} epochs"
    if run.is_active and status is not None and status.steps:
        step_share = min(status.step / status.steps, 1.0)
        # During validation, all steps of the current epoch are finished. Between two epochs, the
        # status is still that of the finished epoch, which ``run.epoch`` already counts.
        is_current = status.epoch > run.epoch
        share += step_share / max(run.epochs, 1) if is_current else 0
        if status.seconds_left is not None:
            text += f" · about {format_duration(status.seconds_left)} left"
        st.progress(min(share, 1.0), text=text)
        st.progress(step_share, text=_step_text(status))
        return
    if run.state == "finished":
        st.caption(f"{text}.")
    elif run.state != "queued" or run.epoch:
        st.progress(min(share, 1.0), text=text)


def _step_text(status: RunStatus) -> str:
    text = f"Epoch {status.epoch:,}: step {status.step:,} of {status.steps:,}"
    if status.step >= status.steps:
        text = f"Epoch {status.epoch:,}: all {status.steps:,} steps finished, validating"
    if status.loss is not None and status.accuracy is not None:
        text += f" · loss {status.loss:.3f}, accuracy {format_percent(status.accuracy)} so far"
    return text


def _show_metrics(run: RunSummary) -> None:
    with metric_grid(7 if run.is_active else 4):
        st.metric(
            "Best accuracy",
            format_percent(run.validation_accuracy),
            border=True,
            height=METRIC_HEIGHT,
            help="On validation, at the epoch that the setting 'Select best epoch by' selects.",
        )
        st.metric(
            "Macro F1",
            "-" if run.macro_f1 is None else f"{run.macro_f1:.3f}",
            border=True,
            height=METRIC_HEIGHT,
        )
        st.metric(
            "Best epoch",
            "-" if run.best_epoch is None else f"{run.best_epoch:,}",
            border=True,
            height=METRIC_HEIGHT,
        )
        st.metric("Training time", format_duration(run.seconds), border=True, height=METRIC_HEIGHT)
        if run.is_active:
            _show_use(run)


def _show_use(run: RunSummary) -> None:
    """Draw the speed of a running training, and the processor cores and memory that it uses."""
    status = run.status
    speed = None if status is None else status.images_per_second
    st.metric(
        "Speed",
        "-" if speed is None else f"{speed:,.0f}/s",
        border=True,
        height=METRIC_HEIGHT,
        help="Images per second",
    )
    usage = _resources(run)
    busy_cores = None if usage is None else usage.busy_cores
    st.metric(
        "CPU",
        "-" if usage is None or busy_cores is None else f"{busy_cores:.1f} of {usage.cores}",
        border=True,
        height=METRIC_HEIGHT,
        help="Cores used by this training",
    )
    st.metric(
        "Memory",
        "-" if usage is None else format_bytes(usage.memory_bytes),
        border=True,
        height=METRIC_HEIGHT,
        help="Physical memory of the training's process"
        + (
            "" if usage is None else f"; the machine has {format_bytes(usage.machine_memory_bytes)}"
        ),
    )


def _resources(run: RunSummary) -> ResourceUse | None:
    """Measure the process of a run; the CPU use is that since the previous measurement."""
    run_id, previous = st.session_state.get(_RESOURCES, ("", None))
    usage = resource_use(run.status, previous if run_id == run.id else None)
    st.session_state[_RESOURCES] = (run.id, usage)
    return usage


@dataclass(frozen=True)
class _Figure:
    """A chart of this section.

    Attributes:
        name: Identifies the chart.
        title: The title on the page.
        draw: Returns the curves of the recorded epochs.
        has_best: True if the best epoch is marked in the chart.
        alt: The alternative text, without the name of the run.
        is_smooth: True if the values do not vary at random and are never smoothed.
        can_be_log: True if the chart can have a logarithmic axis.
    """

    name: str
    title: str
    draw: Callable[..., LiveCurves]
    has_best: bool
    alt: str
    is_smooth: bool = False
    can_be_log: bool = False

    def drawn(
        self, epochs: Sequence[EpochRecord], best_epoch: int | None, style: CurveStyle
    ) -> LiveCurves:
        """Return the chart in a style."""
        options: dict[str, Any] = {"best_epoch": best_epoch} if self.has_best else {}
        if not self.is_smooth:
            options["smoothing"] = style.smoothing
        if self.can_be_log:
            options["is_log"] = style.is_log
        return self.draw(epochs, **options)


_ALL_FIGURES = (
    _Figure("accuracy", "Accuracy", accuracy_curves, True, "Training and validation accuracy"),
    _Figure("loss", "Loss", loss_curves, True, "Training and validation loss", can_be_log=True),
    _Figure("recall", "Recall by class", recall_curves, False, "Validation recall by class"),
    _Figure("rate", "Learning rate", learning_rate_curve, False, "Learning rate", is_smooth=True),
)


def _show_curves(run: RunSummary, style: CurveStyle, settings: Settings) -> None:
    """Draw the curves and the log."""
    leave_if_refused("train")
    run = run_summary(run.path, settings)
    epochs = read_run_epochs(run.path)
    if epochs:
        for pair in (_ALL_FIGURES[:2], _ALL_FIGURES[2:]):
            for column, figure in zip(st.columns(2), pair, strict=True):
                with column:
                    mark = " (◆ best epoch)" if figure.has_best else ""
                    st.markdown(f"**{figure.title}**{mark}")
                    curves = _curves(figure, run, len(epochs), style)
                    # The chart has no key, so that it stays the same element while its rows grow.
                    st.vega_lite_chart(
                        curves.rows,
                        curves.specification,
                        width="stretch",
                        alt=f"{figure.alt} by epoch of {run.title}",
                    )
    elif run.is_active:
        st.info("The curves appear after the first epoch.", icon=":material/show_chart:")
    text = log_tail(run.path, _LOG_LINES)
    if text:
        # The expander is empty until it is opened, because the code element is a large download for
        # the browser.
        log = st.expander(
            "Log",
            icon=":material/article:",
            expanded=run.state == "failed",
            key=f"log_{run.id}",
            on_change="rerun",
        )
        if log.open:
            log.code(without_server_paths(text), language=None, height=300)


def _curves(figure: _Figure, run: RunSummary, count: int, style: CurveStyle) -> LiveCurves:
    """Return the curves of a chart, which are computed again only after a new epoch.

    Streamlit does not send an unchanged chart again.
    """
    epochs = read_run_epochs(run.path)
    cache: dict[str, tuple[object, LiveCurves]] = st.session_state.setdefault(_CURVES, {})
    key = (run.id, count, epochs[-1].seconds, run.best_epoch, style)
    if figure.name not in cache or cache[figure.name][0] != key:
        cache[figure.name] = (key, figure.drawn(epochs, run.best_epoch, style))
    return cache[figure.name][1]
