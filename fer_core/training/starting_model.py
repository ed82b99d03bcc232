"""The model that a run starts from: chosen at the launch, read by the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fer_core.bundle import KERAS_MODEL_FILE, Bundle, BundleRecord
from fer_core.errors import InputError, first_line
from fer_core.files import file_sha256, unreadable_path_error
from fer_core.recipes.architectures import ARCHITECTURES, INPUT_SHAPE
from fer_core.training.model_setup import StartingWeights
from fer_core.training.run_folder import RunFolder, RunSetup, StartingModel


def starting_model(bundle: Bundle, freeze: str | None = None) -> tuple[StartingModel, Path]:
    """Describe a bundle as the starting model of a run.

    Args:
        bundle: The trained model.
        freeze: The stage up to which the network is not trained; None to train all layers.

    Returns:
        The description, and the path of the bundle's Keras file.

    Raises:
        InputError: The bundle has no network that can be trained here, or its Keras file cannot be
            read.
    """
    problem = starting_model_problem(bundle)
    if problem is not None:
        raise InputError(problem)
    path = bundle.folder / KERAS_MODEL_FILE
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise unreadable_path_error(path, error) from error
    description = StartingModel(
        model=bundle.name,
        architecture=str(bundle.record.config["architecture"]),
        classes=bundle.record.labels,
        digest=digest,
        freeze=freeze,
        datasets=_datasets(bundle.record),
    )
    return description, path


def starting_model_problem(bundle: Bundle) -> str | None:
    """Return a sentence that says why no run can start from a bundle; None if a run can."""
    record = bundle.record
    if record.input_shape != INPUT_SHAPE:
        expected, actual = (
            "x".join(map(str, shape)) for shape in (INPUT_SHAPE, record.input_shape)
        )
        return (
            f"The model {bundle.name!r} has an input of {actual} values, and a run needs "
            f"{expected}; choose a model that was trained here."
        )
    architecture = record.config.get("architecture")
    if record.recipe is None or architecture not in ARCHITECTURES:
        return (
            f"The model {bundle.name!r} was imported from another program, and its network does "
            "not have an architecture that can be trained here; choose a model that was trained "
            "here."
        )
    if not (bundle.folder / KERAS_MODEL_FILE).is_file():
        return (
            f"The model {bundle.name!r} has no {KERAS_MODEL_FILE}, so no training can start from "
            "it; restore the file, or choose another model."
        )
    return None


def _datasets(record: BundleRecord) -> tuple[dict[str, Any], ...]:
    """Return the datasets that a model, and the models that it started from, were trained on."""
    dataset = {key: record.dataset.get(key) for key in ("name", "fingerprint", "counts")}
    return (dataset, *record.starting_datasets)


def starting_weights(setup: RunSetup, run: RunFolder) -> StartingWeights | None:
    """Return the weights with which a run starts; None for random weights.

    If the run has finished epochs, its weights are read from its checkpoint later. In this case,
    the file of the starting model is not read, and the result contains no weights.

    Raises:
        InputError: The file of the starting model is missing, is damaged, or has changed since the
            launch.
    """
    start = setup.start
    if start is None:
        return None
    if run.read_epochs():
        return StartingWeights(None, start.classes, start.freeze)
    import keras

    from fer_core.exchange.keras_files import check_keras_archive

    path = run.starting_model_path
    try:
        if file_sha256(path) != start.digest:
            raise InputError(f"{path} is not the model {start.model!r} that the run started from")
        check_keras_archive(path)
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises many types of errors for files that it cannot load.
        raise InputError(
            f"The starting model cannot be loaded ({first_line(error)}); start a new run."
        ) from error
    return StartingWeights(model.get_weights(), start.classes, start.freeze)
