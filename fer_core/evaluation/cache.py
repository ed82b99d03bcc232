"""Predictions on disk, by content: the second look at an evaluation is instant."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.emotions import EMOTIONS
from fer_core.files import read_arrays, replaced_file
from fer_core.settings import Settings

#: Files kept; the longest unread goes first. FER2013 whole takes 1 MB.
MAX_FILES = 200

#: Changes when what is stored changes its form or meaning.
_FORM = "1"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CachedPrediction:
    """What was found out about a split's images.

    Attributes:
        labels: int8 ``[n]``, to recognize the images by.
        raw_probabilities: float32 ``[n, 7]``, before temperature.
        is_leaked: bool ``[n]``: which also stand in train.
    """

    labels: NDArray[np.int8]
    raw_probabilities: NDArray[np.float32]
    is_leaked: NDArray[np.bool_]


def cache_key(bundle: Bundle, data_fingerprint: str, split: str, curation: str | None) -> str:
    """A name for a bundle's predictions on a split, from all that they depend on.

    The temperature is not among it: what is kept is before temperature.
    """
    record = bundle.record
    parts = (
        _FORM,
        _network_digest(bundle.content_key, bundle.served_network),
        list(record.labels),
        list(record.input_shape),
        record.input_scale,
        record.input_offset,
        record.flip_averaging,
        data_fingerprint,
        split,
        curation,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@lru_cache(maxsize=32)
def _network_digest(content_key: tuple[str, ...], network: Path) -> str:
    with network.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_cached(settings: Settings, key: str, labels: NDArray[np.int8]) -> CachedPrediction | None:
    """What is kept under a key; None if there is nothing, or nothing usable, for these labels."""
    path = _path(settings, key)
    try:
        arrays = read_arrays(path)
        found = CachedPrediction(arrays["labels"], arrays["raw_probabilities"], arrays["is_leaked"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        _log.warning("%s is damaged (%s) and is made anew", path, error)
        return None
    count = len(labels)
    is_whole = (
        np.array_equal(found.labels, labels)
        and found.raw_probabilities.shape == (count, len(EMOTIONS))
        and found.raw_probabilities.dtype == np.float32
        and np.isfinite(found.raw_probabilities).all()
        and found.is_leaked.shape == (count,)
        and found.is_leaked.dtype == np.bool_
    )
    if not is_whole:
        _log.warning("%s does not fit its images and is made anew", path)
        return None
    # What is read often is kept; a cache that may only be read is a cache too.
    with contextlib.suppress(OSError):
        path.touch()
    return found


def write_cached(settings: Settings, key: str, prediction: CachedPrediction) -> None:
    """Keep a prediction; where that is impossible (no space, no permission), log it and go on."""
    path = _path(settings, key)
    try:
        with replaced_file(path) as temporary:
            np.savez(
                temporary,
                labels=prediction.labels,
                raw_probabilities=prediction.raw_probabilities,
                is_leaked=prediction.is_leaked,
            )
        _forget_longest_unread(path.parent)
    except OSError as error:
        _log.warning("the evaluation cannot be kept in %s (%s)", path.parent, error)


def _path(settings: Settings, key: str) -> Path:
    return settings.cache_root / "evaluations" / f"{key}.npz"


def _forget_longest_unread(folder: Path) -> None:
    files = sorted(folder.glob("[!.]*.npz"), key=_last_use, reverse=True)
    for path in files[MAX_FILES:]:
        path.unlink(missing_ok=True)


def _last_use(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # another process was quicker
        return 0
