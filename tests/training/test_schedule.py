"""Learning rates computed by hand."""

import math
from typing import Any

import pytest

from fer_core.recipes import TrainingConfig, recipe_by_name
from fer_core.training.schedule import learning_rate_at


def config(**values: Any) -> TrainingConfig:
    return TrainingConfig(**({"learning_rate": 0.1, "epochs": 10} | values))


def test_a_constant_rate_stays() -> None:
    assert [learning_rate_at(config(), done) for done in (0, 3.7, 10)] == [0.1, 0.1, 0.1]


def test_steps_begin_with_their_epoch() -> None:
    steps = config(schedule="steps", schedule_steps=((2, 0.05), (4, 0.01)))
    points = {0: 0.1, 1.99: 0.1, 2: 0.05, 3.5: 0.05, 4: 0.01, 9: 0.01}
    assert {done: learning_rate_at(steps, done) for done in points} == points


def test_recipe_b_takes_its_published_steps() -> None:
    published = recipe_by_name("four-block-cnn-step-schedule").config
    points = {0: 5e-4, 19.99: 5e-4, 20: 2.5e-4, 29.99: 2.5e-4, 30: 5e-5, 49: 5e-5}
    assert {done: learning_rate_at(published, done) for done in points} == points


def test_cosine_falls_from_the_rate_to_the_final_one() -> None:
    cosine = config(schedule="cosine", final_learning_rate=0.02)
    quarter = 0.02 + 0.08 * (1 + math.sqrt(0.5)) / 2
    for done, rate in ((0, 0.1), (2.5, quarter), (5, 0.06), (10, 0.02), (12, 0.02)):
        assert learning_rate_at(cosine, done) == pytest.approx(rate)


def test_warm_up_rises_in_a_line_and_the_descent_begins_behind_it() -> None:
    warmed = config(schedule="cosine", warmup_epochs=2)
    for done, rate in ((0, 0.001), (0.5, 0.025), (1, 0.05), (1.5, 0.075), (2, 0.1), (6, 0.05)):
        assert learning_rate_at(warmed, done) == pytest.approx(rate)


def test_each_cycle_of_a_cosine_starts_from_the_highest_rate_again() -> None:
    # Ten epochs in two cycles; the first gives two of its five to the warm-up.
    cycles = config(schedule="cosine", warmup_epochs=2, cosine_cycles=2)
    for done, rate in ((1, 0.05), (2, 0.1), (3.5, 0.05), (5, 0.1), (7.5, 0.05), (10, 0)):
        assert learning_rate_at(cycles, done) == pytest.approx(rate)


def test_a_first_cycle_is_the_single_cycle_of_its_length() -> None:
    single = config(schedule="cosine", warmup_epochs=2, epochs=5)
    double = config(schedule="cosine", warmup_epochs=2, epochs=10, cosine_cycles=2)
    for done in (0, 1, 2, 3, 4.9):
        assert learning_rate_at(double, done) == pytest.approx(learning_rate_at(single, done))


def test_warm_up_applies_to_every_schedule() -> None:
    assert learning_rate_at(config(warmup_epochs=4), 1) == pytest.approx(0.025)
    steps = config(schedule="steps", schedule_steps=((0, 0.2),), warmup_epochs=4)
    assert learning_rate_at(steps, 2) == pytest.approx(0.1)


def test_a_warm_up_longer_than_the_training_never_ends() -> None:
    warmed = config(schedule="cosine", warmup_epochs=20)
    assert learning_rate_at(warmed, 10) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ([], 0.1),
        ([3, 2, 1], 0.1),
        ([1, 2], 0.1),
        ([1, 2, 2], 0.05),
        ([1, 2, 2, 2], 0.05),
        ([1, 2, 2, 2, 2], 0.025),
        ([1, 2, 0.5, 2], 0.1),  # a new minimum starts the wait again
        ([1, 2, 2, 0.5, 0.6, 0.6], 0.025),
        ([1, 1, 1], 0.05),  # the same loss again is no progress
    ],
)
def test_a_plateau_lowers_the_rate(losses: list[float], rate: float) -> None:
    plateau = config(schedule="plateau", plateau_factor=0.5, plateau_patience=2)
    assert learning_rate_at(plateau, len(losses), losses) == pytest.approx(rate)
