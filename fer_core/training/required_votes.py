"""Find the annotator votes that a configuration requires, before the data are loaded."""

from __future__ import annotations

from pathlib import Path

from fer_core.dataset.store import dataset_folder_or_none
from fer_core.dataset.votes_file import VOTES_FILE
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings


def check_votes(config: TrainingConfig, data: str, settings: Settings) -> None:
    """Check that a dataset has votes if a configuration needs them.

    Args:
        config: The configuration of the run.
        data: The dataset's name or path.
        settings: Settings with the location of ``data/``.

    Raises:
        InputError: The dataset has no votes, or does not exist.
    """
    if config.targets != "labels":
        votes_folder(config, data, settings)


def votes_folder(config: TrainingConfig, data: str, settings: Settings) -> Path:
    """Return the folder of a dataset if the dataset has votes.

    See ``check_votes`` for the arguments and the errors.
    """
    folder = dataset_folder_or_none(data, settings)
    if folder is not None and (folder / VOTES_FILE).is_file():
        return folder
    first_step = ""
    name = Path(data).name
    if folder is None:
        # The data are read from a path. A dataset gets its name when it is imported.
        first_step = f"import the dataset with 'dataset import {data}', then "
        name = "NAME"
    raise InputError(
        f"targets={config.targets} needs annotator votes, and {data} has none; {first_step}import "
        f"them on the dataset page or with 'dataset votes {name} --import FILE', or choose "
        "targets=labels."
    )
