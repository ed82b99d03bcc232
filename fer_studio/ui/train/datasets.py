"""Choose the dataset to train on."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_core.dataset.demo.shipped import demo_split_sizes
from fer_core.dataset.imported import is_imported, stored_classes
from fer_core.dataset.store import DEMO_NAME, dataset_names, load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.kept import kept_selectbox
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

DATASET = "train_data"


@dataclass(frozen=True)
class ChosenDataset:
    """A dataset that can be trained on.

    Attributes:
        name: Its name.
        training_images: Number of training images.
        validation_images: Number of validation images.
        classes: The names of its classes.
    """

    name: str
    training_images: int
    validation_images: int
    classes: tuple[str, ...]


def choose_dataset(settings: Settings) -> ChosenDataset | None:
    """Draw the select box; return None and show the reason if the dataset cannot be used."""
    options = _offered(settings)
    imported = [name for name in options if name != DEMO_NAME]
    name = kept_selectbox(
        "Dataset",
        options,
        key=DATASET,
        name="dataset",
        # The one that is open on the dataset page.
        memory="dataset",
        is_always_shown=True,
        format_func=lambda name: "demo (drawn faces)" if name == DEMO_NAME else name,
        help="The train and validation splits are used; test is reserved for the evaluation.",
    )
    if not imported:
        st.caption(
            "No dataset has been imported yet. Import one on the dataset page, or try everything "
            "with the demo set; its metrics say nothing about real faces."
        )
    try:
        training, validation = dataset_sizes(name, settings)
        classes = dataset_classes(name, settings)
    except InputError as error:
        show_error(error)
        return None
    st.caption(f"{training:,} training and {validation:,} validation images.")
    if classes != EMOTIONS:
        st.caption(f"{len(classes)} classes: {plain_text(', '.join(classes))}.")
    if not training or not validation:
        st.error(
            f"{plain_text(name)} has {training:,} training and {validation:,} validation images; "
            "a training needs both. Choose another dataset, or import it again with shares.",
            icon=":material/error:",
        )
        return None
    return ChosenDataset(name, training, validation, classes)


def chosen_dataset(settings: Settings) -> str:
    """Return the selected dataset in the callback of a button.

    A callback runs before the select box is drawn, and a manipulated client can send any text as
    its value, for example a path on this server.

    Raises:
        InputError: The value is not one of the options.
    """
    name: str = st.session_state[DATASET]
    if name not in _offered(settings):
        raise InputError(f"The dataset {name!r} no longer exists; choose another one.")
    return name


def _offered(settings: Settings) -> list[str]:
    return [*(name for name in dataset_names(settings) if name != DEMO_NAME), DEMO_NAME]


def dataset_sizes(name: str, settings: Settings) -> tuple[int, int]:
    """Return the numbers of training and validation images of a dataset.

    Raises:
        InputError: It is damaged, or does not exist.
    """
    record = settings.data_root / name / "dataset.json"
    if not is_imported(record.parent):
        if name == DEMO_NAME:
            sizes = demo_split_sizes()
            return sizes["train"], sizes["validation"]
        raise InputError(f"The dataset {name!r} no longer exists; choose another one.")
    about = record.stat()
    return _sizes(name, (str(record), about.st_mtime_ns, about.st_ino), settings)


def dataset_classes(name: str, settings: Settings) -> tuple[str, ...]:
    """Return the names of a dataset's classes."""
    return stored_classes(settings.data_root / name)


@st.cache_data(max_entries=32, show_spinner="Counting the images…")
def _sizes(name: str, stamp: tuple[str, int, int], _settings: Settings) -> tuple[int, int]:
    faces = load_dataset(name, _settings)
    return len(faces.rows("train")), len(faces.rows("validation"))
