"""The layering: which package may import which, checked for every import in the code."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from fer_core.settings import PROJECT_ROOT

CORE = PROJECT_ROOT / "fer_core"

#: Foundation modules, which every package may import.
FOUNDATION = {
    "errors",
    "files",
    "job_process",
    "settings",
    "extras",
    "provenance",
    "progress",
    "child",
    "csv_text",
    "jpeg_scans",
    "onnx_session",
    "phrases",
    "picture_header",
    "plain_records",
    "processes",
    "skipped_names",
    "stale_files",
    "validation",
    "work_queue",
}

#: The packages that each package of fer_core may import, apart from itself and the foundation.
MAY_IMPORT: dict[str, set[str]] = {
    **{tool: set() for tool in FOUNDATION},
    "access": set(),
    # A job's kind names the role that starting and cancelling it requires.
    "jobs": {"access"},
    "emotions": set(),
    "classes": {"emotions"},
    # Pictures that take long are decoded in the worker process that photos use.
    "dataset": {"classes", "vision"},
    "metrics": set(),
    "recipes": set(),
    # Logit adjustment and temperature scaling are in metrics, with the other functions of
    # probabilities.
    "calibration": {"emotions", "metrics"},
    # Content keys of the images that a model has seen: arrays in, a file out.
    "image_hashes": set(),
    "bundle": {"classes", "calibration", "image_hashes"},
    "predictor": {"bundle", "calibration", "recipes"},
    "model_card": {"bundle"},
    # Import and export select the backend of Keras as training does.
    "exchange": {"predictor", "model_card", "keras_backend"},
    "keras_backend": set(),
    "training": {"dataset", "metrics", "recipes", "keras_backend", "image_hashes"},
    # The end of a training evaluates and publishes, which needs the serving packages.
    "training.bundle_writer": {"training", "evaluation", "exchange"},
    # A run whose model is the default model is not deleted.
    "training.run_deletion": {"training", "bundle"},
    # A training starts from a bundle, and reads its Keras file as an export does.
    "training.starting_model": {"training", "exchange"},
    "training.train_job": {"training", "training.bundle_writer", "training.starting_model"},
    # It accepts any function that returns probabilities, so that it does not need the predictor.
    "vision": {"classes"},
    # The single call for scripts: a model, a detector and a picture by name.
    "analysis": {"predictor", "vision"},
    "live": {"vision"},
    # A recording is analyzed by a job of its own, which opens the model; access decides who may see
    # the results.
    "video": {"vision", "predictor", "access"},
    "service": {"predictor", "vision"},
    "scale": {"predictor", "vision", "video", "training"},
    "evaluation": {"dataset", "predictor"},
    "charts": {"evaluation", "training", "live", "video"},
    "report": {"evaluation", "model_card"},
}

#: The entry points may import everything.
ENTRY_POINTS = {"commands", "__main__"}

#: The parts of ui that belong to one page, and the other pages whose parts each may import.
#: Snapshots of the live page are photos.
PAGES: dict[str, set[str]] = {
    "home": set(),
    "analyze": set(),
    "live": {"analyze"},
    "video": set(),
    "dataset": set(),
    "train": set(),
    "evaluate": set(),
}

TRAINING_LIBRARIES = {"tensorflow", "keras", "tf2onnx", "jax", "torch"}
MAY_TRAIN = {
    "recipes",
    "training",
    "keras_backend",
    "training.bundle_writer",
    "training.starting_model",
    "exchange",
}

#: Slow to import: loaded only when they are needed, because a page or a command waits for them.
ONLY_INSIDE_FUNCTIONS = TRAINING_LIBRARIES | {
    *("sklearn", "scipy", "onnxruntime", "plotly", "pyarrow", "ray", "fsspec"),
}

#: Not imported before a page has drawn its title.
AFTER_THE_TITLE = ONLY_INSIDE_FUNCTIONS | {"cv2", "numpy", "pandas", "PIL", "av", "aiortc"}

#: Packages that only these modules import, so that they can be replaced there.
ISOLATED: dict[str, set[str]] = {
    "streamlit_webrtc": {"fer_studio.ui.webrtc"},
    "aiortc": {"fer_studio.ui.video_channel"},
    "onnxruntime": {"fer_core.onnx_session"},
    "kagglehub": {"fer_core.dataset.kaggle"},
    "fastapi": {"fer_core.service.application"},
    "uvicorn": {"fer_core.service.server"},
    "prometheus_client": {"fer_core.service.monitoring"},
    "mlflow": {"fer_core.training.tracking"},
    "optuna": {"fer_core.training.search", "fer_core.training.search_worker"},
    "h5py": {
        "fer_core.exchange.hdf5_copy",
        "fer_core.exchange.keras_files",
        "fer_core.exchange.keras_weights",
    },
    # LiteRT and ONNX are written from TensorFlow; Keras has no fused normalization.
    "tensorflow": {
        "fer_core.exchange.litert",
        "fer_core.exchange.onnx_writer",
        "fer_core.training.fused_normalization",
    },
    "pillow_heif": {"fer_core.vision.decode_formats"},
}


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (PROJECT_ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


CORE_FILES = python_files("fer_core")
UI_FILES = python_files("fer_studio")
PAGE_FILES = python_files("pages")
PRODUCT = [*CORE_FILES, *UI_FILES, *PAGE_FILES, PROJECT_ROOT / "app.py"]
BENCHMARKS = python_files("benchmarks")
#: Scripts that produced shipped assets; they may use the product, never the other way round.
ASSET_TOOLS = python_files("tools")
MODULES = {module_name(path): path for path in [*PRODUCT, *BENCHMARKS, *ASSET_TOOLS]}


def package_of(module: str) -> str:
    """The package of a module of fer_core; "" for fer_core itself."""
    parts = module.split(".")[1:]
    for length in (2, 1):
        if ".".join(parts[:length]) in MAY_IMPORT.keys() | ENTRY_POINTS:
            return ".".join(parts[:length])
    return parts[0] if parts else ""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(node: ast.AST, package: str) -> Iterator[str]:
    """The modules that an import statement may load: ``from a import b`` may mean a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: -node.level + 1 or None] if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{origin}.{alias.name}"
            yield full if full in MODULES else origin


