"""Browsing images: gallery, mean faces, pixel intensities, augmentation."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from fer_core.charts.dataset import difference_map, intensity_lines
from fer_core.dataset.appearance import gray_histogram, mean_faces, stretch_contrast
from fer_core.dataset.face_set import FACE_SIZE
from fer_core.phrases import counted
from fer_core.recipes import RECIPES, TrainingConfig
from fer_core.training.augmentation import augment
from fer_studio.ui.charts import show_chart
from fer_studio.ui.curating import curation_state
from fer_studio.ui.dataset.face_drawer import FaceDrawer, face_texts
from fer_studio.ui.dataset.guard import section
from fer_studio.ui.datasets import LoadedDataset, class_distances, dataset_quality
from fer_studio.ui.gallery import FACE_WIDTH, face_png, show_faces, show_gallery
from fer_studio.ui.persistent_widgets import persistent_segments, persistent_selectbox
from fer_studio.ui.pictures import png_url
from fer_studio.ui.text import plain_text

#: Number of faces on a page of the gallery: a multiple of 24, which fills complete rows.
_PAGE_SIZE = 72
_VIEWS = ("Gallery", "Mean faces", "Pixel intensities", "Augmentation")

#: The key of the container with the filters, for each view with many filters; see app.css.
_FILTER_KEYS = {"Gallery": "gallery_choice", "Augmentation": "preview_choice"}

_SHUFFLED = "at random"
_AS_IMPORTED = "as imported"
#: Orders of the gallery, by title: the measure by which the images are sorted, and True if the
#: image with the largest measure comes first; None if the order does not depend on a measure.
_ORDERS = {
    _SHUFFLED: None,
    _AS_IMPORTED: None,
    "darkest first": ("brightness", False),
    "brightest first": ("brightness", True),
    "least contrast first": ("contrast", False),
    "most contrast first": ("contrast", True),
    "blurriest first": ("sharpness", False),
    "sharpest first": ("sharpness", True),
    "closest to class mean first": ("distance", False),
    "farthest from class mean first": ("distance", True),
}
#: Session key of the number of clicks on "Shuffle". This number is the seed of the random order.
_SHUFFLE_COUNT_KEY = "browse_shuffles"
#: The option for all classes. No class has an empty name.
_ALL = ""
#: Number of augmented variants of the face in the augmentation view.
_VARIANT_COUNT = 12
#: Session key of the two seeds of the augmentation view: one selects the face at random, the other
#: one generates the augmented variants of this face.
_PREVIEW_SEEDS = "browse_preview_seed"


@section
def show_browsing(dataset: LoadedDataset) -> None:
    """Draw the selection of a view with its filters, and the selected view."""
    # app.css finds the containers by their keys. It places the filters of the gallery next to the
    # views if there is space, and those of the augmentation below the views. On a phone, it
    # reserves the height of the gallery's filters.
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="browse_choice"
    ):
        with st.container(width="content", key="browse_views"):
            view = persistent_segments(
                "View", _VIEWS, key="browse_view", name="view", label_visibility="collapsed"
            )
        filters = st.container(
            horizontal=True,
            vertical_alignment="center",
            gap="small",
            key=_FILTER_KEYS.get(view, "browse_filters"),
        )
    if view == "Gallery":
        _show_gallery(dataset, filters)
    elif view == "Mean faces":
        _show_mean_faces(dataset, filters)
    elif view == "Pixel intensities":
        _show_intensities(dataset, filters)
    else:
        _show_augmentation(dataset, filters)


def _choose_images(dataset: LoadedDataset, key: str) -> tuple[NDArray[np.intp], str]:
    """Draw the selections of class and split.

    Returns:
        The rows that match both selections, and the split, which may be "all".
    """
    classes = dataset.faces.classes
    class_name = persistent_selectbox(
        "Class",
        [_ALL, *classes],
        key=f"{key}_emotion",
        name="class",
        format_func=lambda name: name or "all",
        is_in_bar=True,
        width=150,
    )
    split = _choose_split(dataset, key)
    rows = dataset.faces.rows(split)
    if class_name != _ALL:
        rows = rows[dataset.faces.labels[rows] == classes.index(class_name)]
    return rows, split


def _show_gallery(dataset: LoadedDataset, filters: DeltaGenerator) -> None:
    with filters:
        rows, split = _choose_images(dataset, "gallery")
        order = persistent_selectbox(
            "Order",
            list(_ORDERS),
            key="gallery_order",
            name="order",
            is_in_bar=True,
            width=250,
        )
        if order == _SHUFFLED and st.button("Shuffle", icon=":material/shuffle:", key="shuffle"):
            st.session_state[_SHUFFLE_COUNT_KEY] = st.session_state.get(_SHUFFLE_COUNT_KEY, 0) + 1
        st.caption(counted(len(rows), "image"), width="content")
    if not len(rows):
        st.info("There is no image of this class in this split.", icon=":material/search_off:")
        return
    ordered, format_value = _ordered(dataset, rows, order)
    state = curation_state(dataset)
    has_several_splits = split == "all" and len(dataset.faces.present_splits) > 1

    def detail(row: int) -> str:
        value = "" if format_value is None else format_value(row)
        return " · ".join(
            filter(None, (value, dataset.split_of(row) if has_several_splits else ""))
        )

    show_gallery(
        dataset.faces.images,
        ordered,
        face_texts(dataset, state, detail=detail),
        open_face=FaceDrawer(dataset, "gallery").opener,
        # The key changes with the order and the filters, so that the new images start at the first
        # page. The first 64 rows are enough to distinguish two orders. The mask makes the hash
        # positive.
        key=f"gallery_{hash((dataset.key, ordered[:64].tobytes(), len(ordered))) & 0xFFFFFFFF:x}",
        page_size=_PAGE_SIZE,
    )


def _ordered(
    dataset: LoadedDataset, rows: NDArray[np.intp], order: str
) -> tuple[NDArray[np.intp], _Formatter | None]:
    """Sort rows for the gallery.

    Args:
        dataset: The dataset.
        rows: The rows to sort.
        order: A key of ``_ORDERS``.

    Returns:
        The sorted rows, and the formatter of the measure by which they are sorted. If the order has
        no measure, the formatter is None.
    """
    if order == _SHUFFLED:
        generator = np.random.default_rng(st.session_state.get(_SHUFFLE_COUNT_KEY, 0))
        return generator.permutation(rows), None
    sorting = _ORDERS[order]
    if sorting is None:
        return rows, None
    measure, is_largest_first = sorting
    if measure == "distance":
        values = class_distances(dataset)
    else:
        values = getattr(dataset_quality(dataset), measure)
    sorted_indices = np.argsort(-values[rows] if is_largest_first else values[rows], kind="stable")
    return rows[sorted_indices], _Formatter(measure, values)


class _Formatter:
    """Formats the measure by which an image is sorted, such as "brightness 120"."""

    def __init__(self, measure: str, values: NDArray[np.float32]) -> None:
        self._measure = measure
        self._values = values

    def __call__(self, row: int) -> str:
        digits = 2 if self._measure == "distance" else 0
        return f"{self._measure} {self._values[row]:,.{digits}f}"


@st.cache_resource(max_entries=8, show_spinner="Averaging…")
def _means(dataset_key: str, split: str, _dataset: LoadedDataset) -> dict[str, NDArray[np.float64]]:
    rows = _dataset.faces.rows(split)
    return mean_faces(
        _dataset.faces.images[rows], _dataset.faces.labels[rows], _dataset.faces.classes
    )


def _show_mean_faces(dataset: LoadedDataset, filters: DeltaGenerator) -> None:
    with filters:
        split = _choose_split(dataset, "means")
    means = _means(dataset.key, split, dataset)
    st.caption(
        "The mean of all images of a class, with stretched contrast. It shows what these faces "
        "have in common."
    )
    show_faces(
        [stretch_contrast(mean) for mean in means.values()],
        [plain_text(name) for name in means],
        names=list(means),
    )
    if len(means) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = st.selectbox(
            "Difference of",
            list(means),
            index=_index(list(means), "happy"),
            width=180,
            key="difference_first",
        )
        others = [name for name in means if name != first]
        second = st.selectbox(
            "and", others, index=_index(others, "sad"), width=180, key=f"difference_second_{first}"
        )
    picture, explanation = st.columns([3, 2], vertical_alignment="center")
    with picture:
        show_chart(
            difference_map(means[first] - means[second], first, second),
            title=f"Mean {first} face minus mean {second} face",
            key=f"difference_{split}_{first}_{second}",
            alt=f"Mean {first} face minus mean {second} face: red where {first} is brighter, blue "
            f"where {second} is",
        )
    with explanation:
        show_faces(
            [stretch_contrast(means[first]), stretch_contrast(means[second])],
            [plain_text(first), plain_text(second)],
            names=[first, second],
        )
        st.markdown(
            f"Red: the mean {plain_text(first)} face is brighter. Blue: the mean "
            f"{plain_text(second)} face is brighter. "
            "White: both have the same brightness."
        )


def _index(options: list[str], option: str) -> int:
    """Return the position of an option; 0 if it does not exist."""
    return options.index(option) if option in options else 0


def _choose_split(dataset: LoadedDataset, key: str) -> str:
    return persistent_selectbox(
        "Split",
        ["all", *dataset.faces.present_splits],
        key=f"{key}_split",
        name="split",
        is_in_bar=True,
        width=160,
    )


@st.cache_resource(max_entries=8, show_spinner="Counting pixels…")
def _histograms(
    dataset_key: str, split: str, _dataset: LoadedDataset
) -> dict[str, NDArray[np.float64]]:
    rows = _dataset.faces.rows(split)
    labels = _dataset.faces.labels[rows]
    return {
        name: gray_histogram(_dataset.faces.images[rows[labels == index]])
        for index, name in enumerate(_dataset.faces.classes)
        if np.any(labels == index)
    }


def _show_intensities(dataset: LoadedDataset, filters: DeltaGenerator) -> None:
    with filters:
        split = _choose_split(dataset, "gray")
    histograms = _histograms(dataset.key, split, dataset)
    show_chart(
        intensity_lines(histograms, dataset.faces.classes),
        title=f"Histogram of pixel intensities, {split if split != 'all' else 'all splits'}",
        key=f"gray_{split}",
        caption="Click a class in the legend to hide it, double-click to show only that class.",
        alt="Lines: the share of pixels at each intensity, one line per class",
    )


def _show_augmentation(dataset: LoadedDataset, filters: DeltaGenerator) -> None:
    with filters:
        recipe = persistent_selectbox(
            "Recipe",
            list(RECIPES),
            key="preview_recipe",
            name="recipe",
            default="plain-eight-sgd-cosine",
            is_in_bar=True,
            width=320,
        )
        rows, _ = _choose_images(dataset, "preview")
        is_new_face = st.button("Another face", icon=":material/face:", key="preview_face")
        are_new_variants = st.button(
            "Other variants", icon=":material/shuffle:", key="preview_shuffle"
        )
    face_seed, variant_seed = st.session_state.get(_PREVIEW_SEEDS, (0, 0))
    face_seed += int(is_new_face)
    variant_seed += int(are_new_variants)
    st.session_state[_PREVIEW_SEEDS] = (face_seed, variant_seed)
    if not len(rows):
        st.info("There is no image of this class in this split.", icon=":material/search_off:")
        return
    row = int(np.random.default_rng(face_seed).choice(rows))
    config = RECIPES[recipe].config
    augmentations = _augmentations(config)
    st.caption(
        f"Each epoch changes every training image at random. {recipe} augments images by "
        f"{', '.join(augmentations)}."
        if augmentations
        else f"{recipe} uses no augmentation."
    )
    face, previews = st.columns([1, 4])
    with face:
        st.image(
            png_url(face_png(dataset.faces.images[row])),
            width=FACE_WIDTH,
            caption=f"original: {plain_text(dataset.caption(row))}",
            alt=f"{dataset.faces.names[row]}, as imported",
        )
    with previews:
        copies = np.repeat(dataset.faces.images[row : row + 1], _VARIANT_COUNT, axis=0)
        variants = augment(copies, config, np.random.default_rng(variant_seed))
        show_faces(
            np.rint(variants * 255).astype(np.uint8),
            [""] * _VARIANT_COUNT,
            names=[f"Variant {number} with {recipe}" for number in range(1, _VARIANT_COUNT + 1)],
        )


def _augmentations(config: TrainingConfig) -> list[str]:
    """Return a phrase for each augmentation of a recipe; it completes "augments images by …"."""
    descriptions = (
        (config.flip, "mirroring half of them"),
        (config.rotation_degrees, f"rotating by up to {config.rotation_degrees:g}°"),
        (config.shift_share, f"shifting by up to {config.shift_share * FACE_SIZE:.0f} pixels"),
        (config.zoom_share, f"zooming by up to {100 * config.zoom_share:g} %"),
        (
            config.brightness_share,
            f"changing the brightness by up to {100 * config.brightness_share:g} %",
        ),
        (
            config.contrast_share,
            f"changing the contrast by up to {100 * config.contrast_share:g} %",
        ),
        (config.blur_probability, f"blurring {100 * config.blur_probability:g} % of them"),
        (
            config.noise_share,
            f"adding noise with a standard deviation of up to {100 * config.noise_share:g} %",
        ),
        (
            config.erasing_probability,
            f"covering a rectangle in {100 * config.erasing_probability:g} % of them",
        ),
    )
    return [text for strength, text in descriptions if strength]
