"""Imported datasets on disk: ``data/<name>/`` with ``faces.npz`` and ``dataset.json``."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fer_core.dataset.face_set import FaceSet, Problem
from fer_core.dataset.readers import read_dataset
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError, first_line
from fer_core.files import existing_path, replaced_folder, write_json
from fer_core.settings import Settings

_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def validated_name(name: str) -> str:
    """The name itself, if it can name a folder.

    Raises:
        InputError: It has other characters than letters, digits, ``.``, ``_`` and ``-``, starts
            with none of the first two, or is longer than 64.
    """
    if not _NAME_PATTERN.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be a name; use up to 64 letters, digits, dots, dashes and "
            "underscores, beginning with a letter or digit."
        )
    return name


def import_dataset(
    source: Path,
    settings: Settings,
    *,
    name: str | None = None,
    split_choice: SplitChoice | None = None,
) -> tuple[str, FaceSet]:
    """Read a dataset and keep it under ``data/<name>/``, once.

    Args:
        source: A folder or archive that ``read_dataset`` understands.
        settings: Where ``data/`` is.
        name: What to call it; by default the source's own name.
        split_choice: How missing splits are cut.

    Returns:
        The name and the data.

    Raises:
        InputError: The source is unusable, or the name is taken or unfit.
    """
    choice = split_choice or SplitChoice()
    # What a file is called is not always fit to be a name: "FER 2013 (1).zip".
    default_name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.stem).strip("-._")[:64]
    name = validated_name(name or default_name or "dataset")
    folder = settings.data_root / name
    if folder.exists():
        raise InputError(
            f"There is already a dataset {name!r}; choose another name with --name, or delete "
            f"{folder}."
        )
    face_set = read_dataset(source, choice)
    with replaced_folder(folder) as temporary:
        _save(face_set, temporary, source, choice)
    return name, face_set


def _save(face_set: FaceSet, folder: Path, source: Path, choice: SplitChoice) -> None:
    np.savez(
        folder / "faces.npz",
        images=face_set.images,
        labels=face_set.labels,
        splits=face_set.splits,
        # One block of text loads many times faster than an array of strings.
        names=np.frombuffer("\n".join(face_set.names).encode(), dtype=np.uint8),
    )
    write_json(
        folder / "dataset.json",
        {
            "source": source.name,
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": face_set.fingerprint,
            "validation_share": choice.validation_share,
            "test_share": choice.test_share,
            "seed": choice.seed,
            "problems": [[problem.name, problem.reason] for problem in face_set.problems],
        },
    )


def dataset_names(settings: Settings) -> list[str]:
    """The imported datasets, by name."""
    return sorted(path.parent.name for path in settings.data_root.glob("[!.]*/dataset.json"))


def load_dataset(data: str, settings: Settings) -> FaceSet:
    """Load a dataset by its name, or read one from a path without importing it.

    Args:
        data: The name of an imported dataset, or the path of a folder or archive.
        settings: Where ``data/`` is.

    Raises:
        InputError: There is neither such a dataset nor such a path, or it is unusable.
    """
    if _NAME_PATTERN.fullmatch(data) and (settings.data_root / data / "dataset.json").is_file():
        return _load(settings.data_root / data)
    path = existing_path(data)
    if path is None:
        names = ", ".join(dataset_names(settings)) or "none so far"
        raise InputError(f"There is no dataset and no path {data!r}; imported datasets: {names}.")
    return _load(path) if (path / "dataset.json").is_file() else read_dataset(path)


def _load(folder: Path) -> FaceSet:
    try:
        record = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        with np.load(folder / "faces.npz", allow_pickle=False) as arrays:
            names = arrays["names"].tobytes().decode()
            return FaceSet(
                images=arrays["images"],
                labels=arrays["labels"],
                splits=arrays["splits"],
                names=tuple(names.split("\n")),
                problems=tuple(Problem(name, reason) for name, reason in record["problems"]),
            )
    except Exception as error:
        # NumPy raises a different type for each way in which a file can be damaged.
        raise InputError(
            f"The dataset in {folder} is damaged ({first_line(error)}); delete the folder and "
            "import it again."
        ) from error
