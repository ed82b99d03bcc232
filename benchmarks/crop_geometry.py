"""The relation between YuNet's face box and the square of a FER2013 image.

FER2013's images are the squares of OpenCV's frontal-face cascade, resized to 48x48. Each image is
enlarged and padded, so that YuNet detects the face in it. The position of the square relative to
YuNet's box can then be computed. ``YUNET_GEOMETRY`` in ``fer_core/vision/yunet.py`` contains the
printed medians, rounded.

    python benchmarks/crop_geometry.py fer2013.zip face_detection_yunet_2023mar.onnx [photos]

With a folder of photos, the same values are computed from the faces that both YuNet and the
cascade detect there: a cross-check that does not depend on the padding.
"""

import argparse
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

FACE_SIDE = 48
ENLARGEMENT = 4
PADDING = FACE_SIDE * ENLARGEMENT // 2
#: Minimum score of a detection; below it, detections are usually wrong.
MIN_SCORE = 0.8


def open_yunet(path: Path) -> cv2.FaceDetectorYN:
    """Open YuNet with a low score threshold; weak detections are removed later."""
    return cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.6, 0.3, 5000)


def yunet_boxes(detector: cv2.FaceDetectorYN, picture: cv2.typing.MatLike) -> NDArray[np.float32]:
    """Return reliable faces in a BGR image: float32 ``[n, 5]``, x, y, width, height and score."""
    detector.setInputSize((picture.shape[1], picture.shape[0]))
    found = detector.detect(picture)[1]
    if found is None:
        return np.zeros((0, 5), np.float32)
    boxes = found[:, [0, 1, 2, 3, 14]]
    return np.asarray(boxes[boxes[:, 4] >= MIN_SCORE], np.float32)


def relation(square: tuple[float, float, float], box: NDArray[np.float32]) -> list[float]:
    """Return the position of the reference square relative to YuNet's box, for one face.

    Args:
        square: Center x, center y and side of the reference square, in pixels.
        box: x, y, width, height of YuNet's box, in the same pixels.

    Returns:
        Side over width, over height and over their geometric mean; the center of the square
        relative to that of the box, right and down, in box widths and heights; width over height.
    """
    center_x, center_y, side = square
    x, y, width, height = (float(value) for value in box[:4])
    return [
        side / width,
        side / height,
        side / (width * height) ** 0.5,
        (center_x - x - width / 2) / width,
        (center_y - y - height / 2) / height,
        width / height,
    ]


def fer2013_relations(
    archive_path: Path, detector: cv2.FaceDetectorYN, count: int, border: int
) -> Iterator[tuple[str, list[float]]]:
    """Yield the relation of random training faces, each with the name of its emotion's folder."""
    with zipfile.ZipFile(archive_path) as archive:
        names = [name for name in archive.namelist() if name.startswith("train/")]
        names = [name for name in names if name.endswith(".jpg")]
        for name in random.Random(0).sample(names, min(count, len(names))):
            face = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            if face is None:
                continue
            side = FACE_SIDE * ENLARGEMENT
            face = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
            face = cv2.copyMakeBorder(
                face, PADDING, PADDING, PADDING, PADDING, border, value=(128, 128, 128)
            )
            boxes = yunet_boxes(detector, face)
            if len(boxes):
                center = PADDING + side / 2
                best = boxes[boxes[:, 4].argmax()]
                yield name.split("/")[1], relation((center, center, side), best)


def photo_relations(photos: Path, detector: cv2.FaceDetectorYN) -> Iterator[list[float]]:
    """Yield the relation of the faces in photos that the cascade also detects."""
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    for path in sorted(photos.iterdir()):
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        gray = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        squares = cascade.detectMultiScale(gray, 1.05, 8, minSize=(20, 20))
        for box in yunet_boxes(detector, picture):
            for x, y, side, _ in squares:
                # Only a square and a box around the same face are compared.
                values = relation((x + side / 2, y + side / 2, side), box)
                if abs(values[3]) < 0.3 and abs(values[4]) < 0.3 and 0.7 < values[1] < 1.6:
                    yield values


def report(title: str, rows: list[list[float]]) -> None:
    """Print medians and robust spreads (half the distance from the 16th to the 84th percentile)."""
    names = ("side/width", "side/height", "side/mean", "right/width", "down/height", "width/height")
    if not rows:
        print(f"{title}: no faces found")
        return
    low, middle, high = np.percentile(np.asarray(rows), [16, 50, 84], axis=0)
    print(f"{title} ({len(rows)} faces)")
    for name, value, spread in zip(names, middle, (high - low) / 2, strict=True):
        print(f"  {name:13s} {value:7.3f} +- {spread:.3f}")


def main() -> None:
    """Print the values for FER2013 with two kinds of padding, per emotion, and for photos."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("archive", type=Path, help="FER2013 as a zip of folders")
    parser.add_argument("yunet", type=Path, help="YuNet's ONNX file")
    parser.add_argument("photos", type=Path, nargs="?", help="a folder of photos")
    parser.add_argument("--count", type=int, default=1500, help="number of FER2013 faces")
    options = parser.parse_args()
    detector = open_yunet(options.yunet)

    replicated = list(
        fer2013_relations(options.archive, detector, options.count, cv2.BORDER_REPLICATE)
    )
    report("FER2013, padded with copies of its edge pixels", [values for _, values in replicated])
    for emotion in sorted({emotion for emotion, _ in replicated}):
        report(f"  {emotion}", [values for name, values in replicated if name == emotion])
    gray = fer2013_relations(options.archive, detector, options.count, cv2.BORDER_CONSTANT)
    report("FER2013, padded with gray", [values for _, values in gray])
    if options.photos:
        report("Photos, compared with the cascade", list(photo_relations(options.photos, detector)))


if __name__ == "__main__":
    main()
