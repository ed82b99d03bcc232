"""Compare the analysis of a video with the package ``fer``, on the same clip, one after the other.

Both classify every frame, each in a process of its own. The time is measured from the start of the
analysis to the list of results; the time to import the packages is not included.
``python -m benchmarks --only video-peers --peers FOLDER``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measurement import Measurement
from benchmarks.peers import FER, install_peer
from benchmarks.video import write_video_of_faces
from fer_core.settings import PROJECT_ROOT

_SECONDS = 20
_ROUNDS = 3
_RUN_SECONDS = 1800

# Each program prints its number of analyzed frames, its seconds and its peak memory in MB.
_RESULT = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        megabytes = int(line.split()[1]) / 1024
print(json.dumps([frames, seconds, megabytes]))
"""
_FER_STUDIO_PROGRAM = f"""
import json, sys, time
from pathlib import Path
from benchmarks.video import new_analysis
from fer_core.settings import load_settings
from fer_core.video.analysis_job import run_analysis
settings = load_settings()
folder, analyzer = new_analysis(Path(sys.argv[1]), Path(sys.argv[2]) / "analysis", settings)
start = time.perf_counter()
frames = run_analysis(folder, settings, analyzer=analyzer).status.frames
seconds = time.perf_counter() - start
{_RESULT}
"""
_FER_PROGRAM = f"""
import json, sys, time
from fer.classes import Video
from fer.fer import FER
detector, video = FER(), Video(sys.argv[1], outdir=sys.argv[2])
start = time.perf_counter()
frames = len(
    video.analyze(
        detector, display=False, save_frames=False, save_video=False, annotate_frames=False,
        zip_images=False,
    )
)
seconds = time.perf_counter() - start
{_RESULT}
"""


def measure(peers: Path) -> list[Measurement]:
    """Measure FER Studio and ``fer`` alternately.

    Args:
        peers: The folder of the packages' environments; a missing one is created, which takes
            minutes and gigabytes.
    """
    title = "video of 640x480, one face, every frame, with"
    try:
        programs = {
            "FER Studio": (sys.executable, _FER_STUDIO_PROGRAM),
            "fer": (str(install_peer(FER, peers)), _FER_PROGRAM),
        }
    except (subprocess.SubprocessError, OSError) as error:
        return [Measurement(f"{title} fer", "not measured", f"cannot be installed: {error}")]
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder_name:
        video = Path(folder_name) / "faces.mp4"
        write_video_of_faces(video, (640, 480), 1, _SECONDS)
        for _ in range(_ROUNDS):
            for name, (python, program) in programs.items():
                with tempfile.TemporaryDirectory() as out:
                    runs[name].append(_run(python, program, video, Path(out)))
    medians = {
        name: [statistics.median(values) for values in zip(*results, strict=True)]
        for name, results in runs.items()
    }
    (ours, our_memory), (theirs, their_memory) = medians["FER Studio"], medians["fer"]
    return [
        Measurement(f"{title} FER Studio", f"{ours:.2f} times real time", f"{our_memory:.0f} MB"),
        Measurement(
            f"{title} fer",
            f"{theirs:.2f} times real time",
            f"{their_memory:.0f} MB; FER Studio is {ours / theirs:.1f} times as fast",
        ),
    ]


def _run(python: str, program: str, video: Path, out: Path) -> tuple[float, float]:
    """Return the speed as a multiple of real time, and the peak memory in MB."""
    done = subprocess.run(
        [python, "-c", program, str(video), str(out)],
        cwd=PROJECT_ROOT if python == sys.executable else out,
        capture_output=True,
        text=True,
        check=False,
        timeout=_RUN_SECONDS,
    )
    if done.returncode != 0:
        raise SystemExit(f"{python} failed: {done.stderr[-500:]}")
    frames, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    # fer leaves out frames without a face, so both are compared by the length of the video.
    assert frames > 0
    return _SECONDS / seconds, megabytes
