"""Compare: all runs in a table, with the curves and settings of the selected ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fer_core.bundle import default_bundle_name, set_default_bundle
from fer_core.charts.training import COMPARED_METRICS, compared_curves, grouped_curves
from fer_core.csv_text import csv_text
from fer_core.recipes import config_difference, setting_fields
from fer_core.settings import Settings
from fer_core.training.registry import RunSummary, list_runs, read_run_epochs
from fer_core.training.seed_groups import SeedGroup, seed_groups, spread_by_epoch
from fer_studio.ui.charts import show_chart
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.kept import kept_multiselect, kept_segments, kept_text, kept_toggle
from fer_studio.ui.model_titles import distinct_titles
from fer_studio.ui.tables import table_height
from fer_studio.ui.train.configure import RUN, RUNS, VIEW
from fer_studio.ui.train.curve_style import choose_curve_style
from fer_studio.ui.train.feedback import run_action
from fer_studio.ui.train.formatting import format_value, run_titles
from fer_studio.ui.train.no_runs import show_no_runs

#: Session key of the IDs of the selected runs.
_SELECTED_IDS = "compared_runs"
#: Maximum number of rows of which curves and settings are compared.
_MAX_COMPARED = 12
#: Maximum number of points of the small curve in each row of the table.
_SPARKLINE_POINTS = 40
_GROUPED_CAPTION = (
    "Lines are means over the seeds, bands ± 1 standard deviation, up to the last epoch that all "
    "runs of a row have finished."
)


def show_compare(settings: Settings) -> None:
    """Draw the section."""
    runs = list_runs(settings)
    if not runs:
        show_no_runs(
            "**There are no runs to compare yet.** Each training appears here with its metrics as "
            "soon as it is started."
        )
        return
    matching_runs, is_grouped = _filtered(runs)
    default_model = default_bundle_name(settings)
    if is_grouped:
        groups = seed_groups(matching_runs)
        rows = [_group_row(group) for group in groups]
    else:
        groups = [SeedGroup((run,)) for run in matching_runs]
        titles = run_titles(matching_runs)
        rows = [_row(run, titles[run.id], default_model) for run in matching_runs]
    selected = _choose(groups, rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        offer_download(
            "CSV",
            lambda: runs_as_csv(matching_runs),
            "runs.csv",
            key="download_runs",
            hint="The runs in the table with all their settings.",
        )
        if len(selected) == 1:
            _show_actions(selected[0], settings)
    if not selected:
        noun = "rows" if is_grouped else "runs"
        st.caption(f"Select {noun} on the left of the table to see their curves and differences.")
        return
    _show_curves(selected, is_grouped=is_grouped)
    if len(selected) > 1:
        _show_differences([group.runs[0] for group in selected])


def _filtered(runs: list[RunSummary]) -> tuple[list[RunSummary], bool]:
    """Draw the filters; return the runs that match them, and True if seeds are to be grouped."""
    # With this key, app.css reserves the space of the filters on a phone.
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_choice"):
        # On the left, because the toolbar of the table covers what is above its right end.
        is_grouped = kept_toggle(
            "Group seeds",
            key="group_seeds",
            name="seeds",
            help="One row for runs that differ only in their seed, with mean and standard "
            "deviation.",
        )
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
    matching_runs = [
        run
        for run in runs
        if (not states or run.state in states)
        and all(
            term in f"{run.id} {run.name} {run.recipe} {run.data} {run.study} {run.note}".lower()
            for term in search_terms
        )
    ]
    if len(matching_runs) < len(runs):
        st.caption(f"{len(matching_runs)} of {len(runs)} runs.")
    return matching_runs, is_grouped


def _row(run: RunSummary, title: str, default_model: str | None) -> dict[str, Any]:
    epochs = read_run_epochs(run.path)
    return {
        "Run": title + (" ★" if run.id == default_model else ""),
        "State": run.state,
        "By epoch": sparkline([epoch.validation_accuracy for epoch in epochs]),
        "Accuracy": _percent(run.validation_accuracy),
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
        "ID": run.id,
    }


def _group_row(group: SeedGroup) -> dict[str, Any]:
    first = group.runs[0]
    accuracy, macro_f1 = group.accuracy, group.macro_f1
    epochs = [read_run_epochs(run.path) for run in group.runs]
    spreads = spread_by_epoch(epochs, lambda record: record.validation_accuracy)
    seeds = [run.seed for run in group.runs]
    return {
        "Runs": group.title,
        "Seeds": len(group.runs),
        "By epoch": sparkline([spread.mean for spread in spreads]),
        "Accuracy": None if accuracy is None else _percent(accuracy.mean),
        "± SD": None if accuracy is None else _percent(accuracy.deviation),
        "Macro F1": None if macro_f1 is None else macro_f1.mean,
        "± SD of F1": None if macro_f1 is None else macro_f1.deviation,
        "Time": sum(run.seconds for run in group.runs) / 60,
        "Recipe": first.recipe,
        "Data": first.data,
        "Seed values": ", ".join(str(seed) for seed in seeds if seed is not None),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def sparkline(accuracies: Sequence[float]) -> list[float]:
    """Return the accuracies in percent: at most 40, evenly spaced, with the first and the last."""
    last = len(accuracies) - 1
    if last < _SPARKLINE_POINTS:
        return [100 * value for value in accuracies]
    positions = (
        round(number * last / (_SPARKLINE_POINTS - 1)) for number in range(_SPARKLINE_POINTS)
    )
    return [100 * accuracies[position] for position in positions]


def _choose(groups: list[SeedGroup], rows: list[dict[str, Any]]) -> list[SeedGroup]:
    """Draw the table and return the groups of the selected rows.

    Args:
        groups: The runs of each row; a single run if seeds are not grouped.
        rows: The values of each row by column.
    """
    ids_by_row = [[run.id for run in group.runs] for group in groups]
    # Streamlit stores the numbers of the selected rows. A different list of runs gets a new table,
    # in which the same runs are selected.
    previous_ids: list[str] = st.session_state.get(_SELECTED_IDS, [])
    default_rows = [row for row, ids in enumerate(ids_by_row) if set(ids) & set(previous_ids)]
    key = hash(tuple(map(tuple, ids_by_row))) & 0xFFFFFFFF
    selection = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": default_rows}},
        key=f"runs_table_{key:x}",
        height=table_height(len(rows), maximum=400),
        placeholder="-",
        alt=f"{len(rows)} rows of runs with their metrics",
        column_config={
            "Run": st.column_config.TextColumn(width=200, help="★ marks the default model."),
            "Runs": st.column_config.TextColumn(width=200),
            "By epoch": st.column_config.LineChartColumn(
                width=110, help="Validation accuracy after each epoch, in percent"
            ),
            "Accuracy": st.column_config.NumberColumn(
                format="%.1f %%", help="Validation accuracy at the best epoch"
            ),
            "± SD": st.column_config.NumberColumn(
                format="%.1f %%", help="Standard deviation of the accuracy over the seeds"
            ),
            "Macro F1": st.column_config.NumberColumn(
                format="%.3f", help="On validation, at the best epoch"
            ),
            "± SD of F1": st.column_config.NumberColumn(format="%.3f"),
            "Time": st.column_config.NumberColumn(
                format="%.1f min", help="Training time of the finished epochs"
            ),
            "Started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Note": st.column_config.TextColumn(width="medium"),
        },
    )
    selected_rows = [row for row in selection["selection"]["rows"] if row < len(groups)]
    # Selected runs that the filter hides stay selected.
    ids_in_table = {run_id for ids in ids_by_row for run_id in ids}
    hidden_ids = [run_id for run_id in previous_ids if run_id not in ids_in_table]
    st.session_state[_SELECTED_IDS] = hidden_ids + [
        run_id for row in selected_rows for run_id in ids_by_row[row]
    ]
    return [groups[row] for row in selected_rows]


def _show_actions(group: SeedGroup, settings: Settings) -> None:
    """Draw the buttons for the selected run, or for the most accurate one of a group."""
    run = max(group.runs, key=lambda run: run.validation_accuracy or 0.0)
    is_single = len(group.runs) == 1
    st.button(
        "Open" if is_single else "Open the best run",
        key="open_run",
        icon=":material/visibility:",
        on_click=_open,
        args=(run.id,),
    )
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
            help="All pages and commands use the model of this run unless another one is chosen.",
        )


def _open(run_id: str) -> None:
    """Show a run in the section of runs; the callback of a button."""
    st.session_state[RUN] = run_id
    st.session_state[VIEW] = RUNS


def _show_curves(selected: list[SeedGroup], *, is_grouped: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        metric_name = kept_segments(
            "Curves",
            list(COMPARED_METRICS),
            key="compared_metric",
            name="curves",
            format_func=lambda name: COMPARED_METRICS[name][0],
        )
        style = choose_curve_style()
    compared = selected[:_MAX_COMPARED]
    if len(selected) > _MAX_COMPARED:
        st.caption(f"The first {_MAX_COMPARED} of {len(selected)} rows are shown.")
    titles = distinct_titles({group.runs[0].id: group.title for group in compared})
    curves = {
        titles[group.runs[0].id]: [read_run_epochs(run.path) for run in group.runs]
        for group in compared
    }
    if not any(epochs for runs in curves.values() for epochs in runs):
        st.info("These runs have not finished an epoch yet.", icon=":material/show_chart:")
        return
    options: Any = {"smoothing": style.smoothing, "is_log": style.is_log}
    if is_grouped:
        figure = grouped_curves(curves, metric_name, **options)
    else:
        single = {title: runs[0] for title, runs in curves.items()}
        figure = compared_curves(single, metric_name, **options)
    title = COMPARED_METRICS[metric_name][0]
    show_chart(
        figure,
        title=f"{title} by epoch",
        key="compared_curves",
        alt=f"{title} by epoch of {', '.join(curves)}",
        caption=_GROUPED_CAPTION if is_grouped else "",
    )


def _show_differences(runs: list[RunSummary]) -> None:
    """Draw the settings in which runs differ, with a column per run.

    A run whose settings cannot be read is left out.
    """
    readable = [run for run in runs[:_MAX_COMPARED] if run.config is not None]
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
    """Return a row for each setting that differs between runs: its label, and its value by run."""
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
    titles = run_titles(runs)
    return [
        {"Setting": labels[name]}
        | {
            titles[run.id]: format_value(
                getattr(run if name in ("recipe", "data") else run.config, name)
            )
            for run in runs
        }
        for name in fields
    ]


def runs_as_csv(runs: list[RunSummary]) -> str:
    """Return the text of a CSV file with a line per run: identity, metrics, then all settings."""
    has_settings = any(run.config is not None for run in runs)
    names = [field.name for field in setting_fields()] if has_settings else []
    header = [
        *("run", "name", "state", "recipe", "data", "study", "trial", "started", "epochs_done"),
        *("best_epoch", "validation_accuracy", "macro_f1", "seconds", "note"),
        *names,
    ]
    return csv_text(header, (_cells(run, names) for run in runs))


def _cells(run: RunSummary, names: list[str]) -> list[object]:
    """Return the cells of a run's line, with the settings of these names."""
    started = "" if run.started is None else run.started.isoformat()
    return [
        *(run.id, run.name, run.state, run.recipe, run.data, run.study, run.trial),
        *(started, run.epoch, run.best_epoch, run.validation_accuracy, run.macro_f1),
        *(round(run.seconds, 1), run.note),
        *([] if run.config is None else [getattr(run.config, name) for name in names]),
    ]
