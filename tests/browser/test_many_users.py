"""Many users of one server: twenty analyze photos at once; two use the webcam during a training."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browser.test_live_in_browser import ONE_FACE, SIZE, assert_moving, component, press
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import import_dataset
from fer_core.recipes import TrainingConfig
from fer_core.training.control import is_active, request_stop
from fer_core.training.launcher import launch
from fer_core.training.registry import run_summary
from fer_core.training.run_folder import RunSetup
from fer_core.vision.decode import decode_picture
from fer_core.vision.haar import HaarDetector
from fer_core.vision.sample import sample_picture

pytestmark = [pytest.mark.browser, pytest.mark.soak]

USERS, PHOTOS = 20, 3
#: Additional memory for all of them together, in bytes.
MOST_MEMORY = 1500 * 2**20


def photo(user: int, number: int) -> bytes:
    """The astronaut in a size that is unique to this user and number."""
    picture = Image.open(io.BytesIO(sample_picture()[1])).convert("RGB")
    size = 400 + 10 * user + number
    buffer = io.BytesIO()
    picture.resize((size, size)).save(buffer, "JPEG")
    return buffer.getvalue()


def faces_in(content: bytes) -> int:
    """The number of detected faces; at some sizes the detector takes a badge for a face."""
    return len(HaarDetector().detect(decode_picture(content, "photo.jpg")))


def test_twenty_users_at_once_each_get_their_own_results(
    open_page: Callable[..., Page], server: Any
) -> None:
    pages = [open_page("/analyze") for _ in range(USERS)]
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    for user, page in enumerate(pages):
        page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(
            [
                {
                    "name": f"user-{user}-{number}.jpg",
                    "mimeType": "image/jpeg",
                    "buffer": photo(user, number),
                }
                for number in range(PHOTOS)
            ]
        )
    start = time.monotonic()
    most = before
    for user, page in enumerate(pages):
        faces = page.get_by_test_id("stMetric").filter(has_text="Faces")
        value = faces.get_by_test_id("stMetricValue")
        expected = [faces_in(photo(user, number)) for number in range(PHOTOS)]
        expect(value).to_have_text(str(sum(expected)), timeout=240_000)
        most = max(most, process.memory_info().rss)
        with page.expect_download() as waiting:
            page.get_by_role("button", name="JSON", exact=True).click()
        document = json.loads(Path(waiting.value.path()).read_bytes())
        got = [(file["file"], file["width"], len(file["faces"])) for file in document["files"]]
        assert got == [
            (f"user-{user}-{number}.jpg", 400 + 10 * user + number, expected[number])
            for number in range(PHOTOS)
        ]
    seconds, grown = time.monotonic() - start, most - before
    print(f"{USERS} users: {seconds:.0f} s, {grown / 2**20:.0f} MB more")
    assert grown < MOST_MEMORY


def test_two_on_the_webcam_while_one_trains(
    open_page: Callable[..., Page], server: Any, tiny_faces: FaceSet, write_images: Path
) -> None:
    settings = server.settings
    import_dataset(write_images, settings, name="faces")
    run = launch(RunSetup("three-conv-cnn-adam", "faces", TrainingConfig(epochs=10_000)), settings)
    pages = [open_page("/live"), open_page("/live")]
    for page in pages:
        press(page, "Start")
    for page in pages:
        expect(component(page).locator("video")).to_be_visible(timeout=60_000)
        expect(page.get_by_text(SIZE)).to_be_visible(timeout=60_000)
    deadline = time.monotonic() + 180
    while not run.read_epochs():
        assert time.monotonic() < deadline, run_summary(run.path, settings).reason
        time.sleep(0.5)
    done = len(run.read_epochs())
    for _ in range(3):
        for page in pages:
            assert_moving(page)
            expect(page.get_by_text(ONE_FACE)).to_be_visible(timeout=60_000)
    assert len(run.read_epochs()) > done  # the training continues meanwhile
    request_stop(run)
    while is_active(run):
        assert time.monotonic() < deadline + 120
        time.sleep(0.5)
    assert run_summary(run.path, settings).state == "stopped"
    for page in pages:
        assert_moving(page)


@pytest.fixture
def write_images(
    tiny_faces: FaceSet, write_zip: Callable[..., Path], png: Callable[..., bytes]
) -> Path:
    """The tiny faces as an archive."""
    return write_zip(
        {
            f"{('train', 'validation', 'test')[split]}/{name}/{row}.png": png(image)
            for row, (image, split, name) in enumerate(
                zip(tiny_faces.images, tiny_faces.splits, names_of(tiny_faces), strict=True)
            )
        }
    )


def names_of(faces: FaceSet) -> list[str]:
    from fer_core.emotions import EMOTIONS

    return [EMOTIONS[label] for label in faces.labels]
