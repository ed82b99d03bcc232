"""Search: create, start and stop hyperparameter searches, and show their trials and charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from fer_core.errors import InputError
from fer_core.phrases import as_sentence, counted
from fer_core.recipes import RECIPES, SettingField, TrainingConfig, changed_config, recipe_by_name
from fer_core.settings import Settings
from fer_core.training.search import (
    StudySetup,
    StudySummary,
    TrialSummary,
    create_study,
    launch_search,
    stop_search,
    study_curves,
    study_importances,
    study_names,
    study_setup,
    study_summary,
)
from fer_core.training.search_space import (
    default_parameter,
    search_space,
    searchable_fields,
)
from fer_studio.ui.access import is_private, require_editor, rerun_if_refused
from fer_studio.ui.address import address_scope
from fer_studio.ui.charts import show_chart
from fer_studio.ui.fragments import placed_fragment
from fer_studio.ui.messages import show_error
from fer_studio.ui.persistent_widgets import persistent_selectbox
from fer_studio.ui.tables import table_height
from fer_studio.ui.tabs import persistent_tabs
from fer_studio.ui.text import plain_text
from fer_studio.ui.train.datasets import choose_dataset, selected_dataset_name
from fer_studio.ui.train.draft import bounds_text
from fer_studio.ui.train.feedback import keep_error, run_action
from fer_studio.ui.train.formatting import format_percent, format_value
from fer_studio.ui.train.views import RUN, RUNS, VIEW, open_run

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Session key of the name of the selected search, which Optuna calls a study.
STUDY = "study"
#: Seconds between two refreshes of a running search.
_REFRESH_SECONDS = 3.0
#: The settings that a new search varies by default.
_DEFAULT_FIELDS = ("learning_rate", "batch_size", "dropout_scale")
#: Maximum number of workers of a search, as in ``launch_search``.
_MAX_WORKERS = 64
#: Session key of the title of the open chart.
_CHART = "study_chart"
#: Session key of a pair: what the charts depend on, and the charts by name.
_FIGURES = "study_figures"

#: The validation metrics that a search can optimize, as the page names them.
_MONITORS = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "loss"}
#: Title and caption of each chart, by the names that ``chart_names`` returns.
_TITLES_AND_CAPTIONS = {
    "history": ("History", "The value of each trial, and the best one so far."),
    "importance": (
        "Importance",
        "How much each setting affects the metric, by the method PED-ANOVA. The sum is 100 %.",
    ),
    "parallel": (
        "Parallel coordinates",
        "Each line is a trial; the bluer, the better. Drag along an axis to select trials.",
    ),
    "slice": ("Slices", "The value of each trial against each setting; the best one is orange."),
    "curves": (
        "Curves of the trials",
        "The metric after each epoch. Trials that were ended early have dotted lines.",
    ),
}
#: Color of the badge of each state.
_STATE_COLORS: dict[str, Any] = {"running": "blue", "finished": "green", "stopped": "orange"}


def show_search(settings: Settings) -> None:
    """Draw the section "Search"."""
    names = study_names(settings)
    with st.expander("New search", icon=":material/add:", expanded=not names, key="search_form"):
        _show_form(settings)
    if not names:
        st.caption(
            "A search tries different settings automatically. Each trial is a short training, and "
            "unpromising trials are ended early. You can then train longer with the best settings."
        )
        return
    name = persistent_selectbox(
        "Search", names, key=STUDY, name="study", is_always_shown=True, is_in_bar=True
    )
    try:
        is_running = study_summary(name, settings).state == "running"
    except InputError as error:
        show_error(error)
        return
    show_study = placed_fragment(_show_study, run_every=_REFRESH_SECONDS if is_running else None)
    show_study(name, settings, is_running)


def _show_form(settings: Settings) -> None:
    """Draw the form of a new search. It keeps its values if the search cannot be created."""
    left, right = st.columns(2)
    with left:
        dataset = choose_dataset(settings)
    with right:
        recipe = st.selectbox(
            "Recipe",
            list(RECIPES),
            key="search_recipe",
            persist_state="session",
            help="The settings of the recipe apply to every trial, except those that the search "
            "varies.",
        )
    config = recipe_by_name(recipe).config
    fields_by_name = {entry.name: entry for entry in searchable_fields()}
    varied_names = st.multiselect(
        "Settings to vary",
        list(fields_by_name),
        default=[name for name in _DEFAULT_FIELDS if name in fields_by_name],
        format_func=lambda name: fields_by_name[name].label,
        key="search_fields",
        persist_state="session",
    )
    for name in varied_names:
        _show_parameter(fields_by_name[name], config, recipe)
    columns = st.columns(4)
    with columns[0]:
        st.text_input("Name", key="search_name", persist_state="session", placeholder="rates")
    with columns[1]:
        st.number_input("Trials", value=20, step=1, key="search_trials", persist_state="session")
    with columns[2]:
        st.number_input(
            "Epochs per trial",
            value=_default_trial_epochs(config),
            step=1,
            key=f"search_epochs_{recipe}",
            persist_state="session",
            help="Short trainings are enough to distinguish good settings from bad ones.",
        )
    with columns[3]:
        st.selectbox(
            "Optimize for",
            list(_MONITORS),
            key="search_monitor",
            persist_state="session",
            format_func=lambda name: f"validation {_MONITORS[name]}",
        )
    with st.expander("Pruning, seed, storage"):
        st.toggle(
            "End unpromising trials early",
            value=True,
            key="search_pruning",
            persist_state="session",
            help="A trial is ended early (pruned) if it is worse than the median of the earlier "
            "trials at the same epoch.",
        )
        st.number_input(
            "Seed of the search", value=0, step=1, key="search_seed", persist_state="session"
        )
        if is_private():
            st.text_input(
                "Storage address",
                key="search_storage",
                persist_state="session",
                placeholder="a local file",
                help="The address of a database that Optuna supports, such as postgresql://…. "
                "Several machines can then work on one search.",
            )
        elif settings.study_storage:
            st.toggle(
                "Store the search in this server's database",
                key="search_shared_storage",
                persist_state="session",
                help="Several machines can work on one search there. The address is the value of "
                "FER_STUDIO_STUDY_STORAGE on this server.",
            )
    st.button(
        "Create and start",
        key="create_search",
        type="primary",
        icon=":material/play_arrow:",
        disabled=dataset is None,
        on_click=_create,
        args=(settings,),
    )


def _show_parameter(entry: SettingField, config: TrainingConfig, recipe: str) -> None:
    """Draw the fields for the range or the choices of a setting that the search varies.

    Args:
        entry: The setting.
        config: The configuration of the recipe.
        recipe: The name of the recipe.
    """
    default = default_parameter(entry, config)
    key = _parameter_key(entry, recipe)
    if default.choices:
        st.multiselect(
            entry.label,
            list(default.choices),
            default=list(default.choices),
            format_func=format_value,
            key=key,
            persist_state="session",
            help=entry.help,
        )
        return
    is_integer = entry.kind == "integer"
    number_type = int if is_integer else float
    low_column, high_column, log_column = st.columns([2, 2, 1], vertical_alignment="bottom")
    with low_column:
        st.number_input(
            f"{entry.label}, from",
            value=number_type(default.low or 0),
            step=1 if is_integer else None,
            format=None if is_integer else "%g",
            key=f"{key}_low",
            persist_state="session",
            help=f"{entry.help}. A number {bounds_text(entry)}.",
        )
    with high_column:
        st.number_input(
            f"{entry.label}, to",
            value=number_type(default.high or 0),
            step=1 if is_integer else None,
            format=None if is_integer else "%g",
            key=f"{key}_high",
            persist_state="session",
        )
    with log_column:
        st.toggle(
            "Logarithmic",
            value=default.log,
            key=f"{key}_log",
            persist_state="session",
            help="Sample on a logarithmic scale.",
        )


def _create(settings: Settings) -> None:
    """Create the search of the form and start it; the callback of a button."""
    try:
        require_editor()
        setup = setup_from_form(*_form_values(settings))
        create_study(setup, settings)
    except InputError as error:
        keep_error(str(error))
        return
    st.session_state[STUDY] = setup.name
    st.session_state["search_name"] = ""
    run_action(lambda: launch_search(setup.name, settings), f"The search {setup.name} was started.")


def _form_values(settings: Settings) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the values of the form as the arguments of ``setup_from_form``.

    This function runs in a callback, that is, before the form is redrawn. The fields of a newly
    selected recipe or setting may therefore not exist yet; in this case, defaults are used.
    """
    state = st.session_state
    recipe: str = state["search_recipe"]
    config = recipe_by_name(recipe).config
    fields_by_name = {entry.name: entry for entry in searchable_fields()}
    parameters: list[dict[str, Any]] = []
    for name in state["search_fields"]:
        default = default_parameter(fields_by_name[name], config)
        key = _parameter_key(fields_by_name[name], recipe)
        if default.choices:
            choices = state.get(key)
            parameters.append(
                {"field": name, "choices": list(default.choices) if choices is None else choices}
            )
        elif f"{key}_low" in state:
            parameters.append(
                {
                    "field": name,
                    "low": state[f"{key}_low"],
                    "high": state[f"{key}_high"],
                    "log": state[f"{key}_log"],
                }
            )
        else:
            parameters.append(
                {"field": name, "low": default.low, "high": default.high, "log": default.log}
            )
    values = {
        "name": (state["search_name"] or "").strip(),
        "recipe": recipe,
        "data": selected_dataset_name(settings),
        "epochs": state.get(f"search_epochs_{recipe}", _default_trial_epochs(config)),
        "trials": state["search_trials"],
        "monitor": state["search_monitor"],
        "pruning": state["search_pruning"],
        "seed": state["search_seed"],
        "storage": _storage(settings) or None,
    }
    return values, parameters


