"""Runs: the queue, and the progress, actions, metrics, curves, model and log of one run."""

from __future__ import annotations

import re
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
from fer_studio.ui.access import rerun_if_refused
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.metrics import METRIC_HEIGHT, metric_grid
from fer_studio.ui.persistent_widgets import persistent_selectbox
from fer_studio.ui.text import plain_text, without_server_paths
from fer_studio.ui.train.actions import show_actions, show_details, show_model
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
from fer_studio.ui.train.views import RUN

#: Seconds between two refreshes of the progress and of the curves of a running training.
_PROGRESS_REFRESH_SECONDS = 1.0
_CURVES_REFRESH_SECONDS = 2.0
#: Number of lines at the end of the log that are shown.
_LOG_LINES = 40
#: Matches the metrics and the location of the model in the final message of a training.
_MODEL_MESSAGE = re.compile(r".*; bundle in .*[/\\]bundle\b[,;]? ?")
#: Session keys of two values: the computed curves by the name of their chart, and the most recently
#: measured resources of a run's process, together with the ID of the run.
_CURVES, _RESOURCES = "run_curves", "run_resources"


def show_runs(settings: Settings) -> None:
    """Draw the section "Runs"."""
    runs = list_runs(settings)
    if not runs:
        show_outcome()
        show_no_runs(
            "**No training has been started yet.** Choose a dataset and a recipe, start the "
            "training, and watch it here; a training on the demo set takes minutes."
        )
        return
    show_queue(runs, settings)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="run_choice"):
        run = _choose_run(runs)
        with st.popover("Curves", icon=":material/tune:", key="curve_settings"):
            style = choose_curve_style("Logarithmic loss")
    is_live = _is_live(run)
    if is_live:
        placed_fragment(_show_progress, run_every=_PROGRESS_REFRESH_SECONDS)(run, settings)
    else:
        # This is not a fragment, so that a click on a button updates the whole page, for example
        # the card of the model.
        _show_progress(run, settings)
    seconds = _CURVES_REFRESH_SECONDS if is_live else None
    placed_fragment(_show_curves, run_every=seconds)(run, style, settings)
    if run.has_bundle:
        show_model(run, settings)
    placed_fragment(_show_log, run_every=seconds)(run, settings)
    show_details(run)


def _choose_run(runs: list[RunSummary]) -> RunSummary:
    """Draw the select box of runs and return the selected run.

    Active runs come first, then pending runs, then all other runs. In each of these groups, the
    newest run comes first.

    Args:
        runs: All runs, the newest first.
    """
    ordered = sorted(runs, key=lambda run: (not run.is_active, run.state != "queued"))
    by_id, titles = {run.id: run for run in ordered}, run_titles(ordered)
    chosen = persistent_selectbox(
        "Run",
        list(by_id),
        key=RUN,
        name=RUN,
        is_always_shown=True,
        is_in_bar=True,
        format_func=titles.__getitem__,
    )
    return by_id[chosen]


def _description(run: RunSummary) -> str:
    """Return a description of a run as Markdown: epochs, ID, recipe, data and starting time."""
    parts = []
    if run.config is not None and not run.is_active and (run.state != "queued" or run.epoch):
        parts += [f"{run.epoch:,} of {run.epochs:,} epochs"]
    if run.name:
        parts += [run.id]
    if run.config is not None:
        parts += [f"{run.recipe} on {run.data}, seed {run.seed}"]
    if run.started is not None:
        is_started = run.is_active or run.status is not None
        parts += [f"{'started' if is_started else 'created'} {format_started(run)}"]
    text = " · ".join(map(plain_text, parts))
    if is_demo(run.data):
        text += ". Demo data: drawn faces. The metrics do not apply to real faces."
    return text


def _is_live(run: RunSummary) -> bool:
    """Return True if the state of a run can change without an action on this page."""
    return run.is_active or run.state == "queued"


def _layout_state(run: RunSummary) -> tuple[bool, bool, bool]:
    """Return the values of a run on which the layout of the page depends.

    They decide whether the run is in the list of pending runs, which parts of the page refresh
    themselves, and whether there is a model to show. If one of them changes, the whole page has to
    be drawn again.
    """
    return run.state == "queued", run.is_active, run.has_bundle


