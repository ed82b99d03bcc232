"""Findings that need a model. The search for them starts when the user presses a button."""

from __future__ import annotations

import streamlit as st

from fer_core.access import Role
from fer_core.bundle import Bundle
from fer_core.dataset.findings import Finding
from fer_core.jobs.job import Job, JobKind
from fer_studio.ui.choices import choose_bundle
from fer_studio.ui.dataset.finding_view import show_finding
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.jobs import LONG_JOB_HINT, job_on_request, result_of
from fer_studio.ui.text import plain_text

MODEL_FINDING = JobKind("model finding", Role.EDITOR)

#: The titles of these findings, by kind.
MODEL_FINDINGS = {
    "mislabelled": "Candidates for wrong labels (uses a model)",
    "non_faces": "Images that may not show a face (uses a model)",
}


def show_model_finding(dataset: LoadedDataset, kind: str) -> None:
    """Draw the selection of the model, the button that starts the search, and the finding.

    Args:
        dataset: The dataset to search.
        kind: A key of ``MODEL_FINDINGS``.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=360):
            bundle = choose_bundle(dataset.settings)
        split = ""  # all splits
        if kind == "mislabelled":
            present = dataset.faces.present_splits
            split = st.selectbox(
                "Split",
                present,
                key="mislabelled_split",
                width=160,
                help="The split whose labels are checked.",
            )
        is_pressed = st.button(
            "Find candidates",
            type="primary",
            icon=":material/search:",
            key=f"find_{kind}",
            disabled=bundle is None,
        )
    if bundle is None:
        return
    key = (kind, dataset.key, bundle.content_key, split)
    job = job_on_request(
        MODEL_FINDING,
        key,
        f"Checking {'the ' + split if split else 'all'} images with {bundle.name}",
        lambda job: _find(dataset, bundle, kind, split, job),
        is_pressed=is_pressed,
        stop_key=f"stop_{kind}",
    )
    if job is None or not job.is_finished:
        st.caption(LONG_JOB_HINT)
        return
    finding: Finding = result_of(job)
    st.caption(f"Model: **{plain_text(bundle.name)}**.")
    show_finding(dataset, finding, source=f"{kind}, {bundle.name}")


def _find(dataset: LoadedDataset, bundle: Bundle, kind: str, split: str, job: Job) -> Finding:
    # Imported here because scikit-learn and ONNX Runtime take a second to load.
    from fer_core.evaluation.features import bundle_features
    from fer_core.evaluation.label_candidates import find_label_candidates, find_non_faces
    from fer_core.image_hashes import IMAGE_HASHES_FILE, read_image_hashes

    features = bundle_features(bundle, dataset.faces, folder=dataset.folder, report=job.report)
    job.start_phase("Ranking the images")
    if kind == "mislabelled":
        hashes = read_image_hashes(bundle.folder / IMAGE_HASHES_FILE)
        return find_label_candidates(
            dataset.faces, features, bundle.record, split, hashes=hashes, report=job.report
        )
    from fer_core.vision.face_check import FaceCheck

    return find_non_faces(
        dataset.faces, features, face_probabilities=FaceCheck().probabilities, report=job.report
    )
