"""Speed of jobs over many files, in local processes and on Ray; speed and memory of the service."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.measurement import Measurement, milliseconds
from benchmarks.video import write_video_of_faces
from fer_core.bundle import find_bundle
from fer_core.predictor import load_predictor
from fer_core.scale.inputs import Item, list_items
from fer_core.scale.job_folder import JobFolder
from fer_core.scale.options import ScaleOptions
from fer_core.scale.photos import photo_work
from fer_core.scale.portable_analyzer import portable_analyzer
from fer_core.scale.runner import run_job
from fer_core.scale.videos import VideoWork
from fer_core.scale.work import Work
from fer_core.settings import PROJECT_ROOT, load_settings
from fer_core.video.analysis_settings import AnalysisSettings
from fer_core.vision.analyzer import Analyzer
from fer_core.vision.decode import decode_picture
from fer_core.vision.detect import make_detector
from fer_core.vision.detector_files import detector_names
from fer_core.vision.photo import analyze_photo
from fer_core.vision.sample import sample_picture

#: Number of photos, and of different ones among them; the others are copies.
_PHOTOS, _DISTINCT = 2000, 50
_COST_PHOTOS, _COST_SECONDS = 200, 60
#: Number of requests of the memory test, and of the warm-up before it, after which the memory no
#: longer grows.
_REQUESTS, _WARM_UP_REQUESTS = 20_000, 4_000
_CALLER_REQUESTS = 400
_SERVER_SECONDS = 60.0


@dataclass(frozen=True)
class _JobSpeed:
    """The speed of a job.

    Attributes:
        start_seconds: Seconds until the first files were finished.
        rate: Files per second after that.
    """

    start_seconds: float
    rate: float


def measure(photo_count: int = _PHOTOS, request_count: int = _REQUESTS) -> list[Measurement]:
    """Measure a job over many files, and the service; all ratios compare values of this run.

    Args:
        photo_count: Number of photos of 640x480 pixels.
        request_count: Number of requests of the memory test.
    """
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        write_photos(folder / "photos", photo_count)
        return [
            *_measure_files(folder, photo_count),
            *_measure_service((folder / "photos" / "00000.jpg").read_bytes(), request_count),
        ]


def measure_costs(
    photo_count: int = _COST_PHOTOS, video_seconds: int = _COST_SECONDS
) -> list[Measurement]:
    """Measure the CPU time of one worker with one thread, for the table of docs/scaling.md.

    Other running programs have little influence on the CPU time.

    Args:
        photo_count: Number of photos of 640x480 pixels.
        video_seconds: Length of a video of 640x480 pixels with one face and 30 frames per second.
    """
    settings = load_settings()
    measurements = []
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        write_photos(folder / "photos", photo_count)
        write_video_of_faces(folder / "talk.mp4", (640, 480), 1, video_seconds)
        items = list(list_items([str(folder / "photos")]))
        video = list(list_items([str(folder / "talk.mp4")]))
        for detector in detector_names(settings):
            cpu_seconds = _cpu_seconds(photo_work(settings, detector=detector), items) / photo_count
            measurements.append(
                Measurement(
                    f"CPU time of a photo of 640x480, {detector}",
                    milliseconds(cpu_seconds),
                    f"{1 / cpu_seconds:.0f} photos per second and core; a million photos: "
                    f"{cpu_seconds * 1e6 / 3600:.1f} core-hours",
                )
            )
        for per_second in (5.0, None):
            analyzer = portable_analyzer(settings)
            analysis = AnalysisSettings(
                video="",
                source="",
                model=analyzer.model,
                classes=analyzer.classes,
                detector=analyzer.detector,
                per_second=per_second,
            )
            cpu_seconds = _cpu_seconds(VideoWork(analyzer, analysis), video) / video_seconds
            frames = "every frame" if per_second is None else f"{per_second:g} per second"
            measurements.append(
                Measurement(
                    f"CPU time of an hour of video of 640x480, one face, {frames}, "
                    f"{analyzer.detector}",
                    f"{cpu_seconds:.2f} core-hours",
                    f"1,000 hours: {cpu_seconds * 1000:.0f} core-hours",
                )
            )
    return measurements


def _cpu_seconds(work: Work, items: list[Item]) -> float:
    """Return the CPU time of this process for files, in seconds, after a warm-up."""
    worker = work.open(threads=1, memory_bytes=2**31)
    worker.process(items[:10])
    start = time.process_time()
    worker.process(items)
    return time.process_time() - start


def write_photos(folder: Path, count: int) -> None:
    """Write JPEG photos of 640x480 pixels with none, one or two faces; some are copies."""
    name, content = sample_picture()
    portrait = decode_picture(content, name)[0:300, 90:340]
    random = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number >= _DISTINCT:
            path.hardlink_to(folder / f"{number % _DISTINCT:05}.jpg")
            continue
        picture = np.full((480, 640, 3), random.integers(60, 200), np.int16)
        for position in range(1 if number == 0 else number % 3):
            height = int(random.integers(120, 260))
            face = cv2.resize(portrait, (height * 5 // 6, height))
            top, left = int(random.integers(0, 480 - height)), 20 + 300 * position
            picture[top : top + height, left : left + face.shape[1]] = face
        noise = random.integers(-8, 8, picture.shape)
        pixels = np.clip(picture + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(path), pixels[:, :, ::-1])


def _measure_files(folder: Path, count: int) -> list[Measurement]:
    photos = folder / "photos"
    cores = os.cpu_count() or 1
    single = _job(photos, folder / "one", ScaleOptions(workers=1, threads=1))
    threaded = _job(photos, folder / "threaded", ScaleOptions(workers=1, threads=cores))
    two = _job(photos, folder / "two", ScaleOptions(workers=2, threads=1))
    ray = _job(photos, folder / "ray", ScaleOptions(backend="ray", workers=2, threads=1))
    title = f"{count:,} photos of 640x480"
    return [
        Measurement(
            f"{title}, 1 process, 1 thread",
            _speed(single.rate),
            f"start {single.start_seconds:.1f} s",
        ),
        Measurement(
            f"{title}, 1 process, {cores} threads",
            _speed(threaded.rate),
            f"start {threaded.start_seconds:.1f} s",
        ),
        Measurement(
            f"{title}, 2 processes, 1 thread each",
            _speed(two.rate),
            f"{two.rate / single.rate:.2f} times 1 process with 1 thread (lower bound 1.7), "
            f"{two.rate / threaded.rate:.2f} times 1 process with all threads (lower bound 1); "
            f"start {two.start_seconds:.1f} s",
        ),
        Measurement(
            f"{title}, Ray with 2 workers, 1 thread each",
            _speed(ray.rate),
            f"{ray.rate / two.rate:.2f} times 2 local processes (lower bound 0.9); "
            f"start {ray.start_seconds:.1f} s",
        ),
    ]


def _job(photos: Path, out: Path, options: ScaleOptions) -> _JobSpeed:
    reports: list[tuple[float, int]] = []
    start = time.monotonic()
    run_job(
        photo_work(load_settings()),
        [str(photos)],
        list_items([str(photos)]),
        JobFolder(str(out)),
        options,
        report=lambda done, _: reports.append((time.monotonic(), done)),
    )
    (first, done_first), (last, done_last) = reports[0], reports[-1]
    return _JobSpeed(first - start, (done_last - done_first) / (last - first))


def _measure_service(photo: bytes, request_count: int) -> list[Measurement]:
    bare = _bare_loop(photo)
    small = cv2.imencode(".png", np.full((48, 48), 128, np.uint8))[1].tobytes()
    with _server() as (port, process):
        _requests_per_second(port, photo, caller_count=1, requests_per_caller=20)  # warm-up
        two = _requests_per_second(
            port, photo, caller_count=2, requests_per_caller=_CALLER_REQUESTS // 2
        )
        sixteen = _requests_per_second(
            port, photo, caller_count=16, requests_per_caller=_CALLER_REQUESTS // 16
        )
        _requests_per_second(
            port,
            small,
            caller_count=4,
            requests_per_caller=min(_WARM_UP_REQUESTS, request_count) // 4,
        )
        before = process.memory_info().rss
        many = _requests_per_second(
            port, small, caller_count=4, requests_per_caller=request_count // 4
        )
        growth = (process.memory_info().rss - before) / 2**20
    return [
        Measurement("Analyzer in a loop, photo of 640x480", _speed(bare), ""),
        Measurement(
            "service, 2 callers",
            _speed(two),
            f"{two / bare:.2f} times the bare loop (lower bound 0.8)",
        ),
        Measurement("service, 16 callers", _speed(sixteen), "no errors"),
        Measurement(
            f"service, memory over {request_count:,} requests",
            f"{growth:+.1f} MB",
            f"resident memory {before / 2**20:.0f} MB before; {_speed(many)}",
        ),
    ]


def _bare_loop(photo: bytes) -> float:
    settings = load_settings()
    predictor = load_predictor(find_bundle(None, settings))
    analyzer = Analyzer(predictor, make_detector(detector_names(settings)[0], settings))
    for _ in range(20):
        analyze_photo(photo, "photo.jpg", analyzer)
    start = time.monotonic()
    for _ in range(_CALLER_REQUESTS // 2):
        analyze_photo(photo, "photo.jpg", analyzer)
    return _CALLER_REQUESTS // 2 / (time.monotonic() - start)


@contextmanager
def _server() -> Iterator[tuple[int, psutil.Process]]:
    """Run the service; provide its port and process."""
    server = subprocess.Popen(
        [sys.executable, "-m", "fer_core", "serve", "--port", "0"],
        cwd=PROJECT_ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        address = server.stderr.readline().split()[4].rstrip(";")
        yield int(address.rpartition(":")[2]), psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(_SERVER_SECONDS)


def _requests_per_second(
    port: int, photo: bytes, *, caller_count: int, requests_per_caller: int
) -> float:
    """Send requests from several threads, and return the number of requests per second.

    Raises:
        RuntimeError: A request was not answered with 200.
    """
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="photo.jpg"\r\n\r\n'
        + photo
        + b"\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    errors: list[str] = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SERVER_SECONDS)
        try:
            for _ in range(requests_per_caller):
                connection.request("POST", "/v1/classify", body, headers)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    errors.append(content.decode(errors="replace"))
                    return
        except OSError as error:
            errors.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(caller_count)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise RuntimeError(f"{len(errors)} callers failed: {errors[0][:200]}")
    return caller_count * requests_per_caller / (time.monotonic() - start)


def _speed(rate: float) -> str:
    return f"{rate:.1f} per s"
