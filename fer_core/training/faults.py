"""What a machine can run out of during a training, and how it is said."""

from __future__ import annotations

import shutil
from pathlib import Path

from fer_core.errors import InputError, first_line
from fer_core.files import is_disk_full
from fer_core.networks import ARCHITECTURES
from fer_core.recipes import TrainingConfig
from fer_core.training.run_folder import RunFolder

_BYTES_PER_WEIGHT = 4

#: Beside the weights: the log, the figures, the exported network's own structure.
_OTHER_BYTES = 20_000_000

#: What backends raise instead of Python's MemoryError: TensorFlow's, PyTorch's, and JAX's in words.
_MEMORY_ERRORS = ("ResourceExhaustedError", "OutOfMemoryError")
_MEMORY_WORDS = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")


def bytes_on_disk(config: TrainingConfig) -> int:
    """The space that a run needs at most, in bytes.

    The best weights and two checkpoints (weights, up to two values of the optimizer's for each, the
    average) while one replaces the other, then the bundle's two networks, written beside an old
    bundle's.
    """
    weights = ARCHITECTURES[config.architecture].parameters * _BYTES_PER_WEIGHT
    checkpoint = weights * (4 if config.averaging_momentum is not None else 3)
    return 2 * weights + 2 * checkpoint + 2 * 2 * weights + _OTHER_BYTES


def check_disk_space(config: TrainingConfig, folder: Path) -> None:
    """Make sure that a run fits on the disk.

    Args:
        config: What is trained.
        folder: The run's folder, or any folder on the same disk; it may not be there yet.

    Raises:
        InputError: It does not fit.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    free, needed = shutil.disk_usage(there).free, bytes_on_disk(config)
    if free < needed:
        raise InputError(
            f"The disk of {folder} has {free / 1e6:,.0f} MB left and the run needs about "
            f"{needed / 1e6:,.0f} MB; free some space, or delete runs that are not needed any more."
        )


def is_memory_error(error: BaseException) -> bool:
    """Whether an error, of Python or of a backend, says that there was not enough memory."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in _MEMORY_ERRORS
        or (isinstance(error, RuntimeError) and any(w in str(error) for w in _MEMORY_WORDS))
    )


def reason_of_failure(error: BaseException, run: RunFolder) -> str:
    """One sentence for people: what ended a run, and what to do."""
    if isinstance(error, InputError):
        return str(error)
    done = len(run.read_epochs())
    kept = f"epoch {done} is safe on disk" if done else "no epoch was finished yet"
    if is_disk_full(error):
        return f"The disk is full; {kept}: free some space and continue the run."
    if is_memory_error(error):
        return (
            f"There was not enough memory; {kept}: close other programs and continue the run, or "
            "start a new one with a smaller batch_size."
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or type(error).__name__}; {kept}."
    return first_line(error)
