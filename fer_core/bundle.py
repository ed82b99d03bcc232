"""Read, list, find and publish bundles. A bundle is a folder with a trained model.

``models/<name>/`` holds ``bundle.json`` (the record: origin, input format and metrics),
``model.onnx`` (the network that is used for predictions), ``model.keras`` (the network for further
training and for exports), ``calibration.json`` (temperature, class prior, confidence thresholds),
``predictions.npz`` (validation labels and probabilities), ``image_hashes.npz`` (hashes of the
training and validation images), ``metrics.jsonl`` (the metrics of each training epoch) and
``README.md`` (the model card). The bundle of a run, ``runs/<id>/bundle/``, is listed under the
run's name.
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

from fer_core.calibration import Calibration, read_calibration
from fer_core.classes import canonical_classes, positions_of, validated_classes
from fer_core.errors import InputError
from fer_core.files import (
    PLAIN_NAME_RULE,
    existing_path,
    is_plain_name,
    new_folder,
    os_errors_as_input_errors,
    read_errors_as_input_errors,
    read_json,
    replace_folder,
    unreadable_path_error,
    write_json,
    write_text,
)
from fer_core.image_hashes import IMAGE_HASHES_FILE
from fer_core.plain_records import read_plain_record
from fer_core.settings import Settings, is_shipped_model

RECORD_FILE = "bundle.json"
INFERENCE_NETWORK_FILE = "model.onnx"
KERAS_MODEL_FILE = "model.keras"
CALIBRATION_FILE = "calibration.json"
PREDICTIONS_FILE = "predictions.npz"
MODEL_CARD_FILE = "README.md"
#: The metrics of each training epoch. The run's folder has a file of the same name and format.
#: Bundles of earlier versions lack the file.
TRAINING_CURVES_FILE = "metrics.jsonl"
_DEFAULT_FILE = "default"
_DEFAULT_LOCK = ".default.lock"
#: Maximum number of characters that are read from ``models/default``, because a damaged file may be
#: long.
_MAX_DEFAULT_CHARACTERS = 200

#: Names that no bundle may have, because ``models/`` contains a file and a folder with these names.
_RESERVED_NAMES = (_DEFAULT_FILE, "detectors")


@dataclass(frozen=True)
class ModelSource:
    """The file that an imported model came from.

    Attributes:
        file: The file's name.
        format: A description of the file's format.
        weights_file: The name of a separate file with the weights; None if there is none.
        changes: Descriptions of the changes to the network that were needed to serve it.
        assumptions: Descriptions of what was assumed because the file does not specify it.
    """

    file: str
    format: str
    weights_file: str | None = None
    changes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class BundleRecord:
    """A model's origin and the format of its input: the content of ``bundle.json``.

    Attributes:
        labels: The class names in the order of the network's outputs.
        input_shape: Height, width and channels of the network's input.
        input_scale: Factor by which pixel intensities 0 to 255 are multiplied before they enter the
            network.
        input_offset: Number that is added to the intensities after scaling.
        flip_averaging: True if predictions are the mean over a face and its mirror image.
        parameters: Number of parameters of the network.
        recipe: Name of the training's recipe; None for an imported model.
        config: The complete configuration of the training; empty for an imported model.
        seed: Seed of the training; None for an imported model.
        dataset: Name, fingerprint and number of images per split of the training data.
        curation: Description of the excluded and relabeled images; None if there are none.
        training: Number of epochs, best epoch, seconds, training images, backend, hardware.
        metrics: Metrics by split, measured with the model as it is served.
        versions: Versions of Python and the libraries.
        created: Time of creation, UTC, ISO 8601.
        source: For an imported model, the file that it came from.
        targets: What the network learned: ``kind`` is a value of ``TrainingConfig.targets``; for
            votes, the other keys are those of ``VoteRecord.to_json``. Empty for imported models and
            for bundles of earlier versions, which were trained on labels.
        start: The starting model, whose weights initialized the training: the fields of
            ``StartingModel``, and ``head``, which says whether the last layer was kept, reordered
            or replaced. Empty for random weights, and for imported models.
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
    start: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values; ``from_json`` checks their types.

        Raises:
            ValueError: The labels are not a class list, or the scale is not above 0.
        """
        try:
            validated_classes(self.labels)
        except ValueError as error:
            raise ValueError(f"labels: {error}") from error
        if self.input_scale <= 0:
            raise ValueError(f"input_scale should be above 0. Received: {self.input_scale}")

    @classmethod
    def from_json(cls, values: Any) -> BundleRecord:
        """Read the content of ``bundle.json``; keys of other versions are ignored.

        Raises:
            ValueError: The content is not valid.
        """
        return read_plain_record(cls, values)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``bundle.json``."""
        return asdict(self)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the probabilities of a prediction.

        Labels that are the seven or eight emotions in another order become ``EMOTIONS`` or
        ``EMOTIONS8``. For an imported network, other names of the emotions are recognized as well.
        """
        classes = canonical_classes(self.labels)
        # A model that was trained with FER Studio keeps the class names of its dataset, such as
        # anger instead of angry.
        if self.recipe is not None and set(classes) != set(self.labels):
            return validated_classes(self.labels)
        return classes

    @property
    def output_indices(self) -> list[int]:
        """The index of each of ``classes`` in the output of the network."""
        return positions_of(self.classes, self.labels)

    @property
    def learned_votes(self) -> bool:
        """True if the model learned annotator votes instead of labels."""
        return bool(self.targets.get("kind", "labels") != "labels")

    @property
    def validation_accuracy(self) -> float | None:
        """Accuracy on validation; None if unknown.

        It is measured against the training targets: the labels, or the plurality of the votes.
        """
        metrics = self.metrics.get("validation", {})
        if self.learned_votes:
            metrics = metrics.get("votes", {})
        accuracy = metrics.get("accuracy")
        return accuracy if isinstance(accuracy, float) else None

    @property
    def starting_datasets(self) -> tuple[dict[str, Any], ...]:
        """The training data of the starting model, of its own starting model, and so on.

        Each entry has the format of ``dataset``.
        """
        datasets = self.start.get("datasets", ())
        if not isinstance(datasets, (list, tuple)):
            return ()
        return tuple(dataset for dataset in datasets if isinstance(dataset, dict))

    @property
    def is_demo(self) -> bool:
        """True if the model was trained on the demo set: its metrics do not apply to real faces."""
        return bool(self.dataset.get("kind") == "demo")


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        name: Name of the bundle; for the bundle of a run, the run's name.
        folder: Folder of the bundle.
        record: The content of its ``bundle.json``.
        calibration: The content of its ``calibration.json``. If this file is missing, probabilities
            are not changed.
    """

    name: str
    folder: Path
    record: BundleRecord
    calibration: Calibration = field(default_factory=Calibration)

    @property
    def temperature(self) -> float:
        """The temperature of the calibration."""
        return self.calibration.temperature

    @property
    def served_network(self) -> Path:
        """The path of ``model.onnx``; the file may be missing until it is exported."""
        return self.folder / INFERENCE_NETWORK_FILE

    @property
    def content_key(self) -> tuple[str, ...]:
        """A key for caches, which changes with everything that predictions depend on."""
        parts = [str(self.folder)]
        for name in (RECORD_FILE, CALIBRATION_FILE, INFERENCE_NETWORK_FILE):
            try:
                stat = (self.folder / name).stat()
            except OSError:  # missing, or just removed
                continue
            parts.append(f"{name}:{stat.st_mtime_ns}:{stat.st_size}:{stat.st_ino}")
        return tuple(parts)


