"""Write the bundle of a run: a model for predictions, with the best weights of the training."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fer_core.bundle import (
    INFERENCE_NETWORK_FILE,
    KERAS_MODEL_FILE,
    MODEL_CARD_FILE,
    RECORD_FILE,
    TRAINING_CURVES_FILE,
    Bundle,
    BundleRecord,
    load_bundle,
    write_calibration,
    write_predictions,
)
from fer_core.calibration import Calibration
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.statistics import class_counts
from fer_core.dataset.store import is_demo
from fer_core.dataset.vote_targets import VoteRecord, plurality_of_targets
from fer_core.evaluation.evaluate import evaluate_predictor
from fer_core.evaluation.temperature_scaling import calibration_for_votes, thresholds_for
from fer_core.evaluation.vote_metrics import metrics_against_votes
from fer_core.exchange.onnx_export import can_export_onnx, keras_network, write_verified_onnx
from fer_core.files import atomic_write_folder, write_json, write_text
from fer_core.image_hashes import (
    IMAGE_HASHES_FILE,
    ImageHashes,
    read_image_hashes,
    write_image_hashes,
)
from fer_core.metrics import fit_temperature
from fer_core.model_card import model_card
from fer_core.predictor import Network, Predictor, open_onnx_network
from fer_core.provenance import hardware_text, installed_versions
from fer_core.recipes.architectures import INPUT_SHAPE
from fer_core.recipes.fine_tuning import head_change
from fer_core.training.fit import BEST_WEIGHTS_FILE, FitResult
from fer_core.training.model_setup import build_float32_model
from fer_core.training.run_folder import RunFolder, RunSetup
from fer_core.training.training_data import training_rows


def write_bundle(
    setup: RunSetup,
    face_set: FaceSet,
    curated: CuratedFaceSet,
    run: RunFolder,
    result: FitResult,
    *,
    vote_record: VoteRecord | None = None,
) -> Bundle:
    """Write ``bundle/`` in a run's folder with the weights of the run's best epoch.

    The bundle's metrics are measured with the network in ``model.onnx``, which also makes all
    later predictions. If the backend is not TensorFlow or the packages for the export are
    missing, the file cannot be written: the metrics are measured with Keras, and the user adds the
    file with the command ``models export``.

    Args:
        setup: The configuration of the run.
        face_set: The data as imported, for the metrics; with targets if the model was trained on
            votes.
        curated: The data after curation; the model was trained on its training images.
        run: The run; if its folder contains a bundle, the bundle is replaced.
        result: How the training ended, with at least one finished epoch.
        vote_record: The votes that the model was trained on; None for labels. With votes, the
            temperature is fitted to the plurality of the votes, and metrics against the votes are
            added.

    Raises:
        InputError: The best weights are damaged, or the exported network differs from the model.
    """
    import keras

    config = setup.config
    arrays = run.load_arrays(BEST_WEIGHTS_FILE)
    # The keys are the positions of the arrays among the network's weights.
    weights = [arrays[key] for key in sorted(arrays)]
    model = build_float32_model(config, weights, len(face_set.classes))
    name = run.path.resolve().name
    record = BundleRecord(
        labels=face_set.classes,
        input_shape=INPUT_SHAPE,
        input_scale=1 / 255,
        flip_averaging=config.flip_averaging,
        parameters=model.count_params(),
        recipe=setup.recipe,
        config=config.to_json(),
        seed=config.seed,
        dataset={
            "name": Path(setup.data).name,
            "kind": "demo" if is_demo(setup.data) else "imported",
            "fingerprint": face_set.fingerprint,
            "counts": class_counts(face_set),
            "curation": curated.to_json(),
        },
        curation=_curation_text(curated, config.exclude_leaks),
        training={
            "epochs": len(result.epochs),
            "best_epoch": result.best_epoch,
            "monitor": config.monitor,
            "seconds": round(sum(record.seconds for record in result.epochs), 1),
            "training_images": len(training_rows(curated.faces, config)),
            "stopped_early_by_request": result.was_stopped,
            "backend": keras.backend.backend(),
            "hardware": hardware_text(),
        },
        metrics={},
        versions=installed_versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        targets={"kind": "labels"} if vote_record is None else vote_record.to_json(),
        start=_start_record(setup, face_set.classes),
    )
    validation = face_set.rows("validation")
    with atomic_write_folder(run.bundle_path) as folder:
        model.save(folder / KERAS_MODEL_FILE)
        network: Network
        if can_export_onnx() and keras.backend.backend() == "tensorflow":
            write_verified_onnx(model, folder / INFERENCE_NETWORK_FILE, name)
            network = open_onnx_network(folder / INFERENCE_NETWORK_FILE, name)
        else:
            network = keras_network(model)
        predictor = Predictor(record, network)
        labels = face_set.labels[validation]
        probabilities = predictor.probabilities(face_set.images[validation])
        vote_counts = None if vote_record is None else vote_record.votes.counts[validation]
        write_predictions(folder, labels, probabilities, vote_counts)
        write_image_hashes(
            folder / IMAGE_HASHES_FILE, _image_hashes(setup, face_set, curated.faces, run)
        )
        if vote_record is None:
            predictor.calibration = Calibration(
                fit_temperature(labels, probabilities),
                thresholds=thresholds_for(labels, probabilities),
                classes=face_set.classes,
            )
            write_calibration(folder, predictor.calibration, "validation")
        else:
            targets = vote_record.targets.targets[validation]
            plurality = plurality_of_targets(targets)
            has_plurality = plurality >= 0  # -1 where several classes tie
            predictor.calibration = calibration_for_votes(
                plurality[has_plurality],
                probabilities[has_plurality],
                vote_record.class_prior(face_set),
                face_set.classes,
            )
            write_calibration(folder, predictor.calibration, "validation, plurality of votes")
        evaluation = evaluate_predictor(predictor, face_set, "validation")
        validation_metrics = evaluation.to_json()
        if vote_record is not None:
            validation_metrics["votes"] = metrics_against_votes(evaluation, targets)
        record = replace(record, metrics={"validation": validation_metrics})
        write_json(folder / RECORD_FILE, record.to_json())
        epochs = (json.dumps(asdict(epoch)) for epoch in result.epochs)
        write_text(folder / TRAINING_CURVES_FILE, "\n".join(epochs) + "\n")
        write_text(folder / MODEL_CARD_FILE, model_card(name, record, predictor.calibration))
    return load_bundle(run.bundle_path, name)


def _image_hashes(
    setup: RunSetup, face_set: FaceSet, curated_faces: FaceSet, run: RunFolder
) -> ImageHashes:
    """Return the hashes of the images that a run was trained and validated on.

    Args:
        setup: The configuration of the run.
        face_set: The data as imported.
        curated_faces: The data after curation; the run was trained on its training images.
        run: The run's folder; it may contain the hashes of the starting model's images.
    """
    train = content_keys(curated_faces.images[training_rows(curated_faces, setup.config)])
    validation = content_keys(face_set.images[face_set.rows("validation")])
    if setup.start is None:
        return ImageHashes(train, validation)
    start = read_image_hashes(run.starting_model_hashes_path)
    if start is None:
        # It is unknown which images the starting model was trained on.
        return ImageHashes(train, validation, is_complete=False)
    return ImageHashes(train, validation, start.all_train, start.is_complete)


def _start_record(setup: RunSetup, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the starting model for ``BundleRecord.start``; empty if there is none."""
    if setup.start is None:
        return {}
    return asdict(setup.start) | {"head": head_change(setup.start.classes, classes)}


def _curation_text(curated: CuratedFaceSet, excludes_leaks: bool) -> str | None:
    """Describe what was excluded or relabeled in the training data; None if nothing was changed."""
    changes = [curated.summary] if curated.summary else []
    if excludes_leaks:
        changes.append("without the training images that also appear in validation or test")
    return "; ".join(changes) or None
