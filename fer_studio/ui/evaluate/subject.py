"""What the page is about: a model's predictions for the images of a split, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.access import Role
from fer_core.bundle import PREDICTIONS_FILE, Bundle
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import is_demo
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.cache import cache_key, read_cached
from fer_core.evaluation.curated import evaluate_curated
from fer_core.evaluation.result import EvaluationResult, evaluate_split, own_predictions
from fer_core.jobs.job import Job, JobKind
from fer_core.settings import Settings
from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.jobs import job_service, start_job
from fer_studio.ui.loaders import open_predictor

EVALUATION = JobKind("evaluation", Role.VIEWER)

Figures = TypeVar("Figures")

#: Models and splits that are looked at in turn, each with some ten results.
_FIGURES_HELD = 100
_RESULTS_HELD = 6


@dataclass(frozen=True, eq=False)
class Subject:
    """A finished evaluation, with its images where there are any.

    Attributes:
        key: Changes with everything that the figures depend on.
        bundle: The model.
        result: What it says of every image.
        evaluation: What it was asked; None for the predictions that lie in the model's own folder.
        settings: The program's folders.
    """

    key: str
    bundle: Bundle
    result: EvaluationResult
    evaluation: Evaluation | None
    settings: Settings

    @property
    def dataset(self) -> OpenDataset | None:
        """The data as they were imported; None without pictures."""
        return None if self.evaluation is None else self.evaluation.dataset

    @property
    def faces(self) -> FaceSet | None:
        """The images that the result's rows count: the dataset, or what its curation leaves."""
        return None if self.evaluation is None else self.evaluation.faces

    @property
    def dataset_rows(self) -> NDArray[np.intp]:
        """Each image's row in the dataset as it was imported, ``[n]``."""
        if self.evaluation is None or self.evaluation.curated is None:
            return self.result.rows
        return self.evaluation.curated.rows[self.result.rows]

    @property
    def where(self) -> str:
        """The images, in words."""
        if self.result.dataset_name is None:
            return "its own validation images"
        part = "all images" if self.result.split == "all" else f"{self.result.split} images"
        return f"the {part} of {self.result.dataset_name}"

    def face(self, position: int) -> NDArray[np.uint8]:
        """The image at a position of the result, uint8 ``[48, 48]``."""
        assert self.faces is not None  # asked only where there are pictures
        image: NDArray[np.uint8] = self.faces.images[self.result.rows[position]]
        return image

    def verdict(self, position: int) -> str:
        """What is true and what was said of an image, in a few words."""
        true = EMOTIONS[self.result.labels[position]]
        said = EMOTIONS[self.result.predicted[position]]
        share = f"{100 * self.result.confidence[position]:.0f}\N{NO-BREAK SPACE}%"
        return f"{true}, {share}" if true == said else f"{true} → {said}, {share}"


def figures_of(
    subject: Subject, compute: Callable[..., Figures], *arguments: str | int | float
) -> Figures:
    """What a function makes of an evaluation; computed once for all sessions.

    Args:
        subject: The evaluation.
        compute: Takes its result, and the arguments.
        arguments: What else the function takes.
    """
    name = f"{compute.__module__}.{compute.__qualname__}"
    found: Figures = _figures(subject.key, name, arguments, compute, subject.result)
    return found


@st.cache_resource(max_entries=_FIGURES_HELD, show_spinner=False)
def _figures(
    key: str,
    name: str,
    arguments: tuple[str | int | float, ...],
    _compute: Callable[..., Figures],
    _result: EvaluationResult,
) -> Figures:
    return _compute(_result, *arguments)


def own_subject(bundle: Bundle, settings: Settings) -> Subject:
    """A model on its own validation predictions.

    Raises:
        InputError: It brings none, or they are damaged.
    """
    key = _own_key(bundle)
    return Subject(key, bundle, _own_result(key, bundle), None, settings)


def _own_key(bundle: Bundle) -> str:
    try:
        stat = (bundle.folder / PREDICTIONS_FILE).stat()
    except OSError:
        return repr((bundle.content_key, None))
    return repr((bundle.content_key, stat.st_mtime_ns, stat.st_size, stat.st_ino))


