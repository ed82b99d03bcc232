"""Compare: a table of all runs, and the curves and settings of the selected runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fer_core.bundle import default_bundle_name, set_default_bundle
from fer_core.charts.training import (
    COMPARED_METRICS,
    ComparedMetric,
    compared_curves,
    grouped_curves,
)
from fer_core.csv_text import csv_text
from fer_core.recipes import setting_fields
from fer_core.settings import Settings
from fer_core.training.registry import RunSummary, list_runs, read_run_epochs
from fer_core.training.seed_groups import SeedGroup, seed_groups, spread_by_epoch
from fer_studio.ui.charts import show_chart
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.model_titles import distinct_titles
from fer_studio.ui.persistent_widgets import (
    persistent_multiselect,
    persistent_segments,
    persistent_text,
    persistent_toggle,
)
from fer_studio.ui.tables import table_height
from fer_studio.ui.train.curve_style import CurveStyle, choose_curve_style
from fer_studio.ui.train.feedback import run_action
from fer_studio.ui.train.formatting import format_value, run_titles
from fer_studio.ui.train.no_runs import show_no_runs
from fer_studio.ui.train.views import open_run

#: Session key of the IDs of the selected runs.
_SELECTED_IDS = "compared_runs"
#: Maximum number of rows that are selected when the table is drawn for the first time.
_MAX_PRESELECTED = 3
#: Maximum height of the table in pixels. With this height, the beginning of the curves below the
#: table is visible without scrolling.
_MAX_TABLE_HEIGHT = 275
#: Maximum number of selected rows whose curves and settings are shown.
_MAX_COMPARED = 12
#: Maximum number of points of the small curve in each row of the table.
_SPARKLINE_POINTS = 40
#: The caption of curves whose runs are grouped.
_GROUPED_CAPTION = (
    "Lines are means over the seeds, bands ± 1 standard deviation, up to the last epoch that all "
    "runs of a row have finished. Runs without a finished epoch are left out."
)


def show_compare(settings: Settings) -> None:
    """Draw the section "Compare"."""
    runs = list_runs(settings)
    if not runs:
        show_no_runs(
            "**There are no runs to compare yet.** Each training appears here with its metrics as "
            "soon as it is started."
        )
        return
    matching_runs, is_grouped = _filter_runs(runs)
    default_model_name = default_bundle_name(settings)
    if is_grouped:
        groups = sorted(seed_groups(matching_runs), key=_sort_key, reverse=True)
        rows = [_group_row(group) for group in groups]
    else:
        matching_runs.sort(key=lambda run: _sort_key(SeedGroup((run,))), reverse=True)
        groups = [SeedGroup((run,)) for run in matching_runs]
        titles = run_titles(matching_runs)
        rows = [_row(run, titles[run.id], default_model_name) for run in matching_runs]
    selected = _choose_rows(groups, rows)
    # With this key, app.css reserves the space of the row on a phone.
    key = "compare_style" if selected else None
    with st.container(horizontal=True, vertical_alignment="bottom", key=key):
        if selected:
            metric_name = _choose_metric()
            style = choose_curve_style()
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
        st.caption("Click the left end of one or more rows to see their curves and differences.")
        return
    _show_curves(selected, metric_name, style, is_grouped=is_grouped)
    if len(selected) > 1:
        _show_differences([group.runs[0] for group in selected])


def _sort_key(group: SeedGroup) -> tuple[bool, float]:
    """Return the sort key of a row, for a descending order.

    Active runs come first, the newest at the top. The other runs follow, the most accurate first.
    The accuracy of an active run is ignored, because it changes with each epoch. Otherwise the rows
    could change their order just before a click on one of them, and the click would have no effect.
    """
    is_active = any(run.is_active for run in group.runs)
    return is_active, 0.0 if is_active else _accuracy(group)


def _accuracy(group: SeedGroup) -> float:
    """Return the mean accuracy of a group; 0 if no run has finished an epoch."""
    return 0.0 if group.accuracy is None else group.accuracy.mean


def _filter_runs(runs: list[RunSummary]) -> tuple[list[RunSummary], bool]:
    """Draw the filters and a toggle; return the matching runs, and True to group seeds."""
    # With this key, app.css reserves the space of the filters on a phone.
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_choice"):
        # The toggle is on the left, because the toolbar of the table covers what is above the right
        # end of the table.
        is_grouped = persistent_toggle(
            "Group seeds",
            key="group_seeds",
            name="seeds",
            help="One row for runs that differ only in their seed, with mean and standard "
            "deviation.",
        )
        text = persistent_text(
            "Filter",
            key="compare_filter",
            name="filter",
            placeholder="name, recipe, dataset, search, note",
            icon=":material/search:",
        )
        states = persistent_multiselect(
            "States",
            sorted({run.state for run in runs}),
            key="compare_states",
            name="states",
            default=(),
            placeholder="all states",
        )
    terms = text.lower().split()
    matching_runs = [
        run
        for run in runs
        if (not states or run.state in states)
        and all(term in _searched_text(run) for term in terms)
    ]
    if len(matching_runs) < len(runs):
        st.caption(f"{len(matching_runs)} of {len(runs)} runs.")
    return matching_runs, is_grouped


def _searched_text(run: RunSummary) -> str:
    """Return the text of a run that the filter searches, in lower case."""
    return " ".join((run.id, run.name, run.recipe, run.data, run.study or "", run.note)).lower()


def _row(run: RunSummary, title: str, default_model_name: str | None) -> dict[str, Any]:
    """Return the cells of a run by column.

    Args:
        run: The run.
        title: The title of the run.
        default_model_name: The name of the default model. The model of a run has the ID of the run
            as its name.
    """
    epochs = read_run_epochs(run.path)
    return {
        "Run": title + (" ★" if run.id == default_model_name else ""),
        "State": run.state,
        "By epoch": sparkline_values([epoch.validation_accuracy for epoch in epochs]),
        "Accuracy": _percent(run.validation_accuracy),
        "Macro F1": run.macro_f1,
        "Best epoch": run.best_epoch,
        "Epochs": f"{run.epoch}/{run.epochs}" if run.epochs else "",
        "Time": run.seconds / 60,
        "Recipe": run.recipe,
        "Dataset": run.data,
        "Seed": run.seed,
        "Started": run.started,
        "Search": "" if run.study is None else f"{run.study} {run.trial}",
        "Note": run.note,
        "ID": run.id,
    }


def _group_row(group: SeedGroup) -> dict[str, Any]:
    """Return the cells of a group by column."""
    first = group.runs[0]
    accuracy, macro_f1 = group.accuracy, group.macro_f1
    epochs = [read_run_epochs(run.path) for run in group.runs]
    spreads = spread_by_epoch(epochs, lambda record: record.validation_accuracy)
    seeds = [run.seed for run in group.runs]
    return {
        "Runs": group.title,
        "Seeds": len(group.runs),
        "By epoch": sparkline_values([spread.mean for spread in spreads]),
        "Accuracy": None if accuracy is None else _percent(accuracy.mean),
        "± SD": None if accuracy is None else _percent(accuracy.deviation),
        "Macro F1": None if macro_f1 is None else macro_f1.mean,
        "± SD of F1": None if macro_f1 is None else macro_f1.deviation,
        "Time": sum(run.seconds for run in group.runs) / 60,
        "Recipe": first.recipe,
        "Dataset": first.data,
        "Seed values": ", ".join(str(seed) for seed in seeds if seed is not None),
    }


def _percent(share: float | None) -> float | None:
    """Return a fraction, 0 to 1, in percent; None stays None."""
    return None if share is None else 100 * share


def sparkline_values(accuracies: Sequence[float]) -> list[float]:
    """Return at most 40 of the accuracies, in percent: evenly spaced, the first and last included.

    Args:
        accuracies: Accuracies by epoch, 0 to 1.
    """
    last = len(accuracies) - 1
    if last < _SPARKLINE_POINTS:
        return [100 * value for value in accuracies]
    indices = (
        round(number * last / (_SPARKLINE_POINTS - 1)) for number in range(_SPARKLINE_POINTS)
    )
    return [100 * accuracies[index] for index in indices]


def _choose_rows(groups: list[SeedGroup], rows: list[dict[str, Any]]) -> list[SeedGroup]:
    """Draw the table and return the groups of the selected rows.

    When the table is drawn for the first time, the best rows with a finished run are selected.

    Args:
        groups: The runs of each row, in the order of the table. If seeds are not grouped, each row
            has a single run.
        rows: The cells of each row by column.
    """
    ids_by_row = [[run.id for run in group.runs] for group in groups]
    # Streamlit stores the selection as row numbers. If the list of runs changes, a new key creates
    # a new table, in which the same runs are selected.
    previous_ids: list[str] = st.session_state.get(_SELECTED_IDS, _best_ids(groups))
    default_rows = [row for row, ids in enumerate(ids_by_row) if set(ids) & set(previous_ids)]
    key = hash(tuple(map(tuple, ids_by_row))) & 0xFFFFFFFF  # not negative
    selection = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": default_rows}},
        key=f"runs_table_{key:x}",
        height=table_height(len(rows), maximum=_MAX_TABLE_HEIGHT),
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
                format="%.1f min",
                help="Training time of the finished epochs, over all seeds of a group",
            ),
            "Started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Search": st.column_config.TextColumn(help="The search and the number of its trial"),
            "Note": st.column_config.TextColumn(width="medium"),
        },
    )
    selected_rows = [row for row in selection["selection"]["rows"] if row < len(groups)]
    # Runs that the filter hides stay selected.
    ids_in_table = {run_id for ids in ids_by_row for run_id in ids}
    hidden_ids = [run_id for run_id in previous_ids if run_id not in ids_in_table]
    selected_ids = hidden_ids + [run_id for row in selected_rows for run_id in ids_by_row[row]]
    # As long as no run has finished, the empty selection is not stored, so that the first runs that
    # finish are selected.
    if selected_ids or _SELECTED_IDS in st.session_state:
        st.session_state[_SELECTED_IDS] = selected_ids
    return [groups[row] for row in selected_rows]


def _best_ids(groups: list[SeedGroup]) -> list[str]:
    """Return the IDs of the runs in the first rows that have an accuracy and a finished run.

    At most ``_MAX_PRESELECTED`` rows are used.

    Args:
        groups: The runs of each row, in the order of the table.
    """
    best = [
        group
        for group in groups
        if _accuracy(group) and any(run.state == "finished" for run in group.runs)
    ]
    return [run.id for group in best[:_MAX_PRESELECTED] for run in group.runs]


def _show_actions(group: SeedGroup, settings: Settings) -> None:
    """Draw the buttons for the selected run, or for the most accurate run of the selected group."""
    run = max(group.runs, key=lambda run: run.validation_accuracy or 0.0)
    is_single = len(group.runs) == 1
    st.button(
        "Open" if is_single else "Open the best run",
        key="open_run",
        icon=":material/visibility:",
        on_click=open_run,
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
            help="All pages and commands use the default model unless you select another one.",
        )


def _choose_metric() -> ComparedMetric:
    return persistent_segments(
        "Curves",
        list(COMPARED_METRICS),
        key="compared_metric",
        name="curves",
        format_func=lambda name: COMPARED_METRICS[name][0],
    )


def _show_curves(
    selected: list[SeedGroup],
    metric_name: ComparedMetric,
    style: CurveStyle,
    *,
    is_grouped: bool,
) -> None:
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
        epochs_by_title = {title: runs[0] for title, runs in curves.items()}
        figure = compared_curves(epochs_by_title, metric_name, **options)
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
    st.markdown("**Differences in the settings**")
    readable = [run for run in runs[:_MAX_COMPARED] if run.config is not None]
    if len(readable) < 2:
        st.caption("Fewer than two of these runs have settings that can be read.")
        return
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
    """Return a row for each setting in which runs differ: its label, and its value by run title.

    Args:
        runs: Runs whose settings can be read.
    """
    titles = run_titles(runs).values()
    texts_by_label = {
        "Recipe": [run.recipe for run in runs],
        "Dataset": [run.data for run in runs],
        "Start from": [_starting_model_text(run) for run in runs],
    } | {
        entry.label: [format_value(getattr(run.config, entry.name)) for run in runs]
        for entry in setting_fields()
    }
    return [
        {"Setting": label} | dict(zip(titles, texts, strict=True))
        for label, texts in texts_by_label.items()
        if len(set(texts)) > 1
    ]


def _starting_model_text(run: RunSummary) -> str:
    """Return the name of the starting model of a run, and the last frozen stage."""
    if run.start is None:
        return "random weights"
    frozen = "" if run.start.freeze is None else f", frozen up to {run.start.freeze}"
    return f"{run.start.model}{frozen}"


def runs_as_csv(runs: list[RunSummary]) -> str:
    """Return the text of a CSV file with a line per run: its name and state, metrics and settings.

    The columns of the settings are left out if no run has settings that can be read.
    """
    has_settings = any(run.config is not None for run in runs)
    names = [field.name for field in setting_fields()] if has_settings else []
    header = [
        *("run", "name", "state", "recipe", "data", "study", "trial", "started", "epochs_done"),
        *("best_epoch", "validation_accuracy", "macro_f1", "seconds", "note"),
        *names,
    ]
    return csv_text(header, (_cells(run, names) for run in runs))


def _cells(run: RunSummary, names: list[str]) -> list[object]:
    """Return the cells of a run's line, with the values of the settings in ``names``."""
    started = "" if run.started is None else run.started.isoformat()
    return [
        *(run.id, run.name, run.state, run.recipe, run.data, run.study, run.trial),
        *(started, run.epoch, run.best_epoch, run.validation_accuracy, run.macro_f1),
        *(round(run.seconds, 1), run.note),
        *([] if run.config is None else [getattr(run.config, name) for name in names]),
    ]
