"""The map of the faces: each face is a point, close to the faces that a model finds similar."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.access import Role
from fer_core.bundle import Bundle
from fer_core.charts.dataset import embedding_map
from fer_core.dataset.face_set import SPLITS
from fer_core.jobs.job import Job, JobKind
from fer_studio.ui.charts import show_chart
from fer_studio.ui.choices import choose_bundle
from fer_studio.ui.curating import SelectedImages, curation_state, offer_decisions
from fer_studio.ui.dataset.face_drawer import FaceDrawer, face_texts
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.gallery import choose_faces, selected_faces, show_gallery
from fer_studio.ui.jobs import LONG_JOB_HINT, job_on_request, result_of
from fer_studio.ui.text import plain_text

EMBEDDING = JobKind("embedding", Role.EDITOR)

#: The user chooses one of these numbers of faces for the map.
_SAMPLE_SIZES = (1000, 2000, 5000)
Method = Literal["tsne", "pca"]
#: Titles of the methods that project the features of the faces to two dimensions.
_METHODS: dict[Method, str] = {
    "tsne": "t-SNE (neighborhoods)",
    "pca": "PCA (fast, global distances)",
}


def show_embedding(dataset: LoadedDataset) -> None:
    """Draw the settings of the map, the button that computes it, the map and the selected faces."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=300):
            bundle = choose_bundle(dataset.settings)
        method = st.selectbox(
            "Projection",
            list(_METHODS),
            format_func=_METHODS.__getitem__,
            key="map_method",
            width=250,
        )
        sample_size = st.selectbox(
            "Faces",
            _SAMPLE_SIZES,
            index=1,
            format_func=lambda count: f"{count:,}",
            key="map_sample",
            width=120,
            help="Size of a random sample that keeps the share of each class.",
        )
        is_pressed = st.button(
            "Draw the map",
            type="primary",
            icon=":material/scatter_plot:",
            key="draw_map",
            disabled=bundle is None,
        )
    if bundle is None:
        return
    key = (dataset.key, bundle.content_key, method, sample_size)
    job = job_on_request(
        EMBEDDING,
        key,
        f"Computing features with {bundle.name}",
        lambda job: _embed(dataset, bundle, method, sample_size, job),
        is_pressed=is_pressed,
        stop_key="stop_map",
    )
    if job is None or not job.is_finished:
        st.caption(LONG_JOB_HINT)
        return
    embedding = result_of(job)
    st.caption(
        f"Model: **{plain_text(bundle.name)}**. {plain_text(embedding.note)} Click a point to see "
        "its face, or select several points with a box or lasso."
    )
    _show_map(dataset, embedding.rows, embedding.coordinates)


def _embed(
    dataset: LoadedDataset, bundle: Bundle, method: Method, sample_size: int, job: Job
) -> Any:
    # Imported here because scikit-learn and ONNX Runtime take a second to load.
    from fer_core.evaluation.embedding import embed
    from fer_core.evaluation.features import bundle_features

    features = bundle_features(bundle, dataset.faces, folder=dataset.folder, report=job.report)
    job.start_phase("Computing the map")
    return embed(dataset.faces, features, method=method, sample_size=sample_size, report=job.report)


def _show_map(dataset: LoadedDataset, rows: NDArray[np.intp], points: NDArray[np.float32]) -> None:
    """Draw the map, the selected faces next to it, and the buttons for decisions below.

    Args:
        dataset: The dataset of the map.
        rows: The row of the image of each point, intp ``[m]``.
        points: float32 ``[m, 2]``.
    """
    faces = dataset.faces
    chart, side = st.columns([3, 2])
    with chart:
        event = show_chart(
            embedding_map(
                points,
                faces.labels[rows],
                [f"{faces.names[row]}<br>{SPLITS[faces.splits[row]]}" for row in rows],
                rows,
                faces.classes,
            ),
            title=f"Map of {len(rows):,} faces",
            caption="Faces that the model finds similar are close to each other; the axes have no "
            "unit.",
            # Each map has its own key. Otherwise, the selection of points in the previous map would
            # apply to the new map. The mask makes the hash positive.
            key=f"map_{len(rows)}_{hash(points.tobytes()) & 0xFFFFFFFF:x}",
            on_select="rerun",
            selection_mode=("points", "box", "lasso"),
            config={"displaylogo": False, "scrollZoom": True, "showSendToCloud": False},
            alt=f"Map of {len(rows):,} faces, colored by class. The findings of the audit are "
            "listed separately.",
        )
    selected = np.array(_selected_rows(event, rows), dtype=np.intp)
    with side:
        texts = face_texts(dataset, curation_state(dataset))
        opener = FaceDrawer(dataset, "map").opener
        if not len(selected):
            st.info("No point is selected. Some of the faces:", icon=":material/touch_app:")
            show_gallery(
                faces.images, rows[:9], texts, key="map_examples", open_face=opener, page_size=9
            )
            return
        gallery_key = f"map_chosen_{hash(selected.tobytes()) & 0xFFFFFFFF:x}"
        if len(selected) == 1:
            st.markdown(dataset.title(int(selected[0])))
        choose_faces(
            faces.images,
            selected,
            texts,
            key=gallery_key,
            open_face=opener,
            page_size=12,
        )
    offer_decisions(
        SelectedImages(
            dataset,
            tuple(selected_faces(selected, key=gallery_key)),
            gallery_key=gallery_key,
            reason="outlier in the map",
            source="map",
        )
    )


def _selected_rows(event: Any, rows: NDArray[np.intp]) -> list[int]:
    """Return the rows of the selected points, each once.

    Args:
        event: What ``show_chart`` returned. The custom data of a point is its row, as a number or
            as a list of one number.
        rows: The rows of all points.
    """
    data = (point.get("customdata") for point in event["selection"]["points"])
    selected = (item[0] if isinstance(item, (list, tuple)) else item for item in data)
    valid_rows = set(rows.tolist())
    return list(dict.fromkeys(int(row) for row in selected if row in valid_rows))
