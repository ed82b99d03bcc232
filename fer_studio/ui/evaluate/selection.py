"""Selection of model, images, split, curation and true classes, and the start of an evaluation."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from fer_core.bundle import damaged_bundles
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.store import DEMO_NAME
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_studio.ui.access import admission
from fer_studio.ui.address import set_content_pending
from fer_studio.ui.choices import choose_bundle
from fer_studio.ui.curating import curation_state
from fer_studio.ui.datasets import LoadedDataset, open_dataset
from fer_studio.ui.evaluate.annotator_votes import against_votes, vote_counts
from fer_studio.ui.evaluate.dataset_options import curated_dataset, offered_datasets
from fer_studio.ui.evaluate.evaluations import (
    EvaluationRequest,
    LoadedEvaluation,
    stored_evaluation,
)
from fer_studio.ui.jobs import show_progress
from fer_studio.ui.messages import show_error
from fer_studio.ui.persistent_widgets import persist_choice, persistent_selectbox, persistent_toggle
from fer_studio.ui.text import plain_text

#: The option for the predictions that are stored in the model. No dataset can have this name.
_STORED_PREDICTIONS = ".own"
#: Session keys of the selection of images, and of the toggle that applies the curation.
_DATA = "evaluated_data"
_CURATED = "evaluated_curated"
#: The options for what counts as the true class; the address contains them in lower case.
_LABELS, _VOTES = "Labels", "Annotator votes"
_TRUTH_TITLES = {_LABELS: "Against labels", _VOTES: "Against votes"}


def select_evaluation(settings: Settings) -> LoadedEvaluation | None:
    """Draw the selection of model, images, split, curation and true classes.

    Returns:
        The selected evaluation; None if it is not finished. If it is None, the page says what to
        do, or shows the progress or an error.
    """
    # The widgets have no labels, to take less space: each option says what it selects. app.css
    # finds the containers by their keys, and reserves space for elements that are drawn later.
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="evaluate_choice"
    ):
        bundle = choose_bundle(settings, is_in_bar=True, width=300)
        data = _choose_data(settings) if bundle is not None else _STORED_PREDICTIONS
        split_container = st.container(width=250)
        # This container has the width of the selection of the true classes, which is drawn later.
        # Without this width, the selection would add a line to the bar on a phone.
        truth_container = st.container(width=260)
    with st.container(
        horizontal=True,
        vertical_alignment="center",
        gap="small",
        key="evaluate_own_hints" if data == _STORED_PREDICTIONS else "evaluate_dataset_hints",
    ):
        # Stored predictions have no images, so there are no decisions about images to apply.
        curation_container = None if data == _STORED_PREDICTIONS else st.container(width=310)
        with st.container(width=170):
            _explain_selection()
        if admission().may_open("train"):
            st.container(width=290, key="evaluate_import").page_link(
                "pages/train.py",
                label="Evaluate your own model: import it",
                icon=":material/upload:",
                query_params={"view": "models"},
                help="Keras, ONNX, or JSON with weights. The list above then contains the model.",
            )
    _show_damaged_models(settings)
    if bundle is None:
        return None
    try:
        if data == _STORED_PREDICTIONS:
            split_container.selectbox(
                "Split",
                ["validation"],
                disabled=True,
                key="own_split",
                format_func=lambda split: f"Split: {split}",
                label_visibility="collapsed",
            )
            return _choose_truth(stored_evaluation(bundle, settings), truth_container)
        dataset = open_dataset(data, settings)
        assert curation_container is not None  # a dataset is selected
        with curation_container:
            curated = _choose_curation(dataset)
        with split_container:
            split = _choose_split(dataset.faces if curated is None else curated.faces)
        evaluation = _finished_evaluation(
            EvaluationRequest(bundle, dataset, split, settings, curated)
        )
        if evaluation is None:
            # The tabs are not drawn yet, so the address must keep its parameters for them.
            set_content_pending()
            return None
        return _choose_truth(evaluation, truth_container)
    except InputError as error:
        show_error(error)
        return None


def _explain_selection() -> None:
    with st.popover("What to choose", icon=":material/help:", type="tertiary", key="choice_help"):
        st.markdown(
            "**Images.** A model contains its predictions for the validation images of its "
            "training, without the images. Choose a dataset to see the images as well.\n\n"
            "**Split.** Choose models on validation. Evaluate on test once, for the final report: "
            "metrics become too optimistic if you use them to choose a model.\n\n"
            "**Against.** If there are annotator votes, choose what counts as the true class: the "
            "label of the dataset, or the annotators' most frequent answer. Images without a "
            "single most frequent answer are left out. Your data-cleaning decisions change labels, "
            "so they cannot be combined with votes."
        )


def _choose_curation(dataset: LoadedDataset) -> CuratedFaceSet | None:
    """Show the curation toggle; return the curated dataset if it is on, otherwise None."""
    try:
        state = curation_state(dataset)
    except InputError as error:
        # The dataset can be evaluated as imported, without the decisions.
        show_error(error)
        return None
    counts = state.curation.counts()
    has_decisions = bool(counts["drop"] or counts["relabel"])
    if not has_decisions:
        st.session_state[_CURATED] = False
    is_applied = persistent_toggle(
        "Apply my data-cleaning decisions",
        key=_CURATED,
        name="cleaned",
        disabled=not has_decisions,
        help=f"Leaves out dropped images ({counts['drop']:,}) and uses new labels "
        f"({counts['relabel']:,}) in all splits. Metrics on curated images cannot be compared with "
        "metrics on the published data."
        if has_decisions
        else "No image of this dataset has been dropped or relabeled. Make decisions in the tab "
        "Mistakes or on the dataset page.",
    )
    return curated_dataset(dataset, state) if is_applied else None


def _choose_data(settings: Settings) -> str:
    """Draw the selection of the images; return a dataset's name, or ``_STORED_PREDICTIONS``."""
    names = offered_datasets(settings)
    titles = {_STORED_PREDICTIONS: "stored validation predictions"}
    titles |= {name: name for name in names} | {DEMO_NAME: "demo (drawn, not real faces)"}
    return persistent_selectbox(
        "Images",
        [_STORED_PREDICTIONS, *names],
        key=_DATA,
        name="dataset",
        noun="dataset",
        format_func=lambda name: titles[name],
        is_in_bar=True,
        width=330,
    )