def _storage(settings: Settings) -> str:
    """Return the address of the database that the form selects; empty for a local file."""
    if is_private():
        return (st.session_state["search_storage"] or "").strip()
    return settings.study_storage if st.session_state.get("search_shared_storage") else ""


def _parameter_key(entry: SettingField, recipe: str) -> str:
    """Return the session key of a setting's choices; the keys of its range begin with this key."""
    return f"search_{entry.name}_{recipe}"


def _default_trial_epochs(config: TrainingConfig) -> int:
    return min(config.epochs, 10)


def setup_from_form(values: dict[str, Any], parameters: list[dict[str, Any]]) -> StudySetup:
    """Build the setup of a search from the form's values.

    Args:
        values: The fields of ``StudySetup`` except ``config`` and ``space``, and the epochs per
            trial as ``epochs``.
        parameters: The fields of a ``SearchParameter`` for each setting to vary.

    Raises:
        InputError: A value is missing or not valid; the message says which.
    """
    if not values["name"]:
        raise InputError("The search needs a name; enter one.")
    labels = {"trials": "Trials", "epochs": "Epochs per trial", "seed": "Seed of the search"}
    for name, label in labels.items():
        if values[name] is None:
            raise InputError(f"{label} is missing; enter a number.")
    study = {key: value for key, value in values.items() if key != "epochs"}
    config = changed_config(recipe_by_name(values["recipe"]).config, {"epochs": values["epochs"]})
    return study_setup(study | {"config": config, "space": search_space(parameters)})


