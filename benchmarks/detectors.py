"""How many faces each detector finds, and how many false ones: ``python -m benchmarks.detectors``.

Each photo of a folder is shown whole, shrunk, mirrored, darkened, blurred and tilted. The faces of
the untouched photo, as YuNet finds them, are the reference, so the folder should hold photos whose
faces YuNet is known to find rightly (count them once). Pictures without faces count as false alarms
only. Beside our detectors stand OpenCV's frontal cascade alone with the settings of most tutorials
(scale 1.1, 5 votes) and with careful ones (scale 1.2, 8 votes).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.settings import load_settings
from fer_core.vision.boxes import FaceBox
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import detector_names, make_detector

Picture = NDArray[np.uint8]
Detect = Callable[[Picture], list[FaceBox]]
#: How a changed picture is made: 2x3, from the photo's pixels to its own, and then its grey values.
Change = tuple[NDArray[np.float64], Callable[[Picture], Picture]]


def _cascade(scale: float, votes: int) -> Detect:
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))

    def detect(image: Picture) -> list[FaceBox]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found = cascade.detectMultiScale(grey, scale, votes)
        return [FaceBox(*(int(number) for number in row)) for row in found]

    return detect


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
        "as it is": (identity, same),
        "at 80 %": (0.8 * identity, same),
        "at 60 %": (0.6 * identity, same),
        "mirrored": (np.array([[-1.0, 0, width - 1], [0, 1, 0]]), same),
        "dark": (identity, darker),
        "blurred": (identity, blurred),
        "tilted 12°": (np.asarray(cv2.getRotationMatrix2D(middle, 12, 1)), same),
    }


def _changed(image: Picture, matrix: NDArray[np.float64]) -> Picture:
    scale = float(np.hypot(*matrix[:, 0]))
    size = (round(image.shape[1] * min(scale, 1)), round(image.shape[0] * min(scale, 1)))
    # Averaging first, where the picture shrinks: else it would flicker with false edges.
    if scale < 1:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(
        cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
    )


def _is_hit(box: FaceBox, face: FaceBox, matrix: NDArray[np.float64]) -> bool:
    """Whether a box's middle lies on a face, and its size is of the same order."""
    center = matrix @ (face.x + face.width / 2, face.y + face.height / 2, 1.0)
    scale = float(np.hypot(*matrix[:, 0]))
    size = scale * (face.width * face.height) ** 0.5
    distance = np.hypot(box.x + box.width / 2 - center[0], box.y + box.height / 2 - center[1])
    return bool(distance < 0.5 * size and 0.5 < (box.width * box.height) ** 0.5 / size < 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder of photos")
    folder = parser.parse_args().photos
    settings = load_settings()
    reference = make_detector("yunet", settings)
    detectors: dict[str, Detect] = {
        "cascade, scale 1.1, 5 votes": _cascade(1.1, 5),
        "cascade, scale 1.2, 8 votes": _cascade(1.2, 8),
    }
    detectors |= {name: make_detector(name, settings).detect for name in detector_names(settings)}
    found = dict.fromkeys(detectors, 0)
    false = dict.fromkeys(detectors, 0)
    faces_shown = pictures_shown = 0
    for path in sorted(folder.iterdir()):
        image = decode_picture(path.read_bytes(), path.name)
        faces = reference.detect(image)
        for matrix, change in _changes(image.shape[1], image.shape[0]).values():
            picture = change(_changed(image, matrix))
            pictures_shown += 1
            faces_shown += len(faces)
            for name, detect in detectors.items():
                boxes = detect(picture)
                hits = [any(_is_hit(box, face, matrix) for box in boxes) for face in faces]
                found[name] += sum(hits)
                false[name] += sum(
                    not any(_is_hit(box, face, matrix) for face in faces) for box in boxes
                )
    print(f"{pictures_shown} pictures with {faces_shown} faces\n")
    print("| detector | found | false |\n|---|---|---|")
    for name in detectors:
        print(f"| {name} | {found[name]} ({found[name] / faces_shown:.1%}) | {false[name]} |")


if __name__ == "__main__":
    main()
