"""Open sessions of ONNX Runtime on a machine that does other work at the same time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(
    network: Path | bytes, *, threads: int | None = None
) -> onnxruntime.InferenceSession:
    """Open a network for inference on the CPU.

    Args:
        network: An ONNX file, or its content.
        threads: Number of threads for one prediction; by default one per core.

    Raises:
        Exception: The network cannot be used. ONNX Runtime raises many exception types of its own.
    """
    # Without this variable, ONNX Runtime sends usage data to its developers after its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # The import is not at the top of the file, because ONNX Runtime may be missing on a machine
    # that only trains.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    # Waiting threads must not spin: the browser and the video decoder need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Level 4 logs only fatal errors. Failures are raised as exceptions, so they need no log.
    options.log_severity_level = 4
    source = str(network) if isinstance(network, Path) else network
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
