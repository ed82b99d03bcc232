"""Who may import whom: the plan of the house, held against every import in the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_core.settings import PROJECT_ROOT

CORE = PROJECT_ROOT / "fer_core"

#: Tools that know nothing of the house, for every room.
TOOLS = {"errors", "files", "settings", "provenance"}

#: What each room may use, besides the tools and itself.
MAY_USE: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "settings": set(),
    "provenance": set(),
    "leftovers": set(),
    "emotions": set(),
    "dataset": {"emotions"},
    "metrics": {"emotions"},
    "networks": set(),
    "recipes": {"networks"},
    "bundle": {"emotions", "recipes"},
    # Temperature is arithmetic on probabilities, and that lives in metrics.
    "predictor": {"bundle", "metrics"},
    "model_card": {"bundle", "emotions"},
    # Importing and exporting settle Keras's backend as training does.
    "exchange": {"bundle", "predictor", "model_card", "training.backend"},
    "training.backend": set(),
    "training": {"dataset", "metrics", "recipes", "bundle", "training.backend"},
    # The end of a training measures and publishes: it meets the rooms that serve.
    "training.finish": {"training", "predictor", "evaluation", "exchange", "model_card"},
    "training.launch": {"training", "training.finish"},
    "vision": {"predictor"},
    "live": {"vision", "emotions"},
    "evaluation": {"dataset", "metrics", "predictor"},
    "charts": {"dataset", "evaluation", "training", "live"},
    "report": {"evaluation", "charts", "model_card"},
}

#: The entrances see everything.
ENTRANCES = {"commands", "__main__"}

TRAINING_LIBRARIES = {"tensorflow", "keras", "tf2onnx", "jax", "torch"}
MAY_TRAIN = {"networks", "training", "training.backend", "training.finish", "exchange"}

#: Too heavy to be loaded before they are needed: a page or a command waits for them.
ONLY_INSIDE_FUNCTIONS = TRAINING_LIBRARIES | {"sklearn", "scipy"}


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (PROJECT_ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room of a module of fer_core; the package itself is "" and belongs to nobody."""
    parts = module.split(".")[1:]
    for length in (2, 1):
        if ".".join(parts[:length]) in MAY_USE.keys() | ENTRANCES:
            return ".".join(parts[:length])
    return parts[0] if parts else ""


def imported_modules(node: ast.AST, package: str) -> Iterator[str]:
    """What one import statement may load: ``from a import b`` may mean the module a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: -node.level + 1 or None] if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{origin}.{alias.name}"
            is_module = (PROJECT_ROOT / full.replace(".", "/")).with_suffix(".py").is_file()
            is_package = (PROJECT_ROOT / full.replace(".", "/") / "__init__.py").is_file()
            yield full if is_module or is_package else origin


def imports_of(path: Path) -> set[str]:
    """Every import in a file, wherever it stands."""
    module = module_name(path)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name for node in ast.walk(tree) for name in imported_modules(node, package)}


def imports_on_loading(path: Path) -> set[str]:
    """Imports that run as soon as the module is loaded."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.orelse:
                visit(statement)
            return
        found.update(imported_modules(node, ""))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def allowed_rooms(room: str) -> set[str]:
    """The rooms that a room may use, and those that they may use in turn."""
    allowed, waiting = {room, *TOOLS}, [room]
    while waiting:
        for other in MAY_USE[waiting.pop()] - allowed:
            allowed.add(other)
            waiting.append(other)
    return allowed


CORE_FILES = python_files("fer_core")


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def test_the_check_sees_the_code() -> None:
    assert len(CORE_FILES) > 30
    assert "fer_core.training.fit" in imports_of(CORE / "training" / "finish.py")
    assert "keras" in imports_of(CORE / "networks.py")
    assert "keras" not in imports_on_loading(CORE / "networks.py")
    assert "numpy" in imports_on_loading(CORE / "metrics" / "intervals.py")
    assert room_of("fer_core.training.fit") == "training"
    assert room_of("fer_core.training.launch") == "training.launch"
    assert "networks" in allowed_rooms("predictor")
    assert "training" not in allowed_rooms("predictor")


@pytest.mark.parametrize("path", CORE_FILES, ids=relative)
def test_a_room_imports_only_from_the_rooms_it_may_use(path: Path) -> None:
    room = room_of(module_name(path))
    if room in ENTRANCES or not room:
        return
    assert room in MAY_USE, f"{room} is a new room: give it a row"
    used = {room_of(name) for name in imports_of(path) if name.split(".")[0] == "fer_core"}
    assert used <= allowed_rooms(room)


@pytest.mark.parametrize("path", CORE_FILES, ids=relative)
def test_the_core_knows_neither_streamlit_nor_the_pages(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert roots.isdisjoint({"streamlit", "streamlit_webrtc", "ui", "pages", "app", "tests"})


@pytest.mark.parametrize("path", CORE_FILES, ids=relative)
def test_training_libraries_are_imported_where_training_is_and_inside_functions(
    path: Path,
) -> None:
    roots = {name.split(".")[0] for name in imports_of(path)}
    if room_of(module_name(path)) not in MAY_TRAIN:
        assert roots.isdisjoint(TRAINING_LIBRARIES)
    on_loading = {name.split(".")[0] for name in imports_on_loading(path)}
    assert on_loading.isdisjoint(ONLY_INSIDE_FUNCTIONS)


@pytest.mark.parametrize("path", python_files("fer_core"), ids=relative)
def test_no_code_is_tied_to_one_backend(path: Path) -> None:
    if path == CORE / "exchange" / "litert.py":
        return  # a format of TensorFlow's
    assert "tensorflow" not in {name.split(".")[0] for name in imports_of(path)}


@pytest.mark.parametrize("path", python_files("ui"), ids=relative)
def test_shared_page_code_does_not_import_pages(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert roots.isdisjoint({"pages", "app", "tests"} | TRAINING_LIBRARIES)


@pytest.mark.parametrize(
    "path", [*python_files("pages"), *PROJECT_ROOT.glob("app.py")], ids=relative
)
def test_a_page_stands_on_its_own(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert roots.isdisjoint({"pages", "app", "tests"} | TRAINING_LIBRARIES)