def load_bundle(folder: Path, name: str | None = None) -> Bundle:
    """Read a bundle's record and calibration; the network itself is not opened.

    Args:
        folder: The bundle's folder.
        name: Name of the bundle; by default the folder's name.

    Raises:
        InputError: The folder is not a bundle, or one of its files is missing or damaged.
    """
    name = name or folder.name
    record_path = folder / RECORD_FILE
    with read_errors_as_input_errors(
        record_path,
        "restore the file or choose another model",
        damaged=f"The bundle {name!r} is damaged: {record_path} is not valid",
        missing=f"{folder} is not a bundle ({RECORD_FILE} is missing); choose another model or "
        "restore the file.",
    ):
        record = BundleRecord.from_json(read_json(record_path))
    calibration = read_calibration(folder / CALIBRATION_FILE, name, record.classes)
    return Bundle(name, folder, record, calibration)


def write_calibration(
    folder: Path,
    calibration: Calibration | float,
    fitted_on: str,
    details: dict[str, Any] | None = None,
) -> None:
    """Replace ``calibration.json``.

    Args:
        folder: The bundle's folder.
        calibration: What to write; a number is a temperature without logit adjustment.
        fitted_on: A description of the data that the calibration was fitted on.
        details: Further results of the fit, such as the ECE before and after.

    Raises:
        InputError: The bundle belongs to the installed package.
    """
    require_changeable_bundle(folder)
    if not isinstance(calibration, Calibration):
        calibration = Calibration(calibration)
    document = calibration.to_json() | {"fitted_on": fitted_on} | (details or {})
    write_json(folder / CALIBRATION_FILE, document)


