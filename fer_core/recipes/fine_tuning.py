"""Prepare fine-tuning, a run that starts from a trained network: settings, stages and head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from fer_core.errors import InputError
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.recipes.config import TrainingConfig

#: Factor for the learning rates of recipes. These rates are meant for random weights, but trained
#: weights need smaller steps.
LEARNING_RATE_FACTOR = 0.1

#: What happens to the last layer: kept, kept with its outputs in another order, or replaced by
#: random weights.
HeadChange = Literal["kept", "reordered", "replaced"]


def fine_tuning_config(config: TrainingConfig, architecture: str) -> TrainingConfig:
    """Return a recipe's configuration for a run that starts from a trained network.

    Args:
        config: The configuration of the recipe.
        architecture: The architecture of the trained network, which the run must use.
    """
    takes_any_size = ARCHITECTURES[architecture].takes_any_size
    return replace(
        config,
        architecture=architecture,
        low_resolution_epochs=config.low_resolution_epochs if takes_any_size else 0,
        learning_rate=_reduced_rate(config.learning_rate),
        final_learning_rate=_reduced_rate(config.final_learning_rate),
        schedule_steps=tuple((epoch, _reduced_rate(rate)) for epoch, rate in config.schedule_steps),
    )


def _reduced_rate(rate: float) -> float:
    # The result is rounded, so that 0.1 * 0.003 is shown as 0.0003.
    return float(f"{rate * LEARNING_RATE_FACTOR:.6g}")


def check_stage(architecture: str, stage: str | None) -> None:
    """Check the stage up to which a network is frozen.

    Args:
        architecture: The architecture of the network.
        stage: The last frozen stage; None if no stage is frozen, which is always valid.

    Raises:
        InputError: The architecture has no such stage; the message lists its stages.
    """
    stages = ARCHITECTURES[architecture].stages
    if stage is not None and stage not in stages:
        raise InputError(
            f"{architecture} has no stage {stage!r} to freeze; choose from {', '.join(stages)}."
        )


def head_change(model_classes: Sequence[str], data_classes: Sequence[str]) -> HeadChange:
    """Return what happens to the last layer of a trained network that is trained on other data.

    Args:
        model_classes: The classes of the network, in the order of its outputs.
        data_classes: The classes of the data.
    """
    if tuple(model_classes) == tuple(data_classes):
        return "kept"
    return "reordered" if sorted(model_classes) == sorted(data_classes) else "replaced"
