"""Create a face detector by name."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.boxes import BoxGeometry
from fer_core.vision.detector_files import (
    HAAR,
    YUNET,
    YUNET_FILE_NAME,
    is_yunet_available,
    yunet_path,
)
from fer_core.vision.face import Face
from fer_core.vision.haar import HaarDetector
from fer_core.vision.yunet import YuNetDetector


class FaceDetector(Protocol):
    """A face detector. Implementations may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The name by which users choose the detector, such as ``"yunet"``."""
        ...

    @property
    def geometry(self) -> BoxGeometry:
        """The mapping from the detector's boxes to squares as in FER2013."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Detect the faces in upright RGB, uint8 ``[height, width, 3]``.

        Returns:
            Faces with box and detection score, not classified, in any order.
        """
        ...


def make_detector(name: str, settings: Settings) -> FaceDetector:
    """Create a detector; threads may share it.

    Raises:
        InputError: The name is unknown, or the detector's file is missing or has another checksum.
    """
    if name == HAAR:
        return HaarDetector()
    if name != YUNET:
        raise InputError(f"There is no detector '{name}'; choose '{YUNET}' or '{HAAR}'.")
    path = yunet_path(settings)
    if not is_yunet_available(settings):
        problem = (
            "is damaged or of another version (its checksum differs)"
            if path.exists()
            else "is missing"
        )
        raise InputError(
            f"The detector 'yunet' cannot be used because {YUNET_FILE_NAME} in {path.parent} "
            f"{problem}; run 'python -m fer_core detectors fetch', copy the file there, or "
            "choose 'haar'."
        )
    return YuNetDetector(path)
