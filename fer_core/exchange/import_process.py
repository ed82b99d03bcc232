"""Import and check model files in a child process.

The libraries that convert Keras files take half a gigabyte of memory. The app does not load them,
because only the child process needs them. A network that needs too much memory or time ends only
the child process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.child import ChildError, Limits, child_main, run_child
from fer_core.errors import InputError
from fer_core.exchange.importing import ImportRequest, import_model
from fer_core.exchange.labels import ModelOptionError
from fer_core.exchange.scaling_check import ScalingCandidate, check_scalings
from fer_core.settings import Settings, load_settings

#: Limits of the child process. TensorFlow takes about 5 GB of address space, most of it unused.
LIMITS = Limits(memory_bytes=16 * 1024**3, cpu_seconds=900, seconds=900)


@dataclass(frozen=True)
class ImportedModel:
    """A model that was imported.

    Attributes:
        name: Name of the model.
        notes: Descriptions of assumptions about what the file does not define, and of changes that
            the import made to the network.
    """

    name: str
    notes: tuple[str, ...]


def import_in_process(
    path: Path,
    settings: Settings,
    request: ImportRequest,
    *,
    on_wait: Callable[[], None] | None = None,
) -> ImportedModel:
    """Import a model file as ``import_model`` does, in a child process.

    Args:
        path: See ``import_model``.
        settings: Settings with the locations of ``data/``, ``runs/`` and ``models/``.
        request: The options.
        on_wait: Called twice a second. An exception that ``on_wait`` raises ends the import.

    Raises:
        ModelOptionError: An option is missing or wrong.
        InputError: See ``import_model``. Also if the import needs too much memory or time.
    """
    roots = [str(settings.data_root), str(settings.runs_root), str(settings.models_root)]
    answer = _run(path, ["import", *roots, str(path), _request_to_json(request)], on_wait)
    return ImportedModel(answer["name"], tuple(answer["notes"]))


def check_scalings_in_process(
    path: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int8],
    classes: Sequence[str],
    *,
    request: ImportRequest,
    folder: Path,
    on_wait: Callable[[], None] | None = None,
) -> list[ScalingCandidate]:
    """Compare the usual scalings as ``check_scalings`` does, in a child process.

    Args:
        path: See ``check_scalings``.
        images: See ``check_scalings``.
        labels: See ``check_scalings``.
        classes: See ``check_scalings``.
        request: The options.
        folder: A temporary folder, where the images are stored for the child process.
        on_wait: See ``import_in_process``.

    Raises:
        ModelOptionError: An option is missing or wrong.
        InputError: See ``check_scalings``. Also if the check needs too much memory or time.
    """
    arrays = folder / "images.npz"
    np.savez(arrays, images=images, labels=labels)
    arguments = [
        "check",
        str(path),
        str(arrays),
        json.dumps(list(classes)),
        _request_to_json(request),
    ]
    return [
        ScalingCandidate(
            values["scale"],
            None if values["mean"] is None else tuple(values["mean"]),
            None if values["std"] is None else tuple(values["std"]),
            values["accuracy"],
        )
        for values in _run(path, arguments, on_wait)["candidates"]
    ]


def _run(path: Path, arguments: list[str], on_wait: Callable[[], None] | None) -> dict[str, Any]:
    """Run a request in the child process and return its answer."""
    try:
        answer: dict[str, Any] = json.loads(run_child(__name__, arguments, LIMITS, on_wait=on_wait))
    except ChildError as failure:
        if failure.cause == "time":
            raise InputError(
                f"{path} was not processed within {LIMITS.seconds / 60:.0f} minutes (elapsed or "
                "CPU time); import a smaller network."
            ) from failure
        raise InputError(
            f"The process that reads {path} ended ({failure.detail}), possibly because the network "
            "needs too much memory; import a smaller network."
        ) from failure
    if "option" in answer:
        raise ModelOptionError(answer["message"], answer["option"], answer["reason"])
    return answer


def _request_to_json(request: ImportRequest) -> str:
    weights = None if request.weights is None else str(request.weights)
    return json.dumps(asdict(request) | {"weights": weights})


def _request_from_json(text: str) -> ImportRequest:
    values = json.loads(text)
    # JSON has neither tuples nor paths. None stays None.
    return ImportRequest(
        **values
        | {name: values[name] and tuple(values[name]) for name in ("labels", "mean", "std")}
        | {"weights": values["weights"] and Path(values["weights"])}
    )


def _run_in_child(arguments: list[str]) -> str:
    """Execute a request of the parent process; this runs in the child process."""
    try:
        return json.dumps(
            _import(*arguments[1:]) if arguments[0] == "import" else _check(*arguments[1:])
        )
    except ModelOptionError as error:
        answer = {"message": str(error), "option": error.option, "reason": error.reason}
        return json.dumps(answer)


def _import(data: str, runs: str, models: str, path: str, request: str) -> dict[str, Any]:
    settings = replace(
        load_settings(), data_root=Path(data), runs_root=Path(runs), models_root=Path(models)
    )
    bundle = import_model(Path(path), settings, _request_from_json(request))
    source = bundle.record.source
    notes = () if source is None else (*source.assumptions, *source.changes)
    return {"name": bundle.name, "notes": notes}


def _check(path: str, arrays: str, classes: str, request: str) -> dict[str, Any]:
    with np.load(arrays, allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    candidates = check_scalings(
        Path(path), images, labels, json.loads(classes), request=_request_from_json(request)
    )
    return {"candidates": [asdict(candidate) for candidate in candidates]}


if __name__ == "__main__":
    sys.exit(child_main(_run_in_child))
