"""Searches: the space, trials as runs, retries."""

import json
import platform
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fer_core.charts.search import chart_names
from fer_core.errors import InputError
from fer_core.recipes import RECIPES, TrainingConfig, recipe_by_name
from fer_core.settings import Settings
from fer_core.training import search, search_worker
from fer_core.training.registry import list_runs
from fer_core.training.run_folder import EpochRecord, RunFolder, RunSetup, RunStatus
from fer_core.training.search import (
    StudySetup,
    create_study,
    launch_search,
    list_studies,
    load_study,
    stop_search,
    study_curves,
    study_importances,
    study_names,
    study_setup,
    study_summary,
)
from fer_core.training.search_space import (
    SearchSpace,
    check_space,
    default_parameter,
    search_space,
    searchable_fields,
)
from fer_core.training.search_worker import run_search

SPACE = [
    {"field": "learning_rate", "low": 1e-4, "high": 1e-2, "log": True},
    {"field": "optimizer", "choices": ["adam", "sgd"]},
    {"field": "momentum", "low": 0.5, "high": 0.99},
    {"field": "batch_size", "low": 4, "high": 8},
]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([], "at least one field"),
        ([{"field": "colour", "choices": [1]}], "'colour' cannot be searched; choose from"),
        ([{"field": "seed", "low": 1, "high": 2}], "'seed' cannot be searched"),
        ([{"field": "epochs", "low": 1}], "needs low and high, with low below high"),
        ([{"field": "epochs", "low": 5, "high": 5}], "needs low and high, with low below high"),
        ([{"field": "epochs", "low": 1.5, "high": 3}], "should be a whole number"),
        (
            [{"field": "learning_rate", "low": 0, "high": 1}],
            "learning_rate should be above 0 and at most 10",
        ),
        (
            [{"field": "zoom_share", "low": 0, "high": 1}],
            "zoom_share should be at least 0 and below 1",
        ),
        ([{"field": "weight_decay", "low": 0, "high": 1, "log": True}], "low above 0 for log"),
        ([{"field": "optimizer", "low": 0, "high": 1}], "optimizer needs choices"),
        ([{"field": "optimizer", "choices": ["lion"]}], "should be one of .*lion"),
        ([{"field": "epochs", "choices": [1, 1]}], "lists a choice twice"),
        ([{"field": "epochs", "choices": ["many"]}], "should be a whole number"),
        ([{"field": "flip", "choices": [True], "low": 1}], "either low and high, or choices"),
        ([SPACE[0], SPACE[0]], "each field may be named once"),
        ([{"field": "epochs", "low": 1, "high": 2, "step": 3}], "step"),
    ],
)
def test_a_space_that_does_not_fit_is_reported_in_one_sentence(
    parameters: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        search_space(parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_field_has_a_default_range_around_a_recipes_value(recipe: str) -> None:
    config = recipe_by_name(recipe).config
    for field in searchable_fields():
        parameter = default_parameter(field, config)
        assert search_space([asdict(parameter)]).parameters == (parameter,)


def test_choices_that_do_not_go_with_the_configuration_are_refused() -> None:
    space = search_space([{"field": "schedule", "choices": ["cosine", "steps"]}])
    with pytest.raises(InputError, match="schedule=steps needs schedule_steps"):
        check_space(space, TrainingConfig())


class FixedTrial:
    """Returns given values and records the requested parameters."""

    def __init__(self, **values: Any) -> None:
        self.values, self.asked = values, list[str]()

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> Any:
        self.asked.append(name)
        return self.values.get(name, low)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> Any:
        return self.suggest_float(name, low, high, log=log)

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        self.asked.append(name)
        return self.values.get(name, choices[0])


def drawn(
    space: SearchSpace, base: TrainingConfig, **values: Any
) -> tuple[TrainingConfig, list[str]]:
    trial = FixedTrial(**values)
    return space.suggest(trial, base), trial.asked  # type: ignore[arg-type]


def test_a_field_is_drawn_where_it_has_an_effect() -> None:
    space = search_space(SPACE)
    base = TrainingConfig(optimizer="sgd", weight_decay=0.01)
    config, asked = drawn(space, base, optimizer="sgd")
    assert asked == ["batch_size", "optimizer", "learning_rate", "momentum"]
    assert (config.weight_decay, config.momentum) == (0.01, 0.5)
    # Adam has neither momentum nor decay: what the base says of them falls away.
    config, asked = drawn(space, base, optimizer="adam")
    assert "momentum" not in asked
    assert (config.optimizer, config.weight_decay, config.momentum) == ("adam", 0.0, 0.9)


def setup(data: str, **changes: Any) -> StudySetup:
    values: dict[str, Any] = {
        "name": "first",
        "recipe": "three-conv-cnn-adam",
        "data": data,
        "config": TrainingConfig(architecture="three_convolutions", epochs=4),
        "space": search_space(SPACE),
        "trials": 6,
    }
    return study_setup(values | changes)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[..., None]:
    """Runs that finish at once; their accuracy grows with the learning rate."""

    def prepare(state: str = "finished", epochs: int = 4) -> None:
        def launched(one: RunSetup, where: Settings, **_: object) -> RunFolder:
            run = RunFolder(where.runs_root / f"trial-{one.trial}")
            run.create(one)
            for epoch in range(1, epochs + 1):
                value = min(one.config.learning_rate * 50 + epoch / 100, 1.0)
                run.append_epoch(
                    EpochRecord(epoch, 1, 0.5, 1 - value, value, value / 2, {}, 0.001, 100, 1)
                )
            run.write_status(RunStatus(state, "its reason"))  # type: ignore[arg-type]
            return run

        monkeypatch.setattr(search_worker, "launch", launched)

    return prepare


def test_a_search_runs_its_trials_and_finds_the_best(
    settings: Settings, tmp_path: Path, stand_in: Callable[..., None]
) -> None:
    stand_in()
    create_study(setup(str(tmp_path)), settings)
    assert study_summary("first", settings).state == "stopped"
    summary = run_search("first", settings)
    assert (summary.state, summary.finished, summary.failed) == ("finished", 6, 0)
    rates = {trial.number: trial.values["learning_rate"] for trial in summary.trials}
    assert summary.best_trial == max(rates, key=lambda number: rates[number])
    assert summary.best_value == pytest.approx(rates[summary.best_trial] * 50 + 0.04)
    assert len(set(rates.values())) == 6
    runs = list_runs(settings)
    assert {(run.study, run.trial) for run in runs} == {("first", number) for number in range(6)}
    assert all(run.config is not None and run.config.monitor == "accuracy" for run in runs)
    assert study_names(settings) == ["first"]
    (listed,), errors = list_studies(settings)
    assert errors == []
    document = json.loads(json.dumps(listed.to_json()))
    assert document["trials"][0]["run_id"] == "trial-0"
    # Nothing is left to do, and nothing is done.
    assert run_search("first", settings).finished == 6
    importances = study_importances(listed, settings)
    assert set(importances) <= {one["field"] for one in SPACE}
    assert sum(importances.values()) == pytest.approx(1)
    assert set(study_curves(listed, settings)) == set(range(6))


def test_a_search_that_ends_while_its_state_is_read_was_not_stopped(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its only worker completes the last trial and ends just before the workers are counted."""
    study_setup_ = setup(str(tmp_path), trials=1)
    create_study(study_setup_, settings)
    study = search.open_study(study_setup_, settings)
    trial = study.ask()

    def no_worker_any_more(*_: object) -> int:
        study.tell(trial, 0.5)
        return 0

    monkeypatch.setattr(search, "count_active_workers", no_worker_any_more)
    summary = study_summary("first", settings)
    assert (summary.state, summary.finished) == ("finished", 1)


def test_failed_trials_are_reported_and_count(
    settings: Settings, tmp_path: Path, stand_in: Callable[..., None]
) -> None:
    stand_in("failed", epochs=0)
    create_study(setup(str(tmp_path), trials=2), settings)
    summary = run_search("first", settings)
    assert (summary.state, summary.failed, summary.best_value) == ("finished", 2, None)
    assert [trial.problem for trial in summary.trials] == ["its reason"] * 2
    assert study_importances(summary, settings) == {}
    assert study_curves(summary, settings) == {}


def test_of_searches_that_start_at_the_same_moment_all_but_one_are_told(
    settings: Settings, tmp_path: Path
) -> None:
    together = threading.Barrier(4)

    def create(_: int) -> str:
        together.wait()
        try:
            create_study(setup(str(tmp_path)), settings)
        except InputError as error:
            return str(error)
        return "created"

    with ThreadPoolExecutor(4) as pool:
        results = sorted(pool.map(create, range(4)))
    assert results[-1] == "created"
    assert all("already a search 'first'" in one for one in results[:-1])
    assert study_names(settings) == ["first"]


def test_studies_that_are_not_valid_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dataset and no path"):
        create_study(setup("nowhere"), settings)
    votes = TrainingConfig(architecture="three_convolutions", targets="votes_majority")
    with pytest.raises(InputError, match="needs annotator votes"):
        create_study(setup(str(tmp_path), config=votes), settings)
    with pytest.raises(InputError, match="cannot be a name"):
        create_study(setup(str(tmp_path), name="../x"), settings)
    with pytest.raises(InputError, match="storage of the search 'first' cannot be used"):
        create_study(setup(str(tmp_path), storage="nothing://here"), settings)
    assert study_names(settings) == []
    create_study(setup(str(tmp_path)), settings)
    with pytest.raises(InputError, match="already a search 'first'"):
        create_study(setup(str(tmp_path)), settings)
    with pytest.raises(InputError, match="no search 'second'; searches: first"):
        study_summary("second", settings)
    with pytest.raises(InputError, match="is not running"):
        stop_search("first", settings)
    with pytest.raises(InputError, match="trials"):
        setup(str(tmp_path), trials=0)


def test_a_damaged_study_does_not_hide_others(settings: Settings, tmp_path: Path) -> None:
    for name in ("first", "second"):
        create_study(setup(str(tmp_path), name=name), settings)
    (settings.runs_root / ".studies" / "first" / "study.json").write_text("[" * 100_000)
    (listed,), (damage,) = list_studies(settings)
    assert listed.name == "second"
    assert "study.json is damaged (it is nested too deeply)" in damage


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_database_is_reported_in_one_sentence(
    settings: Settings, tmp_path: Path, content: bytes
) -> None:
    create_study(setup(str(tmp_path)), settings)
    (settings.runs_root / ".studies" / "first" / "study.db").write_bytes(content)
    for action in (study_summary, load_study, launch_search):
        with pytest.raises(InputError, match=r"'first' cannot be used.*restore study.db"):
            action("first", settings)
    assert list_studies(settings)[0] == []


def damaged_study(settings: Settings, data: str, damage: str) -> None:
    create_study(setup(data, trials=3), settings)
    run_search("first", settings)
    path = settings.runs_root / ".studies" / "first" / "study.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(damage)


def test_damaged_tables_are_reported_in_one_sentence(
    settings: Settings, tmp_path: Path, stand_in: Callable[..., None]
) -> None:
    """It opens, and Optuna raises any exception."""
    stand_in()
    damaged_study(settings, str(tmp_path), "delete from study_directions")
    with pytest.raises(InputError, match="charts of the search 'first' cannot be drawn"):
        study_importances(study_summary("first", settings), settings)


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        ("delete from trial_values", {"curves"}),
        (
            "delete from trial_intermediate_values",
            {"history", "importance", "parallel", "slice", "curves"},
        ),
    ],
)
def test_charts_show_what_is_left_of_a_database(
    settings: Settings,
    tmp_path: Path,
    stand_in: Callable[..., None],
    damage: str,
    left: set[str],
) -> None:
    stand_in()
    damaged_study(settings, str(tmp_path), damage)
    summary = study_summary("first", settings)
    assert set(chart_names(summary)) == left
    assert bool(study_curves(summary, settings)) == ("intermediate" not in damage)


def test_a_trial_that_a_dead_worker_left_behind_is_retried(
    settings: Settings,
    tmp_path: Path,
    stand_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in()
    monkeypatch.setattr(search, "_HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(search, "_GRACE_SECONDS", 1)
    create_study(setup(str(tmp_path), trials=2), settings)
    # A worker that dies as soon as its first run is launched.
    code = (
        "import os, sys\n"
        "from fer_core.settings import Settings\n"
        "from pathlib import Path\n"
        "from fer_core.training import search_worker\n"
        "from fer_core.training.run_folder import RunFolder, RunStatus\n"
        "def launch(one, where, **_):\n"
        "    run = RunFolder(where.runs_root / 'left')\n"
        "    run.create(one)\n"
        "    run.write_status(RunStatus('stopped', 'x'))\n"
        "    return run\n"
        "search_worker.launch = launch\n"
        "search_worker._Worker._follow = lambda *_: os._exit(9)\n"
        "root = Path(sys.argv[1])\n"
        "settings = Settings(root / 'data', root / 'runs', root / 'models')\n"
        "search_worker.run_search('first', settings)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    left = study_summary("first", settings)
    assert (left.running, left.state) == (1, "stopped")

    continued: list[str] = []

    def go_on(run: RunFolder, where: Settings) -> None:
        continued.append(run.path.name)
        run.append_epoch(EpochRecord(1, 1, 0.5, 0.5, 0.75, 0.5, {}, 0.001, 100, 1))
        run.write_status(RunStatus("finished", "done"))

    monkeypatch.setattr(search_worker, "continue_run", go_on)
    summary = run_search("first", settings)
    assert continued == ["left"]
    assert (summary.finished, summary.running) == (2, 0)
    # The failed trial is replaced by its retry, which has the same values.
    assert len(summary.trials) == 2
    retried = next(trial for trial in summary.trials if trial.run_id == "left")
    assert (retried.value, retried.values) == (0.75, left.trials[0].values)


def test_a_trial_whose_worker_died_before_its_first_report_is_retried(
    settings: Settings,
    tmp_path: Path,
    stand_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in()
    monkeypatch.setattr(search, "_HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(search, "_GRACE_SECONDS", 1)
    study_setup_ = setup(str(tmp_path), trials=1)
    create_study(study_setup_, settings)
    search.open_study(study_setup_, settings).ask()
    assert study_summary("first", settings).running == 1
    summary = run_search("first", settings)
    assert (summary.finished, summary.running, len(summary.trials)) == (1, 0, 1)


def test_a_running_trial_of_an_earlier_version_is_retried(
    settings: Settings,
    tmp_path: Path,
    stand_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no heartbeat, but the name of the machine of its worker."""
    stand_in()
    study_setup_ = setup(str(tmp_path), trials=1)
    create_study(study_setup_, settings)
    study = search.open_study(study_setup_, settings)
    trial = study.ask()
    study_setup_.space.suggest(trial, study_setup_.config)
    trial.set_user_attr("worker", {"host": platform.node(), "process_id": 1, "started": 0.0})
    trial.set_user_attr("run", "old")
    run = RunFolder(settings.runs_root / "old")
    run.create(RunSetup("a", "b", study_setup_.config))
    run.append_epoch(EpochRecord(1, 1, 0.5, 0.5, 0.75, 0.5, {}, 0.001, 100, 1))
    run.write_status(RunStatus("finished", "done"))
    summary = run_search("first", settings)
    assert (summary.state, summary.finished, summary.running) == ("finished", 1, 0)
    assert (summary.trials[0].run_id, summary.best_value) == ("old", 0.75)


def test_a_stop_leaves_the_trial_open(
    settings: Settings,
    tmp_path: Path,
    stand_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in("running", epochs=1)
    create_study(setup(str(tmp_path)), settings)

    def running(path: Path, _: Settings) -> SimpleNamespace:
        stop_search("first", settings)
        return SimpleNamespace(state="running", reason="")

    monkeypatch.setattr(search_worker, "run_summary", running)
    summary = run_search("first", settings)  # returns although the trial's run has not ended
    assert (summary.running, summary.failed, summary.state) == (0, 0, "stopped")
    # The trial keeps its values and its run, which the next worker continues.
    (trial,) = summary.trials
    assert (trial.state, trial.run_id) == ("waiting", "trial-0")
    assert {"batch_size", "optimizer", "learning_rate"} <= set(trial.values)
    assert trial.problem == ""
