"""Where everything lies: the one object that knows the roots of data, runs and models."""

import os
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import InputError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


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
    """

    data_root: Path
    runs_root: Path
    models_root: Path
    parallel_runs: int = 1
    import_roots: tuple[Path, ...] = ()

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
    separated as in ``PATH``.

    Raises:
        InputError: The number of trainings is none.
    """

    def root(variable: str, name: str) -> Path:
        return Path(os.environ.get(variable) or PROJECT_ROOT / name).expanduser().resolve()

    data_root = root("FER_STUDIO_DATA", "data")
    return Settings(
        data_root=data_root,
        runs_root=root("FER_STUDIO_RUNS", "runs"),
        models_root=root("FER_STUDIO_MODELS", "models"),
        parallel_runs=_parallel_runs(os.environ.get("FER_STUDIO_PARALLEL_RUNS") or "1"),
        import_roots=_import_roots(data_root),
    )


def _parallel_runs(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 64):
        raise InputError(
            f"FER_STUDIO_PARALLEL_RUNS should be a whole number from 1 to 64; it is {text!r}."
        )
    return int(text)


def _import_roots(data_root: Path) -> tuple[Path, ...]:
    named = os.environ.get("FER_STUDIO_IMPORT_ROOTS", "").split(os.pathsep)
    folders = [Path(folder.strip()) for folder in named if folder.strip()]
    if not folders:
        folders = [data_root.parent / "imports", Path("~/Downloads")]
    return tuple(dict.fromkeys(folder.expanduser().resolve() for folder in folders))
