"""Read and write ``image_hashes.npz`` of a bundle: hashes of the images that the model has seen.

The file contains a content key for each image: eight bytes of a hash of the pixels. An evaluation
compares these keys with the keys of a dataset's images. It therefore recognizes images that the
model has seen, even if the dataset has other file names and other splits.
``fer_core.dataset.duplicates.content_keys`` computes the keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_core.errors import InputError, first_line
from fer_core.files import read_arrays, unreadable_path_error

#: The file's name in the folder of a bundle.
IMAGE_HASHES_FILE = "image_hashes.npz"


def _no_keys() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class ImageHashes:
    """Content keys of the training and validation images of a model and its starting models.

    Keys that were read from a file are sorted and distinct.

    Attributes:
        train: Keys of the training images, int64 ``[k]``.
        validation: Keys of the images on which the checkpoint and the calibration were selected,
            int64.
        start: Keys of the images on which the starting model, its own starting model and so on were
            trained, int64.
        is_complete: False if one of the starting models does not record its training images.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    start: NDArray[np.int64] = field(default_factory=_no_keys)
    is_complete: bool = True

    @property
    def all_train(self) -> NDArray[np.int64]:
        """Keys of all images that influenced the model's weights."""
        return np.union1d(self.train, self.start)


def write_image_hashes(path: Path, hashes: ImageHashes) -> None:
    """Write the hashes to a file.

    Args:
        path: The file.
        hashes: The keys, in any order and with or without repetitions.
    """
    np.savez(
        path,
        train=np.unique(hashes.train),
        validation=np.unique(hashes.validation),
        start=np.unique(hashes.start),
        is_complete=np.array(hashes.is_complete),
    )


def read_image_hashes(path: Path) -> ImageHashes | None:
    """Read a file of hashes; return None if it is missing, as in bundles of earlier versions.

    Raises:
        InputError: The file is damaged or cannot be read.
    """
    try:
        arrays = read_arrays(path)
        keys = {name: arrays[name] for name in ("train", "validation", "start")}
        is_complete = arrays["is_complete"]
        if any(array.ndim != 1 or array.dtype != np.int64 for array in keys.values()):
            raise ValueError("the hashes should be one-dimensional arrays of int64")
        if is_complete.shape != () or is_complete.dtype != np.bool_:
            raise ValueError("is_complete should be a single bool")
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise unreadable_path_error(path, error) from error
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is not valid ({first_line(error)}); restore the file, or delete it: "
            "which images the model has seen is then unknown."
        ) from error
    return ImageHashes(**keys, is_complete=bool(is_complete))
