"""A face with the heat map of a model: the regions that support a class."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.bundle import Bundle
from fer_core.dataset.face_set import FACE_SIZE
from fer_core.errors import InputError
from fer_core.evaluation.explanation import Explainer, Explanation, overlay
from fer_studio.ui.face_steps import ENLARGED_WIDTH, enlarged
from fer_studio.ui.messages import show_error
from fer_studio.ui.pictures import png_url

_MAX_EXPLAINERS = 2
_MAX_EXPLANATIONS = 500


def show_explained_face(
    bundle: Bundle,
    face: NDArray[np.uint8],
    *,
    name: str,
    classes: tuple[str, ...],
    predicted: str,
    label: str | None,
    key: str,
) -> None:
    """Draw a face, a heat map, and the selection of the class that the heat map explains.

    Args:
        bundle: The model.
        face: uint8 ``[48, 48]``.
        name: The name of the image.
        classes: The classes of the model, in the order of its output.
        predicted: The class that the model predicts; the initial selection.
        label: The label of the face, not necessarily a class of the model; None if unknown.
        key: Key of the selection.
    """
    images = st.container(horizontal=True, gap="small")
    images.image(png_url(enlarged(face)), width=ENLARGED_WIDTH, alt=f"Input of the network: {name}")
    chosen_class = st.selectbox(
        "Heat map for",
        classes,
        index=classes.index(predicted),
        format_func=lambda class_name: (
            f"{class_name} (predicted)"
            if class_name == predicted
            else f"{class_name} (label)"
            if class_name == label
            else class_name
        ),
        key=key,
        width=ENLARGED_WIDTH,
    )
    try:
        explanation = _explanation(
            bundle.content_key, face.tobytes(), classes.index(chosen_class), bundle
        )
    except InputError as error:
        show_error(error)
        return
    images.image(
        png_url(overlay(face, explanation.heat, size=ENLARGED_WIDTH)),
        width=ENLARGED_WIDTH,
        alt=f"The same face with the heat map for {chosen_class}",
    )
    st.caption(explanation.note)


@st.cache_data(max_entries=_MAX_EXPLANATIONS, show_spinner="Computing the heat map…")
def _explanation(
    content_key: tuple[str, ...], face: bytes, class_index: int, _bundle: Bundle
) -> Explanation:
    crop = np.frombuffer(face, np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    return _explainer(content_key, _bundle).explain(crop, class_index)


@st.cache_resource(max_entries=_MAX_EXPLAINERS, show_spinner=False)
def _explainer(content_key: tuple[str, ...], _bundle: Bundle) -> Explainer:
    return Explainer(_bundle)
