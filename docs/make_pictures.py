"""Take the screenshots of the README from the running app: ``python -m docs.make_pictures``.

They show drawn faces and the sample picture, which is in the public domain:
no face of a dataset may be published.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from fer_core.emotions import EMOTION_COLORS
from fer_core.settings import PROJECT_ROOT
from fer_core.vision.sample import sample_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_SIZE = {"width": 1440, "height": 900}
#: Maximum size of a picture in the repository.
_MAX_BYTES = 250_000
#: CSS selectors: of the app when no script is running, and of the live page's stream.
_IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
_STREAM = 'iframe[title="streamlit_webrtc.component.webrtc_streamer"]'
_TIMEOUT_MS = 120_000
_RECIPE, _EPOCHS, _MODEL = "three-conv-cnn-adam", 24, "drawn-faces"
_CAMERA_WIDTH, _CAMERA_HEIGHT, _CAMERA_FRAMES = 640, 480, 120


@dataclass(frozen=True)
class Workspace:
    """The folders that the app works in while its pictures are taken.

    Attributes:
        root: The folder that contains all of them.
    """

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that select these folders."""
        return os.environ | {
            "FER_STUDIO_DATA": str(self.root / "data"),
            "FER_STUDIO_RUNS": str(self.root / "runs"),
            "FER_STUDIO_MODELS": str(self.root / "models"),
            "FER_STUDIO_ANALYSES": str(self.root / "analyses"),
        }

    def prepare(self) -> None:
        """Import the demo set, train on it and publish the model, next to the shipped models.

        Do nothing if the model was already published by an earlier call.
        """
        if (self.root / "models" / _MODEL).exists():
            return
        shutil.copytree(PROJECT_ROOT / "models", self.root / "models", dirs_exist_ok=True)
        run = self.root / "runs" / f"20260101-000000-{_RECIPE}"
        self._command("dataset", "demo")
        self._command(
            *("train", "--recipe", _RECIPE, "--data", "demo"),
            *("--epochs", str(_EPOCHS), "--run-dir", str(run)),
        )
        self._command("models", "import", str(run), "--name", _MODEL)

    def _command(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "fer_core", *arguments],
            cwd=PROJECT_ROOT,
            env=self.environment,
            check=True,
        )

    def write_camera_video(self) -> Path:
        """Write a video for Chromium's simulated camera: the astronaut, moving on gray."""
        astronaut = np.asarray(Image.open(io.BytesIO(sample_picture()[1])).convert("RGB"))
        astronaut = astronaut[:400, 60:460]
        path = self.root / "camera.y4m"
        with path.open("wb") as file:
            file.write(
                f"YUV4MPEG2 W{_CAMERA_WIDTH} H{_CAMERA_HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode()
            )
            for number in range(_CAMERA_FRAMES):
                image = np.full((_CAMERA_HEIGHT, _CAMERA_WIDTH, 3), 110, np.uint8)
                left = 120 + round(30 * np.sin(2 * np.pi * number / _CAMERA_FRAMES))
                image[80:, left : left + 400] = astronaut
                file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())
        return path

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Run the app, and yield its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://localhost:{port}"
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", "app.py"),
                *("--server.headless=true", f"--server.port={port}"),
            ],
            cwd=PROJECT_ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            while not _answers(url):
                if server.poll() is not None:
                    raise SystemExit("The app did not start; see its message above.")
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def analyze(page: Page) -> None:
    """Show the result for the sample picture."""
    page.get_by_role("button", name="Try a sample picture").click()
    page.locator(".fer-bars").wait_for()


def live(page: Page) -> None:
    """Show a stream that has been running for 20 seconds."""
    page.frame_locator(_STREAM).get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("1 face, 640 by 480 pixels").wait_for()
    page.wait_for_timeout(20_000)


def video(page: Page) -> None:
    """Show the results of the sample video."""
    page.get_by_role("button", name="Try a sample video").or_(
        page.get_by_text("finished", exact=False)
    ).first.wait_for()
    button = page.get_by_role("button", name="Try a sample video")
    if button.is_visible():  # not analyzed by an earlier call
        button.click()
    timeline = page.get_by_role("slider", name="Time")
    timeline.wait_for()
    page.reload()
    timeline.wait_for()
    page.locator(_IDLE).wait_for()
    timeline.scroll_into_view_if_needed()
    box = timeline.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.57 * box["width"], box["y"] + 0.3 * box["height"])
    page.get_by_role("img", name="with Person 1").wait_for()
    # The player needs a moment to find the chosen second.
    page.wait_for_function(
        "[...document.querySelectorAll('video')]"
        ".every(video => video.readyState > 2 && !video.seeking)"
    )


