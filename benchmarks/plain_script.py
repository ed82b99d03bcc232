"""A typical tutorial script: OpenCV's cascade, then ``model.predict()`` for each face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import find_bundle
from fer_core.exchange.onnx_export import load_keras_model
from fer_core.keras_backend import prepare_backend
from fer_core.settings import load_settings


class PlainScript:
    """The default model, used with Keras only, without the predictor of this project."""

    def __init__(self) -> None:
        prepare_backend()
        self._model: Any = load_keras_model(find_bundle(None, load_settings()))
        folder = Path(cv2.__file__).parent / "data"
        self._cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))

    def classify(self, picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the probabilities of each detected face.

        Args:
            picture: RGB, uint8 ``[height, width, 3]``.
        """
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        probabilities = []
        for left, top, width, height in self._cascade.detectMultiScale(gray, 1.3, 5):
            face = cv2.resize(gray[top : top + height, left : left + width], (48, 48))
            pixels = face.astype(np.float32)[np.newaxis, ..., np.newaxis] / 255
            probabilities.append(np.asarray(self._model.predict(pixels, verbose=0)[0], np.float32))
        return probabilities
