"""The audit of a dataset: duplicates, leaks, blank images, doubtful labels, a map of the faces."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.dataset.findings import Finding, blank_finding, exact_findings
from fer_core.dataset.quick_fixes import QUICK_FIXES
from fer_core.errors import InputError
from fer_core.phrases import counted
from fer_studio.ui.curating import offer_quick_fix, show_curation_outcome
from fer_studio.ui.dataset.embedding_view import show_embedding
from fer_studio.ui.dataset.finding_view import show_finding
from fer_studio.ui.dataset.guard import section
from fer_studio.ui.dataset.model_findings import MODEL_FINDINGS, show_model_finding
from fer_studio.ui.dataset.near import NearResult, near_result
from fer_studio.ui.datasets import LoadedDataset, dataset_quality, exact_audit
from fer_studio.ui.gallery import face_png
from fer_studio.ui.messages import show_error
from fer_studio.ui.persistent_widgets import persist_choice
from fer_studio.ui.pictures import png_url

#: Session key of the selected view: the kind of a finding, ``_ALL`` or ``_MAP``.
_VIEW_KEY = "audit_finding"
#: The view with a card for each finding.
_ALL = "all"
#: The view with the map of the faces.
_MAP = "map"

#: Titles of the findings about near-duplicates, by kind. The cards have these titles until the
#: search for near-duplicates has ended.
_NEAR_TITLES = {
    "near_duplicates": "Near-duplicates",
    "near_conflicts": "Near-duplicates with conflicting labels",
    "near_leaks": "Near-leaks: near-duplicates across splits",
}
#: Explanations on the cards of findings that are not available yet, because a search is running or
#: because the findings need a model. The card of an available finding shows the first sentence of
#: the finding's own explanation.
_EXPLANATIONS = {
    **dict.fromkeys(_NEAR_TITLES, "Images that show the same photo, although their pixels differ."),
    "mislabelled": "Images whose label a model finds improbable, the most doubtful first.",
    "non_faces": "Images on which a model finds no face.",
    _MAP: "All faces as points, close to each other if a model finds them similar.",
}
_ICONS = {"mislabelled": "label_off", "non_faces": "no_photography", _MAP: "scatter_plot"}
#: The picture on the card of a finding is chosen among this number of its first images.
_EXAMPLE_CANDIDATES = 100
_THUMBNAIL_WIDTH = 64
_SEARCH_FAILED = "search failed"


@section
def show_audit(dataset: LoadedDataset) -> None:
    """Draw the selected finding; if none is selected, the cards of all findings."""
    near, near_status = None, "searching…"
    # The progress bar has its own container, so that the elements below keep their position when
    # the bar disappears. If they moved, the browser would replace them, and lose the focus or a
    # click.
    with st.container():
        try:
            near = near_result(dataset)
        except InputError as error:
            show_error(error)
            near_status = _SEARCH_FAILED
    ready = _ready_findings(dataset.key, dataset) | (near.findings if near else {})
    titles = _titles(ready)
    persist_choice(
        _VIEW_KEY,
        [_ALL, *titles],
        name="finding",
        noun="finding",
        describe=lambda kind: {_ALL: "all findings", **titles}[kind],
    )
    kind = st.session_state[_VIEW_KEY]
    if kind == _ALL:
        _show_cards(dataset, titles, ready, near_status)
        return
    _show_switch(titles)
    if kind == _MAP:
        show_embedding(dataset)
    elif kind in MODEL_FINDINGS:
        show_model_finding(dataset, kind)
    elif kind in ready:
        _show_quick_fixes(dataset, kind, near)
        show_finding(dataset, ready[kind], source=kind)
    else:
        has_failed = near_status == _SEARCH_FAILED
        show = st.warning if has_failed else st.info
        icon = ":material/error:" if has_failed else ":material/hourglass:"
        show(f"Near-duplicates: {near_status}", icon=icon)


def _show_switch(titles: dict[str, str]) -> None:
    """Draw the button back to the cards, and the select box that opens a different finding."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "All findings",
            icon=":material/arrow_back:",
            key="all_findings",
            on_click=_open_view,
            args=(_ALL,),
        )
        st.selectbox(
            "Finding",
            list(titles),
            key=_VIEW_KEY,
            format_func=titles.__getitem__,
            width=480,
            label_visibility="collapsed",
        )


