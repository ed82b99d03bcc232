"""Speed, memory and size of video analyses, on generated videos of drawn people."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Measurement
from fer_core.bundle import find_bundle
from fer_core.predictor import load_predictor
from fer_core.settings import Settings, load_settings
from fer_core.video.analysis_folder import AnalysisFolder
from fer_core.video.analysis_job import run_analysis
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.video.reader import read_frames
from fer_core.video.sample import sample_path
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.detect import make_detector
from fer_core.vision.detector_files import detector_names

_RATE = 30
#: Long enough that opening the files takes a small share of the time.
_SECONDS = 60
_HOUR_SECONDS = 3600
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class _Case:
    """A video and how it is analyzed.

    Attributes:
        title: A description.
        size: Width and height in pixels.
        face_count: The number of faces.
        per_second: Analyzed frames per second; None for every frame.
        annotates: True to write the annotated video too.
        target: The speed to reach, as a multiple of real time.
    """

    title: str
    size: tuple[int, int]
    face_count: int
    per_second: float | None
    annotates: bool
    target: float


_CASES = (
    _Case("640x480, one face, every frame", (640, 480), 1, None, False, 1.5),
    _Case("640x480, one face, every frame, annotated", (640, 480), 1, None, True, 1.0),
    _Case("640x480, one face, 5 per second", (640, 480), 1, 5.0, False, 10.0),
    _Case("1280x720, four faces, every frame", (1280, 720), 4, None, False, 0.7),
)


def measure(video: Path | None) -> list[Measurement]:
    """Measure speed and peak memory of analyses, each in a process of its own.

    Args:
        video: A video to measure as well.
    """
    measurements = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, case in enumerate(_CASES):
            path = folder / f"{number}.mp4"
            write_video_of_faces(path, case.size, case.face_count, _SECONDS)
            result = _measure_case(path, folder / f"out{number}", case)
            measurements.append(
                Measurement(
                    f"video, {case.title}",
                    f"{result.speed:.2f} times real time",
                    f"target {case.target:g}; {result.details}",
                )
            )
        if video is not None:
            case = _Case(video.name, (0, 0), 0, None, False, 1.5)
            result = _measure_case(video, folder / "own", case)
            measurements.append(
                Measurement(
                    f"video, {video.name}, every frame",
                    f"{result.speed:.2f} times real time",
                    result.details,
                )
            )
    return measurements


def measure_hour() -> list[Measurement]:
    """Measure memory and size of the table for one hour of one face, at 5 frames per second."""
    with tempfile.TemporaryDirectory() as name:
        return [_measure_hour(Path(name))]


def _measure_hour(folder: Path) -> Measurement:
    path = folder / "hour.mp4"
    write_video_of_faces(path, (640, 480), 1, _HOUR_SECONDS)
    case = _Case("hour", (640, 480), 1, 5.0, False, 10.0)
    out = folder / "hour"
    result = _measure_case(path, out, case)
    size = (out / "faces.parquet").stat().st_size
    # At 30 frames per second, the table would have six times as many rows.
    return Measurement(
        "video, one hour of one face, 5 per second",
        f"{result.speed:.2f} times real time, peak memory {result.peak:.0f} MB",
        f"{result.early_peak:.0f} MB in the first tenth; table {size / _MEGABYTE:.1f} MB, "
        f"at 30 per second about {6 * size / _MEGABYTE:.1f} MB",
    )


@dataclass(frozen=True)
class _Result:
    """The result of a measurement.

    Attributes:
        speed: The speed, as a multiple of real time.
        cpu_seconds: CPU time of all cores in seconds, per second of video. Other running programs
            have little influence on it.
        peak: The largest memory in MB.
        early_peak: The largest memory in MB in the first tenth of the time.
    """

    speed: float
    cpu_seconds: float
    peak: float
    early_peak: float

    @property
    def details(self) -> str:
        """CPU time and peak memory, as text."""
        return f"{self.cpu_seconds:.2f} s of CPU time per second; peak memory {self.peak:.0f} MB"


def _measure_case(path: Path, out: Path, case: _Case) -> _Result:
    """Analyze a video in another process."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=_analyze, args=(path, out, case, results))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"The analysis of {path.name} failed.")
    result: _Result = results.get()
    return result


def _analyze(path: Path, out: Path, case: _Case, results: Any) -> None:
    import psutil

    settings = load_settings()
    folder, analyzer = new_analysis(
        path, out, settings, per_second=case.per_second, annotates=case.annotates
    )
    process = psutil.Process(os.getpid())
    samples: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            samples.append(process.memory_info().rss / _MEGABYTE)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    cpu_start = time.process_time()
    outcome = run_analysis(folder, settings, analyzer=analyzer)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    done.set()
    watcher.join()
    length = outcome.status.seconds or 0.0
    tenth = samples[: max(len(samples) // 10, 1)]
    peak = max(samples, default=0.0)
    results.put(_Result(length / seconds, cpu_seconds / length, peak, max(tenth, default=0.0)))


def new_analysis(
    path: Path,
    out: Path,
    settings: Settings,
    *,
    per_second: float | None = None,
    annotates: bool = False,
) -> tuple[AnalysisFolder, Analyzer]:
    """Create an analysis of a video with the default model and detector.

    Args:
        path: The video.
        out: The folder of the analysis.
        settings: The program's folders.
        per_second: Analyzed frames per second; None for every frame.
        annotates: True to write the annotated video too.
    """
    bundle = find_bundle(None, settings)
    predictor = load_predictor(bundle)
    detector = detector_names(settings)[0]
    folder = AnalysisFolder(out)
    folder.create(
        AnalysisSettings(
            video=path.name,
            source=str(path),
            model=bundle.name,
            classes=tuple(predictor.classes),
            detector=detector,
            per_second=per_second,
            annotates=annotates,
        )
    )
    return folder, Analyzer(predictor, make_detector(detector, settings))


def write_video_of_faces(path: Path, size: tuple[int, int], face_count: int, seconds: int) -> None:
    """Write a video that shows the sample video's first person ``face_count`` times, in a loop."""
    import av

    heads = [frame.image[120:360, 60:300] for frame in read_frames(sample_path())]
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "23"}
        stream: Any = container.add_stream("libx264", rate=_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for image in _frames_of_faces(heads, size, face_count, seconds):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frames_of_faces(
    heads: list[NDArray[np.uint8]], size: tuple[int, int], face_count: int, seconds: int
) -> Iterable[NDArray[np.uint8]]:
    width, height = size
    side = min(height // 2, width // (face_count + 1)) // 2 * 2
    for number in range(seconds * _RATE):
        image = np.full((height, width, 3), 190, np.uint8)
        head = cv2.resize(heads[number * 2 // 3 % len(heads)], (side, side))
        for index in range(face_count):
            left = round((index + 0.5) * width / face_count - side / 2)
            top = height // 3 + round(10 * np.sin(number / 20 + index))
            image[top : top + side, left : left + side] = head[: height - top]
        yield image