def require_changeable_bundle(folder: Path) -> None:
    """Check that the files of a bundle may be changed.

    Raises:
        InputError: The bundle belongs to the installed package.
    """
    if is_shipped_model(folder):
        raise InputError(
            f"The model {folder.name!r} is part of the installed package and cannot be changed; "
            f"change a copy: fer-studio models import {folder} --name NAME."
        )


def list_bundles(settings: Settings) -> list[Bundle]:
    """Return all usable bundles: those in ``models/`` by name, those of the installed package by
    name, then those of runs, the newest first.

    Of several bundles with the same name, only the first is returned. Damaged bundles are omitted;
    ``damaged_bundles`` describes them.
    """
    return _scan_bundles(settings)[0]


def damaged_bundles(settings: Settings) -> list[str]:
    """Return a sentence for each bundle or folder that cannot be used."""
    return _scan_bundles(settings)[1]


def _scan_bundles(settings: Settings) -> tuple[list[Bundle], list[str]]:
    """Return the usable bundles, and a sentence for each bundle or folder that cannot be used."""
    errors: list[str] = []
    named_folders: list[tuple[str, Path]] = []
    for root in settings.model_roots:
        named_folders += [(folder.name, folder) for folder in _visible_paths(root, errors)]
    run_bundles = [run / "bundle" for run in _visible_paths(settings.runs_root, errors)]
    # Runs without a bundle, which may be most runs, are removed before sorting, because the sort
    # key needs a disk access for each folder.
    run_bundles = sorted(filter(_may_be_bundle, run_bundles), key=_last_change_ns, reverse=True)
    named_folders += [(folder.parent.name, folder) for folder in run_bundles]
    bundles: dict[str, Bundle] = {}
    for name, folder in named_folders:
        if not _may_be_bundle(folder):
            continue
        try:
            bundles.setdefault(name, _unchanged_bundle(folder, name))
        except InputError as error:
            errors.append(str(error))
    return list(bundles.values()), errors


#: What identifies the version of a file: the times of the last change of its content and of its
#: metadata, its size and its inode; None for a missing file.
_FileVersion = tuple[int, int, int, int] | None
#: The bundles that were listed last, with the versions of the files that were read.
_listed_bundles: dict[tuple[Path, str], tuple[tuple[_FileVersion, ...], Bundle]] = {}


def _unchanged_bundle(folder: Path, name: str) -> Bundle:
    """Load a bundle; while its files do not change, return the same object again.

    Pages list the bundles several times per rerun, and there may be one for each run.

    Raises:
        InputError: As for ``load_bundle``.
    """
    versions = tuple(_file_version(folder / file) for file in (RECORD_FILE, CALIBRATION_FILE))
    listed = _listed_bundles.get((folder, name))
    if listed is not None and listed[0] == versions:
        return listed[1]
    bundle = load_bundle(folder, name)
    _listed_bundles[folder, name] = versions, bundle
    return bundle


def _file_version(path: Path) -> _FileVersion:
    try:
        stat = path.stat()
    except OSError:
        return None
    # A change of the permissions changes only the time of the metadata.
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def _visible_paths(root: Path, errors: list[str]) -> list[Path]:
    """Return the sorted paths in a folder, without hidden ones; none if the folder is missing.

    If the permission to read the folder is missing, append a sentence to ``errors``.
    """
    try:
        return sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except PermissionError as error:
        errors.append(str(unreadable_path_error(root, error)))
    except OSError:  # missing, or a file
        pass
    return []


def _may_be_bundle(folder: Path) -> bool:
    """Return True if a folder has a ``bundle.json``, or if the permission to check is missing."""
    try:
        (folder / RECORD_FILE).stat()
    except PermissionError:
        return True  # load_bundle then raises an error that states the reason
    except OSError:
        return False
    return True


