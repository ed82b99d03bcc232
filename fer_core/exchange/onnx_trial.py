"""Prepare and test an untrusted ONNX network in a child process with limits.

The cost of a network cannot be determined from its file: tensor sizes can depend on the image, and
a small file can require hours of computation.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import BundleRecord, load_bundle
from fer_core.child import ChildError, Limits, child_main, run_child
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.exchange import onnx_files
from fer_core.exchange.input_scaling import InferredScale, Scaling, scale_from_operations
from fer_core.exchange.onnx_export import TOLERANCE
from fer_core.exchange.probe import (
    are_probabilities,
    check_equal,
    extreme_crops,
    probe_crops,
    run_network,
)
from fer_core.predictor import Network, network_input, open_onnx_network

#: Limits of the child process: 3 GB of address space, of which Python and ONNX Runtime take about
#: 0.6 GB, and enough time for a few batches.
LIMITS = Limits(memory_bytes=3 * 1024**3, cpu_seconds=60, seconds=120)

#: Number of threads of ONNX Runtime; it is small because each thread takes address space.
_THREADS = 2


@dataclass(frozen=True)
class PreparedNetwork:
    """Properties of an untrusted network that a trial run determined.

    Attributes:
        input_shape: Height, width and channels of the network's input.
        parameters: Number of weights.
        inferred_scale: The range of pixel intensities that the network expects, and the reason for
            this result; None if the caller gave the scaling.
        softmax_added: True if a softmax was added, because the network returned logits.
        channels_first: True if a transposition was added, because the network expects channels
            first.
        one_by_one: True if the network processes one image at a time.
        output_count: Number of values that the network returns for each image.
    """

    input_shape: tuple[int, int, int]
    parameters: int
    inferred_scale: InferredScale | None
    softmax_added: bool
    channels_first: bool
    one_by_one: bool
    output_count: int


def prepare_network(
    path: Path,
    served_path: Path,
    scaling: Scaling | None = None,
    *,
    limits: Limits | None = None,
) -> PreparedNetwork:
    """Start a child process that writes an untrusted network in its served form and runs it.

    Args:
        path: The ONNX file.
        served_path: The file to write.
        scaling: The scaling of pixel intensities; None to infer it from the network's operations.
            A scaling that differs between the channels becomes part of the network.
        limits: Limits of the child process; by default ``LIMITS``.

    Raises:
        InputError: The network is damaged, unsafe, exceeds the limits, is not a classifier of 2 to
            20 classes, or its operations do not show the scaling.
    """
    values = None if scaling is None else asdict(scaling)
    arguments = ["prepare", str(path), str(served_path), json.dumps(values)]
    answer = json.loads(_run_limited(path, arguments, limits or LIMITS))
    inferred = answer["inferred_scale"]
    return PreparedNetwork(
        **answer
        | {
            "input_shape": tuple(answer["input_shape"]),
            "inferred_scale": inferred and InferredScale(**inferred),
        }
    )


def check_bundle_network(folder: Path, *, limits: Limits | None = None) -> None:
    """Check and run the served network of a bundle in a child process.

    Args:
        folder: The bundle's folder; it contains ``model.onnx``.
        limits: Limits of the child process; by default ``LIMITS``.

    Raises:
        InputError: The network is damaged, unsafe or exceeds the limits, or does not return finite
            numbers.
    """
    _run_limited(folder / "model.onnx", ["bundle", str(folder)], limits or LIMITS)


def _run_limited(path: Path, arguments: list[str], limits: Limits) -> str:
    """Run a request in the child process and return its answer; ``path`` is for messages."""
    try:
        return run_child(__name__, arguments, limits)
    except ChildError as failure:
        if failure.cause == "time":
            raise InputError(
                f"{path} needs more than {limits.cpu_seconds} s to classify a few faces; import a "
                "smaller network."
            ) from failure
        raise InputError(
            f"ONNX Runtime failed to run {path} ({failure.detail}), possibly because the network "
            f"needs more than the allowed {limits.memory_bytes / 2**30:.0f} GB of memory; import "
            "another network."
        ) from failure


def _run_in_child(arguments: list[str]) -> str:
    """Execute a request of the parent process; this runs in the child process."""
    if arguments[0] == "bundle":
        _check_bundle_network(Path(arguments[1]))
        return ""
    path, served_path = Path(arguments[1]), Path(arguments[2])
    values = json.loads(arguments[3])
    scaling = values and Scaling(tuple(values["factor"]), tuple(values["offset"]))
    return json.dumps(asdict(_prepare(path, served_path, scaling)))


def _check_bundle_network(folder: Path) -> None:
    """Check and run the served network of a bundle; this runs in the child process."""
    bundle = load_bundle(folder)
    onnx_files.check_onnx_file(bundle.served_network)
    network = _open(bundle.served_network, bundle.record.input_shape)
    for crops in (probe_crops(), extreme_crops()):
        _run(network, network_input(crops, bundle.record), bundle.served_network)


def _prepare(path: Path, served_path: Path, scaling: Scaling | None) -> PreparedNetwork:
    """Write and run a network as ``prepare_network`` does; this runs in the child process."""
    network = onnx_files.read_onnx_network(path)
    inferred = None
    if scaling is None:
        inferred = scale_from_operations(network.model, path)
        scaling = Scaling.of(inferred.scale)
    # The record of a bundle has one factor and one offset for all channels. A scaling that differs
    # between the channels becomes part of the network.
    channel_scaling = None if scaling.is_uniform else scaling
    if channel_scaling is not None and network.input_shape[2] != len(channel_scaling.factor):
        raise InputError(
            f"{path} takes images with one channel, and --mean or --std has "
            f"{len(channel_scaling.factor)} numbers; give one number."
        )
    record = record_for_input(network.input_shape, scaling)
    pixels = network_input(probe_crops(), record)

    def write_and_run(**options: bool) -> NDArray[np.float32]:
        onnx_files.write_served(network, served_path, scaling=channel_scaling, **options)
        return _run(_open(served_path, network.input_shape), pixels, path)

    # Any network can process one image at a time, so this result is the reference.
    expected = write_and_run(one_by_one=True)
    needs_softmax = not are_probabilities(expected)
    if needs_softmax:
        expected = write_and_run(one_by_one=True, softmax=True)
    one_by_one = network.one_by_one
    description = f"The network {path}"
    try:
        output = write_and_run(softmax=needs_softmax, one_by_one=one_by_one)
        check_equal(output, expected, description, TOLERANCE)
    except InputError:
        # The network declares a variable batch size, but cannot process several images:
        # one of its operations has a fixed size.
        one_by_one = True
        output = write_and_run(softmax=needs_softmax, one_by_one=one_by_one)
        check_equal(output, expected, description, TOLERANCE)
    # This run only checks that the results for a black and a white image are finite.
    _run(_open(served_path, network.input_shape), network_input(extreme_crops(), record), path)
    return PreparedNetwork(
        network.input_shape,
        network.parameters,
        inferred_scale=inferred,
        softmax_added=needs_softmax,
        channels_first=network.channels_first,
        one_by_one=one_by_one,
        output_count=expected.shape[1],
    )


def _open(path: Path, shape: tuple[int, int, int]) -> Network:
    """Open a network with few threads."""
    return open_onnx_network(path, path.name, threads=_THREADS, input_shape=shape)


def _run(network: Network, pixels: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """Run a network; ``path`` is for messages."""
    try:
        return run_network(network, pixels, f"The network {path}")
    except InputError as error:
        # A failed allocation is recognized only by the text of ONNX Runtime's error.
        if "alloc" in str(error.__cause__):
            raise InputError(
                f"{path} needs more than the allowed {LIMITS.memory_bytes / 2**30:.0f} GB of "
                f"memory to classify {len(pixels)} faces; import a smaller network."
            ) from error
        raise


def record_for_input(shape: tuple[int, int, int], scaling: Scaling) -> BundleRecord:
    """Return a record that describes only the input of a network; the other fields are unused.

    Args:
        shape: Height, width and channels.
        scaling: The scaling. If it differs between the channels, an operation in the network
            applies it, and the record contains no scaling.
    """
    factor, offset = (scaling.factor[0], scaling.offset[0]) if scaling.is_uniform else (1.0, 0.0)
    return BundleRecord(
        labels=EMOTIONS,  # replaced when the labels are known
        input_shape=shape,
        input_scale=factor,
        input_offset=offset,
        flip_averaging=False,
        parameters=0,
        recipe=None,
        config={},
        seed=None,
        dataset={},
        curation=None,
        training={},
        metrics={},
        versions={},
        created="",
    )


if __name__ == "__main__":
    sys.exit(child_main(_run_in_child))