def _show_study(name: str, settings: Settings, was_running: bool) -> None:
    """Draw a search; a fragment that is refreshed while the search runs.

    Args:
        name: The name of the search.
        settings: Settings with the location of ``runs/``.
        was_running: True if the search was running when the whole page was drawn.
    """
    rerun_if_refused("train")
    with address_scope("search"):
        _draw_study(name, settings, was_running)


def _draw_study(name: str, settings: Settings, was_running: bool) -> None:
    try:
        summary = study_summary(name, settings)
    except InputError as error:
        show_error(error)
        return
    if (summary.state == "running") != was_running:
        st.rerun()
    setup = summary.setup
    ended_count = summary.finished + summary.pruned + summary.failed
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(summary.state, color=_STATE_COLORS[summary.state])
        st.markdown(
            f"Recipe **{plain_text(setup.recipe)}** on **{plain_text(setup.data)}**, "
            f"{counted(setup.config.epochs, 'epoch')} per trial, "
            f"optimized for validation {_MONITORS[setup.monitor]}."
        )
        if summary.state == "finished":
            st.caption(f"{_trials_text(summary, ended_count)}.")
    if summary.state != "finished":
        st.progress(min(ended_count / setup.trials, 1.0), text=_trials_text(summary, ended_count))
    _show_workers(summary)
    _show_study_actions(summary, settings)
    if summary.best_trial is not None:
        _show_best(summary, settings)
    if summary.trials:
        _show_charts(summary, ended_count, settings)
        _show_trials(summary, settings)
    elif summary.state == "running":
        st.info("The first trial is being prepared.", icon=":material/hourglass_empty:")


