"""The face / no-face network, and the built-in detector that uses it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.face_check_training import face_free_paths
from fer_core.settings import PROJECT_ROOT
from fer_core.vision import face_check
from fer_core.vision.decode import decode_picture
from fer_core.vision.face_check import INPUT_SIDE, FaceCheck, cut_squares, standardized
from fer_core.vision.haar import HaarDetector
from fer_core.vision.sample import sample_picture

FACE = (173.0, 66.0, 103.0)


@pytest.fixture(scope="module")
def detector() -> HaarDetector:
    return HaarDetector()


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    name, content = sample_picture()
    return decode_picture(content, name)


@pytest.fixture(scope="module")
def gray_astronaut(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), np.uint8)


def test_standardized_squares_by_hand() -> None:
    square = np.array([[[10, 30], [10, 30]]], np.uint8)
    assert standardized(square).tolist() == [[[-1, 1], [-1, 1]]]
    assert standardized(np.full((1, 2, 2), 7, np.uint8)).tolist() == [[[0, 0], [0, 0]]]


def test_squares_are_cropped_at_their_positions(gray_astronaut: NDArray[np.uint8]) -> None:
    (exact,) = cut_squares(gray_astronaut, [(100, 50, INPUT_SIDE)])
    np.testing.assert_array_equal(exact, gray_astronaut[50:82, 100:132])
    (beyond,) = cut_squares(gray_astronaut, [(-32, -32, INPUT_SIDE)])
    assert (beyond == gray_astronaut[0, 0]).all()
    assert cut_squares(gray_astronaut, []).shape == (0, INPUT_SIDE, INPUT_SIDE)


def test_a_face_is_distinguished_from_its_parts(gray_astronaut: NDArray[np.uint8]) -> None:
    x, y, side = FACE
    pieces = [(x, y + side, side), (x, y - 0.6 * side, side), (x + 200, y, side)]
    answer = FaceCheck().probabilities(cut_squares(gray_astronaut, [FACE, *pieces]))
    assert answer[0] > 0.7
    assert answer[1:].max() < 0.3


def test_a_batch_gives_the_same_as_single_squares(gray_astronaut: NDArray[np.uint8]) -> None:
    squares = cut_squares(gray_astronaut, [FACE, (0, 0, 40), (200, 200, 90)])
    check = FaceCheck()
    alone = [check.probabilities(one[None])[0] for one in squares]
    np.testing.assert_allclose(check.probabilities(squares), alone, atol=1e-6)
    assert check.probabilities(squares[:0]).shape == (0,)


def test_threads_may_make_the_first_call_together(gray_astronaut: NDArray[np.uint8]) -> None:
    squares = cut_squares(gray_astronaut, [FACE] * 3)
    check = FaceCheck()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(check.probabilities, [squares] * 8))
    assert all((answer == answers[0]).all() for answer in answers)


def test_a_missing_file_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    monkeypatch.setattr(face_check, "WEIGHTS_PATH", tmp_path / "face_check.onnx")
    detector = HaarDetector()
    with pytest.raises(RuntimeError, match=r"installation is incomplete: face_check\.onnx"):
        detector.detect(astronaut)


def test_the_file_is_small() -> None:
    assert face_check.WEIGHTS_PATH.stat().st_size < 300_000


def test_detecting_needs_no_tensorflow() -> None:
    code = (
        "import sys, numpy as np\n"
        "from fer_core.vision.face_check import FaceCheck\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "FaceCheck().probabilities(np.zeros((1, 32, 32), np.uint8))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True)


@pytest.mark.parametrize("path", face_free_paths(), ids=lambda path: path.name)
def test_pictures_without_faces_give_no_detections(detector: HaarDetector, path: Path) -> None:
    assert detector.detect(decode_picture(path.read_bytes(), path.name)) == []


@pytest.mark.parametrize("side", [140, 200, 300, 512, 900])
@pytest.mark.parametrize("change", ["as it is", "mirrored", "dark", "blurred", "noisy"])
def test_the_astronaut_is_detected(
    detector: HaarDetector, astronaut: NDArray[np.uint8], side: int, change: str
) -> None:
    method = cv2.INTER_AREA if side < 512 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(astronaut, (side, side), interpolation=method), np.uint8)
    center = (FACE[0] + FACE[2] / 2) * side / 512
    if change == "mirrored":
        image, center = np.ascontiguousarray(image[:, ::-1]), side - center
    elif change == "dark":
        image = np.asarray(255 * (image / 255) ** 2, np.uint8)
    elif change == "blurred":
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.2), np.uint8)
    elif change == "noisy":
        noise = np.random.default_rng(0).normal(0, 8, image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    (face,) = detector.detect(image)
    box = face.box
    assert box.width == box.height
    assert box.width == pytest.approx(FACE[2] * side / 512, rel=0.25)
    assert box.x + box.width / 2 == pytest.approx(center, abs=0.12 * box.width)
    assert face.detection_score is not None
    assert 0.5 < face.detection_score <= 1


def test_each_of_many_faces_is_detected_once(
    detector: HaarDetector, astronaut: NDArray[np.uint8]
) -> None:
    head = astronaut[20:220, 120:320]
    faces = detector.detect(np.tile(head, (3, 4, 1)))
    assert len(faces) == 12
    boxes = [face.box for face in faces]
    assert not any(one.is_same_face(two) for one in boxes for two in boxes if one is not two)
    scores = [face.detection_score or 0 for face in faces]
    assert scores == sorted(scores, reverse=True)
