"""One finding: its explanation, counts and faces, and decisions about them."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.findings import Finding
from fer_core.phrases import counted
from fer_studio.ui.curating import (
    CurationState,
    SelectedImages,
    curation_state,
    offer_decisions,
    show_curation_outcome,
)
from fer_studio.ui.dataset.face_drawer import FaceSource, face_texts
from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.gallery import choose_faces, choose_grouped_faces, chosen_faces
from fer_studio.ui.kept import kept_selectbox, kept_toggle
from fer_studio.ui.text import plain_text

#: Stands for all classes; the name of a class is not empty.
_ALL = ""


def show_finding(dataset: OpenDataset, finding: Finding, *, source: str) -> None:
    """Draw a finding.

    Args:
        dataset: The dataset that it is about.
        finding: The finding.
        source: Recorded as the source of decisions made here.
    """
    st.markdown(finding.explanation)
    for note in finding.notes:
        st.caption(f":material/info: {plain_text(note)}")
    if not len(finding):
        st.success("Nothing found.", icon=":material/check:")
        return
    state = curation_state(dataset)
    key = f"finding_{finding.kind}"
    filters = st.container(horizontal=True, vertical_alignment="center")
    with filters:
        part = _filtered(dataset, finding, state, key)
        offer_download(
            "CSV",
            lambda: part.to_csv(dataset.faces),
            f"{dataset.name}-{finding.kind}.csv",
            key=f"{key}_csv",
            hint="The images of this finding that match the filters, one line each.",
        )
    st.caption(_count_text(dataset, part, len(finding)))
    if not len(part):
        # Otherwise offer_decisions shows the outcome of the previous decision; it is not called if
        # no image is left.
        show_curation_outcome()
        st.info("No image matches the filters.", icon=":material/filter_alt_off:")
        return
    gallery = f"{key}_{len(part)}"
    suggested = {
        int(row): int(label)
        for row, label in zip(part.rows, part.suggested, strict=True)
        if label >= 0
    }
    is_model_suggestion = finding.kind == "mislabelled"
    faces = FaceSource(
        dataset,
        source,
        reason={
            int(row): f"{finding.title}: {reason}"
            for row, reason in zip(part.rows, part.reasons, strict=True)
        },
        suggested=suggested,
        is_model_suggestion=is_model_suggestion,
    )
    # Above the faces, in view while they are selected.
    offer_decisions(
        SelectedImages(
            dataset,
            tuple(chosen_faces(part.rows, key=gallery)),
            gallery=gallery,
            reason=finding.title,
            source=source,
            suggested=suggested,
            is_model_suggestion=is_model_suggestion,
        )
    )
    _show_faces(faces, part, state, gallery)


def _filtered(dataset: OpenDataset, finding: Finding, state: CurationState, key: str) -> Finding:
    counts = finding.counts(dataset.faces)
    present = [split for split in SPLITS if counts[split]]
    split = "all"
    if len(present) > 1:
        split = kept_selectbox(
            "Split",
            ["all", *present],
            key=f"{key}_split",
            name="split",
            is_in_bar=True,
            width=170,
        )
    label = kept_selectbox(
        "Labeled",
        [_ALL, *dataset.faces.classes],
        key=f"{key}_emotion",
        name="class",
        noun="class",
        format_func=lambda name: name or "all",
        is_in_bar=True,
        width=180,
    )
    is_hidden = kept_toggle(
        "Hide decided images",
        key=f"{key}_hide",
        name="undecided",
        default=True,
        help="Hides images that were already dropped, relabeled or kept.",
    )
    if split != "all":
        finding = finding.of_split(dataset.faces, split)
    if label != _ALL:
        finding = finding.of_label(dataset.faces, label)
    if is_hidden and state.match.by_row:
        finding = finding.without(state.match.by_row)
    return finding


def _count_text(dataset: OpenDataset, part: Finding, found: int) -> str:
    """Describe the images that match the filters: groups, images, splits."""
    counts = part.counts(dataset.faces)
    splits = ", ".join(f"{counts[split]:,} in {split}" for split in SPLITS if counts[split])
    images = counted(len(part), "image")
    groups = len(part.groups)
    if groups:
        images = f"{counted(groups, 'group')}, {images}"
    shown = f"{images}: {splits}" if splits else images
    if len(part) != found:
        shown += f" (of {found:,} found)"
    return f"{shown}. Sorted by {part.score_name}." if part.score_name else f"{shown}."


def _show_faces(source: FaceSource, finding: Finding, state: CurationState, key: str) -> None:
    dataset = source.dataset
    faces = dataset.faces

    def caption(row: int) -> str:
        text = faces.class_of(row)
        if row in source.suggested:
            text += f" → {faces.classes[source.suggested[row]]}?"
        return f"{text} · {SPLITS[faces.splits[row]]}" if finding.is_grouped else text

    texts = face_texts(dataset, state, caption=caption, note=lambda row: f". {source.reason[row]}")
    if finding.is_grouped:
        choose_grouped_faces(faces.images, finding.groups, texts, key=key, open_face=source.opener)
    else:
        choose_faces(faces.images, finding.rows, texts, key=key, open_face=source.opener)