def _choose_truth(evaluation: LoadedEvaluation, container: DeltaGenerator) -> LoadedEvaluation:
    """Return an evaluation against labels or votes, as the user selects.

    Args:
        evaluation: The evaluation against the labels. If its images have no votes, there is nothing
            to select, and this evaluation is returned.
        container: The container of the selection.
    """
    try:
        counts = vote_counts(evaluation)
    except InputError as error:
        # The model can be evaluated against the labels without the votes.
        show_error(error)
        return evaluation
    if counts is None:
        return evaluation
    is_curated = evaluation.request is not None and evaluation.request.curated is not None
    learned_votes = evaluation.bundle.record.learned_votes
    # The default depends on the model and the curation, so each combination has its own widget key.
    key = f"evaluated_truth_{evaluation.bundle.name}_{is_curated}"
    persist_choice(
        key,
        # The curation changes labels, so it excludes votes, even if an address requests both.
        [_LABELS] if is_curated else [_LABELS, _VOTES],
        name="truth",
        noun="kind of true classes",
        default=_VOTES if learned_votes and not is_curated else _LABELS,
        write=str.lower,
    )
    truth = container.segmented_control(
        "Compare with",
        [_LABELS, _VOTES],
        required=True,
        disabled=is_curated,
        key=key,
        format_func=_TRUTH_TITLES.__getitem__,
        label_visibility="collapsed",
    )
    if truth == _LABELS:
        return evaluation
    try:
        return against_votes(evaluation, counts)
    except InputError as error:
        show_error(error)
        return evaluation


def _choose_split(faces: FaceSet) -> str:
    counts = {split: len(faces.rows(split)) for split in (*SPLITS, "all")}
    return persistent_selectbox(
        "Split",
        list(counts),
        key="evaluated_split",
        name="split",
        default="validation",
        format_func=lambda split: f"{split} ({counts[split]:,} images)",
        is_in_bar=True,
    )


def _show_damaged_models(settings: Settings) -> None:
    sentences = damaged_bundles(settings)
    if sentences:
        count = "One model" if len(sentences) == 1 else f"{len(sentences)} models"
        with st.expander(f"{count} cannot be used", icon=":material/warning:"):
            for sentence in sentences:
                st.write(plain_text(sentence))


def _finished_evaluation(request: EvaluationRequest) -> LoadedEvaluation | None:
    """Return the evaluation; if it is not finished, show what to do and return None."""
    job = request.unfinished_job()
    if job is not None:
        show_progress(job, stop_key="stop_evaluation")
        return None
    try:
        evaluation = request.finished_evaluation()
    except InputError as error:
        show_error(error)
        if request.has_failed and st.button(
            "Try again", icon=":material/refresh:", key="evaluate_again"
        ):
            request.forget_failure()
            request.start()
            st.rerun()
        return None
    if evaluation is None:
        _offer_evaluation(request)
    return evaluation


def _offer_evaluation(request: EvaluationRequest) -> None:
    count = len(request.faces.rows(request.split))
    name = plain_text(request.bundle.name)
    with st.container(border=True):
        st.markdown(
            f"**{name} has not been evaluated on {_images_title(request, count)} yet.** The "
            "evaluation takes a few seconds per thousand images and runs in the background. The "
            "result is saved, so that it opens at once next time."
        )
        if request.split in ("test", "all"):
            st.markdown(
                ":material/warning: This evaluation includes test images. Evaluate on them once, "
                "after you have chosen the model."
            )
        if st.button(
            f"Evaluate on {count:,} images",
            type="primary",
            icon=":material/play_arrow:",
            key="evaluate",
        ):
            request.start()
            st.rerun()


def _images_title(request: EvaluationRequest, count: int) -> str:
    """Return a short description of the images to evaluate, as Markdown."""
    dataset = plain_text(request.dataset.name)
    if request.curated is not None:
        dataset += " (curated)"
    if request.split == "all":
        return f"all {count:,} images of {dataset}"
    return f"the {count:,} {request.split} images of {dataset}"
