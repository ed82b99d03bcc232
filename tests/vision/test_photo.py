"""From a file's bytes to its result, and results as documents and tables."""

import csv
import io
import json
import logging
from dataclasses import dataclass
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_core.emotions import EMOTIONS
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.face import Face
from fer_core.vision.photo import (
    PhotoResult,
    analyze_photo,
    results_as_csv,
    results_as_json,
    results_document,
)

ROW = np.array([0.1, 0.05, 0.05, 0.5, 0.1, 0.1, 0.1], np.float32)


@dataclass
class FixedDetector:
    boxes: list[FaceBox]
    name: str = "fixed"
    geometry: BoxGeometry = BoxGeometry(relative_side=1.0, offset_x=0.0, offset_y=0.0)  # noqa: RUF009

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return [Face(box) for box in self.boxes]


class FixedPredictor:
    classes = EMOTIONS
    input_shape = (48, 48, 1)
    minimum_confidence = 0.0

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.tile(ROW, (len(crops), 1))


class BrokenPredictor(FixedPredictor):
    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise RuntimeError("a defect of the program")


def picture_file(width: int = 200, height: int = 150, kind: str = "PNG", turned: int = 1) -> bytes:
    image = Image.new("RGB", (width, height), "gray")
    exif = Image.Exif()
    exif[0x0112] = turned
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def face_at(box: FaceBox, score: float | None = None) -> Face:
    return Face(box, score, np.zeros((48, 48), np.uint8), ROW, EMOTIONS)


TWO_FACES = PhotoResult(
    "a, b.jpg", 640, 480, (face_at(FaceBox(-3, 5, 60, 80), 0.9), face_at(FaceBox(99, 7, 50, 50)))
)
NO_FACE = PhotoResult("empty street.jpg", 640, 480)
BROKEN = PhotoResult("broken.jpg", error="broken.jpg is cut short; copy it again.")


def test_a_photo_gives_its_size_and_its_faces() -> None:
    boxes = [FaceBox(100, 10, 50, 50), FaceBox(20, 30, 40, 40)]
    analyzer = Analyzer(FixedPredictor(), FixedDetector(boxes))
    result, image = analyze_photo(picture_file(), "a.png", analyzer)
    assert (result.file, result.width, result.height, result.error) == ("a.png", 200, 150, None)
    assert [one.box for one in result.faces] == [boxes[1], boxes[0]]
    assert image is not None
    assert image.shape == (150, 200, 3)


def test_width_and_height_are_those_of_the_upright_picture() -> None:
    analyzer = Analyzer(FixedPredictor(), FixedDetector([]))
    result, image = analyze_photo(picture_file(kind="JPEG", turned=6), "turned.jpg", analyzer)
    assert (result.width, result.height) == (150, 200)
    assert image is not None
    assert image.shape == (200, 150, 3)


def test_a_photo_classified_whole_is_one_face() -> None:
    analyzer = Analyzer(FixedPredictor(), FixedDetector([]))
    assert analyze_photo(picture_file(), "a.png", analyzer)[0].faces == ()
    whole, _ = analyze_photo(picture_file(), "a.png", analyzer, as_one_face=True)
    assert [one.box for one in whole.faces] == [FaceBox(0, 0, 200, 150)]


def test_a_file_that_is_not_a_picture_gives_a_result_with_an_error() -> None:
    analyzer = Analyzer(FixedPredictor(), FixedDetector([]))
    result, image = analyze_photo(b"PK\x03\x04 and more", "holiday.jpg", analyzer)
    assert image is None
    assert (result.width, result.height, result.faces) == (None, None, ())
    assert result.error is not None
    assert result.error.startswith("holiday.jpg ")
    assert result.error.endswith(".")


def test_an_unexpected_error_is_logged_in_full_and_reported_in_one_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    analyzer = Analyzer(BrokenPredictor(), FixedDetector([FaceBox(10, 10, 50, 50)]))
    with caplog.at_level(logging.ERROR):
        result, image = analyze_photo(picture_file(), "a.png", analyzer)
    assert image is not None
    assert (result.width, result.height, result.faces) == (200, 150, ())
    assert result.error is not None
    assert "unexpected error" in result.error
    assert "a defect of the program" not in result.error
    assert "a defect of the program" in caplog.text
    assert "Traceback" in caplog.text


