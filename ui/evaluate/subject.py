"""What the page is about: a model's predictions for the images of a split, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fer_core.bundle import PREDICTIONS_FILE, Bundle
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import is_demo
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.evaluation.cache import cache_key, read_cached
from fer_core.evaluation.result import EvaluationResult, evaluate_split, own_predictions
from fer_core.settings import Settings
from ui.evaluate.data import open_faces
from ui.jobs import Job, job_board
from ui.loaders import open_predictor

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
        faces: The data; None for the predictions that lie in the model's own folder.
        settings: The program's folders.
    """

    key: str
    bundle: Bundle
    result: EvaluationResult
    faces: FaceSet | None
    settings: Settings

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


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of a model on a split of a dataset that may not have been made yet.

    Attributes:
        bundle: The model.
        dataset: The name of the data.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: The program's folders.
    """

    bundle: Bundle
    dataset: str
    split: str
    settings: Settings

    @property
    def faces(self) -> FaceSet:
        """The data.

        Raises:
            InputError: They are not there, or damaged.
        """
        return open_faces(self.dataset, self.settings)

    @property
    def key(self) -> str:
        """Changes with everything that the predictions depend on."""
        parts = (self.bundle.content_key, self.faces.fingerprint, self.dataset, self.split)
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
        job = job_board().get(("evaluation", key))
        if job is not None and job.is_finished:
            if job.error is not None:
                raise InputError(job.error)
            if job.result is not None:
                return Subject(key, self.bundle, job.result, faces, self.settings)
        if job is None and self._is_kept(faces):
            return Subject(key, self.bundle, self._kept_result(key), faces, self.settings)
        return None

    def running(self) -> Job | None:
        """The job that is making it, in this session or another."""
        job = job_board().get(("evaluation", self.key))
        return None if job is None or job.is_finished else job

    def start(self) -> None:
        """Begin to make it; whoever asks for the same meanwhile watches the same work."""
        rows = len(self.faces.rows(self.split))
        job_board().start(
            ("evaluation", self.key),
            f"Reading {rows:,} faces with {self.bundle.name}",
            self._evaluate,
        )

    @property
    def has_failed(self) -> bool:
        """Whether it was tried, and did not succeed."""
        job = job_board().get(("evaluation", self.key))
        return job is not None and job.error is not None

    def forget_failure(self) -> None:
        """Make way for another try."""
        job_board().forget(("evaluation", self.key))

    def _is_kept(self, faces: FaceSet) -> bool:
        if not self.bundle.served_network.is_file():
            return False
        key = cache_key(self.bundle, faces.fingerprint, self.split, None)
        return read_cached(self.settings, key, faces.labels[faces.rows(self.split)]) is not None

    def _kept_result(self, key: str) -> EvaluationResult:
        return _kept(key, self)

    def _evaluate(self, job: Job | None) -> EvaluationResult:
        return evaluate_split(
            self.bundle,
            self.faces,
            self.split,
            self.settings,
            dataset_name=self.dataset,
            is_demo_data=is_demo(str(self.settings.data_root / self.dataset)),
            predictor=open_predictor(self.bundle) if self.bundle.served_network.is_file() else None,
            report=None if job is None else job.report,
        )


@st.cache_resource(max_entries=_RESULTS_HELD, show_spinner=False)
def _kept(key: str, _evaluation: Evaluation) -> EvaluationResult:
    return _evaluation._evaluate(None)
