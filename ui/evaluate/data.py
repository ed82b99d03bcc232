"""The datasets that a model can be evaluated on, each opened once for all sessions."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import DEMO_NAME, dataset_names, load_dataset, locate_dataset
from fer_core.errors import InputError
from fer_core.settings import Settings

#: FER2013 takes some 80 MB; two may be looked at in turn.
_DATASETS_HELD = 2


def offered_datasets(settings: Settings) -> list[str]:
    """Names of the datasets, imported ones first; the demo set is drawn when it is first used."""
    return [name for name in dataset_names(settings) if name != DEMO_NAME] + [DEMO_NAME]


def is_drawn(settings: Settings) -> bool:
    """Whether the demo set lies on disk already, so that opening it takes no time."""
    return (settings.data_root / DEMO_NAME / "dataset.json").is_file()


def open_faces(name: str, settings: Settings) -> FaceSet:
    """A dataset by its name; it is shared by all sessions and never changed.

    Raises:
        InputError: It is not there, or damaged.
    """
    if name != DEMO_NAME and name not in dataset_names(settings):
        raise InputError(
            f"The dataset {name!r} is no longer there; choose another one, or import it again."
        )
    folder = locate_dataset(name, settings)
    stats = []
    for file in ("dataset.json", "faces.npz"):
        try:
            stat = (folder / file).stat()
        except FileNotFoundError:
            stats.append((file, 0, 0, 0))  # load_dataset says what is missing
        else:
            stats.append((file, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return _open(name, str(folder), tuple(stats), settings)


@st.cache_resource(max_entries=_DATASETS_HELD, show_spinner="Opening the dataset…")
def _open(
    name: str, folder: str, content_key: tuple[tuple[str, int, int, int], ...], _settings: Settings
) -> FaceSet:
    faces = load_dataset(name, _settings)
    _ = faces.fingerprint  # computed once, here, and not on someone's click
    return faces
