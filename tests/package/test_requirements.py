"""The declared dependencies: one source, complete, and no more than what is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from installation import closure

from fer_core.settings import PROJECT_ROOT
from tools.write_requirements import (
    Declared,
    names_of,
    normalized,
    read_declared,
    requirement_files,
)

PRODUCT = ("fer_core", "fer_studio", "pages", "app.py")

#: Imported only where a user has installed them: other backends of Keras, LiteRT's own reader, and
#: Keras 2, with which tools/write_keras2_samples.py once wrote the files of a test.
NOT_DECLARED = {"jax", "torch", "ai_edge_litert", "tf_keras"}

#: Declared without an import in our code, with the reason.
NOT_IMPORTED = {
    "authlib": "Streamlit's login",
    "httpx": "Streamlit's login",
    "httptools": "imported by uvicorn if it is installed",
    "pandas": "Streamlit's tables",
    "scikit-image": "the sample picture is one of its files",
    "tensorboard": "imported by the callback of Keras",
    "tf2onnx": "imported by the ONNX export of Keras",
    "alembic": "MLflow's database stores",
    "python-multipart": "imported by Starlette to read uploads",
}


@pytest.fixture(scope="module")
def declared() -> Declared:
    return read_declared(PROJECT_ROOT / "pyproject.toml")


def test_the_requirement_files_are_those_of_pyproject(declared: Declared) -> None:
    for name, text in requirement_files(declared).items():
        written = (PROJECT_ROOT / name).read_text(encoding="utf-8")
        assert written == text, f"{name} is outdated: run python -m tools.write_requirements"


def test_the_constraints_pin_every_package_of_the_complete_app(declared: Declared) -> None:
    lines = (PROJECT_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {normalized(line): line.partition("==")[2] for line in lines}
    assert list(pins) == sorted(pins)
    for pin in declared.all_pins:
        assert pins[normalized(pin)] == pin.partition("==")[2]
    # Of what is installed here, which a fresh environment for the tests is made from.
    needed = closure(declared.all_pins)
    assert needed.keys() <= pins.keys()
    assert {name: one.version for name, one in needed.items()} == {
        name: pins[name] for name in needed
    }


def test_what_is_imported_is_declared_and_the_reverse(declared: Declared) -> None:
    modules = imported_modules(*PRODUCT) - NOT_DECLARED
    providers = distributions_of_modules()
    imported = {normalized(providers[module][0]) for module in modules if module in providers}
    assert modules <= providers.keys()
    optional = [
        pin for extra in declared.extras if extra != "dev" for pin in declared.extras[extra]
    ]
    available = names_of([*declared.base, *optional])
    assert imported - available == set()
    assert available - imported - NOT_IMPORTED.keys() == set()
    assert NOT_IMPORTED.keys() <= available


def test_what_the_tests_import_is_declared(declared: Declared) -> None:
    modules = imported_modules("tests", "benchmarks", "tools", "docs")
    own = {path.stem for path in (PROJECT_ROOT / "tests").rglob("*")}
    providers = distributions_of_modules()
    foreign = modules - own - NOT_DECLARED
    assert foreign <= providers.keys()
    distributions = {normalized(providers[module][0]) for module in foreign}
    assert distributions - names_of(declared.all_pins) == set()


def test_a_pin_is_required_and_unique(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    text = '[project]\ndependencies = ["{}"]\n[project.optional-dependencies]\n'
    text += 'train = ["NumPy==2"]\n[dependency-groups]\nsmall = []\n'
    pyproject.write_text(text.format("numpy==2"))
    assert read_declared(pyproject).base == ("numpy==2",)
    pyproject.write_text(text.format("numpy>=2"))
    with pytest.raises(ValueError, match=r"'numpy>=2' in pyproject\.toml should be pinned"):
        read_declared(pyproject)
    pyproject.write_text(text.format("numpy==1"))
    with pytest.raises(ValueError, match="has two versions of NumPy"):
        read_declared(pyproject)


@cache
def distributions_of_modules() -> Mapping[str, list[str]]:
    """The distributions that provide a top-level module, by its name."""
    return metadata.packages_distributions()


def imported_modules(*places: str) -> set[str]:
    """The top-level modules of other projects that some files import, wherever they do."""
    found: set[str] = set()
    for place in places:
        path = PROJECT_ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    own = {"fer_core", "fer_studio", "tests", "benchmarks", "tools", "docs"}
    return found - own - sys.stdlib_module_names