def test_the_document_has_the_documented_keys() -> None:
    document = results_document([TWO_FACES, NO_FACE, BROKEN])
    assert json.loads(json.dumps(document, allow_nan=False)) == {
        "files": [
            {
                "file": "a, b.jpg",
                "width": 640,
                "height": 480,
                "faces": [
                    {
                        "box": box,
                        "label": "happy",
                        "score": 0.5,
                        "probabilities": dict(zip(EMOTIONS, map(float, ROW), strict=True)),
                        "is_confident": True,
                        "is_too_small": False,
                    }
                    for box in ([-3, 5, 60, 80], [99, 7, 50, 50])
                ],
                "error": None,
            },
            {"file": "empty street.jpg", "width": 640, "height": 480, "faces": [], "error": None},
            {
                "file": "broken.jpg",
                "width": None,
                "height": None,
                "faces": [],
                "error": BROKEN.error,
            },
        ]
    }


def test_a_picture_too_small_for_a_face_is_an_error() -> None:
    content = io.BytesIO()
    Image.new("RGB", (1, 1)).save(content, "PNG")
    result, _ = analyze_photo(content.getvalue(), "dot.png", Mock(spec=Analyzer))
    assert result.faces == ()
    assert result.error == (
        "dot.png is 1x1 pixels, too small to show a face; use a larger picture."
    )


def test_the_json_text_keeps_unicode_names() -> None:
    result = PhotoResult("größer 😀.jpg", 1, 1)
    text = results_as_json([result])
    assert "größer 😀.jpg" in text
    assert json.loads(text) == results_document([result])


def test_the_csv_has_one_line_per_face_or_file_without_faces() -> None:
    rows = list(csv.DictReader(io.StringIO(results_as_csv([TWO_FACES, NO_FACE, BROKEN], EMOTIONS))))
    assert [row["file"] for row in rows] == [
        "a, b.jpg",
        "a, b.jpg",
        "empty street.jpg",
        "broken.jpg",
    ]
    assert [row["face"] for row in rows] == ["1", "2", "", ""]
    first = rows[0]
    assert [first[name] for name in ("x", "y", "box_width", "box_height")] == [
        "-3",
        "5",
        "60",
        "80",
    ]
    assert (first["label"], float(first["score"])) == ("happy", 0.5)
    assert [float(first[emotion]) for emotion in EMOTIONS] == pytest.approx(ROW)
    assert rows[3]["error"] == BROKEN.error
    assert rows[3]["width"] == ""


def test_the_csv_without_results_is_its_header() -> None:
    heading = (
        "file,width,height,face,x,y,box_width,box_height,label,score,angry,disgust,fear,happy,sad,"
        "surprise,neutral,is_confident,is_too_small,error\n"
    )
    assert results_as_csv([], EMOTIONS) == heading
    assert results_as_csv([NO_FACE], EMOTIONS).startswith(heading)


def test_the_csv_without_faces_has_the_classes_of_the_model() -> None:
    (row,) = csv.DictReader(io.StringIO(results_as_csv([NO_FACE], ("bored", "awake"))))
    assert list(row)[9:-2] == ["score", "bored", "awake", "is_confident"]
    assert row["bored"] == ""


def test_a_name_with_quotes_and_line_breaks_survives_the_csv() -> None:
    name = 'a "quoted"\nname, with commas.jpg'
    (row,) = csv.DictReader(io.StringIO(results_as_csv([PhotoResult(name, 2, 3)], EMOTIONS)))
    assert row["file"] == name


def test_a_name_that_is_a_formula_reaches_a_spreadsheet_as_text() -> None:
    (row,) = csv.DictReader(io.StringIO(results_as_csv([PhotoResult("=1+1.jpg", 2, 3)], EMOTIONS)))
    assert row["file"] == "'=1+1.jpg"
