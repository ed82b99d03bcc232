"""Learning rate schedules as pure functions of the training's progress."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_core.recipes import TrainingConfig


def learning_rate_at(
    config: TrainingConfig, epochs_done: float, validation_losses: Sequence[float] = ()
) -> float:
    """Return the learning rate for the next step.

    Args:
        config: The learning rate and its schedule.
        epochs_done: Number of epochs trained so far, including the finished fraction of the current
            epoch.
        validation_losses: Validation losses of the finished epochs, for the plateau schedule.
    """
    rate = config.learning_rate
    if config.schedule == "steps":
        for first_epoch, step_rate in config.schedule_steps:
            if epochs_done >= first_epoch:
                rate = step_rate
    elif config.schedule == "cosine":
        # Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
        # with cycles of equal length; the first descent starts at the end of the warm-up.
        cycle_length = config.epochs / config.cosine_cycles
        cycle = min(int(epochs_done / cycle_length), config.cosine_cycles - 1)
        descent_start = config.warmup_epochs if cycle == 0 else cycle * cycle_length
        # A warm-up of a whole cycle leaves no epochs for the descent; 1e-9 avoids a division by 0.
        descent_epochs = max((cycle + 1) * cycle_length - descent_start, 1e-9)
        share = min(max((epochs_done - descent_start) / descent_epochs, 0.0), 1.0)
        span = config.learning_rate - config.final_learning_rate
        rate = config.final_learning_rate + span * (1 + math.cos(math.pi * share)) / 2
    elif config.schedule == "plateau":
        drops = _plateau_drops(validation_losses, config.plateau_patience)
        rate *= config.plateau_factor**drops
    if config.warmup_epochs and epochs_done < config.warmup_epochs:
        # The factor starts at 0.01 instead of 0, so that the first step changes the weights too.
        rate *= max(epochs_done / config.warmup_epochs, 0.01)
    return rate


def _plateau_drops(losses: Sequence[float], patience: int) -> int:
    """Return how often ``patience`` epochs passed without a new minimum loss."""
    best, waited, drops = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
        else:
            waited += 1
            if waited == patience:
                drops, waited = drops + 1, 0
    return drops
