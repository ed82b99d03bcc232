"""Runs that differ only in their seed."""

from pathlib import Path
from typing import Any

import pytest

from fer_core.recipes import TrainingConfig
from fer_core.training.registry import RunSummary
from fer_core.training.run_folder import EpochRecord, StartingModel
from fer_core.training.seed_groups import SeedGroup, Spread, seed_groups, spread, spread_by_epoch


def run(name: str, *, title: str = "", accuracy: float | None = 0.5, **config: Any) -> RunSummary:
    return RunSummary(
        name, Path(name), "finished", "", name=title, recipe="r", data="d",
        config=TrainingConfig(**config), validation_accuracy=accuracy,
    )  # fmt: skip


def epochs(*accuracies: float) -> list[EpochRecord]:
    return [
        EpochRecord(number, 1.0, 0.5, 1.0, value, 0.5, {}, 0.1, 9.0, 1.0)
        for number, value in enumerate(accuracies, start=1)
    ]


def ids(groups: list[SeedGroup]) -> list[list[str]]:
    return [[member.id for member in group.runs] for group in groups]


def test_only_the_seed_may_differ() -> None:
    same = [run("b", seed=2), run("a", seed=1)]
    others = [run("c", seed=3, epochs=7), run("d", seed=1, epochs=7)]
    assert ids(seed_groups([*same, *others])) == [["a", "b"], ["d", "c"]]
    start = StartingModel("m", "plain_eight", ("x", "y"), "digest")
    changed = [
        RunSummary(**{**vars(same[0]), "id": "data", "data": "other"}),
        RunSummary(**{**vars(same[0]), "id": "recipe", "recipe": "other"}),
        RunSummary(**{**vars(same[0]), "id": "start", "start": start}),
        RunSummary(**{**vars(same[0]), "id": "trial", "study": "s", "trial": 1}),
        RunSummary("damaged", Path("damaged"), "damaged", "torn"),
    ]
    assert ids(seed_groups([*same, *changed])) == [
        ["a", "b"], ["data"], ["recipe"], ["start"], ["trial"], ["damaged"],
    ]  # fmt: skip


def test_the_title_is_the_name_that_the_runs_share() -> None:
    def title(*titles: str) -> str:
        return SeedGroup(tuple(run(f"id{n}", title=one) for n, one in enumerate(titles))).title

    assert title("baseline 1", "baseline 2") == "baseline"
    assert title("baseline", "wide") == "r"  # the recipe
    assert title("baseline 1") == "baseline 1"
    assert title("", "") == title("1", "2") == "r"
    assert title("") == "id0"


def test_mean_and_sample_standard_deviation() -> None:
    # Deviations -0.1, 0 and 0.1 from the mean: sqrt(0.02 / 2).
    assert spread([0.4, None, 0.5, 0.6]) == Spread(pytest.approx(0.5), pytest.approx(0.1))
    assert spread([0.4]) == Spread(0.4, None)
    assert spread([None]) is None
    group = SeedGroup((run("a", accuracy=0.4), run("b", accuracy=0.6), run("c", accuracy=None)))
    assert group.accuracy == Spread(pytest.approx(0.5), pytest.approx(0.02**0.5))
    assert group.macro_f1 is None


def test_the_spread_by_epoch_ends_with_the_shortest_run() -> None:
    runs = [epochs(0.2, 0.4, 0.9), epochs(0.4, 0.4), epochs()]
    spreads = spread_by_epoch(runs, lambda record: record.validation_accuracy)
    assert [one.mean for one in spreads] == pytest.approx([0.3, 0.4])
    assert [one.deviation for one in spreads] == pytest.approx([0.02**0.5, 0.0])
    assert spread_by_epoch([[]], lambda record: record.loss) == []
