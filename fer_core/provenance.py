"""What a model was made with: for the record in its bundle."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "onnx", "onnxruntime")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of those libraries that a model's numbers can depend on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware_in_words() -> str:
    """The processor and how many cores of it, in words."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux: the general name will do
    return f"{processor}, {os.cpu_count()} cores"