def _trials_text(summary: StudySummary, ended_count: int) -> str:
    """Return how many trials have ended in which way, and how many are running."""
    counts = {
        "finished": summary.finished,
        "ended early": summary.pruned,
        "failed": summary.failed,
        "running": summary.running,
    }
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{ended_count} of {summary.setup.trials} trials" + (f": {parts}" if parts else "")


def _show_study_actions(summary: StudySummary, settings: Settings) -> None:
    name = summary.name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if summary.state == "running":
            st.button(
                "Stop",
                key="stop_search",
                icon=":material/stop:",
                on_click=run_action,
                args=(
                    lambda: stop_search(name, settings),
                    "Stopping: running trials continue when the search is resumed.",
                ),
            )
        elif summary.state == "stopped":
            st.number_input(
                "Workers",
                value=1,
                min_value=1,
                max_value=_MAX_WORKERS,
                step=1,
                key="search_workers",
                width=140,
                help="Each worker runs one trial at a time. Trials beyond this server's limit of "
                "parallel runs wait in the queue.",
            )
            st.button(
                "Resume" if summary.trials else "Start",
                key="resume_search",
                icon=":material/play_arrow:",
                on_click=run_action,
                args=(
                    lambda: launch_search(name, settings, st.session_state["search_workers"] or 1),
                ),
            )


def _show_best(summary: StudySummary, settings: Settings) -> None:
    """Draw the value and the settings of the best trial, and a button that opens its run."""
    value = summary.best_value
    is_percentage = summary.setup.monitor == "accuracy"
    value_text = format_percent(value) if is_percentage else f"{value:.4f}"
    best = next(trial for trial in summary.trials if trial.number == summary.best_trial)
    labels = {entry.name: entry.label for entry in searchable_fields()}
    settings_text = ", ".join(
        f"{labels.get(key, key).lower()} {_sampled_text(sampled)}"
        for key, sampled in best.values.items()
    )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**Best: trial {best.number}, validation {_MONITORS[summary.setup.monitor]} "
            f"{value_text}** ({plain_text(settings_text)})",
            width="stretch",
        )
        if _has_run(best, settings):
            st.button(
                "Open run",
                key="open_best",
                icon=":material/visibility:",
                on_click=open_run,
                args=(best.run_id,),
                help="Shows the run of this trial, where you can reuse its settings for a longer "
                "training, and use its model.",
            )


def _run_address(trial: TrialSummary, settings: Settings) -> str | None:
    """Return the address of the page that shows a trial's run; None if there is no run here."""
    return f"/train?{VIEW}={RUNS}&{RUN}={trial.run_id}" if _has_run(trial, settings) else None


def _has_run(trial: TrialSummary, settings: Settings) -> bool:
    """Return True if the run of a trial is on this machine; another machine may have trained it."""
    return trial.run_id is not None and (settings.runs_root / trial.run_id).is_dir()


def _show_workers(summary: StudySummary) -> None:
    """Name the workers that are alive, on any machine, with their current trials."""
    texts = [
        f"**{plain_text(worker.name)}** "
        + ("between trials" if worker.trial is None else f"trial {worker.trial}")
        for worker in summary.workers
    ]
    if texts:
        st.caption(f"Workers: {', '.join(texts)}.")


