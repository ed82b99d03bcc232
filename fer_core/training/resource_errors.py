"""Check that a run fits on the disk, and explain to the user that the disk or memory was full."""

from __future__ import annotations

import shutil
from pathlib import Path

from fer_core.errors import InputError, first_line, system_reason
from fer_core.files import is_disk_full
from fer_core.recipes import TrainingConfig
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.training.run_folder import RunFolder

_BYTES_PER_WEIGHT = 4  # float32

#: Disk space in bytes for everything except weights: the log, the metrics, the structure of the
#: exported network.
_OTHER_BYTES = 20_000_000

#: If memory runs out, backends raise an error with one of these type names, or a RuntimeError with
#: one of these texts, instead of MemoryError.
_MEMORY_ERROR_TYPES = ("ResourceExhaustedError", "OutOfMemoryError")
_MEMORY_ERROR_TEXTS = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")


def required_disk_bytes(config: TrainingConfig) -> int:
    """Return the maximum disk space that a run needs, in bytes.

    These files need twice their size, because a new file is complete before the old file is
    deleted: the best weights, the checkpoint, and the two networks of the bundle. A checkpoint
    contains the weights, up to two optimizer values per weight, and the averaged weights if the
    configuration averages the weights.
    """
    weight_bytes = ARCHITECTURES[config.architecture].parameters * _BYTES_PER_WEIGHT
    checkpoint_bytes = weight_bytes * (4 if config.averaging_momentum is not None else 3)
    bundle_bytes = 2 * weight_bytes
    return 2 * (weight_bytes + checkpoint_bytes + bundle_bytes) + _OTHER_BYTES


def check_disk_space(config: TrainingConfig, folder: Path) -> None:
    """Check that a run fits on the disk.

    Args:
        config: The configuration of the run.
        folder: The run's folder, or any folder on the same disk; it does not have to exist.

    Raises:
        InputError: The free space is too small.
    """
    existing_folder = folder
    while not existing_folder.exists() and existing_folder != existing_folder.parent:
        existing_folder = existing_folder.parent
    free_bytes = shutil.disk_usage(existing_folder).free
    required_bytes = required_disk_bytes(config)
    if free_bytes < required_bytes:
        raise InputError(
            f"The disk of {folder} has {free_bytes / 1e6:,.0f} MB left and the run needs about "
            f"{required_bytes / 1e6:,.0f} MB; free some space, or delete runs that you no longer "
            "need."
        )


def is_memory_error(error: BaseException) -> bool:
    """Return True if an error of Python or of a backend means that there was not enough memory."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in _MEMORY_ERROR_TYPES
        or (
            isinstance(error, RuntimeError)
            and any(text in str(error) for text in _MEMORY_ERROR_TEXTS)
        )
    )


def is_resource_error(error: BaseException) -> bool:
    """Return True if an error means that the memory or the disk was full."""
    return is_memory_error(error) or is_disk_full(error)


def failure_reason(error: BaseException, run: RunFolder) -> str:
    """Return one sentence for the user: which error ended a run, and what to do."""
    if isinstance(error, InputError):
        return str(error)
    done = len(run.read_epochs())
    progress = f"epoch {done} is saved" if done else "no epoch was finished yet"
    if is_disk_full(error):
        return f"The disk is full; {progress}: free some space and continue the run."
    if is_memory_error(error):
        return (
            f"There was not enough memory; {progress}: close other programs and continue the run, "
            "or start a new one with a smaller batch_size."
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{system_reason(error)}; {progress}."
    return first_line(error)