@st.cache_resource(max_entries=_RESULTS_HELD, show_spinner=False)
def _own_result(key: str, _bundle: Bundle) -> EvaluationResult:
    return own_predictions(_bundle)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An evaluation of a model on a split of a dataset that may not have been made yet.

    Attributes:
        bundle: The model.
        dataset: The data as they were imported.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: The program's folders.
        curated: What the curation leaves of the data, if it is to be heeded.
    """

    bundle: Bundle
    dataset: OpenDataset
    split: str
    settings: Settings
    curated: CuratedFaceSet | None = None

    @property
    def faces(self) -> FaceSet:
        """The images that are read."""
        return self.dataset.faces if self.curated is None else self.curated.faces

    @property
    def curation(self) -> str | None:
        """The fingerprint of the curation that is heeded; None if none is."""
        return None if self.curated is None else self.curated.fingerprint

    @property
    def key(self) -> str:
        """Changes with everything that the predictions depend on."""
        parts = (
            self.bundle.content_key,
            self.faces.fingerprint,
            self.dataset.name,
            self.split,
            self.curation,
        )
        return repr(parts)

    def finished(self) -> Subject | None:
        """What came of it, now or in an earlier session; None if it has not been made.

        Raises:
            InputError: It was tried and failed, or cannot be made at all.
        """
        faces, key = self.faces, self.key
        if not len(faces.rows(self.split)):
            # Says what is wrong with the split; nothing is predicted.
            self._evaluate(None)
        job = job_service().get(EVALUATION, key)
        if job is not None and job.is_finished:
            if job.error is not None:
                raise InputError(job.error)
            if job.result is not None:
                return Subject(key, self.bundle, job.result, self, self.settings)
        if job is None and self._is_kept(faces):
            return Subject(key, self.bundle, self._kept_result(key), self, self.settings)
        return None

    def running(self) -> Job | None:
        """The job that is making it, in this session or another."""
        job = job_service().get(EVALUATION, self.key)
        return None if job is None or job.is_finished else job

    def start(self) -> None:
        """Begin to make it; whoever asks for the same meanwhile watches the same work."""
        rows = len(self.faces.rows(self.split))
        start_job(
            EVALUATION,
            self.key,
            f"Reading {rows:,} faces with {self.bundle.name}",
            self._evaluate,
        )

    @property
    def has_failed(self) -> bool:
        """Whether it was tried, and did not succeed."""
        job = job_service().get(EVALUATION, self.key)
        return job is not None and job.error is not None

    def forget_failure(self) -> None:
        """Make way for another try."""
        job = job_service().get(EVALUATION, self.key)
        if job is not None:
            job_service().discard(job)

    def _is_kept(self, faces: FaceSet) -> bool:
        if not self.bundle.served_network.is_file():
            return False
        key = cache_key(self.bundle, faces.fingerprint, self.split, self.curation)
        return read_cached(self.settings, key, faces.labels[faces.rows(self.split)]) is not None

    def _kept_result(self, key: str) -> EvaluationResult:
        return _kept(key, self)

    def _evaluate(self, job: Job | None) -> EvaluationResult:
        options: dict[str, Any] = {
            "dataset_name": self.dataset.name,
            "is_demo_data": is_demo(str(self.dataset.folder)),
            "predictor": (
                open_predictor(self.bundle) if self.bundle.served_network.is_file() else None
            ),
            "report": None if job is None else job.report,
        }
        bundle, faces, split, settings = self.bundle, self.dataset.faces, self.split, self.settings
        if self.curated is None:
            return evaluate_split(bundle, faces, split, settings, **options)
        return evaluate_curated(bundle, faces, self.curated, split, settings, **options)


@st.cache_resource(max_entries=_RESULTS_HELD, show_spinner=False)
def _kept(key: str, _evaluation: Evaluation) -> EvaluationResult:
    return _evaluation._evaluate(None)
