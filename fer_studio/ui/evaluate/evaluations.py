"""Evaluations for the page: finished ones, and requests for evaluations that may not exist yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.access import Role
from fer_core.bundle import PREDICTIONS_FILE, Bundle
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import is_demo
from fer_core.errors import InputError
from fer_core.evaluation.annotators import VoteEvaluation
from fer_core.evaluation.evaluate import (
    evaluate_curated,
    evaluate_split,
    evaluate_stored_predictions,
    has_cached_predictions,
)
from fer_core.evaluation.result import EvaluationResult
from fer_core.jobs.job import Job, JobKind
from fer_core.settings import Settings
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.jobs import job_service, start_job
from fer_studio.ui.loaders import open_predictor

EVALUATION = JobKind("evaluation", Role.VIEWER)

#: Maximum number of cached results; each one keeps the metrics that were computed from it.
_MAX_RESULTS = 6


@dataclass(frozen=True, eq=False)
class LoadedEvaluation:
    """A finished evaluation with its images, if it has any.

    Attributes:
        key: A key for caches: a string that changes with everything that the metrics depend on.
        bundle: The model.
        result: The predictions and metrics of the model.
        request: The request that led to this evaluation; None if the predictions are those that the
            bundle stores.
        settings: The folders of the app.
        votes: The comparison with the annotators if annotator votes define the true classes in
            ``result``; None if labels define them.
    """

    key: str
    bundle: Bundle
    result: EvaluationResult
    request: EvaluationRequest | None
    settings: Settings
    votes: VoteEvaluation | None = None

    @property
    def dataset(self) -> LoadedDataset | None:
        """The dataset as imported; None if there are no images."""
        return None if self.request is None else self.request.dataset

    @property
    def faces(self) -> FaceSet | None:
        """The images to which the rows of the result refer; None if there are no images."""
        return None if self.request is None else self.request.faces

    @property
    def dataset_rows(self) -> NDArray[np.intp]:
        """The row of each evaluated image in ``dataset``, intp ``[n]``.

        Without a dataset, a row is the position in the stored predictions of the model.
        """
        if self.request is None or self.request.curated is None:
            return self.result.rows
        return self.request.curated.rows[self.result.rows]

    @property
    def data_title(self) -> str:
        """Description of the evaluated images for the page: "the test images of fer2013"."""
        if self.result.dataset_name is None:
            return "its own validation images"
        split = self.result.split
        images_text = "all images" if split == "all" else f"the {split} images"
        return f"{images_text} of {self.result.dataset_name}"

    def face(self, position: int) -> NDArray[np.uint8]:
        """Return the image at a position of the result, uint8 ``[48, 48]``."""
        assert self.faces is not None  # called only if there are images
        image: NDArray[np.uint8] = self.faces.images[self.result.rows[position]]
        return image

    def prediction_text(self, position: int) -> str:
        """Return true class, predicted class and confidence of an image, as "sad → fear, 61 %".

        If the prediction is correct, the text is "sad, 61 %".
        """
        classes = self.result.classes
        true = classes[self.result.labels[position]]
        predicted = classes[self.result.predicted[position]]
        share = f"{100 * self.result.confidence[position]:.0f}\N{NO-BREAK SPACE}%"
        return f"{true}, {share}" if true == predicted else f"{true} → {predicted}, {share}"


def stored_evaluation(bundle: Bundle, settings: Settings) -> LoadedEvaluation:
    """Return the evaluation of the validation predictions that a model stores.

    Raises:
        InputError: The bundle stores no predictions, or they are damaged.
    """
    key = _stored_predictions_key(bundle)
    return LoadedEvaluation(key, bundle, _stored_predictions_result(key, bundle), None, settings)


def _stored_predictions_key(bundle: Bundle) -> str:
    """Return a cache key that changes with the model and its stored predictions."""
    try:
        stat = (bundle.folder / PREDICTIONS_FILE).stat()
    except OSError:
        return repr((bundle.content_key, None))
    return repr((bundle.content_key, stat.st_mtime_ns, stat.st_size, stat.st_ino))


@st.cache_resource(max_entries=_MAX_RESULTS, show_spinner=False)
def _stored_predictions_result(key: str, _bundle: Bundle) -> EvaluationResult:
    return evaluate_stored_predictions(_bundle)


@dataclass(frozen=True, eq=False)
class EvaluationRequest:
    """A request to evaluate a model on a split of a dataset.

    Its evaluation may be finished, running, failed, or not started.

    Attributes:
        bundle: The model.
        dataset: The dataset as imported.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: The folders of the app.
        curated: The dataset after curation; None to evaluate it as imported.
    """

    bundle: Bundle
    dataset: LoadedDataset
    split: str
    settings: Settings
    curated: CuratedFaceSet | None = None

    @property
    def faces(self) -> FaceSet:
        """The images of all splits, curated or as imported; ``split`` selects those to evaluate."""
        return self.dataset.faces if self.curated is None else self.curated.faces

    @property
    def curation_fingerprint(self) -> str | None:
        """Fingerprint of the applied curation; None if no curation is applied."""
        return None if self.curated is None else self.curated.fingerprint

    @property
    def key(self) -> str:
        """A key for caches: a string that changes with everything that affects the predictions."""
        parts = (
            self.bundle.content_key,
            self.faces.fingerprint,
            self.dataset.name,
            self.split,
            self.curation_fingerprint,
        )
        return repr(parts)

    def finished_evaluation(self) -> LoadedEvaluation | None:
        """Return the evaluation if its job has a result, or if its predictions are in the cache.

        Otherwise, return None.

        Raises:
            InputError: The evaluation failed, or is impossible.
        """
        faces, key = self.faces, self.key
        if not len(faces.rows(self.split)):
            # This only raises the error about the empty split.
            self._evaluate(None)
        job = job_service().get(EVALUATION, key)
        if job is not None and job.is_finished:
            if job.error is not None:
                raise InputError(job.error)
            if job.result is not None:
                return LoadedEvaluation(key, self.bundle, job.result, self, self.settings)
        if job is None and self._is_cached(faces):
            return LoadedEvaluation(
                key, self.bundle, _cached_result(key, self), self, self.settings
            )
        return None

    def unfinished_job(self) -> Job | None:
        """Return this evaluation's unfinished job, which any session may have started, or None."""
        job = job_service().get(EVALUATION, self.key)
        return None if job is None or job.is_finished else job

    def start(self) -> None:
        """Start the job of this evaluation; sessions with the same request share it."""
        image_count = len(self.faces.rows(self.split))
        start_job(
            EVALUATION,
            self.key,
            f"Evaluating {self.bundle.name} on {image_count:,} images",
            self._evaluate,
        )

    @property
    def has_failed(self) -> bool:
        """True if the job of this evaluation failed."""
        job = job_service().get(EVALUATION, self.key)
        return job is not None and job.error is not None

    def forget_failure(self) -> None:
        """Remove the failed job, so that the evaluation can be started again."""
        job = job_service().get(EVALUATION, self.key)
        if job is not None:
            job_service().discard(job)

    def _is_cached(self, faces: FaceSet) -> bool:
        return has_cached_predictions(
            self.bundle, faces, self.split, self.settings, curation=self.curation_fingerprint
        )

    def _evaluate(self, job: Job | None) -> EvaluationResult:
        """Evaluate the model, or read its cached predictions; report the progress to ``job``."""
        options: dict[str, Any] = {
            "dataset_name": self.dataset.name,
            "is_demo_data": is_demo(str(self.dataset.folder)),
            "predictor": (
                open_predictor(self.bundle) if self.bundle.served_network.is_file() else None
            ),
            "report": None if job is None else job.report,
        }
        bundle, imported, split = self.bundle, self.dataset.faces, self.split
        if self.curated is None:
            return evaluate_split(bundle, imported, split, self.settings, **options)
        return evaluate_curated(bundle, imported, self.curated, split, self.settings, **options)


@st.cache_resource(max_entries=_MAX_RESULTS, show_spinner=False)
def _cached_result(key: str, _request: EvaluationRequest) -> EvaluationResult:
    return _request._evaluate(None)
