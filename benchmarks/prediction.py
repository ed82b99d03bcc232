"""Time to classify one face, compared with the prediction functions of Keras."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np

from benchmarks.measurement import Measurement, median_seconds, milliseconds
from fer_core.bundle import Bundle, find_bundle
from fer_core.exchange.onnx_export import load_keras_model
from fer_core.keras_backend import prepare_backend
from fer_core.predictor import Predictor, load_predictor
from fer_core.settings import load_settings

# Run in separate processes: time from the start to the first prediction, and peak memory.
_COLD_ONNX = """
import sys, numpy as np
from fer_core.bundle import find_bundle
from fer_core.predictor import load_predictor
from fer_core.settings import load_settings
predictor = load_predictor(find_bundle(None, load_settings()))
predictor.probabilities(np.zeros((1, 48, 48), np.uint8))
"""
_COLD_KERAS = """
import sys, numpy as np
from fer_core.keras_backend import prepare_backend
prepare_backend()
from fer_core.bundle import find_bundle
from fer_core.exchange.onnx_export import load_keras_model
from fer_core.settings import load_settings
model = load_keras_model(find_bundle(None, load_settings()))
model.predict(np.zeros((1, 48, 48, 1), np.float32), verbose=0)
"""
_REPORT = """
import time
seconds = time.time() - {start}
# getrusage is not used, because its peak includes that of the parent process.
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(seconds, int(line.split()[1]) / 1024)
"""


def _cold_start(program: str) -> tuple[float, float]:
    """Return seconds and peak memory in MB of a new process that runs a program."""
    launcher = f"import time; start = time.time(){program}" + _REPORT.format(start="start")
    results = []
    for _ in range(3):
        finished = subprocess.run(
            [sys.executable, "-c", launcher], capture_output=True, text=True, check=True
        )
        results.append([float(part) for part in finished.stdout.split()[-2:]])
    seconds, megabytes = np.median(np.array(results), axis=0)
    return float(seconds), float(megabytes)


def measure() -> list[Measurement]:
    """Measure the latency of one face, warm and cold."""
    bundle: Bundle = find_bundle(None, load_settings())
    predictor = load_predictor(bundle)
    # The same single pass as in Keras: one face, no mirror image, no temperature.
    single_pass = Predictor(replace(bundle.record, flip_averaging=False), predictor._network)
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    pixels = face.astype(np.float32)[..., np.newaxis] / np.float32(255)

    served_seconds = median_seconds(lambda: predictor.probabilities(face), repeats=100)
    single_seconds = median_seconds(lambda: single_pass.probabilities(face), repeats=100)
    prepare_backend()
    model = load_keras_model(bundle)
    predict_seconds = median_seconds(lambda: model.predict(pixels, verbose=0), repeats=30)
    call_seconds = median_seconds(lambda: np.asarray(model(pixels, training=False)), repeats=30)
    cold_seconds, cold_megabytes = _cold_start(_COLD_ONNX)
    keras_seconds, keras_megabytes = _cold_start(_COLD_KERAS)
    return [
        Measurement(
            "one face, one pass of the network",
            milliseconds(single_seconds),
            f"model.predict() {milliseconds(predict_seconds)} "
            f"({predict_seconds / single_seconds:.0f} times), "
            f"model(x) {milliseconds(call_seconds)}",
        ),
        Measurement(
            "one face as served",
            milliseconds(served_seconds),
            "with its mirrored image" if bundle.record.flip_averaging else "one pass",
        ),
        Measurement(
            "from a cold start to the first result",
            f"{cold_seconds:.2f} s, {cold_megabytes:.0f} MB",
            f"Keras on TensorFlow {keras_seconds:.2f} s, {keras_megabytes:.0f} MB",
        ),
    ]
