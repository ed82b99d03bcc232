"""Which dataset to train on."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from fer_core.dataset.demo.shipped import demo_split_sizes
from fer_core.dataset.store import DEMO_NAME, dataset_names, load_dataset
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

DATASET = "train_data"


@dataclass(frozen=True)
class ChosenDataset:
    """A dataset that can be trained on.

    Attributes:
        name: What runs call it.
        training_images: How many there are.
        validation_images: How many there are.
    """

    name: str
    training_images: int
    validation_images: int


def choose_dataset(settings: Settings) -> ChosenDataset | None:
    """A list of the imported datasets and the demo set; None, with the reason shown, if unfit."""
    options = _offered(settings)
    imported = [name for name in options if name != DEMO_NAME]
    if st.session_state.get(DATASET) not in options:
        st.session_state[DATASET] = options[0]
    name: str = st.selectbox(
        "Dataset",
        options,
        key=DATASET,
        persist_state="session",
        format_func=lambda name: "demo (drawn faces)" if name == DEMO_NAME else name,
        help="Train and validation splits are used; test is kept for the evaluation.",
    )
    if not imported:
        st.caption(
            "No dataset has been imported yet. Import one on the dataset page. The demo set is "
            "there to try everything; its figures say nothing about real faces."
        )
    try:
        training, validation = dataset_sizes(name, settings)
    except InputError as error:
        show_error(error)
        return None
    st.caption(f"{training:,} training and {validation:,} validation images.")
    if not training or not validation:
        st.error(
            f"{plain_text(name)} has {training:,} training and {validation:,} validation images; "
            "a training needs both. Choose another dataset, or import it again with shares.",
            icon=":material/error:",
        )
        return None
    return ChosenDataset(name, training, validation)


def chosen_dataset(settings: Settings) -> str:
    """The choice as it stands, for a button's callback.

    A callback comes before the list is drawn, and a program in the browser's place can send any
    text as the choice, a path on this server for one.

    Raises:
        InputError: It is none of the list.
    """
    name: str = st.session_state[DATASET]
    if name not in _offered(settings):
        raise InputError(f"There is no dataset {name!r} any more; choose another one.")
    return name


def _offered(settings: Settings) -> list[str]:
    return [*(name for name in dataset_names(settings) if name != DEMO_NAME), DEMO_NAME]


def dataset_sizes(name: str, settings: Settings) -> tuple[int, int]:
    """How many training and validation images a dataset has.

    Raises:
        InputError: It is damaged, or gone.
    """
    record = settings.data_root / name / "dataset.json"
    if not record.is_file():
        if name == DEMO_NAME:
            sizes = demo_split_sizes()
            return sizes["train"], sizes["validation"]
        raise InputError(f"The dataset {name!r} is gone; choose another one.")
    about = record.stat()
    return _sizes(name, (str(record), about.st_mtime_ns, about.st_ino), settings)


@st.cache_data(max_entries=32, show_spinner="Counting the images…")
def _sizes(name: str, stamp: tuple[str, int, int], _settings: Settings) -> tuple[int, int]:
    faces = load_dataset(name, _settings)
    return len(faces.rows("train")), len(faces.rows("validation"))
