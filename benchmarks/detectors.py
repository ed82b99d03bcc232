"""Recall, false detections and time of each face detector.

``python -m benchmarks.detectors PHOTOS [--videos VIDEOS]`` prints three tables:

* photos: each photo of a folder unchanged, shrunk, mirrored, darkened, blurred and rotated. The
  reference is YuNet's detections in the unchanged photo, so the folder should contain photos in
  which YuNet detects all faces (check this once). Images without faces count for false detections
  only;
* videos, if a folder is given: frames from all parts of each video. The reference is YuNet, so its
  own row is not meaningful;
* composed: the astronaut of scikit-image, at several sizes over images without faces, and these
  images alone. The position of her face is known; everything else is not a face.

For comparison, the frontal cascade of OpenCV alone is included with the settings of most tutorials
(scale 1.1, 5 neighbors) and with strict ones (scale 1.2, 8 neighbors). ``detectors.md`` has results
for the built-in detector with and without the votes of two further cascades.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.face_check_training import face_free_paths
from fer_core.settings import load_settings
from fer_core.vision.boxes import FaceBox
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import FaceDetector, make_detector
from fer_core.vision.detector_files import detector_names
from fer_core.vision.sample import sample_picture

Picture = NDArray[np.uint8]
Detect = Callable[[Picture], list[FaceBox]]
#: A 2x3 affine transform from the pixels of the photo to those of the result, and a change of
#: intensities.
Change = tuple[NDArray[np.float64], Callable[[Picture], Picture]]

_FRAMES_PER_VIDEO = 25
#: The astronaut's face, labeled manually in the original 512x512 image.
_ASTRONAUT = FaceBox(173, 66, 103, 103)
_ASTRONAUT_SIDE = 512
#: Sizes in pixels to which the picture of the astronaut is scaled: her face is then 26 to 84 pixels
#: wide.
_COMPOSED_SIDES = (130, 180, 260, 420)
_BACKGROUND_WIDTH = 800


@dataclass(frozen=True)
class Sample:
    """A picture and its faces.

    Attributes:
        picture: RGB, uint8 ``[height, width, 3]``.
        faces: Boxes in the pixels of the reference image.
        matrix: 2x3 affine transform from the pixels of the reference image to those of ``picture``.
    """

    picture: Picture
    faces: list[FaceBox]
    matrix: NDArray[np.float64]


def _cascade(scale: float, neighbors: int) -> Detect:
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))

    def detect(image: Picture) -> list[FaceBox]:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found = cascade.detectMultiScale(gray, scale, neighbors)
        return [FaceBox(*(int(number) for number in row)) for row in found]

    return detect


def _boxes_of(detector: FaceDetector) -> Detect:
    return lambda image: [face.box for face in detector.detect(image)]


def _changes(width: int, height: int) -> dict[str, Change]:
    def same(image: Picture) -> Picture:
        return image

    def darker(image: Picture) -> Picture:
        return np.asarray(255 * (image / 255) ** 2, dtype=np.uint8)

    def blurred(image: Picture) -> Picture:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), dtype=np.uint8)

    middle = (width / 2, height / 2)
    identity = np.eye(2, 3)
    return {
        "unchanged": (identity, same),
        "at 80 %": (0.8 * identity, same),
        "at 60 %": (0.6 * identity, same),
        "mirrored": (np.array([[-1.0, 0, width - 1], [0, 1, 0]]), same),
        "dark": (identity, darker),
        "blurred": (identity, blurred),
        "tilted 12°": (np.asarray(cv2.getRotationMatrix2D(middle, 12, 1)), same),
    }


def _transformed(image: Picture, matrix: NDArray[np.float64]) -> Picture:
    scale = float(np.hypot(*matrix[:, 0]))
    size = (round(image.shape[1] * min(scale, 1)), round(image.shape[0] * min(scale, 1)))
    # Shrink with area averaging, which avoids aliasing.
    if scale < 1:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(
        cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
    )


def _is_hit(box: FaceBox, face: FaceBox, matrix: NDArray[np.float64]) -> bool:
    """Return True if the center of a box is on a face and their sizes are similar."""
    center = matrix @ (face.x + face.width / 2, face.y + face.height / 2, 1.0)
    scale = float(np.hypot(*matrix[:, 0]))
    size = scale * (face.width * face.height) ** 0.5
    distance = np.hypot(box.x + box.width / 2 - center[0], box.y + box.height / 2 - center[1])
    return bool(distance < 0.5 * size and 0.5 < (box.width * box.height) ** 0.5 / size < 2)


def _photos(folder: Path, reference: Detect) -> Iterator[Sample]:
    for path in sorted(folder.iterdir()):
        image = decode_picture(path.read_bytes(), path.name)
        faces = reference(image)
        for matrix, change in _changes(image.shape[1], image.shape[0]).values():
            yield Sample(change(_transformed(image, matrix)), faces, matrix)


def _frames(folder: Path, reference: Detect) -> Iterator[Sample]:
    for path in sorted(folder.iterdir()):
        video = cv2.VideoCapture(str(path))
        # Read in order: in many files the length is wrong, or only key frames can be sought.
        frames = []
        while True:
            is_read, frame = video.read()
            if not is_read:
                break
            frames.append(frame)
        video.release()
        for index in np.linspace(0, len(frames) - 1, min(_FRAMES_PER_VIDEO, len(frames))):
            image = np.asarray(cv2.cvtColor(frames[round(index)], cv2.COLOR_BGR2RGB), np.uint8)
            yield Sample(image, reference(image), np.eye(2, 3))


def _composed() -> Iterator[Sample]:
    name, content = sample_picture()
    astronaut = decode_picture(content, name)
    rng = np.random.default_rng(0)
    for path in face_free_paths():
        image = decode_picture(path.read_bytes(), path.name)
        factor = _BACKGROUND_WIDTH / image.shape[1]
        size = (_BACKGROUND_WIDTH, min(1000, max(450, round(image.shape[0] * factor))))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        yield Sample(image, [], np.eye(2, 3))
        side = int(rng.choice(_COMPOSED_SIDES))
        scale = side / _ASTRONAUT_SIDE
        small = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
        left = int(rng.integers(0, size[0] - side + 1))
        top = int(rng.integers(0, size[1] - side + 1))
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        if rng.random() < 0.5:
            small = small[:, ::-1]
            matrix = np.array([[-scale, 0, left + side - 1], [0, scale, top]])
        picture = image.copy()
        picture[top : top + side, left : left + side] = small
        yield Sample(picture, [_ASTRONAUT], matrix)


def _print_table(title: str, samples: Iterator[Sample], detectors: dict[str, Detect]) -> None:
    found_counts = dict.fromkeys(detectors, 0)
    false_counts = dict.fromkeys(detectors, 0)
    seconds: dict[str, list[float]] = {name: [] for name in detectors}
    face_count = 0
    for sample in samples:
        face_count += len(sample.faces)
        for name, detect in detectors.items():
            start = time.perf_counter()
            boxes = detect(sample.picture)
            seconds[name].append(time.perf_counter() - start)
            is_found = [
                any(_is_hit(box, face, sample.matrix) for box in boxes) for face in sample.faces
            ]
            found_counts[name] += sum(is_found)
            false_counts[name] += sum(
                not any(_is_hit(box, face, sample.matrix) for face in sample.faces) for box in boxes
            )
    sample_count = len(next(iter(seconds.values())))
    print(f"\n{title}: {sample_count} pictures with {face_count} faces\n")
    print("| detector | found | false | median ms | maximum ms |\n|---|---|---|---|---|")
    for name in detectors:
        times = 1000 * np.array(seconds[name])
        print(
            f"| {name} | {found_counts[name]} ({found_counts[name] / max(1, face_count):.1%}) "
            f"| {false_counts[name]} | {np.median(times):.0f} | {times.max():.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("--videos", type=Path, help="a folder of videos")
    options = parser.parse_args()
    settings = load_settings()
    reference = _boxes_of(make_detector("yunet", settings))
    detectors: dict[str, Detect] = {
        "cascade, scale 1.1, 5 neighbors": _cascade(1.1, 5),
        "cascade, scale 1.2, 8 neighbors": _cascade(1.2, 8),
    }
    detectors |= {
        name: _boxes_of(make_detector(name, settings)) for name in detector_names(settings)
    }
    _print_table("Photos", _photos(options.photos, reference), detectors)
    if options.videos is not None:
        _print_table("Videos", _frames(options.videos, reference), detectors)
    _print_table("Composed", _composed(), detectors)


if __name__ == "__main__":
    main()
