"""Open datasets and results computed from them, shared by all sessions and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.appearance import distance_from_class_mean
from fer_core.dataset.duplicates import DuplicateAudit, audit_duplicates
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.image_quality import ImageQuality, image_quality
from fer_core.dataset.imported import FACES_FILE, RECORD_FILE
from fer_core.dataset.statistics import Overview, overview
from fer_core.dataset.store import (
    DEMO_NAME,
    imported_dataset_folder,
    install_demo_set,
    load_dataset,
)
from fer_core.dataset.votes import Votes
from fer_core.dataset.votes_file import VOTES_FILE, read_votes
from fer_core.errors import InputError, system_reason
from fer_core.settings import Settings
from fer_studio.ui.text import plain_text

#: Maximum number of cached datasets; FER2013 takes about 80 MB of memory.
_MAX_DATASETS = 2


@dataclass(frozen=True)
class LoadedDataset:
    """An open dataset.

    Attributes:
        name: Name of the dataset.
        folder: Folder of the dataset.
        faces: Content of the dataset, shared by all sessions; must not be changed.
        settings: The folders of the app.
    """

    name: str
    folder: Path
    faces: FaceSet
    settings: Settings

    @property
    def key(self) -> str:
        """The fingerprint of the images and labels; identifies the dataset in caches."""
        return self.faces.fingerprint

    def split_of(self, row: int) -> str:
        """Return the split of the face with this row."""
        split: str = SPLITS[self.faces.splits[row]]
        return split

    def caption(self, row: int) -> str:
        """Return the class and split of the face with this row."""
        return f"{self.faces.class_of(row)} · {self.split_of(row)}"

    def title(self, row: int) -> str:
        """Return the name, class and split of the face with this row, as Markdown."""
        return f"{plain_text(self.faces.names[row])} · {plain_text(self.caption(row))}"


def open_dataset(name: str, settings: Settings) -> LoadedDataset:
    """Open an imported dataset or the demo set; it is cached until its files change.

    Raises:
        InputError: The dataset does not exist, or is damaged.
    """
    if name == DEMO_NAME:
        install_demo_set(settings)
    folder = imported_dataset_folder(name, settings)
    faces = _load(name, _content_key(folder), settings)
    return LoadedDataset(name, folder, faces, settings)


def _content_key(folder: Path) -> tuple[int, ...]:
    """Return a cache key that changes with the files of a dataset.

    Raises:
        InputError: A file is missing or not accessible.
    """
    try:
        stats = [(folder / file).stat() for file in (RECORD_FILE, FACES_FILE)]
    except OSError as error:
        raise InputError(
            f"The dataset in {folder} is damaged ({system_reason(error)}: "
            f"{Path(str(error.filename)).name}); delete it and import it again."
        ) from error
    return tuple(
        number for stat in stats for number in (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    )


@st.cache_resource(max_entries=_MAX_DATASETS, show_spinner="Opening the dataset…")
def _load(name: str, content_key: tuple[int, ...], _settings: Settings) -> FaceSet:
    faces = load_dataset(name, _settings)
    _ = faces.fingerprint  # computed now, so that no later click waits for it
    return faces


#: Each rerun creates a new LoadedDataset; caches identify it by its key.
_HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {
    LoadedDataset: lambda dataset: dataset.key
}


@st.cache_resource(max_entries=_MAX_DATASETS, show_spinner=False, hash_funcs=_HASH_FUNCS)
def dataset_overview(dataset: LoadedDataset) -> Overview:
    """Return the counts of a dataset by class and split."""
    return overview(dataset.faces)


@st.cache_resource(
    max_entries=_MAX_DATASETS, show_spinner="Comparing all images…", hash_funcs=_HASH_FUNCS
)
def exact_audit(dataset: LoadedDataset) -> DuplicateAudit:
    """Return exact duplicates, leaks and blank images; the first call takes a second or two."""
    return audit_duplicates(dataset.faces)


@st.cache_resource(
    max_entries=_MAX_DATASETS, show_spinner="Measuring all images…", hash_funcs=_HASH_FUNCS
)
def dataset_quality(dataset: LoadedDataset) -> ImageQuality:
    """Return brightness, contrast and sharpness of every face."""
    return image_quality(dataset.faces.images)


@st.cache_resource(
    max_entries=_MAX_DATASETS, show_spinner="Measuring all images…", hash_funcs=_HASH_FUNCS
)
def class_distances(dataset: LoadedDataset) -> NDArray[np.float32]:
    """Return the distance of each face from its class mean, float32 ``[n]``."""
    return distance_from_class_mean(dataset.faces.images, dataset.faces.labels)


def dataset_votes(dataset: LoadedDataset) -> Votes | None:
    """Return FER+'s votes for the images; None if no votes were added to the dataset.

    Raises:
        InputError: The votes are damaged, or belong to other images.
    """
    try:
        status = (dataset.folder / VOTES_FILE).stat()
    except OSError:
        return None
    return _votes(dataset.key, (status.st_mtime_ns, status.st_size, status.st_ino), dataset)


@st.cache_resource(max_entries=_MAX_DATASETS, show_spinner=False)
def _votes(key: str, content_key: tuple[int, ...], _dataset: LoadedDataset) -> Votes | None:
    return read_votes(_dataset.folder, _dataset.faces)
