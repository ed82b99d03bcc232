"""Measure the processor of the live page without a browser.

``python -m benchmarks.live_engine [VIDEO]``. The video is played forward and backward at 30 frames
per second, as from a camera: a frame that arrives while another one is processed is dropped. The
boxes of every frame are then compared with the detections of the detector in the same frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import av
import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.live_camera import FRAMES_PER_SECOND, Picture, load_loop, sample_loop
from benchmarks.measurement import Measurement, median_seconds, milliseconds, print_table
from benchmarks.plain_script import PlainScript
from fer_core.bundle import find_bundle
from fer_core.live.controls import LiveControls
from fer_core.live.processor import LiveProcessor
from fer_core.predictor import load_predictor
from fer_core.settings import load_settings
from fer_core.vision.analyzer import Analyzer, EmotionPredictor
from fer_core.vision.boxes import BoxGeometry, FaceBox
from fer_core.vision.detect import FaceDetector, make_detector
from fer_core.vision.detector_files import detector_names
from fer_core.vision.face import Face
from fer_core.vision.yunet import YuNetDetector

#: Minimum intersection over union of two matching boxes.
_AGREEMENT = 0.7
#: Frames that are not measured, until models are loaded and the first detections are finished.
_WARM_UP_FRAMES = 60
_MEMORY_SAMPLES = 20


@dataclass
class _TimedDetector:
    """A detector that records the duration of each call."""

    inner: FaceDetector
    milliseconds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def geometry(self) -> BoxGeometry:
        return self.inner.geometry

    def detect(self, image: Picture) -> list[Face]:
        start = time.perf_counter()
        faces = self.inner.detect(image)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        return faces


@dataclass(frozen=True)
class _Run:
    """The result of playing a video in real time.

    Attributes:
        frame_numbers: Numbers of the processed frames, ascending; dropped frames are missing.
        boxes: The boxes drawn into each processed frame.
        processing: Milliseconds of processing per frame.
        total: Milliseconds per frame including the conversion to RGB and back.
        detections: Milliseconds of each detection.
        seconds: Duration of the run.
    """

    frame_numbers: list[int]
    boxes: list[list[FaceBox]]
    processing: list[float]
    total: list[float]
    detections: list[float]
    seconds: float

    @property
    def dropped(self) -> int:
        """Number of dropped frames."""
        return self.frame_numbers[-1] - self.frame_numbers[0] + 1 - len(self.frame_numbers)


def measure(
    video: Path | None, seconds: float = 60.0, frame_count: int = 10_000, yunet: Path | None = None
) -> list[Measurement]:
    """Measure with each detector.

    Args:
        video: A video with at least one face; if None, the sample picture is moved around.
        seconds: Duration of the real-time measurement of each detector.
        frame_count: Number of frames for the memory measurement, processed without pauses.
        yunet: YuNet's file, if the checkout does not have it.

    Raises:
        InputError: There is no model.
        ValueError: The video cannot be used.
    """
    settings = load_settings()
    loop = sample_loop() if video is None else load_loop(video)
    predictor = load_predictor(find_bundle(None, settings))
    detectors = {name: make_detector(name, settings) for name in detector_names(settings)}
    if yunet is not None:
        detectors["yunet"] = YuNetDetector(yunet)
    measurements: list[Measurement] = []
    for name, detector in sorted(detectors.items()):
        measurements += _measurements(
            name, detector, loop, _run(loop, predictor, detector, seconds)
        )
        measurements.append(_memory(name, detector, loop, predictor, frame_count))
    # The plain script is measured last, because it loads Keras and its backend into this process.
    return [*measurements, _plain_script(loop)]


def _plain_script(loop: Sequence[Picture]) -> Measurement:
    """Measure detection and prediction in every frame, as in a script without tracking."""
    script = PlainScript()
    frames = cycle(loop[:: max(1, len(loop) // 20)])
    seconds = median_seconds(lambda: script.classify(next(frames)))
    return Measurement(
        "plain Keras script: processing per frame, median",
        milliseconds(seconds),
        f"at most {1 / seconds:.0f} fps; a camera has 30",
    )


def _run(
    loop: Sequence[Picture], predictor: EmotionPredictor, detector: FaceDetector, seconds: float
) -> _Run:
    timed = _TimedDetector(detector)
    processor = LiveProcessor(LiveControls(Analyzer(predictor, timed)))
    # The frames have the pixel format of the video decoder.
    camera = [
        av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        for picture in loop
    ]
    run = _Run([], [], [], [], timed.milliseconds, seconds)
    start = time.perf_counter()
    last, warm_up_detections = -1, 0
    while True:
        # The newest frame, or the next one if the newest was already processed.
        number = max(int((time.perf_counter() - start) * FRAMES_PER_SECOND), last + 1)
        if number >= _WARM_UP_FRAMES + seconds * FRAMES_PER_SECOND:
            break
        time.sleep(max(0.0, start + number / FRAMES_PER_SECOND - time.perf_counter()))
        last = number
        frame_start = time.perf_counter()
        image = np.asarray(camera[number % len(loop)].to_ndarray(format="rgb24"), np.uint8)
        converted = time.perf_counter()
        annotated = processor.process(image, number / FRAMES_PER_SECOND)
        processed = time.perf_counter()
        av.VideoFrame.from_ndarray(annotated, format="rgb24")
        frame_end = time.perf_counter()
        if number < _WARM_UP_FRAMES:
            warm_up_detections = len(timed.milliseconds)
            continue
        run.frame_numbers.append(number)
        run.boxes.append([face.box for face in processor.snapshot().faces])
        run.processing.append(1000 * (processed - converted))
        run.total.append(1000 * (frame_end - frame_start))
    error = processor.snapshot().error
    processor.close()
    if error is not None:
        raise RuntimeError(error)
    del run.detections[:warm_up_detections]
    return run


def _measurements(
    name: str, detector: FaceDetector, loop: Sequence[Picture], run: _Run
) -> list[Measurement]:
    reference = [[face.box for face in detector.detect(picture)] for picture in loop]
    with_faces = [
        (number, boxes)
        for number, boxes in zip(run.frame_numbers, run.boxes, strict=True)
        if reference[number % len(loop)]
    ]
    agreeing = [_agree(boxes, reference[number % len(loop)]) for number, boxes in with_faces]
    overlaps = [
        max((box.iou(face) for box in boxes), default=0.0)
        for number, boxes in with_faces
        for face in reference[number % len(loop)]
    ]
    # Without tracking, boxes would stay at the last detection until the next one ends.
    interval = round(FRAMES_PER_SECOND * run.seconds / max(1, len(run.detections)))
    without_tracking = [
        _agree(
            reference[(number - 1 - number % interval) % len(loop)],
            reference[number % len(loop)],
        )
        for number, _ in with_faces
    ]
    mean_faces = float(np.mean([len(boxes) for boxes in run.boxes]))
    return [
        Measurement(
            f"{name}: processing per frame, median / 95th percentile",
            f"{_median_and_slow(run.processing)} ({mean_faces:.1f} faces)",
            f"with RGB conversions {_median_and_slow(run.total)}; frame interval 33.3 ms",
        ),
        Measurement(
            f"{name}: dropped frames at 30 fps",
            f"{run.dropped} of {run.dropped + len(run.frame_numbers)}",
        ),
        Measurement(
            f"{name}: detections per second",
            f"{len(run.detections) / run.seconds:.1f}, each {_median_and_slow(run.detections)}",
            "a detection in every frame would be 30",
        ),
        Measurement(
            f"{name}: frames with faces whose boxes agree with a detection in the same frame",
            f"{_share(agreeing)} of {len(agreeing)} (median overlap {_median(overlaps):.2f})",
            f"{_share(without_tracking)} without tracking; limit 95 %",
        ),
    ]


def _memory(
    name: str,
    detector: FaceDetector,
    loop: Sequence[Picture],
    predictor: EmotionPredictor,
    frame_count: int,
) -> Measurement:
    processor = LiveProcessor(LiveControls(Analyzer(predictor, detector)))
    process = psutil.Process()
    memory: list[float] = []
    sample_interval = max(1, frame_count // _MEMORY_SAMPLES)
    for number in range(frame_count):
        processor.process(loop[number % len(loop)].copy(), number / FRAMES_PER_SECOND)
        if (number + 1) % sample_interval == 0:
            memory.append(process.memory_info().rss / 2**20)
    processor.close()
    # Skip the first tenth of the samples, during which the caches are filled.
    settled = memory[len(memory) // 10 :]
    return Measurement(
        f"{name}: memory over {frame_count} frames",
        f"{settled[-1] - settled[0]:+.1f} MB",
        f"of {settled[-1]:.0f} MB; minimum {min(settled):.0f}, maximum {max(settled):.0f}",
    )


def _agree(boxes: Sequence[FaceBox], faces: Sequence[FaceBox]) -> bool:
    """Return True if boxes and faces match one to one."""
    unmatched = list(boxes)
    for face in faces:
        best = max(unmatched, key=lambda box: box.iou(face), default=None)
        if best is None or best.iou(face) < _AGREEMENT:
            return False
        unmatched.remove(best)
    return not unmatched


def _median_and_slow(milliseconds: Sequence[float] | NDArray[np.float64]) -> str:
    if not len(milliseconds):
        return "-"
    return f"{np.median(milliseconds):.1f} / {np.percentile(milliseconds, 95):.1f} ms"


def _share(agreeing: Sequence[bool]) -> str:
    return f"{np.mean(agreeing):.1%}" if agreeing else "-"


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "video",
        type=Path,
        nargs="?",
        help="a video with a face, used as the webcam (default: the sample picture, moved around)",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="duration per detector")
    parser.add_argument("--frames", type=int, default=10_000, help="frames for the memory test")
    parser.add_argument("--yunet", type=Path, help="YuNet's file, if the checkout has none")
    options = parser.parse_args()
    print_table(measure(options.video, options.seconds, options.frames, options.yunet))


if __name__ == "__main__":
    main()