def _last_change_ns(folder: Path) -> int:
    try:
        return (folder / RECORD_FILE).stat().st_mtime_ns
    except OSError:  # the bundle is being deleted, together with its run
        return 0


def default_bundle_name(settings: Settings) -> str | None:
    """Return the name of the default model; None if there is none.

    ``models/default`` contains this name. If the file is missing, empty or unreadable, the default
    model of the installed package is used.
    """
    for root in settings.model_roots:
        try:
            with (root / _DEFAULT_FILE).open(encoding="utf-8") as file:
                name = file.read(_MAX_DEFAULT_CHARACTERS).strip()
        except (OSError, UnicodeDecodeError):
            continue
        if name:
            return name
    return None


def default_bundle_folder(settings: Settings) -> Path | None:
    """Return the folder of the default model; None if there is no default or no such folder."""
    name = default_bundle_name(settings)
    return None if name is None or not is_plain_name(name) else _folder_by_name(name, settings)


def _folder_by_name(name: str, settings: Settings) -> Path | None:
    published = [root / name for root in settings.model_roots]
    folders = (*published, settings.runs_root / name / "bundle")
    return next((folder for folder in folders if folder.is_dir()), None)


@contextmanager
def default_model_lock(settings: Settings) -> Iterator[None]:
    """Keep other threads and processes from changing ``models/default`` and from deleting runs.

    Raises:
        OSError: The lock file cannot be created.
    """
    # Imported here, because the import takes a tenth of a second.
    from filelock import FileLock

    settings.models_root.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.models_root / _DEFAULT_LOCK, poll_interval=0.01):
        yield


def set_default_bundle(name: str, settings: Settings) -> None:
    """Make a published bundle, or the bundle of a run, the default model.

    Raises:
        InputError: No bundle has this name, or ``models/`` cannot be written.
    """
    failure = f"The default model cannot be changed in {settings.models_root}"
    # The deletion of a run takes the same lock. The run of this bundle can therefore not be deleted
    # between the check and the change.
    with os_errors_as_input_errors(failure), default_model_lock(settings):
        find_bundle(name, settings)  # raises InputError if there is no such bundle
        if name not in (bundle.name for bundle in list_bundles(settings)):
            # Only names are stored, because a relative path would be valid only in the folder in
            # which the command was entered.
            raise InputError(
                f"{name!r} is a path, not the name of a model; copy it to models/ first, with "
                f"'python -m fer_core models import {name}'."
            )
        write_text(settings.models_root / _DEFAULT_FILE, name + "\n")


def find_bundle(name: str | None, settings: Settings) -> Bundle:
    """Find a bundle by its name or path.

    Args:
        name: The name of a published bundle or of a run, or the path of the folder of a bundle or
            of a run; None for the default model.
        settings: Settings with the location of ``models/`` and ``runs/``.

    Raises:
        InputError: The bundle does not exist, or is damaged.
    """
    is_default = name is None
    if name is None:
        name = default_bundle_name(settings)
        if name is None:
            names = ", ".join(bundle.name for bundle in list_bundles(settings))
            if names:
                raise InputError(
                    "No default model is set (models/default is missing, empty or unreadable); "
                    f"choose one of {names} with 'python -m fer_core models default NAME'."
                )
            errors = damaged_bundles(settings)
            if errors:
                raise InputError(errors[0])
            raise InputError(
                "There is no model yet (models/default is missing); train one with "
                "'python -m fer_core train', or restore the models folder."
            )
    if is_plain_name(name):
        folder = _folder_by_name(name, settings)
        if folder is not None:
            return load_bundle(folder, name)
    if is_default:
        raise InputError(
            f"The default model {name!r} no longer exists; choose another one with "
            f"'python -m fer_core models default NAME'. Models here: {_known_names(settings)}."
        )
    path = existing_path(name)
    if path is not None and (path / "bundle").is_dir():
        return load_bundle(path / "bundle", path.resolve().name)
    if path is not None and path.is_dir():
        return load_bundle(path, path.resolve().name)
    raise InputError(f"There is no model {name!r}; models here: {_known_names(settings)}.")


def _known_names(settings: Settings) -> str:
    return ", ".join(bundle.name for bundle in list_bundles(settings)) or "none so far"


