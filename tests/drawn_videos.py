"""Generated recordings with known truth: drawn persons that a simple detector and model understand.

A face is an orange square whose gray center encodes the expression; the clothes below have a color
of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.face import Face

Image = NDArray[np.uint8]
WIDTH, HEIGHT = 320, 240
SIDE = 56
_SKIN = (235, 150, 90)
BLUE, GREEN = (40, 60, 200), (50, 150, 60)
#: The gray of an expression's center is 20 + 32 times its index.
_DARKEST, _STEP = 20, 32
_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True)
class Person:
    """A drawn person in one frame; x and y are the upper left corner of the face."""

    x: float
    y: float
    expression: str = "neutral"
    clothes: tuple[int, int, int] = BLUE


def room(shade: int = 120, seed: int = 0) -> Image:
    """A textured background."""
    generator = np.random.default_rng(seed)
    small = generator.integers(shade - 25, shade + 25, (HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    gray = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.repeat(gray[..., None], 3, axis=2)


_ROOM = room()


def scene(*persons: Person, background: Image = _ROOM) -> Image:
    """Draw persons, the last one in front."""
    image = background.copy()
    for one in persons:
        x, y = round(one.x), round(one.y)
        body = (x - 12, y + SIDE), (x + SIDE + 12, y + 3 * SIDE)
        cv2.rectangle(image, *body, one.clothes, -1)
        cv2.rectangle(image, (x, y), (x + SIDE - 1, y + SIDE - 1), _SKIN, -1)
        # The outline separates faces that overlap.
        cv2.rectangle(image, (x - 3, y - 3), (x + SIDE + 2, y + SIDE + 2), (40, 40, 40), 3)
        gray = _DARKEST + _STEP * EMOTIONS.index(one.expression)
        inner = (x + SIDE // 4, y + SIDE // 4), (x + 3 * SIDE // 4, y + 3 * SIDE // 4)
        cv2.rectangle(image, *inner, (gray, gray, gray), -1)
    return image


class OrangeDetector:
    """Finds orange squares, and counts how often it was asked."""

    name = "orange"
    geometry = BoxGeometry(relative_side=1.0, offset_x=0.0, offset_y=0.0)

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image: Image) -> list[Face]:
        """Return a face for every orange region that is at least half visible."""
        self.calls += 1
        red, green, blue = (image[..., channel].astype(int) for channel in range(3))
        mask = ((red - blue > 80) & (red - green > 40)).astype(np.uint8)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(mask)
        return [
            Face(FaceBox(int(x), int(y), int(width), int(height)), 0.9)
            for x, y, width, height, area in boxes[1:]
            if area > 150 and min(width, height) >= SIDE // 2
        ]


@dataclass
class CenterPredictor:
    """Reads the expression from the gray of the center; probability 0.88."""

    classes: tuple[str, ...] = EMOTIONS
    input_shape: tuple[int, int, int] = (48, 48, 1)
    minimum_confidence: float = 0.0
    batches: list[int] = field(default_factory=list)

    def probabilities(self, crops: Image) -> NDArray[np.float32]:
        """Return float32 ``[n, classes]``."""
        self.batches.append(len(crops))
        grays = crops[:, 21:27, 21:27].mean(axis=(1, 2))
        indices = np.clip(np.rint((grays - _DARKEST) / _STEP), 0, len(self.classes) - 1)
        result = np.full((len(crops), len(self.classes)), 0.02, np.float32)
        result[np.arange(len(crops)), indices.astype(int)] = 1 - 0.02 * (len(self.classes) - 1)
        return result


def drawn_analyzer() -> Analyzer:
    """Return an analyzer that understands drawn persons exactly."""
    return Analyzer(CenterPredictor(), OrangeDetector())


def settings_for(path: Path, **changes: Any) -> AnalysisSettings:
    """Return settings for a file, without smoothing unless it is given."""
    values: dict[str, Any] = {
        "video": path.name,
        "source": str(path),
        "model": "small",
        "classes": EMOTIONS,
        "detector": "orange",
        "smoothing_seconds": 0.0,
    }
    return AnalysisSettings(**(values | changes))


def at_rate(images: Iterable[Image], rate: float = 25.0) -> list[tuple[float, Image]]:
    """Return images with their times at a constant rate."""
    return [(number / rate, image) for number, image in enumerate(images)]


def write_video(
    path: Path,
    timed: Sequence[tuple[float, Image]],
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    rotation: int = 0,
    has_sound: bool = False,
    sound_codec: str = "aac",
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode frames with exactly these times, in seconds."""
    if options is None:
        options = {"preset": "ultrafast", "crf": "12"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        height, width = timed[0][1].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        # MPEG-4 has a constant rate.
        time_base = Fraction(1, 25) if codec == "mpeg4" else _TIME_BASE
        stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        sound: Any = container.add_stream(sound_codec, rate=8000) if has_sound else None
        for seconds, image in timed:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if image.shape[:2] != (height, width):
                frame = frame.reformat(width=width, height=height)
            frame.pts, frame.time_base = round(seconds / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            write_tone(container, sound, timed[-1][0])
    return path


def write_tone(container: Any, stream: Any, seconds: float) -> None:
    """Encode a tone."""
    count = round(8000 * seconds)
    samples = (8000 * np.sin(np.arange(count) * 0.3)).astype(np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts = 8000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def alternating(
    seconds: float, changes: dict[float, str], *, x: float = 130, rate: float = 25.0
) -> list[tuple[float, Image]]:
    """One person whose expression changes at the given times."""
    images = []
    for number in range(round(seconds * rate)):
        now = max(moment for moment in changes if moment <= number / rate + 1e-9)
        images.append(scene(Person(x, 60, changes[now])))
    return at_rate(images, rate)
