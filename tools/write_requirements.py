"""Write the requirement files from ``pyproject.toml``, the single source of all versions.

``python -m tools.write_requirements`` rewrites ``requirements.txt``, ``requirements-dev.txt``,
``requirements-scale.txt`` and ``requirements-train.txt``. With ``--resolve`` it also asks the
package index for the indirect dependencies and rewrites ``constraints.txt``; indirect versions that
are already in the file are kept unless ``--upgrade`` is given.
``tests/package/test_requirements.py`` compares the files with ``pyproject.toml``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = "constraints.txt"

#: The extras that belong to the complete application.
_COMPLETE = ("train", "search")
#: The extras that the tests need in addition.
_DEVELOPMENT = ("mlflow", "scale", "service", "dev")
#: The extras for more than one machine.
_SCALE = ("scale", "service")
_TRAINING_GROUP = "training-machine"

_NOTICE = "# Written by: python -m tools.write_requirements. Edit pyproject.toml instead."


@dataclass(frozen=True)
class Declared:
    """The dependencies that ``pyproject.toml`` declares, each as ``name==version``.

    Attributes:
        base: What every installation needs.
        extras: Optional dependencies by extra.
        groups: Dependency groups by name.
    """

    base: tuple[str, ...]
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def all_pins(self) -> tuple[str, ...]:
        """Every declared pin once, except those of the dependency groups."""
        return tuple(
            dict.fromkeys([*self.base, *(pin for extra in self.extras.values() for pin in extra)])
        )


def main(arguments: list[str] | None = None) -> int:
    """Write the files whose text has changed, and print their names.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.write_requirements", description=__doc__)
    parser.add_argument("--resolve", action="store_true", help=f"also write {CONSTRAINTS}")
    parser.add_argument(
        "--upgrade", action="store_true", help="with --resolve: take the newest indirect versions"
    )
    parsed = parser.parse_args(arguments)
    declared = read_declared(ROOT / "pyproject.toml")
    files = requirement_files(declared)
    if parsed.resolve:
        known = "" if parsed.upgrade else (ROOT / CONSTRAINTS).read_text(encoding="utf-8")
        files[CONSTRAINTS] = resolve_constraints(declared, known)
    for name, text in files.items():
        path = ROOT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 0


def read_declared(pyproject: Path) -> Declared:
    """Read the declared dependencies.

    Raises:
        ValueError: A dependency is not pinned, or has two versions.
    """
    document = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    declared = Declared(
        base=tuple(document["project"]["dependencies"]),
        extras={
            name: tuple(pins) for name, pins in document["project"]["optional-dependencies"].items()
        },
        groups={name: tuple(pins) for name, pins in document["dependency-groups"].items()},
    )
    versions: dict[str, str] = {}
    for pin in [*declared.all_pins, *(pin for group in declared.groups.values() for pin in group)]:
        name, separator, version = pin.partition("==")
        if not separator:
            raise ValueError(f"{pin!r} in {pyproject.name} should be pinned as name==version")
        if versions.setdefault(normalized(name), version) != version:
            raise ValueError(f"{pyproject.name} has two versions of {name}")
    return declared


def requirement_files(declared: Declared) -> dict[str, str]:
    """Return the text of each requirements file, by file name."""
    sections = [("Base: serving, audits, evaluation", declared.base)]
    sections += [(f"Extra: {extra}", declared.extras[extra]) for extra in _COMPLETE]
    return {
        "requirements.txt": _file_text("The complete app.", [f"-c {CONSTRAINTS}"], sections),
        "requirements-dev.txt": _file_text(
            "The complete app with its tests and checks.",
            ["-r requirements.txt"],
            [(f"Extra: {extra}", declared.extras[extra]) for extra in _DEVELOPMENT],
        ),
        "requirements-scale.txt": _file_text(
            "The complete app with what clusters and the service need.",
            ["-r requirements.txt"],
            [(f"Extra: {extra}", declared.extras[extra]) for extra in _SCALE],
        ),
        "requirements-train.txt": _file_text(
            "A machine that only trains; see the dependency group in pyproject.toml.",
            [],
            [(f"Group: {_TRAINING_GROUP}", declared.groups[_TRAINING_GROUP])],
        ),
    }


def resolve_constraints(declared: Declared, known: str) -> str:
    """Resolve all packages of the complete app, including all extras, with pip.

    Args:
        declared: The direct dependencies.
        known: The current text of the constraints file, whose indirect versions are kept; empty to
            take the newest versions.

    Returns:
        The new text: one pin per line, in alphabetical order.
    """
    with tempfile.TemporaryDirectory() as folder:
        constraints_path, requirements_path = (
            Path(folder) / "constraints.txt",
            Path(folder) / "requirements.txt",
        )
        requirements_path.write_text("\n".join(declared.all_pins), encoding="utf-8")
        direct_names = names_of(declared.all_pins)
        kept = [line for line in known.splitlines() if normalized(line) not in direct_names]
        constraints_path.write_text("\n".join(kept), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"),
            *("--quiet", "--only-binary=:all:", "--report", "-"),
            *("-c", str(constraints_path), "-r", str(requirements_path)),
        ]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    found = [package["metadata"] for package in json.loads(answer.stdout)["install"]]
    pins = [f"{package['name']}=={package['version']}" for package in found]
    return "".join(f"{pin}\n" for pin in sorted(pins, key=normalized))


def names_of(pins: Iterable[str]) -> set[str]:
    """Return the normalized names of the pins."""
    return {normalized(pin) for pin in pins}


def normalized(pin: str) -> str:
    """Return the normalized name of a pin's package, as defined by PEP 503."""
    name = pin.partition("==")[0].partition("[")[0]
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def _file_text(title: str, options: list[str], sections: list[tuple[str, tuple[str, ...]]]) -> str:
    lines = [f"# {title}", _NOTICE, *options]
    for heading, pins in sections:
        lines += ["", f"# {heading}", *pins]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
