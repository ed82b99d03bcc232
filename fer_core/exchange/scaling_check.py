"""Measure the accuracy of a model file on a dataset with each usual scaling of its input."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import INFERENCE_NETWORK_FILE
from fer_core.classes import match_class
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, convert_model
from fer_core.exchange.input_scaling import Scaling
from fer_core.exchange.labels import Scale, read_metadata
from fer_core.exchange.onnx_trial import record_for_input
from fer_core.predictor import Network, network_input, open_onnx_network

#: Maximum number of images for a check. More images rarely change the order of the candidates.
MAX_IMAGES = 1000
#: Number of input values in a batch, as in 64 images of 48x48 pixels.
_BATCH_VALUES = 64 * 48 * 48


@dataclass(frozen=True)
class ScalingCandidate:
    """One scaling and the accuracy of the model with it.

    Attributes:
        scale: The range of the pixel intensities.
        mean: The mean that is subtracted from the intensities in this range; None to subtract
            nothing.
        std: The standard deviation by which the intensities are divided after the subtraction; None
            for no division.
        accuracy: Share of the images that are classified correctly, 0 to 1.
    """

    scale: Scale
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    accuracy: float

    @property
    def options(self) -> str:
        """The options of ``models import`` for this scaling."""
        options = [f"--scale {self.scale}"]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None:
                options.append(f"--{name} {','.join(f'{value:g}' for value in values)}")
        return " ".join(options)


#: A mean and a standard deviation, each with a number per channel.
_MeanAndStd = tuple[tuple[float, ...], tuple[float, ...]]
#: Mean and standard deviation of ImageNet, for intensities of 0 to 1, as in torchvision.
_IMAGENET: _MeanAndStd = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: Mean of ImageNet for intensities of 0 to 255, as networks converted from Caffe subtract it.
_IMAGENET_MEAN_OF_BYTES = (123.68, 116.779, 103.939)
#: Rounded mean and standard deviation of FER2013, for intensities of 0 to 1.
_FER2013: _MeanAndStd = ((0.5,), (0.25,))
#: A usual mean of gray faces, for intensities of 0 to 255: the middle of the range.
_GRAY_MEAN_OF_BYTES = (128.0,)


def check_scalings(
    path: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int8],
    classes: Sequence[str],
    *,
    request: ImportRequest | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[ScalingCandidate]:
    """Measure the accuracy of a model with each usual scaling, without importing the model.

    Args:
        path: A model file, as for ``import_model``.
        images: Gray faces, uint8 ``[n, 48, 48]``.
        labels: True classes of the images, int8 ``[n]``, indices into ``classes``.
        classes: The classes of the data. Images of classes that the model does not have are left
            out.
        request: The options of the import. If they define a scaling, it is one of the candidates.
        report: Called after each candidate with the numbers of finished and of all candidates.

    Returns:
        The scalings, the most accurate first.

    Raises:
        InputError: The model cannot be imported (see ``import_model``), ``path`` is a folder, or
            the model has none of the classes.
    """
    request = request or ImportRequest()
    if path.is_dir():
        raise InputError(
            f"{path} is a folder with a bundle, which defines its input; omit --check-on."
        )
    with tempfile.TemporaryDirectory(prefix="fer-studio-") as name:
        folder = Path(name)
        # The network is converted without a scaling, which is applied to the images instead.
        unscaled_request = replace(request, scale="bytes", mean=None, std=None)
        record = convert_model(path, folder, unscaled_request, read_metadata(path))
        network = open_onnx_network(
            folder / INFERENCE_NETWORK_FILE, path.name, input_shape=record.input_shape
        )
        true_outputs = _output_indices(classes, record.labels)[labels]
        images, true_outputs = images[true_outputs >= 0], true_outputs[true_outputs >= 0]
        if not len(images):
            raise _no_common_class(classes, record.labels, path)
        choices = _usual_scalings(request, channels=record.input_shape[2])
        candidates = []
        for number, (scale, mean, std) in enumerate(choices, start=1):
            scaling = Scaling.of(scale, mean, std)
            predicted = _predict(network, images, record.input_shape, scaling)
            accuracy = float((predicted.argmax(axis=1) == true_outputs).mean())
            candidates.append(ScalingCandidate(scale, mean, std, accuracy))
            if report is not None:
                report(number, len(choices))
    return sorted(candidates, key=lambda candidate: candidate.accuracy, reverse=True)


def _output_indices(classes: Sequence[str], model_labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of the output for each class; -1 if the network has no such output."""
    indices = [match_class(name, model_labels) for name in classes]
    return np.array([-1 if index is None else index for index in indices])


def _no_common_class(classes: Sequence[str], model_labels: Sequence[str], path: Path) -> InputError:
    return InputError(
        f"{path} has none of the classes of these images; it has {', '.join(model_labels)}, and "
        f"the dataset has {', '.join(classes)}. Check the model on another dataset."
    )


def _usual_scalings(
    request: ImportRequest, *, channels: int
) -> list[tuple[Scale, tuple[float, ...] | None, tuple[float, ...] | None]]:
    """Return the range, mean and standard deviation of each scaling to compare."""
    choices: list[tuple[Scale, tuple[float, ...] | None, tuple[float, ...] | None]] = [
        ("unit", None, None),
        ("signed", None, None),
        ("bytes", None, None),
    ]
    if channels == 3:
        choices += [("unit", *_IMAGENET), ("bytes", _IMAGENET_MEAN_OF_BYTES, None)]
    else:
        choices += [("unit", *_FER2013), ("bytes", _GRAY_MEAN_OF_BYTES, None)]
    if request.mean is not None or request.std is not None:
        values = (*(request.mean or ()), *(request.std or ()))
        scale = request.scale or ("bytes" if max(values) > 1 else "unit")
        choices.append((scale, request.mean, request.std))
    return list(dict.fromkeys(choices))


def _predict(
    network: Network,
    images: NDArray[np.uint8],
    shape: tuple[int, int, int],
    scaling: Scaling,
) -> NDArray[np.float32]:
    """Scale images, and return the output of a network for them, float32 ``[n, classes]``."""
    # This record leaves the intensities at 0 to 255.
    record = record_for_input(shape, Scaling.of("bytes"))
    batch_size = max(1, _BATCH_VALUES // int(np.prod(shape)))
    return np.concatenate(
        [
            network(scaling.apply(network_input(images[first : first + batch_size], record)))
            for first in range(0, len(images), batch_size)
        ]
    )
