"""The root folders and the environment variables of the program, in one settings object."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fer_core.errors import InputError, system_reason

#: The folder that contains the code: a checkout, or ``site-packages``.
PROJECT_ROOT = Path(__file__).resolve().parent.parent

#: In a wheel, the models of the project are inside this package. A checkout has no such folder.
_PACKAGED_MODELS = Path(__file__).resolve().parent / "models"

#: Name of the program's folder in the user's data folder.
_APP_NAME = "fer-studio"

#: Whether the app requires a login. "as configured": it does if a login is configured. "required":
#: it does; nobody can use the app if no login is configured. "none": it does not.
LoginSetting = Literal["as configured", "required", "none"]
LOGIN_VARIABLE = "FER_STUDIO_LOGIN"


@dataclass(frozen=True)
class Settings:
    """The folders that the program reads and writes, and options of a shared server.

    Attributes:
        data_root: Imported datasets, one folder each.
        runs_root: Training runs, one folder each.
        models_root: Published bundles, one folder each, and the file ``default``.
        shipped_models_root: Bundles that an installed package contains, read-only, one folder each.
            None in a checkout, where these bundles are in ``models_root``.
        configured_analyses_root: Video analyses, one folder each; None for ``analyses/`` next to
            ``runs_root``.
        parallel_runs: The number of runs that the queue trains at the same time.
        import_roots: Folders from which a page may read datasets and videos by their path. Every
            visitor of the page can read the content of these folders, but of no other folder.
        import_roots_if_shared: Replaces ``import_roots`` if other people can reach the app. Unlike
            ``import_roots``, it contains no Downloads folder by default.
        login: Whether a login is required.
        mlflow_address: The MLflow address for runs started on a shared server; empty if not set.
        study_storage: The Optuna storage URL for searches started on a shared server; empty if not
            set.
    """

    data_root: Path
    runs_root: Path
    models_root: Path
    parallel_runs: int = 1
    import_roots: tuple[Path, ...] = ()
    import_roots_if_shared: tuple[Path, ...] = ()
    login: LoginSetting = "as configured"
    mlflow_address: str = ""
    study_storage: str = ""
    shipped_models_root: Path | None = None
    configured_analyses_root: Path | None = None

    @property
    def analyses_root(self) -> Path:
        """The folder of the video analyses."""
        return self.configured_analyses_root or self.runs_root.parent / "analyses"

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
    """Return the command that runs a module of this project in the folder ``PROJECT_ROOT``.

    For an installed package, ``PROJECT_ROOT`` is ``site-packages``. Without the option ``-P``,
    Python would search modules there first, before the standard library.
    """
    return [sys.executable, *(["-P"] if is_installed_package() else []), "-m", module]


def load_settings() -> Settings:
    """Read the settings from the environment.

    ``FER_STUDIO_DATA``, ``FER_STUDIO_RUNS`` and ``FER_STUDIO_MODELS`` set the root folders. By
    default they are in the checkout, or for an installed package in the user's data folder.
    ``FER_STUDIO_ANALYSES`` sets the folder of video analyses, by default next to the runs.
    ``FER_STUDIO_PARALLEL_RUNS`` is the number of parallel runs, 1 by default.
    ``FER_STUDIO_IMPORT_ROOTS`` lists the folders that pages import from, separated as in ``PATH``.
    The default is ``imports/`` next to the data. If only this user can reach the app, the default
    also includes the user's ``Downloads``. ``FER_STUDIO_LOGIN`` is ``required`` or ``none``; by
    default, the app requires a login if one is configured. ``FER_STUDIO_MLFLOW`` sets
    ``mlflow_address``, and ``FER_STUDIO_STUDY_STORAGE`` sets ``study_storage``.

    Raises:
        InputError: The number of parallel runs or the login setting is invalid, a root folder
            exists and cannot be read, or the home folder in a path is unknown.
    """
    default_root = _default_root()

    def root(variable: str, name: str) -> Path:
        return _absolute(os.environ.get(variable) or default_root / name)

    data_root = root("FER_STUDIO_DATA", "data")
    configured = os.environ.get("FER_STUDIO_IMPORT_ROOTS", "").split(os.pathsep)
    configured_imports = _resolved(folder.strip() for folder in configured if folder.strip())
    default_imports = _resolved([data_root.parent / "imports"])
    runs_root, models_root = root("FER_STUDIO_RUNS", "runs"), root("FER_STUDIO_MODELS", "models")
    analyses = os.environ.get("FER_STUDIO_ANALYSES")
    configured_analyses_root = _absolute(analyses) if analyses else None
    for folder in (data_root, runs_root, models_root, configured_analyses_root or runs_root):
        _check_readable(folder)
    return Settings(
        data_root=data_root,
        runs_root=runs_root,
        models_root=models_root,
        parallel_runs=_parse_parallel_runs(os.environ.get("FER_STUDIO_PARALLEL_RUNS") or "1"),
        import_roots=configured_imports or default_imports + _downloads(),
        import_roots_if_shared=configured_imports or default_imports,
        login=_parse_login(os.environ.get(LOGIN_VARIABLE, "").strip() or "as configured"),
        mlflow_address=os.environ.get("FER_STUDIO_MLFLOW", "").strip(),
        study_storage=os.environ.get("FER_STUDIO_STUDY_STORAGE", "").strip(),
        shipped_models_root=_PACKAGED_MODELS if is_installed_package() else None,
        configured_analyses_root=configured_analyses_root,
    )


def _check_readable(root: Path) -> None:
    """Raise ``InputError`` if a root folder exists and cannot be read."""
    try:
        os.scandir(root).close()
        # scandir requires the permission to list the folder. lstat of "root/." requires the
        # permission to open its files. The path is a string, because pathlib.Path removes the "/.".
        os.lstat(f"{root}{os.sep}.")
    except (FileNotFoundError, NotADirectoryError):
        return  # the code that uses the folder creates it or reports that it is not a folder
    except OSError as error:
        raise InputError(
            f"The folder {root} cannot be read ({system_reason(error)}); make it readable for "
            "the user who runs this program, or set another folder."
        ) from error


def _default_root() -> Path:
    if not is_installed_package():
        return PROJECT_ROOT
    # Imported here, because a machine that only trains may not have this package.
    from platformdirs import user_data_path

    return user_data_path(_APP_NAME, appauthor=False)


def _parse_login(text: str) -> LoginSetting:
    for setting in get_args(LoginSetting):
        if text == setting:
            return setting  # type: ignore[no-any-return]
    raise InputError(f"{LOGIN_VARIABLE} should be 'required' or 'none', or not be set.")


def _parse_parallel_runs(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 64):
        raise InputError(
            f"FER_STUDIO_PARALLEL_RUNS should be an integer from 1 to 64. Received: {text!r}."
        )
    return int(text)


def _resolved(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """Return absolute paths without repetitions, in the same order."""
    return tuple(dict.fromkeys(map(_absolute, paths)))


def _downloads() -> tuple[Path, ...]:
    """Return the user's folder ``Downloads``; empty if the user has no home folder."""
    try:
        return ((Path.home() / "Downloads").resolve(),)
    except RuntimeError:
        return ()


def _absolute(path: str | Path) -> Path:
    """Return an absolute path.

    Raises:
        InputError: The path begins with the home folder of an unknown user.
    """
    try:
        return Path(path).expanduser().resolve()
    except RuntimeError as error:
        raise InputError(
            f"The home folder of {str(path)!r} is unknown; set the folder without '~'."
        ) from error
