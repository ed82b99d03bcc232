"""Imports in a child process: the same result, errors and an end on request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from fer_core.child import Limits
from fer_core.errors import InputError
from fer_core.exchange import import_process
from fer_core.exchange.import_process import import_in_process
from fer_core.exchange.importing import ImportRequest
from fer_core.exchange.labels import ModelOptionError
from fer_core.settings import Settings


@pytest.fixture
def network(linear_network: Callable[..., onnx.ModelProto], tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(linear_network(3), path)
    return path


def test_an_end_on_request_leaves_nothing(settings: Settings, network: Path) -> None:
    class Stopped(BaseException):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        import_in_process(
            network, settings, ImportRequest(labels=("a", "b", "c"), scale="unit"), on_wait=stop
        )
    assert not settings.models_root.exists() or not list(settings.models_root.glob("[!.]*"))


def test_missing_options_keep_their_kind(settings: Settings, network: Path) -> None:
    with pytest.raises(ModelOptionError, match="there are 2 labels") as failure:
        import_in_process(network, settings, ImportRequest(labels=("a", "b"), scale="unit"))
    assert failure.value.option == "labels"
    assert failure.value.reason == (
        "returns 3 values for each image, and there are 2 labels (a, b)"
    )


def test_too_much_time_is_one_sentence(
    settings: Settings, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_process, "LIMITS", Limits(16 * 1024**3, 900, 0.01))
    with pytest.raises(InputError, match="was not processed within 0 minutes"):
        import_in_process(network, settings, ImportRequest(labels=("a", "b", "c")))
