"""``analyze`` detects and classifies the faces of a picture in one call, for scripts.

Example::

    import fer_core

    for face in fer_core.analyze("photo.jpg"):
        print(face.box, face.label, face.score)
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.bundle import Bundle, find_bundle
from fer_core.errors import InputError, system_reason
from fer_core.settings import Settings, load_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.face import Face

#: Maximum number of analyzers (a model with a detector) that stay loaded for later calls.
_MAX_CACHED_ANALYZERS = 4


def analyze(
    picture: str | os.PathLike[str] | bytes | NDArray[np.uint8],
    *,
    model: str | None = None,
    detector: str | None = None,
    whole: bool | None = None,
) -> list[Face]:
    """Detect and classify every face of a picture.

    The first call loads the model and the detector, and later calls reuse them, so that the
    function can be called for every frame of a stream.

    Args:
        picture: The path of a picture file, the content of a picture file, or an array of pixels:
            RGB, uint8 ``[height, width, 3]``, or gray, uint8 ``[height, width]``. An array is not
            rotated, so the faces in it should be upright. OpenCV's frames are BGR: pass
            ``frame[:, :, ::-1]``.
        model: The name of a model, or its folder; by default the default model.
        detector: ``"yunet"`` or ``"haar"``; by default the best available detector.
        whole: True to classify the whole picture as one face, False to classify only detected
            faces. By default, detected faces are classified; a small square picture without a
            detected face is classified as a whole.

    Returns:
        The faces from left to right, each with ``box``, ``label``, ``score`` and
        ``probability_by_class()``; an empty list if there are none. A very large picture is
        analyzed at a smaller size; the boxes are still in pixels of the full picture.

    Raises:
        InputError: The file is not a picture or cannot be read, or there is no such model or
            detector.
        TypeError: ``picture`` is not a path, bytes or an array.
        ValueError: The array has another shape or dtype than described above.
    """
    import numpy as np

    analyzer = _cached_analyzer(model, detector)
    if isinstance(picture, np.ndarray):
        pixels = np.ascontiguousarray(picture)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        return analyzer.analyze(pixels, as_one_face=whole)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        content, name = bytes(picture), "The picture"
    elif isinstance(picture, (str, os.PathLike)):
        content, name = _read_file(Path(picture)), str(picture)
    else:
        raise TypeError(
            "picture should be a path, the bytes of a picture file, or an array. "
            f"Received: {type(picture).__name__}"
        )
    return _faces_in_file(content, name, analyzer, whole)


def _read_file(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError) as error:
        reason = system_reason(error)
        raise InputError(f"{path} cannot be read ({reason}); check the path.") from error


def _faces_in_file(content: bytes, name: str, analyzer: Analyzer, whole: bool | None) -> list[Face]:
    from dataclasses import replace

    from fer_core.vision.decode import decode_picture, full_size, picture_slot

    # The slot limits the memory: only one large picture at a time is decoded and analyzed.
    with picture_slot(content):
        image = decode_picture(content, name)
        faces = analyzer.analyze(image, as_one_face=whole)
        height, width = image.shape[:2]
    full_width, full_height = full_size(content, name)
    if full_width <= width and full_height <= height:
        return faces
    factors = full_width / width, full_height / height
    return [replace(face, box=face.box.scaled(*factors)) for face in faces]


def _cached_analyzer(model: str | None, detector: str | None) -> Analyzer:
    settings = load_settings()
    bundle = find_bundle(model, settings)
    # The key depends on the content of the bundle, because a model can be replaced while a script
    # runs.
    return _load_analyzer(_BundleKey(bundle.content_key, bundle, settings), detector)


class _BundleKey:
    """A bundle as the key of a cache. Two keys are equal if content key and settings are equal."""

    def __init__(self, content_key: tuple[str, ...], bundle: Bundle, settings: Settings) -> None:
        self.bundle = bundle
        self.settings = settings
        self._key = (content_key, settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BundleKey) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=_MAX_CACHED_ANALYZERS)
def _load_analyzer(key: _BundleKey, detector: str | None) -> Analyzer:
    from fer_core.predictor import load_predictor
    from fer_core.vision.analyzer import Analyzer
    from fer_core.vision.detect import make_detector
    from fer_core.vision.detector_files import detector_names

    name = detector or detector_names(key.settings)[0]
    return Analyzer(load_predictor(key.bundle), make_detector(name, key.settings))
