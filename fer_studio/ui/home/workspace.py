"""The user's work on the home page: the default model, the datasets and the latest runs."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from fer_core.bundle import Bundle, default_bundle_name, list_bundles
from fer_core.dataset.store import DEMO_NAME, dataset_names
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.access import admission
from fer_studio.ui.messages import show_error
from fer_studio.ui.model_titles import model_title
from fer_studio.ui.sparkline import show_sparkline
from fer_studio.ui.text import plain_text

_MAX_DATASETS = 5
_MAX_RUNS = 3


def show_workspace(settings: Settings) -> None:
    """Draw the default model, and the datasets and latest runs if the visitor may see them."""
    st.header("Your work", anchor=False)
    model_column, datasets_column = st.columns(2)
    with model_column.container(border=True, height="stretch"):
        _show_model(settings)
    if admission().may_open("dataset"):
        with datasets_column.container(border=True, height="stretch"):
            _show_datasets(settings)
    if admission().may_open("train"):
        _show_runs(settings)


def model_sentence(bundle: Bundle) -> str:
    """Return a sentence about the accuracy of a model, as Markdown."""
    name = f"**{plain_text(model_title(bundle))}**"
    accuracy = bundle.record.validation_accuracy
    if accuracy is None:
        return f"{name}: its accuracy was not measured. Evaluate it on a dataset."
    correct = round(100 * accuracy)
    if bundle.record.learned_votes:
        return (
            f"{name} gives the most frequent answer of the annotators for {correct} of 100 faces "
            "that it has not learned from."
        )
    drawn = "drawn " if bundle.record.is_demo else ""
    return (
        f"{name} correctly classifies {correct} of 100 {drawn}faces that it has not learned from."
    )


def _show_model(settings: Settings) -> None:
    st.markdown("**Default model**")
    default = default_bundle_name(settings)
    bundle = next((entry for entry in list_bundles(settings) if entry.name == default), None)
    if bundle is None:
        st.markdown("There is no default model. Train one, or import one.")
        return
    st.markdown(model_sentence(bundle))
    st.page_link(
        "pages/evaluate.py",
        label="See where it fails",
        icon=":material/analytics:",
        query_params={"model": bundle.name},
    )


def _show_datasets(settings: Settings) -> None:
    st.markdown("**Datasets**")
    names = dataset_names(settings)
    if not names:
        st.markdown("None yet. Import your faces, or try everything with the demo set.")
        st.page_link("pages/dataset.py", label="Import a dataset", icon=":material/add:")
        return
    with st.container(horizontal=True, gap="small"):
        for name in names[:_MAX_DATASETS]:
            title = f"{name} (drawn)" if name == DEMO_NAME else name
            st.page_link(
                "pages/dataset.py",
                label=plain_text(title),
                icon=":material/folder:",
                query_params={"dataset": name},
                width="content",
            )
    if len(names) > _MAX_DATASETS:
        st.caption(f"The dataset page shows {len(names) - _MAX_DATASETS} more.")
    st.page_link("pages/dataset.py", label="Import or explore datasets", icon=":material/add:")


def _show_runs(settings: Settings) -> None:
    # Imported here, because the page does not need this module for visitors who may not train.
    from fer_core.training.registry import list_runs, read_run_epochs

    try:
        all_runs = list_runs(settings)
    except InputError as error:
        show_error(error)
        return
    # Without this filter, trials of searches would hide the trainings that users started.
    runs = [run for run in all_runs if run.study is None][:_MAX_RUNS]
    searches = {run.study for run in all_runs if run.study is not None}
    if not all_runs:
        st.caption("No training has been started yet.")
        return
    if runs:
        st.markdown(
            "**Last trainings**: accuracy on validation, and the curve of the accuracy by epoch"
        )
    for column, run in zip(st.columns(_MAX_RUNS), runs, strict=False):
        accuracies = [epoch.validation_accuracy for epoch in read_run_epochs(run.path)]
        with column.container(border=True, height="stretch", gap="xsmall"):
            st.metric(
                plain_text(run.name or run.recipe or run.id),
                # As on the train page, this is the accuracy of the epoch whose weights were kept.
                # Another epoch may have a higher accuracy, for example if the weights of the epoch
                # with the lowest loss were kept.
                "none yet"
                if run.validation_accuracy is None
                else f"{100 * run.validation_accuracy:.1f} %",
                delta=", ".join(filter(None, (run.state, _start_text(run.started)))),
                delta_color="off",
                delta_arrow="off",
            )
            if len(accuracies) > 1:
                first, last = f"{100 * accuracies[0]:.1f}", f"{100 * accuracies[-1]:.1f} %"
                show_sparkline(accuracies, alt=f"Validation accuracy, from {first} to {last}")
            st.page_link(
                "pages/train.py",
                label="Open",
                icon=":material/visibility:",
                query_params={"view": "runs", "run": run.id},
            )
    if searches:
        st.page_link(
            "pages/train.py",
            label=f"Searches for better settings ({len(searches)})",
            icon=":material/manage_search:",
            query_params={"view": "search"},
        )


def _start_text(started: datetime | None) -> str:
    """Return when a run was started, such as "Nov 29, 12:53 UTC"; empty if this is unknown."""
    return "" if started is None else f"{started:%b} {started.day}, {started:%H:%M} UTC"
