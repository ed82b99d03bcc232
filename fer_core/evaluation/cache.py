"""Cache of predictions on disk, keyed by content, so that a repeated evaluation is instant."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.files import atomic_write_file, file_sha256, read_arrays
from fer_core.settings import Settings

#: Maximum number of files; the least recently used files are deleted first. A file with
#: the predictions for all images of FER2013 takes 1 MB.
MAX_FILES = 200

#: Version of the file format. Increase it when the format or the meaning of the content changes.
_FORMAT_VERSION = "2"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CachedPrediction:
    """The predictions for the images of a split.

    Attributes:
        labels: Labels of the images, int8 ``[n]``, to check that the file belongs to these images.
        raw_probabilities: float32 ``[n, classes]``, before logit adjustment and temperature
            scaling.
        is_leaked: True for images outside train that have an exact copy or near-duplicate in train,
            bool ``[n]``.
        is_near_duplicate: True for images that have a near-duplicate but no exact copy in train,
            bool ``[n]``.
        is_near_duplicate_of_trained: True for near-duplicates of an image that the model was
            trained on, bool ``[n]``. None in files that an earlier version of this program wrote,
            and if the bundle does not contain the hashes of its training images.
    """

    labels: NDArray[np.int8]
    raw_probabilities: NDArray[np.float32]
    is_leaked: NDArray[np.bool_]
    is_near_duplicate: NDArray[np.bool_]
    is_near_duplicate_of_trained: NDArray[np.bool_] | None = None


def cache_key(bundle: Bundle, data_fingerprint: str, split: str, curation: str | None) -> str:
    """Return the cache key of a bundle's predictions on a split.

    The key is computed from everything that the predictions depend on. The calibration is not part
    of the key, because probabilities are stored before logit adjustment and temperature scaling.
    """
    record = bundle.record
    parts = (
        _FORMAT_VERSION,
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
    # content_key changes when the file changes, so that lru_cache does not return an old digest.
    return file_sha256(network)


def read_cached(
    settings: Settings, key: str, labels: NDArray[np.int8], class_count: int
) -> CachedPrediction | None:
    """Return the cached predictions; None if there is no valid file for these labels."""
    path = _path(settings, key)
    try:
        arrays = read_arrays(path)
        prediction = CachedPrediction(
            arrays["labels"],
            arrays["raw_probabilities"],
            arrays["is_leaked"],
            arrays["is_near_copy"],
            arrays.get("is_near_trained"),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        _log.warning("%s is damaged (%s) and will be recomputed", path, error)
        return None
    count = len(labels)
    flag_arrays = (
        prediction.is_leaked,
        prediction.is_near_duplicate,
        prediction.is_near_duplicate_of_trained,
    )
    is_valid = (
        np.array_equal(prediction.labels, labels)
        and prediction.raw_probabilities.shape == (count, class_count)
        and prediction.raw_probabilities.dtype == np.float32
        and np.isfinite(prediction.raw_probabilities).all()
        and all(
            flags.shape == (count,) and flags.dtype == np.bool_
            for flags in flag_arrays
            if flags is not None
        )
    )
    if not is_valid:
        _log.warning("%s does not match its images and will be recomputed", path)
        return None
    # Mark the file as recently used. In a read-only cache, this fails without consequences.
    with contextlib.suppress(OSError):
        path.touch()
    return prediction


def write_cached(settings: Settings, key: str, prediction: CachedPrediction) -> None:
    """Write predictions to the cache; log and ignore errors (no space, no permission)."""
    path = _path(settings, key)
    arrays: dict[str, Any] = {
        "labels": prediction.labels,
        "raw_probabilities": prediction.raw_probabilities,
        "is_leaked": prediction.is_leaked,
        # The name in the file is older than the name of the attribute. Old files remain valid.
        "is_near_copy": prediction.is_near_duplicate,
    }
    if prediction.is_near_duplicate_of_trained is not None:
        arrays["is_near_trained"] = prediction.is_near_duplicate_of_trained
    try:
        with atomic_write_file(path) as temporary:
            np.savez(temporary, **arrays)
        _delete_least_recently_used(path.parent)
    except OSError as error:
        _log.warning("the evaluation cannot be cached in %s (%s)", path.parent, error)


def _path(settings: Settings, key: str) -> Path:
    return settings.cache_root / "evaluations" / f"{key}.npz"


def _delete_least_recently_used(folder: Path) -> None:
    files = sorted(folder.glob("[!.]*.npz"), key=_last_use, reverse=True)
    for path in files[MAX_FILES:]:
        path.unlink(missing_ok=True)


def _last_use(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # deleted by another process
        return 0
