"""Time and memory of dataset audits: duplicates, near-duplicates and label candidates."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.measurement import Measurement, median_seconds
from fer_core.bundle import find_bundle
from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.image_quality import image_quality
from fer_core.dataset.near_duplicates import cached_near_duplicates
from fer_core.dataset.store import import_dataset, load_dataset
from fer_core.evaluation.embedding import embed
from fer_core.evaluation.features import bundle_features
from fer_core.evaluation.label_candidates import find_label_candidates
from fer_core.settings import load_settings


def measure(data: Path) -> list[Measurement]:
    """Measure the time of each audit of a dataset, and the peak memory.

    Args:
        data: The dataset as an archive or a folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(load_settings(), data_root=Path(folder))
        name, _ = import_dataset(data, settings)
        dataset_folder = settings.data_root / name
        exact_seconds = median_seconds(
            lambda: audit_duplicates(load_dataset(name, settings)), repeats=3, warm_up=1
        )
        face_set = load_dataset(name, settings)
        near_seconds = _seconds(lambda: cached_near_duplicates(face_set, dataset_folder))
        cached_seconds = _seconds(lambda: cached_near_duplicates(face_set, dataset_folder))
        quality_seconds = _seconds(lambda: image_quality(face_set.images))
        audit_megabytes = _peak_megabytes()
        bundle = find_bundle(None, settings)
        features_seconds = _seconds(
            lambda: bundle_features(bundle, face_set, folder=dataset_folder)
        )
        features = bundle_features(bundle, face_set, folder=dataset_folder)
        candidates_seconds = _seconds(
            lambda: find_label_candidates(face_set, features, bundle.record, "train")
        )
        embedding_seconds = _seconds(lambda: embed(face_set, features))
    assert "tensorflow" not in sys.modules
    count = f"{len(face_set):,} images"
    return [
        Measurement(
            f"exact duplicates of {count}, from disk", f"{exact_seconds:.2f} s", "limit 2 s"
        ),
        Measurement("near-duplicates of all images", f"{near_seconds:.1f} s", "limit 30 s"),
        Measurement("near-duplicates from the cache", f"{cached_seconds:.2f} s", "limit 0.5 s"),
        Measurement("brightness, contrast, sharpness, blanks", f"{quality_seconds:.1f} s"),
        Measurement(
            "peak memory of the audits above", f"{audit_megabytes:.0f} MB", "limit 1,000 MB"
        ),
        Measurement("features of all images", f"{features_seconds:.0f} s"),
        Measurement("label candidates in train", f"{candidates_seconds:.0f} s"),
        Measurement("embedding map of 2,000 faces", f"{embedding_seconds:.0f} s"),
        Measurement(
            "peak memory, no TensorFlow",
            f"{_peak_megabytes():.0f} MB",
            "limit 1,000 MB",
        ),
    ]


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _peak_megabytes() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
