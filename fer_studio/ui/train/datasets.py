"""The choice of the dataset to train on, and the number of images that a training uses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from fer_core.dataset.curation import Curation
from fer_core.dataset.curation_file import curation_file
from fer_core.dataset.demo.shipped import demo_split_sizes, load_demo_set
from fer_core.dataset.imported import RECORD_FILE, is_imported, stored_classes
from fer_core.dataset.store import DEMO_NAME, dataset_names, load_dataset
from fer_core.dataset.votes_file import VOTES_FILE, read_votes
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings
from fer_core.training.training_data import TrainingSize, training_size
from fer_studio.ui.datasets import open_dataset
from fer_studio.ui.messages import show_error
from fer_studio.ui.persistent_widgets import persistent_selectbox
from fer_studio.ui.text import plain_text

#: Session key of the name of the dataset.
DATASET = "train_data"


@dataclass(frozen=True)
class ChosenDataset:
    """A dataset that can be trained on.

    ``choose_dataset`` counts all training and validation images of the dataset.
    ``show_training_size`` counts only the images that a configuration uses.

    Attributes:
        name: The name of the dataset.
        training_image_count: Number of training images.
        validation_image_count: Number of validation images.
        classes: The names of the classes, in their order.
    """

    name: str
    training_image_count: int
    validation_image_count: int
    classes: tuple[str, ...]


def choose_dataset(settings: Settings) -> ChosenDataset | None:
    """Draw the select box and return the selected dataset.

    If a training cannot use the dataset, show the reason and return None.
    """
    options = _options(settings)
    name = persistent_selectbox(
        "Dataset",
        options,
        key=DATASET,
        name="dataset",
        # The dataset page remembers its selection under the same name, so the two pages share it.
        memory_key="dataset",
        is_always_shown=True,
        format_func=lambda name: "demo (drawn faces)" if name == DEMO_NAME else name,
        help="The train and validation splits are used; test is reserved for the evaluation.",
    )
    if options == [DEMO_NAME]:
        st.caption(
            "No dataset has been imported yet. Import one on the dataset page, or try out "
            "everything with the demo set, whose metrics do not apply to real faces."
        )
    try:
        training, validation = dataset_sizes(name, settings)
        classes = dataset_classes(name, settings)
    except InputError as error:
        show_error(error)
        return None
    if classes != EMOTIONS:
        st.caption(f"{len(classes)} classes: {plain_text(', '.join(classes))}.")
    if not training or not validation:
        st.error(
            f"{plain_text(name)} has {training:,} training and {validation:,} validation images; "
            "a training needs both. Choose another dataset, or import this one again and choose "
            "the shares of the splits.",
            icon=":material/error:",
        )
        return None
    return ChosenDataset(name, training, validation, classes)


def show_training_size(
    dataset: ChosenDataset, config: TrainingConfig | None, settings: Settings
) -> ChosenDataset:
    """Draw the number of images that a configuration trains on.

    Args:
        dataset: The chosen dataset.
        config: The configuration in the form; None if it is not valid.
        settings: Settings with the location of ``data/``.

    Returns:
        The dataset with the numbers of images that the configuration uses. If these are not known,
        the dataset is returned unchanged.
    """
    size = None if config is None else _used_images(dataset.name, config, settings)
    if size is None:
        size = TrainingSize(
            dataset.training_image_count,
            dataset.training_image_count,
            dataset.validation_image_count,
        )
    st.caption(size.text)
    return replace(
        dataset, training_image_count=size.training, validation_image_count=size.validation
    )


def _used_images(name: str, config: TrainingConfig, settings: Settings) -> TrainingSize | None:
    """Return the numbers of images that a configuration uses.

    Returns:
        The numbers; None if a file of the dataset cannot be read. In this case, an attempt to start
        the training shows the reason.
    """
    folder = settings.data_root / name
    # The numbers depend only on these settings and files.
    relevant_settings = (config.exclude_leaks, config.use_curation, config.targets)
    try:
        curation = curation_file(name, settings)
        files = (
            str(folder),
            _file_state(folder / RECORD_FILE),
            None if curation is None else curation.content_key,
            _file_state(folder / VOTES_FILE),
        )
        return _cached_used_images((name, files, relevant_settings), name, config, settings)
    except InputError:
        return None


def _file_state(path: Path) -> tuple[int, int] | None:
    """Return a value that changes if the file is replaced; None if there is no file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino


@st.cache_data(max_entries=64, show_spinner="Counting the images…")
def _cached_used_images(
    key: tuple[object, ...], _name: str, _config: TrainingConfig, _settings: Settings
) -> TrainingSize:
    """Count the images that a configuration uses.

    Args:
        key: What the result depends on. The cache ignores the other arguments, which have an
            underscore.
        _name: The name of the dataset.
        _config: The configuration.
        _settings: Settings with the location of ``data/``.
    """
    folder = _settings.data_root / _name
    if not is_imported(folder):
        # The demo set is not stored yet; its images can be counted without storing it.
        return training_size(load_demo_set(), _config, Curation(), None)
    faces = open_dataset(_name, _settings).faces
    votes = None if _config.targets == "labels" else read_votes(folder, faces)
    curation = curation_file(_name, _settings)
    decisions = Curation() if curation is None else curation.read()
    return training_size(faces, _config, decisions, votes)


def selected_dataset_name(settings: Settings) -> str:
    """Return the name of the selected dataset, for the callback of a button.

    A manipulated client can send any text, for example a path on this server. The select box would
    reject it, but a callback runs before the select box is drawn, so this function has to check it.

    Raises:
        InputError: The value is not one of the options.
    """
    name: str = st.session_state[DATASET]
    if name not in _options(settings):
        raise InputError(f"The dataset {name!r} no longer exists; choose another one.")
    return name


def _options(settings: Settings) -> list[str]:
    """Return the names of the imported datasets, then the name of the demo set."""
    return [*(name for name in dataset_names(settings) if name != DEMO_NAME), DEMO_NAME]


def dataset_sizes(name: str, settings: Settings) -> tuple[int, int]:
    """Return the numbers of training and validation images of a dataset.

    Raises:
        InputError: The dataset is damaged or does not exist.
    """
    record = settings.data_root / name / RECORD_FILE
    if not is_imported(record.parent):
        if name == DEMO_NAME:
            sizes = demo_split_sizes()
            return sizes["train"], sizes["validation"]
        raise InputError(f"The dataset {name!r} no longer exists; choose another one.")
    stat = record.stat()
    return _cached_sizes(name, (str(record), stat.st_mtime_ns, stat.st_ino), settings)


def dataset_classes(name: str, settings: Settings) -> tuple[str, ...]:
    """Return the names of a dataset's classes; if they cannot be read, the seven emotions."""
    return stored_classes(settings.data_root / name)


@st.cache_data(max_entries=32, show_spinner="Counting the images…")
def _cached_sizes(
    name: str, file_key: tuple[str, int, int], _settings: Settings
) -> tuple[int, int]:
    """Count the images for ``dataset_sizes``; the result is cached until ``file_key`` changes."""
    faces = load_dataset(name, _settings)
    return len(faces.rows("train")), len(faces.rows("validation"))
