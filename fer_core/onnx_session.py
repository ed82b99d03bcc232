"""Opening a network with ONNX Runtime, in the one way that suits a machine that does more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(
    network: Path | bytes, *, threads: int | None = None
) -> onnxruntime.InferenceSession:
    """Open a network on the processor.

    Args:
        network: An ONNX file, or its content.
        threads: For one run; by default ONNX Runtime's own choice, one per core.

    Raises:
        Exception: ONNX Runtime's own types, many of them, for a network that it cannot use.
    """
    # ONNX Runtime collects usage data for its makers unless this is set before its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Imported here, because a machine that only trains may not have it.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    # Threads that wait spinning would take a whole core from the browser and the video decoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # What fails is raised as well, and told in one sentence.
    options.log_severity_level = 4
    source = str(network) if isinstance(network, Path) else network
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
