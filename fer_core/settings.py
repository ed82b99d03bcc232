"""Where everything lies: the one object that knows the roots of data, runs and models."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fer_core.errors import InputError

PROJECT_ROOT = Path(__file__).resolve().parent.parent

#: Whether there is a login: where one is configured, always, or never.
LoginSetting = Literal["as configured", "required", "none"]
LOGIN_VARIABLE = "FER_STUDIO_LOGIN"


@dataclass(frozen=True)
class Settings:
    """The folders that the program reads and writes.

    Attributes:
        data_root: Imported datasets, one folder each.
        runs_root: Training runs, one folder each.
        models_root: Published bundles, one folder each, and the file ``default``.
        parallel_runs: How many trainings the queue lets run at the same time.
        import_roots: Folders from which a page may import datasets by their path on this machine:
            whoever reaches the page can have what lies in them read, and nothing else.
        shared_import_roots: The same where others reach the app: without the downloads of whoever
            runs it, unless these are named.
        login: Whether people must log in.
        mlflow_address: Where pages that others reach may log trainings to; empty for nowhere.
        study_storage: Where such pages may keep searches beside a file of their own; Optuna's
            storage URL, or empty.
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

    @property
    def detectors_root(self) -> Path:
        """Where the files of downloadable face detectors lie, or can be dropped by hand."""
        return self.models_root / "detectors"

    @property
    def cache_root(self) -> Path:
        """What can be computed anew at any time, and is kept because that takes long."""
        return self.data_root / ".cache"


def load_settings() -> Settings:
    """Read the settings.

    The folders lie in the project unless the environment variables ``FER_STUDIO_DATA``,
    ``FER_STUDIO_RUNS`` and ``FER_STUDIO_MODELS`` name others. ``FER_STUDIO_PARALLEL_RUNS`` is the
    number of trainings at the same time, 1 by default. Pages import from ``imports/`` beside the
    data and from the user's ``Downloads``, unless ``FER_STUDIO_IMPORT_ROOTS`` names other folders,
    separated as in ``PATH``. ``FER_STUDIO_LOGIN`` is ``required``, where the app must not run
    without a login, or ``none``, where it does so on purpose. ``FER_STUDIO_MLFLOW`` and
    ``FER_STUDIO_STUDY_STORAGE`` are addresses.

    Raises:
        InputError: The number of trainings is none, or the login is to be something else.
    """

    def root(variable: str, name: str) -> Path:
        return Path(os.environ.get(variable) or PROJECT_ROOT / name).expanduser().resolve()

    data_root = root("FER_STUDIO_DATA", "data")
    named = os.environ.get("FER_STUDIO_IMPORT_ROOTS", "").split(os.pathsep)
    named_roots = _folders(folder.strip() for folder in named if folder.strip())
    beside_the_data = _folders([data_root.parent / "imports"])
    return Settings(
        data_root=data_root,
        runs_root=root("FER_STUDIO_RUNS", "runs"),
        models_root=root("FER_STUDIO_MODELS", "models"),
        parallel_runs=_parallel_runs(os.environ.get("FER_STUDIO_PARALLEL_RUNS") or "1"),
        import_roots=named_roots or beside_the_data + _folders(["~/Downloads"]),
        shared_import_roots=named_roots or beside_the_data,
        login=_login(os.environ.get(LOGIN_VARIABLE, "").strip() or "as configured"),
        mlflow_address=os.environ.get("FER_STUDIO_MLFLOW", "").strip(),
        study_storage=os.environ.get("FER_STUDIO_STUDY_STORAGE", "").strip(),
    )


def _login(text: str) -> LoginSetting:
    for setting in get_args(LoginSetting):
        if text == setting:
            return setting  # type: ignore[no-any-return]
    raise InputError(f"{LOGIN_VARIABLE} should be 'required' or 'none', or be left out.")


def _parallel_runs(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 64):
        raise InputError(
            f"FER_STUDIO_PARALLEL_RUNS should be a whole number from 1 to 64; it is {text!r}."
        )
    return int(text)


def _folders(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(path).expanduser().resolve() for path in paths))
