"""``Analyzer``: detect the faces of a picture and classify them. Photo, video and webcam use it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fer_core.vision.boxes import FaceBox
from fer_core.vision.crop import FER2013_SIDE, crop_face, crop_whole_picture
from fer_core.vision.detect import FaceDetector
from fer_core.vision.face import Face, is_too_small

#: Maximum width and height of a picture that may itself be a face crop, in pixels; published face
#: crops are rarely larger. If no face is detected in such a picture, all of it is classified.
_MAX_CROP_SIDE = 128
#: Maximum difference between width and height of such a picture, as a share of the longer side.
_MAX_SIDE_DIFFERENCE = 0.10


class EmotionPredictor(Protocol):
    """The part of ``Predictor`` that the analyzer uses."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        ...

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels (1 or 3) of the network's input."""
        ...

    @property
    def minimum_confidence(self) -> float:
        """The minimum confidence of a prediction that is shown as certain, 0 to 1."""
        ...

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops that have the size of the network's input.

        Args:
            crops: Gray, uint8 ``[n, height, width]``, or RGB, uint8 ``[n, height, width, 3]``.

        Returns:
            float32 ``[n, classes]``, each row with sum 1.
        """
        ...


class Analyzer:
    """Detects faces and classifies all faces of a picture in one call of the network."""

    def __init__(self, predictor: EmotionPredictor, detector: FaceDetector) -> None:
        """Combine a model and a detector without copying them. Threads may share the analyzer.

        Args:
            predictor: Classifies the crops.
            detector: Detects the faces in ``detect`` and ``analyze``; its ``geometry``
                converts the box of a face to the square that is cropped.
        """
        self.predictor = predictor
        self.detector = detector

    def analyze(self, image: NDArray[np.uint8], *, as_one_face: bool | None = None) -> list[Face]:
        """Detect and classify every face of a picture.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``.
            as_one_face: True to classify the whole picture as one face, False to classify the
                detected faces. None to decide by the picture: the detected faces are classified,
                except in two kinds of pictures, which are classified as one face. These are
                pictures with FER2013's 48x48 pixels, and small, nearly square pictures in which no
                face is detected.

        Returns:
            The classified faces, from left to right and then from top to bottom.

        Raises:
            ValueError: ``image`` has another shape or dtype, or is empty.
        """
        return self.classify_crops(self.detect_and_crop(image, as_one_face=as_one_face))

    def detect_and_crop(
        self, image: NDArray[np.uint8], *, as_one_face: bool | None = None
    ) -> list[Face]:
        """Detect and crop every face of a picture without classifying the faces.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``.
            as_one_face: See ``analyze``.

        Returns:
            Faces with crops, in the order of ``analyze``.

        Raises:
            ValueError: ``image`` has another shape or dtype, or is empty.
        """
        check_image(image)
        if as_one_face or (as_one_face is None and image.shape[:2] == (FER2013_SIDE, FER2013_SIDE)):
            # The network was trained on all 48x48 pixels. A detected box would exclude some of
            # them.
            return [self._whole_face(image)]
        faces = self.detect(image)
        if not faces and as_one_face is None and _may_be_face_crop(image):
            return [self._whole_face(image)]
        return self.crop(image, faces)

    def classify_crops(self, faces: Sequence[Face]) -> list[Face]:
        """Classify cropped faces from any number of pictures in one call of the network.

        Returns:
            The same faces in the same order with probabilities and classes.

        Raises:
            ValueError: A face has no crop.
        """
        if not faces:
            return []
        rows = self.predictor.probabilities(np.stack([_crop_of(face) for face in faces]))
        classes, minimum_confidence = self.predictor.classes, self.predictor.minimum_confidence
        return [
            replace(
                face,
                probabilities=np.asarray(row, np.float32),
                classes=classes,
                minimum_confidence=minimum_confidence,
            )
            for face, row in zip(faces, rows, strict=True)
        ]

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Detect the faces of a picture without classifying them.

        Args:
            image: Upright RGB, uint8 ``[height, width, 3]``.

        Returns:
            Faces with box and detection score, from left to right and then from top to bottom.
        """
        return sorted(self.detector.detect(image), key=lambda face: (face.box.x, face.box.y))

    def classify(self, image: NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
        """Crop and classify faces in one call of the network.

        Args:
            image: The picture that the boxes refer to, upright RGB, uint8 ``[height, width, 3]``.
            faces: The faces to classify, from ``detect`` or from a tracker.

        Returns:
            The same faces in the same order with crop, probabilities and classes.
        """
        return self.classify_crops(self.crop(image, faces))

    def crop(self, image: NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
        """Crop faces without classifying them.

        Args:
            image: See ``classify``.
            faces: See ``classify``.

        Returns:
            The same faces in the same order with crops.
        """
        geometry, shape = self.detector.geometry, self.predictor.input_shape
        return [
            replace(
                face,
                crop=crop_face(image, geometry.square(face.box), shape),
                is_too_small=is_too_small(face.box),
            )
            for face in faces
        ]

    def _whole_face(self, image: NDArray[np.uint8]) -> Face:
        height, width = image.shape[:2]
        crop = crop_whole_picture(image, self.predictor.input_shape)
        box = FaceBox(0, 0, width, height)
        return Face(box, crop=crop, is_too_small=is_too_small(box))


def _crop_of(face: Face) -> NDArray[np.uint8]:
    if face.crop is None:
        raise ValueError(f"The face has no crop. Received: {face}")
    return face.crop


def check_image(image: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless the array is uint8 ``[height, width, 3]`` and not empty."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            "image should be uint8 [height, width, 3], not empty. "
            f"Received: {image.dtype} {image.shape}"
        )


def _may_be_face_crop(image: NDArray[np.uint8]) -> bool:
    height, width = (int(side) for side in image.shape[:2])
    shorter, longer = min(height, width), max(height, width)
    return longer <= _MAX_CROP_SIDE and longer - shorter <= _MAX_SIDE_DIFFERENCE * longer
