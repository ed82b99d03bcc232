"""The root folders and the environment variables of the program, in one settings object."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fer_core.errors import InputError, system_reason

#: The folder that contains the code: a checkout, or the environment's folder of packages.
PROJECT_ROOT = Path(__file__).resolve().parent.parent

#: In a wheel, the models of the project are inside this package. A checkout has no such folder.
_PACKAGED_MODELS = Path(__file__).resolve().parent / "models"

_APP_NAME = "fer-studio"

#: "as configured" requires a login if one is configured, "required" always, "none" never.
LoginSetting = Literal["as configured", "required", "none"]
LOGIN_VARIABLE = "FER_STUDIO_LOGIN"


@dataclass(frozen=True)
class Settings:
    """The folders that the program reads and writes, and options of a shared server.

    Attributes:
        data_root: Imported datasets, one folder each.
        runs_root: Training runs, one folder each.
        models_root: Published bundles, one folder each, and the file ``default``.
        shipped_models_root: Bundles of an installed package, read-only, in the same layout. None in
            a checkout, where ``models_root`` contains them.
        analyses_folder: Video analyses, one folder each; None for ``analyses/`` next to the runs.
        parallel_runs: The number of runs that the queue trains at the same time.
        import_roots: Folders from which a page may read datasets and videos by their path.
            Every visitor of the page can read the content of these folders, and of no other.
        shared_import_roots: The import roots of an app that other people can reach. They include
            the Downloads folder of the user who runs the app only if the configuration names it.
        login: Whether a login is required.
        mlflow_address: The MLflow address for runs started on a shared server, or empty.
        study_storage: The Optuna storage URL for searches started on a shared server, or empty.
    """

    data_root: Path
    runs_root: Path
    models_root: Path
    parallel_runs: int = 1
    import_roots: tuple[Path, ...] = ()
    shared_import_roots: tuple[Path, ...] = ()
    login: LoginSetting = "as configured"
    mlflow_address: str = ""
    study_storage: str = ""
    shipped_models_root: Path | None = None
    analyses_folder: Path | None = None

    @property
    def analyses_root(self) -> Path:
        """The folder of the video analyses."""
        return self.analyses_folder or self.runs_root.parent / "analyses"

    @property
    def model_roots(self) -> tuple[Path, ...]:
        """The folders in which published bundles are looked up; only the first one is written."""
        shipped = self.shipped_models_root
        return (self.models_root,) if shipped is None else (self.models_root, shipped)

    @property
    def detectors_root(self) -> Path:
        """The folder of downloaded face detectors; users may also copy the files there."""
        return self.models_root / "detectors"

    @property
    def cache_root(self) -> Path:
        """The folder of results that take long to compute; it can be deleted at any time."""
        return self.data_root / ".cache"


def is_installed_package() -> bool:
    """Return True if the code runs from an installed package, False in a checkout."""
    return _PACKAGED_MODELS.is_dir()


def is_shipped_model(folder: Path) -> bool:
    """Return True if a bundle's folder belongs to the installed package and must not change."""
    return folder.resolve().is_relative_to(_PACKAGED_MODELS)


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of this project, from ``PROJECT_ROOT``.

    In an installed package ``PROJECT_ROOT`` is the folder of all packages. It must not become the
    first entry of the module search path, in front of the standard library.
    """
    return [sys.executable, *(["-P"] if is_installed_package() else []), "-m", module]


def load_settings() -> Settings:
    """Read the settings from the environment.

    ``FER_STUDIO_DATA``, ``FER_STUDIO_RUNS`` and ``FER_STUDIO_MODELS`` set the root folders. By
    default they are in the checkout, or for an installed package in the user's data folder.
    ``FER_STUDIO_ANALYSES`` sets the folder of video analyses, by default next to the runs.
    ``FER_STUDIO_PARALLEL_RUNS`` is the number of parallel runs, 1 by default. Pages
    import from ``imports/`` next to the data and from the user's ``Downloads``, unless
    ``FER_STUDIO_IMPORT_ROOTS`` names other folders, separated as in ``PATH``.
    ``FER_STUDIO_LOGIN`` is ``required`` if the app must not run without a login, or ``none`` to
    confirm that it runs without one. ``FER_STUDIO_MLFLOW`` and ``FER_STUDIO_STUDY_STORAGE`` are
    addresses.

    Raises:
        InputError: The number of parallel runs or the login setting is invalid, or a root folder
            exists and cannot be read.
    """
    default_root = _default_root()

    def root(variable: str, name: str) -> Path:
        return Path(os.environ.get(variable) or default_root / name).expanduser().resolve()

    data_root = root("FER_STUDIO_DATA", "data")
    named = os.environ.get("FER_STUDIO_IMPORT_ROOTS", "").split(os.pathsep)
    named_roots = _folders(folder.strip() for folder in named if folder.strip())
    next_to_data = _folders([data_root.parent / "imports"])
    runs_root, models_root = root("FER_STUDIO_RUNS", "runs"), root("FER_STUDIO_MODELS", "models")
    analyses = os.environ.get("FER_STUDIO_ANALYSES")
    analyses_folder = Path(analyses).expanduser().resolve() if analyses else None
    for folder in (data_root, runs_root, models_root, analyses_folder or runs_root):
        _check_readable(folder)
    return Settings(
        data_root=data_root,
        runs_root=runs_root,
        models_root=models_root,
        parallel_runs=_parallel_runs(os.environ.get("FER_STUDIO_PARALLEL_RUNS") or "1"),
        import_roots=named_roots or next_to_data + _folders(["~/Downloads"]),
        shared_import_roots=named_roots or next_to_data,
        login=_login(os.environ.get(LOGIN_VARIABLE, "").strip() or "as configured"),
        mlflow_address=os.environ.get("FER_STUDIO_MLFLOW", "").strip(),
        study_storage=os.environ.get("FER_STUDIO_STUDY_STORAGE", "").strip(),
        shipped_models_root=_PACKAGED_MODELS if is_installed_package() else None,
        analyses_folder=analyses_folder,
    )


def _check_readable(root: Path) -> None:
    """Raise ``InputError`` if a root folder exists and cannot be read; a missing one is created."""
    try:
        os.scandir(root).close()
        # Opening the files of a folder requires another permission than listing them; this call
        # requires it too. A pathlib.Path would remove the dot.
        os.lstat(f"{root}{os.sep}.")
    except (FileNotFoundError, NotADirectoryError):
        return  # reported where the folder is needed
    except OSError as error:
        raise InputError(
            f"The folder {root} cannot be read ({system_reason(error)}); make it readable for "
            "the user who runs this program, or set another folder."
        ) from error


def _default_root() -> Path:
    if not is_installed_package():
        return PROJECT_ROOT
    # Imported here, because a machine that only trains may not have it.
    from platformdirs import user_data_path

    return user_data_path(_APP_NAME, appauthor=False)


def _login(text: str) -> LoginSetting:
    for setting in get_args(LoginSetting):
        if text == setting:
            return setting  # type: ignore[no-any-return]
    raise InputError(f"{LOGIN_VARIABLE} should be 'required' or 'none', or not be set.")


def _parallel_runs(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 64):
        raise InputError(
            f"FER_STUDIO_PARALLEL_RUNS should be an integer from 1 to 64. Received: {text!r}."
        )
    return int(text)


def _folders(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(path).expanduser().resolve() for path in paths))