def _show_cards(
    dataset: LoadedDataset, titles: dict[str, str], ready: dict[str, Finding], near_status: str
) -> None:
    """Draw a card for each finding.

    Args:
        dataset: The dataset that is audited.
        titles: The title of each finding, by kind.
        ready: The findings that are available, by kind.
        near_status: The status of the search for near-duplicates; drawn while it has no result.
    """
    st.caption(
        "Duplicates and blank images are found from the pixels alone. The last three cards use a "
        "model, which runs when you press a button."
    )
    grid = st.grid(min_column_width=280, border=True)
    for kind, title in titles.items():
        with grid.cell():
            status = near_status if kind in _NEAR_TITLES else ""
            _show_card(dataset, kind, title, status, ready.get(kind))


def example_row(images: NDArray[np.uint8], rows: NDArray[np.intp]) -> int:
    """Return the row of the image with the most contrast among the first images of a finding.

    The largest group of duplicates often consists of blank images, which show nothing on a card.

    Args:
        images: uint8 ``[n, 48, 48]``.
        rows: The rows of the finding, at least one.
    """
    first = rows[:_EXAMPLE_CANDIDATES]
    return int(first[images[first].std(axis=(1, 2)).argmax()])


def _show_card(
    dataset: LoadedDataset, kind: str, title: str, status: str, finding: Finding | None
) -> None:
    """Draw a card: an image of the finding, its title, its counts, an explanation, and a button.

    Args:
        dataset: The dataset that is audited.
        kind: The kind of the finding, or ``_MAP``.
        title: The title; used if ``finding`` is None.
        status: The text instead of the counts if ``finding`` is None; empty for no text.
        finding: The finding; None if it is not available yet.
    """
    if finding is not None:
        title, status = finding.title, _count_text(finding)
    # With this key, app.css stretches the container to the height of the card, so that the buttons
    # of all cards in a row are at the bottom.
    with st.container(key=f"finding_card_{kind}", vertical_alignment="distribute"):
        with st.container():
            _show_description(dataset, kind, title, status, finding)
        st.button(
            "Show",
            icon=":material/arrow_forward:",
            icon_position="right",
            key=f"show_{kind}",
            help=f"Show {title}",
            disabled=finding is not None and not len(finding),
            on_click=_open_view,
            args=(kind,),
        )


def _show_description(
    dataset: LoadedDataset, kind: str, title: str, status: str, finding: Finding | None
) -> None:
    """Draw the content of a card above its button."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if finding is not None and len(finding):
            row = example_row(dataset.faces.images, finding.rows)
            st.image(
                png_url(face_png(dataset.faces.images[row])),
                width=_THUMBNAIL_WIDTH,
                alt=f"{dataset.faces.names[row]}, {dataset.caption(row)}",
            )
        with st.container(width="stretch", gap="xxsmall"):
            icon = f":material/{_ICONS[kind]}: " if kind in _ICONS else ""
            st.markdown(f"{icon}**{title}**")
            if status:
                st.markdown(status)
    st.caption(_EXPLANATIONS[kind] if finding is None else _first_sentence(finding.explanation))


def _open_view(kind: str) -> None:
    """Open a finding, the map or the cards; the callback of a button."""
    st.session_state[_VIEW_KEY] = kind


def _first_sentence(text: str) -> str:
    return f"{text.split('. ', maxsplit=1)[0].rstrip('.')}."


@st.cache_resource(max_entries=2, show_spinner="Comparing all images…")
def _ready_findings(dataset_key: str, _dataset: LoadedDataset) -> dict[str, Finding]:
    """Return the findings that need no background job: exact duplicates, leaks, blank images."""
    findings = exact_findings(_dataset.faces, exact_audit(_dataset))
    blanks = blank_finding(_dataset.faces, dataset_quality(_dataset))
    return findings | {blanks.kind: blanks}


def _titles(ready: dict[str, Finding]) -> dict[str, str]:
    """Return the title of every finding, with its counts if they are known."""
    titles = {kind: f"{finding.title}: {_count_text(finding)}" for kind, finding in ready.items()}
    for kind, title in _NEAR_TITLES.items():
        titles.setdefault(kind, title)
    return titles | MODEL_FINDINGS | {_MAP: "Map of the faces"}


def _count_text(finding: Finding) -> str:
    """Return the number of groups and images of a finding."""
    if not len(finding):
        return "none"
    images = counted(len(finding), "image")
    return f"{counted(len(finding.groups), 'group')}, {images}" if finding.is_grouped else images


def _show_quick_fixes(dataset: LoadedDataset, kind: str, near: NearResult | None) -> None:
    fixes = [fix for fix in QUICK_FIXES if fix.source == kind]
    if fixes:
        show_curation_outcome()
    for fix in fixes:
        offer_quick_fix(dataset, fix, near.duplicates if near else None)
