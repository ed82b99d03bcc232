"""Add ``image_hashes.npz`` to a bundle that was written before bundles contained this file.

``python -m tools.write_image_hashes models/NAME DATA`` reads the dataset that the model was trained
on and applies the model's configuration again. The file is written only if the fingerprint of the
dataset and the number of training images match the bundle's record. Trainings from which decisions
(a curation) dropped images are refused, because the decisions are not part of the bundle. Trainings
with a starting model are refused too, because the file would also need that model's images.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fer_core.bundle import load_bundle
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FaceSet
from fer_core.dataset.store import dataset_folder_or_none, load_dataset
from fer_core.dataset.vote_targets import VoteRecord, vote_targets, with_vote_targets
from fer_core.dataset.votes_file import read_votes
from fer_core.errors import InputError
from fer_core.image_hashes import IMAGE_HASHES_FILE, ImageHashes, write_image_hashes
from fer_core.recipes import TrainingConfig
from fer_core.settings import Settings, load_settings
from fer_core.training.training_data import training_rows
from fer_core.validation import from_dict


def image_hashes_of(folder: Path, data: str, settings: Settings) -> ImageHashes:
    """Return the hashes of the images that a bundle was trained and validated on.

    Args:
        folder: The bundle's folder.
        data: Name or path of its training data.
        settings: The root folders of the program.

    Raises:
        InputError: The bundle or the data cannot be read, the data does not match the bundle's
            record, or the training images cannot be determined: the votes are missing, decisions
            dropped images, or the training had a starting model.
    """
    record = load_bundle(folder).record
    face_set = load_dataset(data, settings)
    if record.dataset.get("fingerprint") != face_set.fingerprint:
        raise InputError(f"{folder.name} was not trained on {data}: the fingerprints differ.")
    if record.start or any(record.dataset.get("curation", {}).get("dropped", {}).values()):
        raise InputError(f"{folder.name} started from another model, or images were dropped.")
    config = from_dict(TrainingConfig, record.config)
    rows = training_rows(_with_targets(face_set, data, config, settings), config)
    expected = record.training.get("training_images")
    if len(rows) != expected:
        raise InputError(
            f"The record of {folder.name} states {expected} training images, and its configuration "
            f"now gives {len(rows)}."
        )
    return ImageHashes(
        content_keys(face_set.images[rows]),
        content_keys(face_set.images[face_set.rows("validation")]),
    )


def _with_targets(
    face_set: FaceSet, data: str, config: TrainingConfig, settings: Settings
) -> FaceSet:
    if config.targets == "labels":
        return face_set
    data_folder = dataset_folder_or_none(data, settings)
    votes = None if data_folder is None else read_votes(data_folder, face_set)
    if votes is None:
        raise InputError(f"{data} has no votes, but the model was trained on votes.")
    targets = vote_targets(votes, face_set, config.targets)
    return with_vote_targets(face_set, VoteRecord(votes, targets))


def main() -> int:
    """Write the file of the bundle given on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Add image_hashes.npz to a bundle.")
    parser.add_argument("folder", type=Path, help="the bundle's folder")
    parser.add_argument("data", help="name or path of the data that it was trained on")
    arguments = parser.parse_args()
    try:
        hashes = image_hashes_of(arguments.folder, arguments.data, load_settings())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    path = arguments.folder / IMAGE_HASHES_FILE
    write_image_hashes(path, hashes)
    print(f"{path}: {len(hashes.train):,} training, {len(hashes.validation):,} validation images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
