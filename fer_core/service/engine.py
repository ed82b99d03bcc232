"""``ClassifyEngine``: the served models, and the threads that analyze pictures with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fer_core.bundle import Bundle, find_bundle
from fer_core.errors import InputError
from fer_core.predictor import load_predictor
from fer_core.service.batching import BatchingPredictor
from fer_core.service.options import ServiceOptions
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.detect import FaceDetector, make_detector
from fer_core.vision.detector_files import detector_names
from fer_core.vision.photo import PhotoResult, analyze_photo


@dataclass(frozen=True)
class ServedModel:
    """A loaded model that requests can choose."""

    bundle: Bundle
    predictor: BatchingPredictor


class ClassifyEngine:
    """Analyzes pictures in a fixed number of threads. Each thread has its own detector."""

    def __init__(
        self,
        options: ServiceOptions,
        settings: Settings,
        *,
        on_batch: Callable[[int], object] | None = None,
    ) -> None:
        """Load the models and the detector.

        Args:
            options: The models, the detector and the number of threads.
            settings: Settings with the location of the models and detectors.
            on_batch: See ``BatchingPredictor``.

        Raises:
            InputError: A model or the detector cannot be used, or two models have the same name.
        """
        self._settings = settings
        self.detector_name = options.detector or detector_names(settings)[0]
        # Raise the error of a missing file now, and not in the first request.
        make_detector(self.detector_name, settings)
        self.models: dict[str, ServedModel] = {}
        for name in options.models or (None,):
            bundle = find_bundle(name, settings)
            if bundle.name in self.models:
                raise InputError(
                    f"Two of the models to serve are called {bundle.name!r}; name each model once."
                )
            predictor = load_predictor(bundle)
            # The first call of a network takes longer, and no request should wait for it. It also
            # shows whether the network can be used.
            predictor.probabilities(np.zeros((1, 48, 48), np.uint8))
            self.models[bundle.name] = ServedModel(
                bundle, BatchingPredictor(predictor, on_batch=on_batch)
            )
        self._default = next(iter(self.models))
        self._detectors = threading.local()
        self._threads = ThreadPoolExecutor(options.workers, thread_name_prefix="picture")

    @property
    def default_model(self) -> str:
        """The name of the model that is used if a request does not name one."""
        return self._default

    def classify(
        self, content: bytes, name: str, *, model: str | None = None, whole: bool | None = None
    ) -> Future[PhotoResult]:
        """Analyze a picture in one of the threads.

        Args:
            content: The file's bytes.
            name: The file's name, for the result and its messages.
            model: The name of a served model; None for the default.
            whole: See ``as_one_face`` of ``Analyzer.analyze``.

        Raises:
            InputError: No served model has this name.
        """
        served = self.models.get(self._default if model is None else model)
        if served is None:
            raise InputError(
                f"The model {str(model)[:64]!r} is not served; choose one of "
                f"{', '.join(self.models)}."
            )
        return self._threads.submit(self._classify, content, name, served, whole)

    def close(self) -> None:
        """Finish the pictures that are being analyzed, cancel the others, and end all threads."""
        self._threads.shutdown(cancel_futures=True)
        for served in self.models.values():
            served.predictor.close()

    def _classify(
        self, content: bytes, name: str, served: ServedModel, whole: bool | None
    ) -> PhotoResult:
        analyzer = Analyzer(served.predictor, self._detector())
        return analyze_photo(content, name, analyzer, as_one_face=whole)[0]

    def _detector(self) -> FaceDetector:
        # A detector is locked while it runs, so threads with a common detector would wait.
        detector: FaceDetector | None = getattr(self._detectors, "detector", None)
        if detector is None:
            detector = self._detectors.detector = make_detector(self.detector_name, self._settings)
        return detector