def dataset(page: Page) -> None:
    """Show the gallery of drawn faces."""
    page.get_by_role("tab", name="Browse images").click()
    page.locator(".tile img").first.wait_for()


def train(page: Page) -> None:
    """Show the curves of the run."""
    page.locator('[data-testid="stVegaLiteChart"]').nth(2).wait_for()


def evaluate(page: Page) -> None:
    """Show the confusion matrix with the faces of a cell."""
    page.get_by_role("combobox", name="Images").click()
    page.get_by_role("option", name="demo").click()
    button = page.get_by_role("button", name="Evaluate on")
    done = page.get_by_text("on the validation images of demo")
    button.or_(done).first.wait_for()
    if button.is_visible():  # not evaluated by an earlier call
        button.click()
        done.wait_for()
    page.get_by_role("tab", name="Confusion").click()
    page.get_by_text("predicted as").first.wait_for()
    page.get_by_role("tab", name="Confusion").scroll_into_view_if_needed()


#: By picture: the address, the theme, and the function that prepares the page.
_SCENES = {
    "analyze": ("/analyze", "light", analyze),
    "live": ("/live", "dark", live),
    "video": ("/video", "light", video),
    "dataset": ("/dataset", "light", dataset),
    "train": ("/train?view=Runs", "light", train),
    "evaluate": (f"/evaluate?model={_MODEL}", "light", evaluate),
}


def take_picture(browser: Browser, url: str, name: str) -> bytes:
    """Return the screenshot of a page, as a PNG with 256 colors."""
    address, theme, prepare = _SCENES[name]
    context = browser.new_context(
        viewport={"width": _SIZE["width"], "height": _SIZE["height"]},
        color_scheme="dark" if theme == "dark" else "light",
        permissions=["camera"],
    )
    context.set_default_timeout(_TIMEOUT_MS)
    page = context.new_page()
    page.goto(url + address)
    page.get_by_text("banned in the European Union").wait_for()  # the last text of every page
    page.locator(_IDLE).wait_for()
    prepare(page)
    # Charts are animated, and pictures load after the end of the script.
    page.wait_for_timeout(2_000)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    buffer = io.BytesIO()
    _few_colors(shot).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _few_colors(picture: Image.Image) -> Image.Image:
    """Reduce an image to 256 colors, including white and the colors of the emotions."""
    kept = ["#FFFFFF", *EMOTION_COLORS.values()]
    channels = [int(color[start : start + 2], 16) for color in kept for start in (1, 3, 5)]
    common = picture.quantize(256 - len(kept)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(channels + common[: 768 - len(channels)])
    reduced = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    # Pillow sometimes replaces one of these colors by a similar one.
    pixels, color_indices = np.asarray(picture), np.array(reduced)
    for index in range(len(kept)):
        color_indices[(pixels == channels[3 * index : 3 * index + 3]).all(axis=2)] = index
    exact = Image.fromarray(color_indices, "P")
    exact.putpalette(reduced.getpalette() or [])
    return exact


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the named pictures, or all."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"pictures to take, from {', '.join(_SCENES)} (default: all)",
    )
    parser.add_argument(
        "--workspace",
        "--world",
        type=Path,
        help="folder in which the demo set and the run are kept and reused",
    )
    options = parser.parse_args(arguments)
    names = options.names or list(_SCENES)
    if not set(names) <= _SCENES.keys():
        parser.error(f"choose from {', '.join(_SCENES)}. Received: {' '.join(names)}")
    chromium = os.environ.get("FER_STUDIO_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        parser.error("Chromium is not installed; install it, or name it in FER_STUDIO_CHROMIUM")
    # The prefix is visible in a picture, because the train page shows the name of the folder.
    with tempfile.TemporaryDirectory(prefix="fer-studio-") as folder:
        workspace = Workspace((options.workspace or Path(folder)).resolve())
        workspace.prepare()
        camera = workspace.write_camera_video()
        with workspace.serve() as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium,
                args=[
                    "--no-sandbox",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-video-capture={camera}",
                    "--autoplay-policy=no-user-gesture-required",
                ],
            )
            for name in names:
                content = take_picture(browser, url, name)
                if len(content) > _MAX_BYTES:
                    raise SystemExit(
                        f"{name}.png has {len(content):,} bytes; the maximum is {_MAX_BYTES:,}"
                    )
                (PROJECT_ROOT / "docs" / f"{name}.png").write_bytes(content)
                print(f"docs/{name}.png: {len(content) / 1000:.0f} kB", flush=True)
            browser.close()


if __name__ == "__main__":
    main()
