"""Install a wheel of this project into an environment without its source code."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from fer_core.settings import PROJECT_ROOT
from tools.write_requirements import normalized


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel, and an empty folder to start it from.

    Attributes:
        environment: The virtual environment.
        folder: An empty folder, the working directory of every command.
        home: An empty home folder.
    """

    environment: Path
    folder: Path
    home: Path

    @property
    def user_data(self) -> Path:
        """Where the installed package stores data, runs and models."""
        return self.home / ".local" / "share" / "fer-studio"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of every command, without those of the test process."""
        return {
            "PATH": f"{self.environment / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
        }

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of a program of the environment."""
        return [str(self.environment / "bin" / program), *arguments]

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end."""
        return subprocess.run(
            self.command(program, *arguments),
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout, without the network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_on_links(wheel: Path, root: Path) -> Installation:
    """Install a wheel next to links to its declared dependencies, in a second and offline.

    The links lead to the packages of this environment, and only to those that the wheel's base
    dependencies need, directly or not. TensorFlow and Optuna are therefore not importable, and
    neither is anything that is not declared.
    """
    installation = _empty(root)
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    python = str(installation.environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    subprocess.run([*pip, *install], check=True, capture_output=True, timeout=300)
    (packages,) = installation.environment.glob("lib/python*/site-packages")
    declared = metadata.Distribution.at(next(packages.glob("fer_studio-*.dist-info"))).requires
    for distribution in closure(declared or []).values():
        for entry in _top_level_entries(distribution):
            link = packages / entry.name
            if not link.exists():
                link.symlink_to(entry)
    return installation


def install_from_index(wheel: Path, root: Path) -> Installation:
    """Install a wheel with its base dependencies as a user does: with pip, from the index."""
    installation = _empty(root)
    python = str(installation.environment / "bin" / "python")
    subprocess.run([python, "-m", "ensurepip"], check=True, capture_output=True, timeout=300)
    command = [python, "-m", "pip", "install", "--quiet", "-c", "constraints.txt", str(wheel)]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True, timeout=1800)
    return installation


def closure(requirements: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The installed distributions that some requirements need, directly or not, by their names."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        name = normalized(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        distribution = found.setdefault(name, metadata.distribution(name))
        for asked in ("", *sorted(requirement.extras)):
            if (name, asked) not in seen:
                seen.add((name, asked))
                waiting += [(Requirement(text), asked) for text in distribution.requires or []]
    return found


def _empty(root: Path) -> Installation:
    installation = Installation(root / "environment", root / "empty", root / "home")
    installation.folder.mkdir(parents=True)
    installation.home.mkdir()
    venv.create(installation.environment, with_pip=False, symlinks=os.name == "posix")
    return installation


def _top_level_entries(distribution: metadata.Distribution) -> set[Path]:
    """The files and folders of a distribution that are directly in the folder of packages."""
    names = {file.parts[0] for file in distribution.files or [] if file.parts[0] != ".."}
    paths = {Path(str(distribution.locate_file(name))) for name in names}
    return {path for path in paths if path.exists() and path.name != "__pycache__"}
