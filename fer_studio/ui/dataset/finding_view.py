"""One finding: its explanation, its counts, its faces, and decisions about the faces."""

from __future__ import annotations

import streamlit as st

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.findings import NO_LABEL, Finding
from fer_core.phrases import counted
from fer_studio.ui.curating import (
    CurationState,
    SelectedImages,
    curation_state,
    offer_decisions,
    show_curation_outcome,
)
from fer_studio.ui.dataset.face_drawer import FaceDrawer, face_texts
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.downloads import offer_download
from fer_studio.ui.gallery import choose_faces, choose_grouped_faces, selected_faces
from fer_studio.ui.persistent_widgets import persistent_selectbox, persistent_toggle
from fer_studio.ui.text import plain_text

#: The option for all classes. No class has an empty name.
_ALL = ""


def show_finding(dataset: LoadedDataset, finding: Finding, *, source: str) -> None:
    """Draw a finding, with filters and with buttons that decide about selected images.

    Args:
        dataset: The dataset of the finding.
        finding: The finding to draw.
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
        matching = _matching_images(dataset, finding, state, key)
        offer_download(
            "CSV",
            lambda: matching.to_csv(dataset.faces),
            f"{dataset.name}-{finding.kind}.csv",
            key=f"{key}_csv",
            hint="The images of this finding that match the filters, one line each.",
        )
    st.caption(_count_text(dataset, matching, len(finding)))
    if not len(matching):
        show_curation_outcome()  # offer_decisions, which usually shows it, is not called
        st.info("No image matches the filters.", icon=":material/filter_alt_off:")
        return
    # The key changes with the images, so that the gallery starts at its first page after a filter
    # was changed. The mask makes the hash positive.
    gallery_key = f"{key}_{hash(matching.rows.tobytes()) & 0xFFFFFFFF:x}"
    suggested = {
        int(row): int(label)
        for row, label in zip(matching.rows, matching.suggested, strict=True)
        if label != NO_LABEL
    }
    # Only the finding "mislabelled" has labels that a model suggests. In the findings about votes,
    # annotators suggest them; all other findings suggest no labels.
    is_model_suggestion = finding.kind == "mislabelled"
    drawer = FaceDrawer(
        dataset,
        source,
        reasons={
            int(row): f"{finding.title}: {reason}"
            for row, reason in zip(matching.rows, matching.reasons, strict=True)
        },
        suggested=suggested,
        is_model_suggestion=is_model_suggestion,
    )
    # The buttons are above the faces, so that they stay in view while faces are selected.
    offer_decisions(
        SelectedImages(
            dataset,
            tuple(selected_faces(matching.rows, key=gallery_key)),
            gallery_key=gallery_key,
            reason=finding.title,
            source=source,
            suggested=suggested,
            is_model_suggestion=is_model_suggestion,
        )
    )
    _show_faces(drawer, matching, state, gallery_key)


def _matching_images(
    dataset: LoadedDataset, finding: Finding, state: CurationState, key: str
) -> Finding:
    """Draw the filters; return a finding that contains only the images that match them."""
    counts = finding.counts(dataset.faces)
    present = [split for split in SPLITS if counts[split]]
    split = "all"
    if len(present) > 1:
        split = persistent_selectbox(
            "Split",
            ["all", *present],
            key=f"{key}_split",
            name="split",
            is_in_bar=True,
            width=170,
        )
    label = persistent_selectbox(
        "Labeled",
        [_ALL, *dataset.faces.classes],
        key=f"{key}_emotion",
        name="class",
        noun="class",
        format_func=lambda name: name or "all",
        is_in_bar=True,
        width=180,
    )
    hides_decided = persistent_toggle(
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
    if hides_decided and state.match.by_row:
        finding = finding.without(state.match.by_row)
    return finding


def _count_text(dataset: LoadedDataset, matching: Finding, total: int) -> str:
    """Return how many groups and images match the filters, and how many images in each split.

    Args:
        dataset: The dataset of the finding.
        matching: The finding with the images that match the filters.
        total: The number of images of the finding without filters.
    """
    counts = matching.counts(dataset.faces)
    splits = ", ".join(f"{counts[split]:,} in {split}" for split in SPLITS if counts[split])
    text = counted(len(matching), "image")
    if matching.groups:
        text = f"{counted(len(matching.groups), 'group')}, {text}"
    if splits:
        text += f": {splits}"
    if len(matching) != total:
        text += f" (of {total:,} found)"
    return f"{text}. Sorted by {matching.score_name}." if matching.score_name else f"{text}."


def _show_faces(drawer: FaceDrawer, finding: Finding, state: CurationState, key: str) -> None:
    dataset = drawer.dataset
    faces = dataset.faces

    def caption(row: int) -> str:
        text = faces.class_of(row)
        if row in drawer.suggested:
            text += f" → {faces.classes[drawer.suggested[row]]}?"
        return text

    texts = face_texts(
        dataset,
        state,
        caption=caption,
        detail=lambda row: dataset.split_of(row) if finding.is_grouped else "",
        note=lambda row: f". {drawer.reasons[row]}",
    )
    if finding.is_grouped:
        choose_grouped_faces(faces.images, finding.groups, texts, key=key, open_face=drawer.opener)
    else:
        choose_faces(faces.images, finding.rows, texts, key=key, open_face=drawer.opener)