def _show_progress(drawn_run: RunSummary, settings: Settings) -> None:
    """Draw what changes every second: state, actions, progress and metrics.

    Args:
        drawn_run: The run at the time when the whole page was drawn.
        settings: Settings with the location of ``runs/``.
    """
    rerun_if_refused("train")
    run = run_summary(drawn_run.path, settings)
    if _layout_state(run) != _layout_state(drawn_run) or not run.path.exists():
        # A run that ends starts the next pending run, unless its process was killed.
        continue_queue(settings)
        st.rerun()  # the whole page, which also starts or ends the refreshes
    color, icon = STATE_STYLES[run.state]
    with st.container(horizontal=True, vertical_alignment="center", key="run_bar"):
        st.badge(run.state, color=color, icon=icon)
        st.caption(_description(run), width="stretch")
        with st.container(horizontal=True, width="content", key="run_actions"):
            show_actions(run, settings)
    show_outcome()
    _show_reason(run)
    if run.config is not None:
        if run.is_active:
            _show_bars(run)
        _show_metrics(run)


def _show_reason(run: RunSummary) -> None:
    """Draw how the run ended, why it failed, or what it is doing; omit what is shown elsewhere."""
    # The metrics are shown above the curves, and the location of the model is shown below them.
    reason = _MODEL_MESSAGE.sub("", run.reason) if run.has_bundle else run.reason
    text = plain_text(as_sentence(reason))
    if not text or _is_reason_in_bars(run):
        return
    if run.state in ("failed", "damaged"):
        st.error(text)
    elif run.is_silent:
        st.warning(text)
    else:
        st.markdown(text)


def _is_reason_in_bars(run: RunSummary) -> bool:
    """Return True if ``run.reason`` is the epoch and the step, which the progress bars show."""
    if run.is_silent:
        return False
    return run.state == "running" and run.status is not None and run.status.steps > 0


def _show_bars(run: RunSummary) -> None:
    """Draw a progress bar for all epochs of an active run and one for the current epoch."""
    status = run.status
    share = run.epoch / max(run.epochs, 1)
    text = f"{run.epoch:,} of {run.epochs:,} epochs"
    if status is None or not status.steps:
        st.progress(min(share, 1.0), text=text)
        return
    step_share = min(status.step / status.steps, 1.0)
    # Between two epochs, the status is still that of the finished epoch. ``run.epoch`` counts this
    # epoch already, so its steps must not be added.
    if status.epoch > run.epoch:
        share += step_share / max(run.epochs, 1)
    if status.seconds_left is not None:
        text += f" · about {format_duration(status.seconds_left)} left"
    left, right = st.columns(2)
    left.progress(min(share, 1.0), text=text)
    right.progress(step_share, text=_step_text(status))


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
            "Accuracy",
            format_percent(run.validation_accuracy),
            border=True,
            height=METRIC_HEIGHT,
            help="On validation, at the best epoch, which the setting 'Select best epoch by' "
            "determines",
        )
        st.metric(
            "Macro F1",
            "-" if run.macro_f1 is None else f"{run.macro_f1:.3f}",
            border=True,
            height=METRIC_HEIGHT,
            help="On validation, at the best epoch",
        )
        st.metric(
            "Best epoch",
            "-" if run.best_epoch is None else f"{run.best_epoch:,}",
            border=True,
            height=METRIC_HEIGHT,
        )
        st.metric("Training time", format_duration(run.seconds), border=True, height=METRIC_HEIGHT)
        if run.is_active:
            _show_speed_and_resources(run)


def _show_speed_and_resources(run: RunSummary) -> None:
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
    usage = _measured_resources(run)
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


def _measured_resources(run: RunSummary) -> ResourceUse | None:
    """Measure what the process of a run uses; CPU use is measured since the previous call."""
    run_id, previous = st.session_state.get(_RESOURCES, ("", None))
    usage = resource_use(run.status, previous if run_id == run.id else None)
    st.session_state[_RESOURCES] = (run.id, usage)
    return usage