def check_name_is_free(name: str, settings: Settings) -> None:
    """Check that a bundle can be published with a name.

    Raises:
        InputError: The name is taken or not valid.
    """
    if not is_plain_name(name) or name in _RESERVED_NAMES:
        raise InputError(
            f"{name!r} cannot be the name of a model; use {PLAIN_NAME_RULE}. The names default and "
            "detectors are reserved."
        )
    if any((root / name).exists() for root in settings.model_roots):
        raise _name_taken_error(name)


def _name_taken_error(name: str) -> InputError:
    return InputError(
        f"There is already a model {name!r}; choose another name, or replace it with "
        "'models import --replace'."
    )


def replace_bundle(source: Path, name: str, settings: Settings) -> None:
    """Publish a complete bundle under the name of another bundle, and remove the other bundle.

    Args:
        source: The folder of the new bundle in ``models/``; this folder is renamed.
        name: The name of the bundle to replace.
        settings: Settings with the location of ``models/``.

    Raises:
        InputError: ``models/`` cannot be written.
    """
    with os_errors_as_input_errors(f"The model {name!r} cannot be replaced"):
        _retitle_card(source / MODEL_CARD_FILE, source.name, name)
        replace_folder(settings.models_root / name, source)


def publish_bundle(
    source: Path, settings: Settings, *, name: str | None = None, make_default: bool = False
) -> Bundle:
    """Copy a bundle's folder into ``models/``, where every page finds it.

    Args:
        source: A bundle's folder or a run's folder that holds one.
        settings: Settings with the location of ``models/``.
        name: Name of the copy; by default the name of the run or folder.
        make_default: True to make the copy the default model.

    Raises:
        InputError: The source has no bundle or a damaged one, the name is taken or not valid, or
            ``models/`` cannot be written.
    """
    bundle = find_bundle(str(source.resolve()), settings)
    name = name or bundle.name
    with new_bundle_folder(name, settings) as temporary:
        for file in sorted(bundle.folder.iterdir()):
            # The folder may contain other files. Only the files of a bundle are published.
            if file.name in _BUNDLE_FILES and file.is_file():
                shutil.copyfile(file, temporary / file.name)
        _retitle_card(temporary / MODEL_CARD_FILE, bundle.name, name)
    if make_default:
        set_default_bundle(name, settings)
    return load_bundle(settings.models_root / name)


@contextmanager
def new_bundle_folder(name: str, settings: Settings) -> Iterator[Path]:
    """Provide an empty folder for the files of a bundle, and publish it in ``models/`` on exit.

    Raises:
        InputError: The name is invalid, the name is taken on entry or on exit, or ``models/``
            cannot be written.
    """
    check_name_is_free(name, settings)
    with os_errors_as_input_errors(
        f"The model {name!r} cannot be stored in {settings.models_root}"
    ):
        try:
            with new_folder(settings.models_root / name) as folder:
                yield folder
        except FileExistsError as error:
            raise _name_taken_error(name) from error


def _retitle_card(card: Path, old_name: str, new_name: str) -> None:
    """Replace the old name in the title of a model card by the new name."""
    if card.is_file():
        # As bytes, because a card that users have edited may have another encoding.
        content = card.read_bytes()
        heading = f"# {old_name}\n".encode()
        if content.startswith(heading):
            card.write_bytes(f"# {new_name}\n".encode() + content.removeprefix(heading))


_BUNDLE_FILES = frozenset(
    (
        RECORD_FILE,
        INFERENCE_NETWORK_FILE,
        KERAS_MODEL_FILE,
        CALIBRATION_FILE,
        PREDICTIONS_FILE,
        IMAGE_HASHES_FILE,
        MODEL_CARD_FILE,
        TRAINING_CURVES_FILE,
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
        probabilities: The model's probabilities for these images, float32 ``[n, classes]``,
            **before** calibration, so that a calibration can be fitted to them.
        votes: Annotator votes for the same images, uint8 ``[n, 10]`` in the order of
            ``VOTE_COLUMNS``; None if the model learned labels.
    """
    arrays: dict[str, Any] = {"labels": labels, "probabilities": probabilities}
    if votes is not None:
        arrays["votes"] = votes
    np.savez_compressed(folder / PREDICTIONS_FILE, **arrays)
