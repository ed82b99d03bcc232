"""Determine software versions and hardware for the record of a model."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "onnx", "onnxruntime")


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can influence a model."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware_text() -> str:
    """Return the model of the CPU and its number of cores, as text."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux: use the general name
    return f"{processor}, {os.cpu_count()} cores"
