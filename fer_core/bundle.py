"""Bundles: a trained model as a folder, published, listed, chosen and imported.

``models/<name>/`` holds ``bundle.json`` (the record), ``model.onnx`` (what is served),
``model.keras``, ``calibration.json`` (the temperature), ``predictions.npz`` (validation labels and
probabilities) and ``README.md`` (the model card). A run's own bundle, ``runs/<id>/bundle/``, is
listed under the run's name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS, positions_in_emotion_order
from fer_core.errors import InputError, first_line
from fer_core.files import (
    PLAIN_NAME,
    existing_path,
    is_plain_name,
    new_folder,
    os_errors_as_input_errors,
    read_json,
    write_json,
    write_text,
)
from fer_core.plain_values import read_record
from fer_core.settings import Settings, is_shipped_model

RECORD_FILE = "bundle.json"
SERVED_NETWORK_FILE = "model.onnx"
KERAS_MODEL_FILE = "model.keras"
CALIBRATION_FILE = "calibration.json"
PREDICTIONS_FILE = "predictions.npz"
MODEL_CARD_FILE = "README.md"
_DEFAULT_FILE = "default"

#: Beside the bundles, ``models/`` holds the default's name and the detectors' files.
_RESERVED_NAMES = (_DEFAULT_FILE, "detectors")


@dataclass(frozen=True)
class ModelSource:
    """The file that an imported model came from.

    Attributes:
        file: Its name.
        format: What it is, in words.
        weights_file: The name of the file beside it that held the weights, if any.
        changes: What was changed to serve it, in words.
        assumptions: What was taken for granted because the file does not say, in words.
    """

    file: str
    format: str
    weights_file: str | None = None
    changes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class BundleRecord:
    """Where a model came from and how it is to be fed: the content of ``bundle.json``.

    Attributes:
        labels: The network's own label order.
        input_shape: Height, width and channels of its input.
        input_scale: Factor on grey values 0 to 255 before they go in.
        input_offset: Added to them after that.
        flip_averaging: Whether predictions are the mean over a face and its mirror image.
        parameters: Number of weights.
        recipe: Name of the recipe it was trained by; None for an imported model.
        config: The training's whole configuration; empty for an imported model.
        seed: Of the training.
        dataset: Name, fingerprint and number of images per split of the training data.
        curation: What was left out of or relabelled in the data, in words; None for nothing.
        training: Epochs run, the best one, seconds, images trained on, backend, hardware.
        metrics: Figures by split, measured through the published predictor.
        versions: Of Python and the libraries that made it.
        created: UTC, ISO 8601.
        source: For an imported model, the file that it came from.
        targets: What was learned: ``kind`` as in ``TrainingConfig.targets`` and, for votes, their
            file, that single votes were dropped, and how many images were left out and why. Empty
            where unknown, and in bundles of earlier versions, which learned labels.
    """

    labels: tuple[str, ...]
    input_shape: tuple[int, int, int]
    input_scale: float
    flip_averaging: bool
    parameters: int
    recipe: str | None
    config: dict[str, Any]
    seed: int | None
    dataset: dict[str, Any]
    curation: str | None
    training: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    versions: dict[str, str]
    created: str
    input_offset: float = 0.0
    source: ModelSource | None = None
    targets: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            ValueError: The labels are not the seven, or the scale is not above 0.
        """
        if positions_in_emotion_order(self.labels) is None:
            raise ValueError(f"labels should name each of {', '.join(EMOTIONS)} once")
        if self.input_scale <= 0:
            raise ValueError(f"input_scale should be above 0. Received: {self.input_scale}")

    @classmethod
    def from_json(cls, values: Any) -> BundleRecord:
        """Read the content of ``bundle.json``; what other versions add is left aside.

        Raises:
            ValueError: It is no such content.
        """
        return read_record(cls, values, allows_unknown=True)

    def to_json(self) -> dict[str, Any]:
        """The content of ``bundle.json``."""
        return asdict(self)

    @property
    def learned_votes(self) -> bool:
        """Whether it learned annotator votes rather than labels."""
        return bool(self.targets.get("kind", "labels") != "labels")

    @property
    def is_demo(self) -> bool:
        """Whether it was trained on the drawn demo set: its figures say nothing of real faces."""
        return bool(self.dataset.get("kind") == "demo")


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        name: What it is called; for a run's own bundle, the run's name.
        folder: Where it lies.
        record: Its ``bundle.json``.
        temperature: From its ``calibration.json``; 1 where there is none.
    """

    name: str
    folder: Path
    record: BundleRecord
    temperature: float

    @property
    def served_network(self) -> Path:
        """The path of ``model.onnx``; the file may be missing until it is exported."""
        return self.folder / SERVED_NETWORK_FILE

    @property
    def content_key(self) -> tuple[str, ...]:
        """Changes whenever something changes that predictions depend on: a key for caches."""
        parts = [str(self.folder)]
        for name in (RECORD_FILE, CALIBRATION_FILE, SERVED_NETWORK_FILE):
            try:
                facts = (self.folder / name).stat()
            except OSError:  # not there, or in this moment no more
                continue
            parts.append(f"{name}:{facts.st_mtime_ns}:{facts.st_size}:{facts.st_ino}")
        return tuple(parts)


def load_bundle(folder: Path, name: str | None = None) -> Bundle:
    """Read a bundle's record and temperature; the network itself is not opened.

    Args:
        folder: The bundle's folder.
        name: What to call it; by default the folder's name.

    Raises:
        InputError: The folder is no bundle, or a file of it is missing or damaged.
    """
    name = name or folder.name
    record_path = folder / RECORD_FILE
    try:
        record = BundleRecord.from_json(read_json(record_path))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} is no bundle ({RECORD_FILE} is missing); choose another model or restore "
            "the file."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"The bundle {name!r} is damaged: {record_path} cannot be understood "
            f"({first_line(error)}); restore the file or choose another model."
        ) from error
    return Bundle(name, folder, record, _read_temperature(folder, name))


def _read_temperature(folder: Path, name: str) -> float:
    path = folder / CALIBRATION_FILE
    try:
        temperature = float(read_json(path)["temperature"])
    except FileNotFoundError:
        return 1.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The bundle {name!r} is damaged: {path} cannot be understood ({first_line(error)}); "
            "restore or delete the file."
        ) from error
    if not 0.01 <= temperature <= 100:
        raise InputError(
            f"The bundle {name!r} has the temperature {temperature}, expected is 0.01 to 100; "
            f"restore or delete {path}."
        )
    return temperature


def write_calibration(
    folder: Path, temperature: float, fitted_on: str, details: dict[str, Any] | None = None
) -> None:
    """Replace ``calibration.json``.

    Args:
        folder: The bundle's folder.
        temperature: Above 1 makes the model less sure of itself, below 1 surer.
        fitted_on: What it was fitted on, in words.
        details: What else is known of the fit, such as the calibration error before and after.

    Raises:
        InputError: The bundle belongs to the installed package.
    """
    require_own_bundle(folder)
    document = {"temperature": temperature, "fitted_on": fitted_on, **(details or {})}
    write_json(folder / CALIBRATION_FILE, document)


def require_own_bundle(folder: Path) -> None:
    """Make sure that the files of a bundle may be changed.

    Raises:
        InputError: The bundle belongs to the installed package.
    """
    if is_shipped_model(folder):
        raise InputError(
            f"The model {folder.name!r} is part of the installed package and cannot be changed; "
            f"change a copy: fer-studio models import {folder} --name NAME."
        )


def list_bundles(settings: Settings) -> list[Bundle]:
    """All usable bundles: the published ones by name, then those of runs, newest first.

    A damaged one is left out here; ``damaged_bundles`` says what is wrong with it.
    """
    return _scan_bundles(settings)[0]


def damaged_bundles(settings: Settings) -> list[str]:
    """A sentence for each bundle that cannot be used."""
    return _scan_bundles(settings)[1]


def _scan_bundles(settings: Settings) -> tuple[list[Bundle], list[str]]:
    published = [
        path for root in settings.model_roots for path in sorted(root.glob(f"[!.]*/{RECORD_FILE}"))
    ]
    of_runs = sorted(
        settings.runs_root.glob(f"[!.]*/bundle/{RECORD_FILE}"), key=_last_change, reverse=True
    )
    named = [(path.parent.name, path.parent) for path in published]
    named += [(path.parent.parent.name, path.parent) for path in of_runs]
    bundles: dict[str, Bundle] = {}
    damages = []
    for name, folder in named:
        try:
            bundles.setdefault(name, load_bundle(folder, name))
        except InputError as error:
            damages.append(str(error))
    return list(bundles.values()), damages


def _last_change(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # its run is being deleted in this moment
        return 0


def default_bundle_name(settings: Settings) -> str | None:
    """The name in ``models/default``, else the shipped default; None if there is neither."""
    for root in settings.model_roots:
        try:
            name = (root / _DEFAULT_FILE).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if name:
            return name
    return None


def set_default_bundle(name: str, settings: Settings) -> None:
    """Make a published or a run's bundle the default.

    Raises:
        InputError: There is none of that name, or ``models/`` cannot be written.
    """
    find_bundle(name, settings)
    if name not in (bundle.name for bundle in list_bundles(settings)):
        # A path holds only for the folder in which the command was given.
        raise InputError(
            f"{name!r} is a path and no model's name; copy it to models/ first, with "
            f"'python -m fer_core models import {name}'."
        )
    failure = f"The default model cannot be changed in {settings.models_root}"
    with os_errors_as_input_errors(failure):
        write_text(settings.models_root / _DEFAULT_FILE, name + "\n")


def find_bundle(name: str | None, settings: Settings) -> Bundle:
    """Find a bundle by name or path; the default one for None.

    Args:
        name: A published bundle's or a run's name, or the path of a bundle's or run's folder.
        settings: Where ``models/`` and ``runs/`` are.

    Raises:
        InputError: There is none, or it is damaged.
    """
    if name is None:
        name = default_bundle_name(settings)
        if name is None:
            names = ", ".join(bundle.name for bundle in list_bundles(settings))
            if names:
                raise InputError(
                    "No model is the default (models/default is missing or empty); choose one of "
                    f"{names} with 'python -m fer_core models default NAME'."
                )
            raise InputError(
                "There is no model yet (models/default is missing); train one with "
                "'python -m fer_core train', or restore the models folder."
            )
    if is_plain_name(name):
        published = [root / name for root in settings.model_roots]
        for folder in (*published, settings.runs_root / name / "bundle"):
            if folder.is_dir():
                return load_bundle(folder, name)
    path = existing_path(name)
    if path is not None and (path / "bundle").is_dir():
        return load_bundle(path / "bundle", path.resolve().name)
    if path is not None and path.is_dir():
        return load_bundle(path, path.resolve().name)
    known = ", ".join(bundle.name for bundle in list_bundles(settings)) or "none so far"
    raise InputError(f"There is no model {name!r}; models here: {known}.")


def check_name_is_free(name: str, settings: Settings) -> None:
    """Make sure that a bundle could be published under a name.

    Raises:
        InputError: The name is taken or unfit.
    """
    if not is_plain_name(name) or name in _RESERVED_NAMES:
        raise InputError(
            f"{name!r} cannot name a model; use {PLAIN_NAME}, but neither default nor detectors."
        )
    if any((root / name).exists() for root in settings.model_roots):
        raise _name_is_taken(name)


def _name_is_taken(name: str) -> InputError:
    return InputError(f"There is already a model {name!r}; choose another name.")


def publish_bundle(
    source: Path, settings: Settings, *, name: str | None = None, make_default: bool = False
) -> Bundle:
    """Copy a bundle's folder into ``models/``, where every page finds it.

    Args:
        source: A bundle's folder or a run's folder that holds one.
        settings: Where ``models/`` is.
        name: What to call it; by default the name of the run or folder.
        make_default: Whether the app serves it from now on unless told otherwise.

    Raises:
        InputError: The source is no whole bundle, the name is taken or unfit, or ``models/`` cannot
            be written.
    """
    bundle = find_bundle(str(source.resolve()), settings)
    name = name or bundle.name
    with new_bundle_folder(name, settings) as temporary:
        for file in sorted(bundle.folder.iterdir()):
            # Only a bundle's own files: whatever else lies there is not published.
            if file.name in _BUNDLE_FILES and file.is_file():
                shutil.copyfile(file, temporary / file.name)
        _retitle_card(temporary / MODEL_CARD_FILE, bundle.name, name)
    if make_default:
        set_default_bundle(name, settings)
    return load_bundle(settings.models_root / name)


@contextmanager
def new_bundle_folder(name: str, settings: Settings) -> Iterator[Path]:
    """Give an empty folder to fill; at the end it is published in ``models/`` under the name.

    Raises:
        InputError: The name is invalid, or taken before the body or during it, or ``models/``
            cannot be written.
    """
    check_name_is_free(name, settings)
    with os_errors_as_input_errors(f"The model {name!r} cannot be kept in {settings.models_root}"):
        try:
            with new_folder(settings.models_root / name) as folder:
                yield folder
        except FileExistsError as error:
            raise _name_is_taken(name) from error


def _retitle_card(card: Path, old_name: str, new_name: str) -> None:
    """Head a model card with the name under which the bundle is published."""
    if card.is_file():
        text = card.read_text(encoding="utf-8")
        heading = f"# {old_name}\n"
        if text.startswith(heading):
            card.write_text(f"# {new_name}\n" + text.removeprefix(heading), encoding="utf-8")


_BUNDLE_FILES = frozenset(
    (
        RECORD_FILE,
        SERVED_NETWORK_FILE,
        KERAS_MODEL_FILE,
        CALIBRATION_FILE,
        PREDICTIONS_FILE,
        MODEL_CARD_FILE,
    )
)


def write_predictions(
    folder: Path,
    labels: NDArray[np.int8],
    probabilities: NDArray[np.float32],
    votes: NDArray[np.uint8] | None = None,
) -> None:
    """Write ``predictions.npz``.

    Args:
        folder: The bundle's folder.
        labels: True labels of the validation images, int8 ``[n]``.
        probabilities: What the model gave for them, float32 ``[n, 7]`` in the order of
            ``EMOTIONS``, **before** temperature, so that a calibration can be fitted to them.
        votes: Annotator votes for the same images, uint8 ``[n, 10]`` in the order of
            ``VOTE_COLUMNS``; None where labels were learned.
    """
    arrays: dict[str, Any] = {"labels": labels, "probabilities": probabilities}
    if votes is not None:
        arrays["votes"] = votes
    np.savez_compressed(folder / PREDICTIONS_FILE, **arrays)