def _sampled_text(value: Any) -> str:
    """Format the value of a setting in a trial; sampled numbers are rounded to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else format_value(value)


def sorted_trials(summary: StudySummary) -> list[TrialSummary]:
    """Return the trials in the order of the table.

    Finished trials come first, the best at the top. Trials that were ended early follow, because
    their values are from fewer epochs. Trials without a value come last, the newest at the top.
    """
    sign = 1 if summary.setup.monitor == "loss" else -1
    return sorted(
        summary.trials,
        key=lambda trial: (
            trial.value is None,
            trial.state != "finished",
            0.0 if trial.value is None else sign * trial.value,
            -trial.number,
        ),
    )


def _show_trials(summary: StudySummary, settings: Settings) -> None:
    """Draw the table of trials, the best first; trials without a value are last."""
    is_percentage = summary.setup.monitor == "accuracy"
    labels = {entry.name: entry.label for entry in searchable_fields()}
    # The column "Worker" is left out if there is only one worker. The column "Problem" is left out
    # if no trial has a problem.
    has_workers = len({trial.worker for trial in summary.trials}) > 1
    has_problems = any(trial.problem for trial in summary.trials)
    rows = [
        {
            "Best": "★" if trial.number == summary.best_trial else "",
            "Trial": trial.number,
            "State": trial.state,
            "Value": None if trial.value is None else (100 if is_percentage else 1) * trial.value,
        }
        | ({"Worker": trial.worker or None} if has_workers else {})
        | {labels.get(key, key): _sampled_text(sampled) for key, sampled in trial.values.items()}
        | {"Run": _run_address(trial, settings)}
        | ({"Problem": as_sentence(trial.problem)} if has_problems else {})
        for trial in sorted_trials(summary)
    ]
    st.dataframe(
        rows,
        hide_index=True,
        key=f"trials_{summary.name}",
        height=table_height(len(rows), maximum=400),
        placeholder="-",
        alt=f"{len(rows)} trials with their values",
        column_config={
            "Best": st.column_config.TextColumn(width=50, help="★ marks the best trial."),
            "Trial": st.column_config.NumberColumn(width="small"),
            "Value": st.column_config.NumberColumn(
                format="%.1f %%" if is_percentage else "%.4f",
                help=f"Validation {_MONITORS[summary.setup.monitor]}",
            ),
            "Worker": st.column_config.TextColumn(
                help="The machine and the process that run or ran the trial"
            ),
            "Run": st.column_config.LinkColumn(display_text="open"),
        },
    )


def _show_charts(summary: StudySummary, ended_count: int, settings: Settings) -> None:
    """Draw the chart of the open tab; it is computed again only after a further trial has ended.

    Args:
        summary: The search.
        ended_count: The number of its trials that have ended.
        settings: Settings with the location of ``runs/``.
    """
    # Imported here, because the other sections of the page do not need it.
    from fer_core.charts.search import chart_names

    names = chart_names(summary)
    if not names:
        return
    titles = [_TITLES_AND_CAPTIONS[name][0] for name in names]
    tabs = persistent_tabs(titles, key=_CHART, name="chart")
    open_index = next((index for index, tab in enumerate(tabs) if tab.open), 0)
    name = names[open_index]
    with tabs[open_index]:
        key = (summary.name, ended_count)
        figures_key, figures = st.session_state.get(_FIGURES, (None, {}))
        if figures_key != key:
            figures = {}
        try:
            # If there was no data for the chart, it is computed again even though no trial has
            # ended, because a running trial may have data by now.
            if figures.get(name) is None:
                with st.spinner("Drawing the chart…"):
                    figures[name] = _chart(name, summary, settings)
                st.session_state[_FIGURES] = (key, figures)
            _show_chart(summary, name, figures[name])
        except InputError as error:
            show_error(error)


def _chart(name: str, summary: StudySummary, settings: Settings) -> go.Figure | None:
    """Return a chart; None if the trials do not contain its data."""
    from fer_core.charts import search as charts

    if name == "importance":
        importances = study_importances(summary, settings)
        return charts.importance_chart(importances) if importances else None
    if name == "curves":
        curves = study_curves(summary, settings)
        return charts.curves_chart(summary, curves) if curves else None
    draw = {
        "history": charts.history_chart,
        "parallel": charts.parallel_chart,
        "slice": charts.slice_chart,
    }[name]
    return draw(summary)


def _show_chart(summary: StudySummary, name: str, figure: go.Figure | None) -> None:
    title, caption = _TITLES_AND_CAPTIONS[name]
    options: Any = {
        "key": f"{name}_{summary.name}",
        "alt": f"{title} of the search {summary.name}",
    }
    if figure is None:
        st.caption("The trials do not contain the data for this chart yet.")
    elif name == "parallel":
        # ``show_chart`` offers the points of a chart as a table. This chart has none, and the table
        # of trials below contains its data.
        st.plotly_chart(figure, config={"displayModeBar": False}, **options)
        st.caption(caption)
    else:
        file = f"{summary.name}-{title}"
        show_chart(figure, title=title, caption=caption, file=file, **options)
