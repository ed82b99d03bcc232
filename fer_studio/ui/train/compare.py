"""Compare: all runs in a table, with the curves and settings of the selected ones."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fer_core.bundle import default_bundle_name, set_default_bundle
from fer_core.charts.training import COMPARED_METRICS, compared_curves
from fer_core.csv_text import csv_text
from fer_core.recipes import config_difference, setting_fields
from fer_core.settings import Settings
from fer_core.training.registry import RunSummary, list_runs, read_run_epochs
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.kept import kept_multiselect, kept_segments, kept_text
from fer_studio.ui.train.configure import RUN, RUNS, VIEW
from fer_studio.ui.train.feedback import run_action
from fer_studio.ui.train.formatting import format_value, run_title

_CHOSEN = "compared_runs"
_MAX_COMPARED = 12


def show_compare(settings: Settings) -> None:
    """Draw the section."""
    runs = list_runs(settings)
    if not runs:
        with st.container(border=True):
            st.markdown(
                "**There are no runs to compare yet.** Each training appears here with its metrics "
                "as soon as it is started."
            )
        return
    shown = _filtered(runs)
    chosen = _choose(shown, default_bundle_name(settings))
    with st.container(horizontal=True, vertical_alignment="center"):
        offer_download(
            "CSV",
            lambda: runs_as_csv(shown),
            "runs.csv",
            key="download_runs",
            hint="The runs in the table with all their settings.",
        )
        if len(chosen) == 1:
            _show_actions(chosen[0], settings)
    if not chosen:
        st.caption("Select runs on the left of the table to see their curves and differences.")
        return
    _show_curves(chosen)
    if len(chosen) > 1:
        _show_differences(chosen)


def _filtered(runs: list[RunSummary]) -> list[RunSummary]:
    with st.container(horizontal=True):
        text = kept_text(
            "Filter",
            key="compare_filter",
            name="filter",
            placeholder="name, recipe, dataset, study, note",
            icon=":material/search:",
        )
        states = kept_multiselect(
            "States",
            sorted({run.state for run in runs}),
            key="compare_states",
            name="states",
            default=(),
            placeholder="all states",
        )
    search_terms = text.lower().split()
    shown = [
        run
        for run in runs
        if (not states or run.state in states)
        and all(
            word in f"{run.id} {run.name} {run.recipe} {run.data} {run.study} {run.note}".lower()
            for word in search_terms
        )
    ]
    if len(shown) < len(runs):
        st.caption(f"{len(shown)} of {len(runs)} runs.")
    return shown


def _row(run: RunSummary, default: str | None) -> dict[str, Any]:
    return {
        "Run": run.title + (" ★" if run.id == default else ""),
        "State": run.state,
        "Accuracy": None if run.validation_accuracy is None else 100 * run.validation_accuracy,
        "Macro F1": run.macro_f1,
        "Best epoch": run.best_epoch,
        "Epochs": f"{run.epoch}/{run.epochs}" if run.epochs else "",
        "Time": run.seconds / 60,
        "Recipe": run.recipe,
        "Data": run.data,
        "Seed": run.seed,
        "Started": run.started,
        "Study": "" if run.study is None else f"{run.study} {run.trial}",
        "Note": run.note,
    }


def _choose(runs: list[RunSummary], default: str | None) -> list[RunSummary]:
    """Draw the table and return the selected runs."""
    ids = [run.id for run in runs]
    # Streamlit stores selected rows by number. A different list of runs gets a new table, in which
    # the same runs are selected.
    last: list[str] = st.session_state.get(_CHOSEN, [])
    rows = [ids.index(run_id) for run_id in last if run_id in ids]
    selection = st.dataframe(
        [_row(run, default) for run in runs],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows}},
        key=f"runs_table_{hash(tuple(ids)) & 0xFFFFFFFF:x}",
        height=min(38 + 35 * max(len(runs), 1), 400),
        placeholder="-",
        alt=f"{len(runs)} runs with their metrics",
        column_config={
            "Run": st.column_config.TextColumn(width=200, help="★ marks the default model."),
            "Accuracy": st.column_config.NumberColumn(
                format="%.1f %%", help="Validation accuracy at the best epoch"
            ),
            "Macro F1": st.column_config.NumberColumn(
                format="%.3f", help="On validation, at the best epoch"
            ),
            "Time": st.column_config.NumberColumn(
                format="%.1f min", help="Training time of the finished epochs"
            ),
            "Started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Note": st.column_config.TextColumn(width="medium"),
        },
    )
    selected = [row for row in selection["selection"]["rows"] if row < len(runs)]
    # Selected runs that the filter hides stay selected.
    hidden = [run_id for run_id in last if run_id not in ids]
    st.session_state[_CHOSEN] = hidden + [ids[row] for row in selected]
    return [runs[row] for row in selected]


def _show_actions(run: RunSummary, settings: Settings) -> None:
    st.button("Open", key="open_run", icon=":material/visibility:", on_click=_open, args=(run.id,))
    if run.has_bundle:
        st.button(
            "Use as default",
            key="promote_run",
            icon=":material/star:",
            disabled=default_bundle_name(settings) == run.id,
            on_click=run_action,
            args=(
                lambda: set_default_bundle(run.id, settings),
                f"{run.title} is now the default model.",
            ),
            help="All pages and commands use its model unless another one is chosen.",
        )


def _open(run_id: str) -> None:
    st.session_state[RUN] = run_id
    st.session_state[VIEW] = RUNS


def _show_curves(chosen: list[RunSummary]) -> None:
    metric_name = kept_segments(
        "Curves",
        list(COMPARED_METRICS),
        key="compared_metric",
        name="curves",
        format_func=lambda name: COMPARED_METRICS[name][0],
    )
    compared = chosen[:_MAX_COMPARED]
    if len(chosen) > _MAX_COMPARED:
        st.caption(f"The first {_MAX_COMPARED} of {len(chosen)} runs are shown.")
    curves = {run_title(run): read_run_epochs(run.path) for run in compared}
    if not any(curves.values()):
        st.info("These runs have not finished an epoch yet.", icon=":material/show_chart:")
        return
    st.plotly_chart(
        compared_curves(curves, metric_name),
        key="compared_curves",
        config={"displayModeBar": False},
        alt=f"{COMPARED_METRICS[metric_name][0]} by epoch of {', '.join(curves)}",
    )


def _show_differences(chosen: list[RunSummary]) -> None:
    """Draw the settings in which the selected runs differ, with a column per run."""
    readable = [run for run in chosen[:_MAX_COMPARED] if run.config is not None]
    st.markdown("**Differences in the settings**")
    rows = difference_rows(readable)
    if not rows:
        st.caption("These runs have the same settings.")
        return
    st.dataframe(
        rows,
        hide_index=True,
        alt="Settings in which the selected runs differ",
    )


def difference_rows(runs: list[RunSummary]) -> list[dict[str, str]]:
    """Return a row for each setting that differs between the runs: its label, a value per run."""
    if not runs or runs[0].config is None:
        return []
    labels = {"recipe": "Recipe", "data": "Dataset"}
    fields = [name for name in labels if len({getattr(run, name) for run in runs}) > 1]
    for run in runs[1:]:
        assert run.config is not None
        for difference in config_difference(runs[0].config, run.config):
            labels[difference.field] = difference.label
            if difference.field not in fields:
                fields.append(difference.field)
    return [
        {"Setting": labels[name]}
        | {
            run_title(run): format_value(
                getattr(run if name in ("recipe", "data") else run.config, name)
            )
            for run in runs
        }
        for name in fields
    ]


def runs_as_csv(runs: list[RunSummary]) -> str:
    """Return a line per run: identity, metrics, then all settings."""
    settings = next((run.config for run in runs if run.config is not None), None)
    names = [field.name for field in setting_fields()] if settings is not None else []
    header = [
        *("run", "name", "state", "recipe", "data", "study", "trial", "started", "epochs_done"),
        *("best_epoch", "validation_accuracy", "macro_f1", "seconds", "note"),
        *names,
    ]
    return csv_text(header, (_cells(run, names) for run in runs))


def _cells(run: RunSummary, names: list[str]) -> list[object]:
    started = "" if run.started is None else run.started.isoformat()
    return [
        *(run.id, run.name, run.state, run.recipe, run.data, run.study, run.trial),
        *(started, run.epoch, run.best_epoch, run.validation_accuracy, run.macro_f1),
        *(round(run.seconds, 1), run.note),
        *([] if run.config is None else [getattr(run.config, name) for name in names]),
    ]
