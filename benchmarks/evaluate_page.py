"""The evaluate page on a dataset as large as FER2013: seconds per click, and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.evaluation import _fer2013_sized
from benchmarks.measurement import Measurement, milliseconds
from fer_core.dataset.store import _save

# Run in a separate process, to measure its memory. Streamlit's AppTest runs the script as the
# server does; the time of the browser is not included.
_PROGRAM = """
import json, time
from types import SimpleNamespace
from streamlit.testing.v1 import AppTest
from fer_studio.ui import face_grid

# AppTest has no browser, in which the component for the grid of faces could run. This function
# replaces the component and returns a click.
clicked = None
def grid_with_a_click(*, data, **_):
    rows = [face["row"] for group in data["groups"] for face in group]
    return SimpleNamespace(opened=None if clicked is None else rows[clicked])
face_grid._component = grid_with_a_click

def timed(action):
    start = time.perf_counter()
    action()
    assert not app.exception, [element.value for element in app.exception]
    return time.perf_counter() - start

app = AppTest.from_file("app.py", default_timeout=600).switch_page("pages/evaluate.py")
timed(app.run)  # warm-up
seconds = {"stored predictions": timed(app.run)}
app.selectbox(key="evaluated_data").set_value("noise").run()
next(button for button in app.button if button.label.startswith("Evaluate on")).click().run()
while any(button.label == "Stop" for button in app.button):
    time.sleep(1)
    app.run()
tabs = [
    ":material/speed: Summary", ":material/bar_chart: Per class",
    ":material/grid_on: Confusion matrix",
    ":material/sentiment_stressed: Mistakes", ":material/balance: Calibration",
    ":material/blur_on: Robustness", ":material/description: Report",
]
cold, warm = {}, {}
for times in (cold, warm):
    for name in tabs:
        app.session_state["evaluate_section"] = name
        times[name.rpartition(": ")[2]] = timed(app.run)
app.session_state["evaluate_section"] = tabs[2]
app.run()
app.selectbox(key="cell_true").set_value("sad")
seconds["cell"] = timed(app.run)
app.session_state["evaluate_section"] = tabs[3]
app.run()
for clicked, name in enumerate(("explained", "explained again")):
    seconds[name] = timed(app.run)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        seconds["megabytes"] = int(line.split()[1]) / 1024
print(json.dumps({"seconds": seconds, "cold": cold, "warm": warm}))
"""


def measure() -> list[Measurement]:
    """Measure seconds per click, and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        dataset_folder = Path(folder) / "noise"
        dataset_folder.mkdir()
        _save(_fer2013_sized(), dataset_folder, {"source": "noise"})
        process = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env=os.environ | {"FER_STUDIO_DATA": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    results = json.loads(process.stdout.splitlines()[-1])
    seconds, cold, warm = results["seconds"], results["cold"], results["warm"]
    slowest_cold, slowest = max(cold, key=cold.get), max(warm, key=warm.get)
    return [
        Measurement(
            "evaluate page, stored predictions of the model",
            milliseconds(seconds["stored predictions"]),
        ),
        Measurement(
            "slowest tab, opened for the first time",
            milliseconds(cold[slowest_cold]),
            slowest_cold,
        ),
        Measurement(
            "slowest tab, opened again", milliseconds(warm[slowest]), f"{slowest}; limit 500 ms"
        ),
        Measurement(
            "another cell of the confusion matrix", milliseconds(seconds["cell"]), "limit 500 ms"
        ),
        Measurement(
            "a face opened with its explanation",
            milliseconds(seconds["explained again"]),
            f"first one, model loading included, {milliseconds(seconds['explained'])}; "
            "limit 500 ms",
        ),
        Measurement("peak memory of the page", f"{seconds['megabytes']:.0f} MB", "limit 1,500 MB"),
    ]


if __name__ == "__main__":
    from benchmarks.measurement import print_table

    print_table(measure())
