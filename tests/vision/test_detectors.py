"""The detectors: by name, on unusual pictures, and from several threads."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.settings import Settings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import FaceBox
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import FaceDetector, make_detector
from fer_core.vision.detector_files import YUNET_FILE_NAME, detector_names
from fer_core.vision.sample import SAMPLE_CREDIT, sample_picture

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"
YUNET = REAL_DATA / YUNET_FILE_NAME
PERSONS_COUNT = {
    "no_face": 0,
    "one_smiling": 1,
    "portrait": 1,
    "two_faces": 2,
    "four_smiling": 4,
    "family_5": 5,
    "group_26": 26,
}

with_real_photos = pytest.mark.skipif(
    not (REAL_DATA / "photos").is_dir(), reason="the development photos are missing"
)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("roots")
    settings = Settings(root / "data", root / "runs", root / "models")
    if YUNET.is_file():
        settings.detectors_root.mkdir(parents=True)
        (settings.detectors_root / YUNET_FILE_NAME).write_bytes(YUNET.read_bytes())
    return settings


@pytest.fixture(scope="module", params=["haar", "yunet"])
def detector(request: pytest.FixtureRequest, roots: Settings) -> Iterator[FaceDetector]:
    if request.param not in detector_names(roots):
        pytest.skip("YuNet's file is missing")
    yield make_detector(request.param, roots)


def photo(name: str) -> NDArray[np.uint8]:
    path = REAL_DATA / "photos" / f"{name}.jpg"
    return decode_picture(path.read_bytes(), path.name)


def astronaut() -> NDArray[np.uint8]:
    name, content = sample_picture()
    return decode_picture(content, name)


def test_haar_is_always_available(tmp_path: Path) -> None:
    roots = Settings(tmp_path, tmp_path, tmp_path)
    assert detector_names(roots) == ("haar",)
    assert make_detector("haar", roots).name == "haar"


def test_yunet_is_the_default_if_its_file_is_present(roots: Settings) -> None:
    if not YUNET.is_file():
        pytest.skip("YuNet's file is missing")
    assert detector_names(roots) == ("yunet", "haar")


def test_unavailable_detectors_raise(tmp_path: Path) -> None:
    roots = Settings(tmp_path, tmp_path, tmp_path)
    with pytest.raises(InputError, match=r"no detector 'mtcnn'; choose 'yunet' or 'haar'"):
        make_detector("mtcnn", roots)
    with pytest.raises(InputError, match=r"is missing; run .*detectors fetch.*or choose 'haar'"):
        make_detector("yunet", roots)


def test_the_sample_picture() -> None:
    name, content = sample_picture()
    assert name.endswith(".png")
    assert Image.open(io.BytesIO(content)).size == (512, 512)
    assert "public domain" in SAMPLE_CREDIT


def test_the_astronauts_face_is_detected_at_its_position(detector: FaceDetector) -> None:
    (face,) = detector.detect(astronaut())
    square = detector.geometry.square(face.box)
    assert square.center_x == pytest.approx(224, abs=12)
    assert square.center_y == pytest.approx(118, abs=14)
    assert 85 < square.side < 130


def test_boxes_are_in_pixels_of_the_full_picture(detector: FaceDetector) -> None:
    image = astronaut()
    large = np.repeat(np.repeat(image, 5, axis=0), 5, axis=1)
    (small,), (enlarged,) = detector.detect(image), detector.detect(large)
    small_box, large_box = small.box, enlarged.box
    assert large_box.x == pytest.approx(5 * small_box.x, abs=60)
    assert large_box.width == pytest.approx(5 * small_box.width, rel=0.15)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (3, 3), (1, 5000), (5000, 1), (33, 31), (20, 9000), (2500, 4000)]
)
def test_unusual_shapes_give_no_detections(detector: FaceDetector, height: int, width: int) -> None:
    ramp = np.linspace(0, 255, height * width, dtype=np.uint8).reshape(height, width)
    assert detector.detect(np.repeat(ramp[:, :, None], 3, axis=2)) == []


def test_threads_get_the_same_result(detector: FaceDetector) -> None:
    image = astronaut()
    images = [image, image[:, 40:], image[20:, :400], np.zeros_like(image)]

    def detected(image: NDArray[np.uint8]) -> list[tuple[FaceBox, float | None]]:
        return [(face.box, face.detection_score) for face in detector.detect(image)]

    alone = [detected(one) for one in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detected, images * 4)) == alone * 4


@with_real_photos
@pytest.mark.parametrize(("name", "count"), PERSONS_COUNT.items())
def test_the_number_of_faces_is_that_of_a_manual_count(
    detector: FaceDetector, name: str, count: int
) -> None:
    assert len(detector.detect(photo(name))) == count


@with_real_photos
def test_small_faces_in_a_large_picture(roots: Settings) -> None:
    if "yunet" not in detector_names(roots):
        pytest.skip("YuNet's file is missing")
    canvas = np.full((2400, 3200, 3), 128, np.uint8)
    group = photo("group_26")
    canvas[800 : 800 + group.shape[0], 1000 : 1000 + group.shape[1]] = group
    assert len(make_detector("yunet", roots).detect(canvas)) >= 25


@with_real_photos
def test_the_detectors_agree_on_the_square(roots: Settings) -> None:
    if "yunet" not in detector_names(roots):
        pytest.skip("YuNet's file is missing")
    haar, yunet = make_detector("haar", roots), make_detector("yunet", roots)
    ratios, offsets = [], []
    for name in ("family_5", "four_smiling", "group_26"):
        image = photo(name)
        references = [face.box for face in haar.detect(image)]
        for box in (face.box for face in yunet.detect(image)):
            for reference in filter(box.is_same_face, references):
                square, known = yunet.geometry.square(box), haar.geometry.square(reference)
                ratios.append(square.side / known.side)
                away = (square.center_x - known.center_x, square.center_y - known.center_y)
                offsets.append(np.array(away) / known.side)
    assert len(ratios) >= 30
    assert np.median(ratios) == pytest.approx(1.0, abs=0.05)
    assert np.abs(np.median(offsets, axis=0)).max() < 0.03


class UniformPredictor:
    classes = EMOTIONS
    input_shape = (48, 48, 1)
    minimum_confidence = 0.0

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((len(crops), 7), 1 / 7, np.float32)


def test_analyzer_with_a_real_detector(detector: FaceDetector) -> None:
    (face,) = Analyzer(UniformPredictor(), detector).analyze(astronaut())
    assert face.crop is not None
    # The center of a face is neither black nor white.
    assert 60 < face.crop[12:36, 12:36].mean() < 220
    # As the JSON document states it: in whole pixels.
    assert face.box == FaceBox(*face.box.rounded())
