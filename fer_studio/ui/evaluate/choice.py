"""Which model, which data, which split: and the evaluation, made anew or found again."""

from __future__ import annotations

import streamlit as st

from fer_core.bundle import damaged_bundles, list_bundles
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import DEMO_NAME
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.choices import choose_bundle
from fer_studio.ui.curating import curation_state
from fer_studio.ui.datasets import OpenDataset, open_dataset
from fer_studio.ui.evaluate.data import curated_dataset, offered_datasets
from fer_studio.ui.evaluate.subject import Evaluation, Subject, own_subject
from fer_studio.ui.jobs import show_progress
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

#: No dataset can have this name.
_OWN = ".own"
_DATA = "evaluated_data"
_CURATED = "evaluated_curated"
_MODEL = "model"
_HEEDED = "evaluate_address_heeded"


def choose_subject(settings: Settings) -> Subject | None:
    """Draw the choices; None, with what to do on the page, as long as there are no figures."""
    _take_model_from_address(settings)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=330):
            bundle = choose_bundle(settings)
        data = _choose_data(settings) if bundle is not None else _OWN
        split_place = st.container(width=220)
        curation_place = st.container(width="content")
    _show_damaged(settings)
    if bundle is None:
        return None
    _keep_model_in_address(bundle.name)
    try:
        if data == _OWN:
            split_place.selectbox(
                "Split",
                ["validation"],
                disabled=True,
                key="own_split",
                help="A model's folder holds predictions for its validation images only.",
            )
            return own_subject(bundle, settings)
        dataset = open_dataset(data, settings)
        with curation_place:
            curated = _choose_curation(dataset)
        with split_place:
            split = _choose_split(dataset.faces if curated is None else curated.faces)
        return _evaluated(Evaluation(bundle, dataset, split, settings, curated))
    except InputError as error:
        show_error(error)
        return None


def _take_model_from_address(settings: Settings) -> None:
    """Begin with the model that a link names; a choice made here afterwards counts more."""
    named = st.query_params.get(_MODEL)
    # Streamlit has forgotten the choices of this page when one comes from another.
    has_chosen = _DATA in st.session_state
    if named is None or (has_chosen and named == st.session_state.get(_HEEDED)):
        return
    st.session_state[_HEEDED] = named
    if any(bundle.name == named for bundle in list_bundles(settings)):
        st.session_state[_MODEL] = named
    else:
        st.warning(
            f"There is no model {plain_text(named)} that can be used; choose another one.",
            icon=":material/link_off:",
        )


def _keep_model_in_address(name: str) -> None:
    """Where the address names a model, it names that which is shown: a reload leads back to it."""
    if _MODEL in st.query_params and st.query_params[_MODEL] != name:
        st.query_params[_MODEL] = name
        st.session_state[_HEEDED] = name


def _choose_curation(dataset: OpenDataset) -> CuratedFaceSet | None:
    """Whether the decisions about single images count; what they leave if they do."""
    try:
        state = curation_state(dataset)
    except InputError as error:
        # The figures on the data as imported need no curation.
        show_error(error)
        return None
    counts = state.curation.counts()
    has_decisions = bool(counts["drop"] or counts["relabel"])
    if not has_decisions:
        st.session_state[_CURATED] = False
    is_heeded = st.toggle(
        "Heed the curation",
        key=_CURATED,
        disabled=not has_decisions,
        help=f"Leaves out what was dropped ({counts['drop']:,}) and takes the new labels "
        f"({counts['relabel']:,}), in every split. Figures on curated images cannot be compared "
        "with those on the data as published; without this they can."
        if has_decisions
        else "No image of this dataset was dropped or relabelled. Decide on images here, under "
        "Mistakes, or on the dataset page.",
    )
    return curated_dataset(dataset, state) if is_heeded else None


def _choose_data(settings: Settings) -> str:
    names = offered_datasets(settings)
    gone = st.session_state.get(_DATA, _OWN)
    if gone not in (_OWN, *names):
        del st.session_state[_DATA]
        st.warning(
            f"The dataset {plain_text(gone)} is no longer there; the model's own predictions are "
            "shown.",
            icon=":material/folder_off:",
        )
    titles = {_OWN: "the model's own validation predictions"}
    titles |= {name: name for name in names} | {DEMO_NAME: "demo (drawn, not real faces)"}
    data: str = st.selectbox(
        "Images",
        [_OWN, *names],
        format_func=lambda name: titles[name],
        key=_DATA,
        width=330,
        help="A model brings its predictions for the validation images of its training, without "
        "the pictures. With a dataset you also see the faces behind the figures.",
    )
    return data


def _choose_split(faces: FaceSet) -> str:
    counts = {split: len(faces.rows(split)) for split in (*SPLITS, "all")}
    split: str = st.selectbox(
        "Split",
        list(counts),
        index=SPLITS.index("validation"),
        format_func=lambda split: f"{split} ({counts[split]:,} images)",
        key="evaluated_split",
        help="Models are chosen on validation. Read test once, for the report: every choice made "
        "by looking at it makes its figures too good.",
    )
    return split


def _show_damaged(settings: Settings) -> None:
    sentences = damaged_bundles(settings)
    if sentences:
        count = "One model" if len(sentences) == 1 else f"{len(sentences)} models"
        with st.expander(f"{count} cannot be used", icon=":material/warning:"):
            for sentence in sentences:
                st.write(plain_text(sentence))


def _evaluated(evaluation: Evaluation) -> Subject | None:
    """The evaluation if it has been made; otherwise the way to it, or its progress."""
    running = evaluation.running()
    if running is not None:
        show_progress(running, stop_key="stop_evaluation")
        return None
    try:
        subject = evaluation.finished()
    except InputError as error:
        show_error(error)
        if evaluation.has_failed and st.button(
            "Try again", icon=":material/refresh:", key="evaluate_again"
        ):
            evaluation.forget_failure()
            evaluation.start()
            st.rerun()
        return None
    if subject is None:
        _offer(evaluation)
    return subject


def _offer(evaluation: Evaluation) -> None:
    count = len(evaluation.faces.rows(evaluation.split))
    name = plain_text(evaluation.bundle.name)
    with st.container(border=True):
        st.markdown(
            f"**{name} has not read {_images_in_words(evaluation, count)} yet.** It takes some "
            "seconds per thousand images, in the background; what it says is kept, and the next "
            "look is instant."
        )
        if evaluation.split in ("test", "all"):
            st.markdown(
                ":material/warning: Test images are among them: read them once, when the model is "
                "chosen."
            )
        if st.button(
            f"Evaluate on {count:,} images",
            type="primary",
            icon=":material/play_arrow:",
            key="evaluate",
        ):
            evaluation.start()
            st.rerun()


def _images_in_words(evaluation: Evaluation, count: int) -> str:
    dataset = plain_text(evaluation.dataset.name)
    if evaluation.curated is not None:
        dataset += ", as curated"
    if evaluation.split == "all":
        return f"all {count:,} images of {dataset}"
    return f"the {count:,} {evaluation.split} images of {dataset}"
