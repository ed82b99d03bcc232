"""Time to import a dataset and to load the imported dataset."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.measurement import Measurement, median_seconds
from fer_core.dataset.duplicates import audit_duplicates
from fer_core.dataset.store import import_dataset, load_dataset
from fer_core.settings import load_settings


def measure(data: Path) -> list[Measurement]:
    """Measure the import, the loading and the search for exact duplicates of a dataset.

    Args:
        data: The dataset as an archive or a folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(load_settings(), data_root=Path(folder))
        start = time.perf_counter()
        name, face_set = import_dataset(data, settings)
        import_seconds = time.perf_counter() - start
        loading_seconds = median_seconds(lambda: load_dataset(name, settings), repeats=5, warm_up=1)
        search_seconds = median_seconds(lambda: audit_duplicates(face_set), repeats=3, warm_up=0)
    return [
        Measurement(f"import of {len(face_set):,} images", f"{import_seconds:.1f} s", "limit 20 s"),
        Measurement("loading the imported dataset", f"{loading_seconds:.2f} s", "limit 0.5 s"),
        Measurement("search for exact duplicates", f"{search_seconds:.2f} s", "limit 2 s"),
    ]
