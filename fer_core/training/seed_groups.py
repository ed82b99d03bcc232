"""Groups of runs that differ only in their seed: mean and standard deviation of their metrics."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fer_core.training.registry import RunSummary
from fer_core.training.run_folder import EpochRecord


@dataclass(frozen=True)
class Spread:
    """The mean of a metric over the seeds, and how much it varies.

    Attributes:
        mean: The mean.
        deviation: The sample standard deviation (n - 1 in the denominator); None for one value.
    """

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class SeedGroup:
    """Runs with the same recipe, data, starting model and settings, apart from the seed.

    Attributes:
        runs: At least one run, ordered by seed.
    """

    runs: tuple[RunSummary, ...]

    @property
    def title(self) -> str:
        """The title of a single run; for several runs, their common name.

        The names are compared without numbers at the end: "baseline 1" and "baseline 2" have the
        common name "baseline". If there is no common name, the title is the recipe.
        """
        if len(self.runs) == 1:
            return self.runs[0].title
        names = {run.name.rstrip(" 0123456789-_.#") for run in self.runs}
        return (names.pop() if len(names) == 1 else "") or self.runs[0].recipe

    @property
    def accuracy(self) -> Spread | None:
        """Validation accuracy at the best epochs; None if no run has finished an epoch."""
        return spread([run.validation_accuracy for run in self.runs])

    @property
    def macro_f1(self) -> Spread | None:
        """Macro F1 on validation at the best epochs; None if no run has finished an epoch."""
        return spread([run.macro_f1 for run in self.runs])


def spread(values: Sequence[float | None]) -> Spread | None:
    """Return mean and standard deviation of the known values; None if there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None)


def seed_groups(runs: Sequence[RunSummary]) -> list[SeedGroup]:
    """Group runs that differ only in their seed, in the order of their first runs.

    A run whose configuration cannot be read and a trial of a search are never grouped: each is the
    only run of its group.
    """
    groups: dict[str, list[RunSummary]] = {}
    for run in runs:
        groups.setdefault(_group_key(run), []).append(run)
    return [
        SeedGroup(tuple(sorted(members, key=lambda run: (run.seed or 0, run.id))))
        for members in groups.values()
    ]


def _group_key(run: RunSummary) -> str:
    if run.config is None or run.study is not None:
        return run.id
    start = None if run.start is None else (run.start.digest, run.start.freeze)
    config = replace(run.config, seed=0).to_json()
    return json.dumps([run.recipe, run.data, start, config], sort_keys=True)


def spread_by_epoch(
    runs: Sequence[Sequence[EpochRecord]], metric: Callable[[EpochRecord], float]
) -> list[Spread]:
    """Return the spread of a metric after each epoch that all runs have finished.

    Args:
        runs: The epochs of each run; runs without epochs are ignored.
        metric: Returns the metric of an epoch.
    """
    histories = [epochs for epochs in runs if epochs]
    epoch_count = min(map(len, histories), default=0)
    spreads = (
        spread([metric(epochs[index]) for epochs in histories]) for index in range(epoch_count)
    )
    return [epoch_spread for epoch_spread in spreads if epoch_spread is not None]