@dataclass(frozen=True)
class _Chart:
    """A chart of this section.

    Attributes:
        name: Identifies the chart.
        title: The title on the page.
        compute: Computes the curves from the finished epochs.
        alt: The alternative text, without the name of the run.
        marks_best: True if the best epoch is marked in the chart.
        can_be_smoothed: False if the curve is never smoothed, because its values do not vary at
            random.
        can_be_log: True if the visitor can choose a logarithmic axis.
    """

    name: str
    title: str
    compute: Callable[..., LiveCurves]
    alt: str
    marks_best: bool = False
    can_be_smoothed: bool = True
    can_be_log: bool = False

    def curves(
        self, epochs: Sequence[EpochRecord], best_epoch: int | None, style: CurveStyle
    ) -> LiveCurves:
        """Return the curves; ignore the parts of the style that the chart does not support."""
        options: dict[str, Any] = {"best_epoch": best_epoch} if self.marks_best else {}
        if self.can_be_smoothed:
            options["smoothing"] = style.smoothing
        if self.can_be_log:
            options["is_log"] = style.is_log
        return self.compute(epochs, **options)


#: The charts, by the row in which they are drawn.
_CHART_ROWS = (
    (
        _Chart(
            "accuracy",
            "Accuracy",
            accuracy_curves,
            "Training and validation accuracy",
            marks_best=True,
        ),
        _Chart(
            "loss",
            "Loss",
            loss_curves,
            "Training and validation loss",
            marks_best=True,
            can_be_log=True,
        ),
    ),
    (
        _Chart("recall", "Recall by class", recall_curves, "Validation recall by class"),
        _Chart(
            "rate", "Learning rate", learning_rate_curve, "Learning rate", can_be_smoothed=False
        ),
    ),
)


def _show_curves(run: RunSummary, style: CurveStyle, settings: Settings) -> None:
    rerun_if_refused("train")
    run = run_summary(run.path, settings)
    epochs = read_run_epochs(run.path)
    if epochs:
        # With this key, app.css reserves the space of the charts.
        with st.container(key="run_curves"):
            for row in _CHART_ROWS:
                for column, chart in zip(st.columns(len(row)), row, strict=True):
                    with column:
                        _show_curve(chart, run, epochs, style)
    elif run.is_active:
        st.info("The curves appear after the first epoch.", icon=":material/show_chart:")


def _show_log(run: RunSummary, settings: Settings) -> None:
    rerun_if_refused("train")
    run = run_summary(run.path, settings)
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


def _show_curve(
    chart: _Chart, run: RunSummary, epochs: Sequence[EpochRecord], style: CurveStyle
) -> None:
    mark = " (◆ best epoch)" if chart.marks_best else ""
    st.markdown(f"**{chart.title}**{mark}")
    curves = _cached_curves(chart, run, epochs, style)
    # Without a key, the chart stays the same element of the page while rows are added to its data.
    st.vega_lite_chart(
        curves.rows,
        curves.specification,
        width="stretch",
        alt=f"{chart.alt} by epoch of {run.title}",
    )


def _cached_curves(
    chart: _Chart, run: RunSummary, epochs: Sequence[EpochRecord], style: CurveStyle
) -> LiveCurves:
    """Return the curves of a chart.

    The section refreshes every few seconds, but the curves change only when a further epoch is
    finished or the style changes. Until then they are cached, and Streamlit does not send the
    unchanged chart again.
    """
    cache: dict[str, tuple[object, LiveCurves]] = st.session_state.setdefault(_CURVES, {})
    # If the record of an epoch was lost, for example in a damaged file, a continued run trains this
    # epoch again. The duration of the epoch distinguishes the two results.
    key = (run.id, len(epochs), epochs[-1].seconds, run.best_epoch, style)
    if chart.name not in cache or cache[chart.name][0] != key:
        cache[chart.name] = (key, chart.curves(epochs, run.best_epoch, style))
    return cache[chart.name][1]
