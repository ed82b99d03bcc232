"""Draw the sample video of the video page: two drawn people whose expressions change.

``python -m tools.draw_sample_video`` overwrites ``fer_core/video/sample.mp4``.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.video.sample import sample_path
from tools.draw_demo.canvas import Pose
from tools.draw_demo.chance import generator_for
from tools.draw_demo.expression import Expression, random_expression
from tools.draw_demo.identity import Identity, random_identity
from tools.draw_demo.rendering import draw_person

#: Width and height in pixels, frames per second, and length in seconds.
_WIDTH, _HEIGHT, _RATE, _SECONDS = 640, 360, 20, 20.0
#: Side in pixels of the square in which a person is drawn.
_SIDE = 240
#: Gray of the video's background.
_VIDEO_BACKGROUND = 205
#: Each person is drawn on both of these grays. The difference of the two drawings shows where the
#: person covers the background.
_MATTE_GRAYS = (220, 20)
#: Seconds that an expression takes to change.
_CHANGE_SECONDS = 0.3
_SEED = 48_2013


@dataclass(frozen=True)
class Actor:
    """A person and what he or she does.

    Attributes:
        number: Seed of the person's appearance, expressions and movement.
        skin: Factors on red, green and blue.
        expressions: Pairs of a time in seconds and the emotion that the person shows from then on.
        positions: Pairs of a time in seconds and the x coordinate of the person's center in pixels.
            The person moves evenly from each position to the next.
    """

    number: int
    skin: tuple[float, float, float]
    expressions: tuple[tuple[float, str], ...]
    positions: tuple[tuple[float, float], ...]


#: The tests compare the analysis of the video with these values.
ACTORS = (
    Actor(
        number=9,
        skin=(1.0, 0.86, 0.74),
        expressions=(
            *((0.0, "sad"), (3.0, "happy"), (7.0, "angry"), (10.0, "surprise")),
            *((13.0, "sad"), (16.0, "happy")),
        ),
        positions=((0.0, 180.0), (20.0, 190.0)),
    ),
    Actor(
        number=8,
        skin=(0.98, 0.8, 0.66),
        expressions=(
            *((0.0, "happy"), (6.0, "sad"), (9.0, "happy"), (14.0, "surprise"), (17.0, "sad")),
        ),
        # Comes in, leaves, and returns.
        positions=(
            *((0.0, 780.0), (4.0, 780.0), (5.0, 470.0), (11.0, 470.0), (12.0, 780.0)),
            *((14.0, 780.0), (15.0, 460.0), (20.0, 460.0)),
        ),
    ),
)


def draw_frame(seconds: float) -> NDArray[np.uint8]:
    """Draw one frame: RGB, uint8 ``[360, 640, 3]``."""
    image = np.empty((_HEIGHT, _WIDTH, 3), np.uint8)
    # A soft gradient, so that the picture has a structure.
    shade = np.linspace(1.0, 0.9, _HEIGHT)[:, None, None]
    image[:] = (_VIDEO_BACKGROUND * shade * (0.93, 0.97, 1.0)).astype(np.uint8)
    for actor in ACTORS:
        _draw_actor(image, actor, seconds)
    return image


def _draw_actor(image: NDArray[np.uint8], actor: Actor, seconds: float) -> None:
    times, positions = zip(*actor.positions, strict=True)
    center = round(float(np.interp(seconds, times, positions)))
    left, top = center - _SIDE // 2, _HEIGHT - _SIDE
    if left >= _WIDTH or left + _SIDE <= 0:
        return
    gray, opacity = _gray_and_opacity(actor, seconds)
    colored = gray[..., None] * np.array(actor.skin)
    first, last = max(left, 0), min(left + _SIDE, _WIDTH)
    visible = slice(first - left, last - left)
    target = image[top:, first:last]
    alpha = opacity[:, visible, None]
    target[:] = np.clip(alpha * colored[:, visible] + (1 - alpha) * target, 0, 255).astype(np.uint8)


def _gray_and_opacity(
    actor: Actor, seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a gray drawing of the person, 0 to 255, and the opacity of its pixels, 0 to 1."""
    pose = Pose(
        right=0.01 * math.sin(1.3 * seconds + actor.number),
        scale=0.8,
        roll=3.0 * math.sin(0.9 * seconds + actor.number),
        yaw=0.15 * math.sin(0.7 * seconds),
    )
    light, dark = (
        draw_person(
            _identity(actor.number),
            _expression(actor, seconds),
            pose,
            size=_SIDE,
            background=background,
            gaze=0.3 * math.sin(0.5 * seconds),
        ).astype(np.float64)
        for background in _MATTE_GRAYS
    )
    # The background differs between the two drawings, the person does not.
    difference = (light - dark) / (_MATTE_GRAYS[0] - _MATTE_GRAYS[1])
    return dark, np.clip(1.0 - 1.3 * difference, 0.0, 1.0)


def _identity(number: int) -> Identity:
    return random_identity(generator_for(_SEED, number))


def _expression(actor: Actor, seconds: float) -> Expression:
    """Return the expression at a time, which changes smoothly."""
    previous = current = actor.expressions[0][1]
    change_time = -math.inf
    for start, emotion in actor.expressions:
        if start <= seconds:
            previous, current, change_time = current, emotion, start
    share = min((seconds - change_time) / _CHANGE_SECONDS, 1.0)
    old, new = (
        np.array(
            astuple(random_expression(generator_for(_SEED, actor.number), name, is_clear=True))
        )
        for name in (previous, current)
    )
    return Expression(*(old + share * (new - old)).tolist())


def write_sample(path: Path) -> None:
    """Draw all frames, and encode them as a video at ``path``."""
    import av

    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"preset": "veryslow", "crf": "26"}
        stream: Any = container.add_stream("libx264", rate=_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for number in range(round(_SECONDS * _RATE)):
            frame = av.VideoFrame.from_ndarray(draw_frame(number / _RATE), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    write_sample(sample_path())
    print(f"{sample_path()}: {sample_path().stat().st_size / 1000:,.0f} kB")