@cache
def imports_of(path: Path) -> frozenset[str]:
    """All imports in a file, at any level."""
    module = module_name(path)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    nodes = ast.walk(tree_of(path))
    return frozenset(name for node in nodes for name in imported_modules(node, package))


def imports_that_run(statements: Iterable[ast.AST], *, in_functions: bool) -> set[str]:
    """Imports that are executed: those for type checkers only are excluded."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if is_function and not in_functions:
            return
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.orelse:
                visit(statement)
            return
        found.update(imported_modules(node, ""))
        for child in ast.iter_child_nodes(node):
            visit(child)

    for statement in statements:
        visit(statement)
    return found


def imports_on_loading(path: Path) -> set[str]:
    """Imports that are executed when the module is loaded."""
    return imports_that_run(tree_of(path).body, in_functions=False)


def roots_of(modules: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def roots(path: Path) -> set[str]:
    """The top-level packages that a file imports from."""
    return roots_of(imports_of(path))


def nonempty(wrong: dict[str, set[str]]) -> dict[str, set[str]]:
    """The entries that are not empty."""
    return {where: what for where, what in wrong.items() if what}


def loaded_with(modules: Iterable[str]) -> set[str]:
    """These modules and all modules that are loaded with them, parent packages included."""
    loaded: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in loaded:
            continue
        loaded.add(name)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        if name in MODULES:
            waiting += imports_on_loading(MODULES[name])
    return loaded


def allowed_packages(package: str) -> set[str]:
    """The packages that a package may import, directly or not."""
    allowed, waiting = {package, *FOUNDATION}, [package]
    while waiting:
        for other in MAY_IMPORT[waiting.pop()] - allowed:
            allowed.add(other)
            waiting.append(other)
    return allowed


def page_part(module: str) -> str:
    """The folder of a page in the user interface, or the name of a shared module."""
    return module.removeprefix("fer_studio.ui.").partition(".")[0]


def used_packages(path: Path) -> set[str]:
    return {package_of(name) for name in imports_of(path) if name.split(".")[0] == "fer_core"}


def test_the_check_sees_the_code() -> None:
    assert len(CORE_FILES) > 100 and len(UI_FILES) > 50 and len(BENCHMARKS) > 10
    assert len(PAGE_FILES) == len(PAGES)
    assert "fer_core.training.fit" in imports_of(CORE / "training" / "bundle_writer.py")
    assert "keras" in imports_of(CORE / "recipes" / "architectures.py")
    assert "keras" not in imports_on_loading(CORE / "recipes" / "architectures.py")
    assert "numpy" in imports_on_loading(CORE / "metrics" / "intervals.py")
    assert package_of("fer_core.training.fit") == "training"
    assert package_of("fer_core.training.train_job") == "training.train_job"
    assert "recipes" in allowed_packages("predictor")
    assert "training" not in allowed_packages("predictor")
    assert {"cv2", "fer_core.vision"} <= loaded_with(["fer_core.vision.analyzer"])


def test_a_package_imports_only_what_it_may() -> None:
    wrong = {}
    for path in CORE_FILES:
        package = package_of(module_name(path))
        if package in ENTRY_POINTS or not package:
            continue
        assert package in MAY_IMPORT, f"{package} is a new package: add a row for it"
        wrong[relative(path)] = used_packages(path) - allowed_packages(package)
    assert nonempty(wrong) == {}


def test_the_table_allows_nothing_that_is_not_used() -> None:
    used: dict[str, set[str]] = {package: set() for package in MAY_IMPORT}
    for path in CORE_FILES:
        package = package_of(module_name(path))
        if package in used:
            used[package] |= used_packages(path) | {package}
    # A package that no longer exists does not use itself either.
    unused = {name: {name, *others} - used[name] for name, others in MAY_IMPORT.items()}
    assert nonempty(unused) == {}


def test_the_core_imports_neither_streamlit_nor_pages() -> None:
    foreign = {"streamlit", "streamlit_webrtc", "fer_studio", "pages", "app"}
    assert nonempty({relative(path): roots(path) & foreign for path in CORE_FILES}) == {}


def test_the_product_imports_neither_tests_nor_benchmarks_nor_tools() -> None:
    foreign = {"tests", "benchmarks", "tools", "conftest", "pytest", "hypothesis", "playwright"}
    assert nonempty({relative(path): roots(path) & foreign for path in PRODUCT}) == {}
    foreign = {"tests", "conftest", "pytest", "hypothesis"}
    assert nonempty({relative(path): roots(path) & foreign for path in BENCHMARKS}) == {}
    own = {"fer_core", "fer_studio", "pages", "app", "benchmarks", "tools", "tests"}
    allowed = {"tools", "fer_core"}
    assert nonempty({relative(path): roots(path) & own - allowed for path in ASSET_TOOLS}) == {}


def test_training_libraries_are_imported_by_training_and_exchange_only() -> None:
    others = [
        path
        for path in PRODUCT
        if path not in CORE_FILES or package_of(module_name(path)) not in MAY_TRAIN
    ]
    assert nonempty({relative(path): roots(path) & TRAINING_LIBRARIES for path in others}) == {}


def test_heavy_libraries_are_imported_inside_functions() -> None:
    loaded = {relative(path): roots_of(imports_on_loading(path)) for path in PRODUCT}
    wrong = {path: names & ONLY_INSIDE_FUNCTIONS for path, names in loaded.items()}
    assert nonempty(wrong) == {}


def test_an_isolated_library_is_imported_in_its_module_only() -> None:
    wrong = {}
    for path in PRODUCT:
        running = roots_of(imports_that_run(tree_of(path).body, in_functions=True))
        wrong[relative(path)] = {
            name for name in running & ISOLATED.keys() if module_name(path) not in ISOLATED[name]
        }
    assert nonempty(wrong) == {}


def test_shared_page_code_imports_no_page_and_a_page_imports_no_other_page() -> None:
    wrong = {}
    for path in UI_FILES:
        used = imports_of(path)
        part = page_part(module_name(path))
        allowed = {part, *PAGES[part]} if part in PAGES else set()
        parts = {page_part(name) for name in used} & PAGES.keys()
        wrong[relative(path)] = (parts - allowed) | (roots_of(used) & {"pages", "app"})
        wrong[relative(path)] |= {name for name in used if name.startswith("fer_core.commands")}
    assert nonempty(wrong) == {}


def test_a_page_file_imports_only_its_own_part() -> None:
    wrong = {}
    for path in PAGE_FILES:
        own = f"fer_studio.ui.{path.stem}."
        shared = {"streamlit", "fer_studio.ui.frame", "fer_core.settings"}
        used = {name for name in imports_of(path) if not f"{name}.".startswith(own)}
        wrong[relative(path)] = used - shared
    assert nonempty(wrong) == {}
    assert {path.stem for path in PAGE_FILES} == PAGES.keys()
    app = {"streamlit", "fer_studio.server", "fer_studio.ui.frame"}
    assert imports_of(PROJECT_ROOT / "app.py") == app


@pytest.mark.parametrize("path", PAGE_FILES, ids=relative)
def test_a_page_draws_its_title_before_it_imports_heavy_libraries(path: Path) -> None:
    statements = tree_of(path).body
    calls = [
        isinstance(one, (ast.Expr, ast.Assign)) and isinstance(one.value, ast.Call)
        for one in statements
    ]
    before = imports_that_run(statements[: calls.index(True)], in_functions=False)
    assert "fer_studio.ui.frame" in before
    assert roots_of(loaded_with(before)) & AFTER_THE_TITLE == set()


def test_there_are_no_import_cycles() -> None:
    uses = {
        module: {name for name in imports_of(path) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    # Remove modules that import none of the remaining ones, until only cycles are left.
    left = set(uses)
    while free := {module for module in left if not uses[module] & left}:
        left -= free
    assert left == set()


def test_every_module_is_used() -> None:
    used = {name for path in MODULES.values() for name in imports_of(path)}
    # A package's __init__ is loaded with its modules. Pages, benchmarks, tools and a worker process
    # are started by name.
    named = {module for module, path in MODULES.items() if path.stem != "__init__"}
    named -= {name for name in named if name.startswith(("pages.", "benchmarks."))}
    tools = {name for name in named if name.startswith("tools.")}
    named -= {name for name in tools if name.count(".") == 1 or name.endswith("__main__")}
    used |= {"app", "fer_core.__main__", "fer_studio.__main__", "fer_core.vision.decode_process"}
    assert named - used == set()


def test_private_names_are_not_imported() -> None:
    wrong = {
        relative(path): {
            alias.name
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.ImportFrom) and node.module in MODULES
            for alias in node.names
            if alias.name.startswith("_")
        }
        for path in PRODUCT
    }
    assert nonempty(wrong) == {}
