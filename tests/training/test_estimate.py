"""Estimates: computed from measured steps, and cached."""

import io
import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig, changed_config
from fer_core.settings import Settings
from fer_core.training import estimate
from fer_core.training.estimate import Speed, cached_estimate, estimate_training
from fer_core.training.model_setup import compiled_model
from fer_core.training.resources import resource_use
from fer_core.training.run_folder import RunStatus

SPEED = Speed(0.01, 0.002, 10.0, 500_000_000)
CONFIG = TrainingConfig(epochs=50, batch_size=64)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[TrainingConfig]:
    """The configurations that were measured."""
    asked: list[TrainingConfig] = []

    def measure(config: TrainingConfig, freeze: str | None, *, was_busy: bool) -> Speed:
        asked.append(config)
        return replace(SPEED, was_busy=was_busy)

    monkeypatch.setattr(estimate, "_run_measurement", measure)
    return asked


def test_an_estimate_counts_full_batches_validation_epochs_and_the_start(
    settings: Settings, timed: list[TrainingConfig]
) -> None:
    one = estimate_training(CONFIG, 1000, 100, settings)
    # 16 batches of 64.
    assert one.seconds_per_epoch == pytest.approx(1024 * 0.01 + 100 * 0.002)
    assert one.seconds == pytest.approx(10 + 50 * one.seconds_per_epoch)
    assert one.memory_bytes == 500_000_000 + 2100 * 48 * 48
    assert (one.images_per_second, one.parameters) == (pytest.approx(100), 1_176_359)
    assert one.text == "about 9 minutes on this machine (10 seconds per epoch, 50 epochs)"


@pytest.mark.parametrize(
    ("epochs", "images", "words"),
    [
        (1, 640, "about 16 seconds on this machine (6.4 seconds per epoch, 1 epoch)"),
        (50, 28_709, "about 4 hours on this machine (5 minutes per epoch, 50 epochs)"),
        (200, 28_709, "about 16 hours on this machine (5 minutes per epoch, 200 epochs)"),
        (2000, 28_709, "about 6.7 days on this machine (5 minutes per epoch, 2,000 epochs)"),
    ],
)
def test_it_is_formatted(
    settings: Settings, timed: list[TrainingConfig], epochs: int, images: int, words: str
) -> None:
    config = changed_config(CONFIG, {"epochs": epochs})
    assert estimate_training(config, images, 0, settings).text == words


def test_the_text_mentions_early_stopping_and_a_busy_machine(
    settings: Settings, timed: list[TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = changed_config(CONFIG, {"early_stopping_patience": 3})
    monkeypatch.setattr(estimate, "active_runs", lambda _: ["another"])
    words = estimate_training(config, 1000, 100, settings).text
    assert "early stopping may end the training sooner" in words
    assert "while another training was running" in words
    # It is measured again once the machine is idle.
    monkeypatch.setattr(estimate, "active_runs", lambda _: [])
    assert not estimate_training(config, 1000, 100, settings).was_busy
    assert len(timed) == 2


def test_what_does_not_change_the_speed_is_not_timed_again(
    settings: Settings, timed: list[TrainingConfig]
) -> None:
    assert cached_estimate(CONFIG, 1000, 100, settings) is None
    estimate_training(CONFIG, 1000, 100, settings)
    same: dict[str, Any] = {"epochs": 3, "learning_rate": 0.1, "seed": 4, "monitor": "macro_f1"}
    quick = cached_estimate(changed_config(CONFIG, same), 10_000, 100, settings)
    assert quick is not None and (quick.epochs, quick.training_images) == (3, 10_000)
    for change in ({"batch_size": 32}, {"precision": "mixed_bfloat16"}, {"rotation_degrees": 5}):
        assert cached_estimate(changed_config(CONFIG, change), 1000, 100, settings) is None
    estimate_training(changed_config(CONFIG, {"rotation_degrees": 5}), 1000, 100, settings)
    assert cached_estimate(changed_config(CONFIG, {"rotation_degrees": 9}), 9, 9, settings)
    assert len(timed) == 2
    for path in (settings.runs_root / ".estimates").iterdir():
        path.write_text(json.dumps({"training_seconds": 0}))
    assert cached_estimate(CONFIG, 1000, 100, settings) is None


def test_frozen_stages_are_timed_on_their_own(
    settings: Settings, timed: list[TrainingConfig]
) -> None:
    estimate_training(CONFIG, 1000, 100, settings)
    assert cached_estimate(CONFIG, 1000, 100, settings, freeze="stage2") is None
    estimate_training(CONFIG, 1000, 100, settings, freeze="stage2")
    assert cached_estimate(CONFIG, 1000, 100, settings, freeze="stage2")
    assert cached_estimate(CONFIG, 1000, 100, settings, freeze="stage3") is None
    assert len(timed) == 2


def test_the_timed_network_has_frozen_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def compiled(config: TrainingConfig, **options: Any) -> None:
        model = compiled_model(config, **options)
        built.append(len(model.trainable_variables))
        raise InputError("The network was built.")

    monkeypatch.setattr(estimate, "compiled_model", compiled)
    config = changed_config(CONFIG, {"architecture": "three_convolutions"})
    for freeze in (None, "stage2"):
        request = json.dumps({"config": config.to_json(), "freeze": freeze})
        monkeypatch.setattr(sys, "stdin", io.StringIO(request))
        assert estimate._main() == 1
    # Two convolutions with their biases are frozen.
    assert built == [built[0], built[0] - 4]


def test_steps_that_cannot_be_timed_are_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "alchemy")
    with pytest.raises(InputError, match="could not be timed: KERAS_BACKEND is 'alchemy'"):
        estimate_training(CONFIG, 1000, 100, settings)


def test_resource_use_is_measured_from_another_process() -> None:
    status = RunStatus("running", "this very process")
    first = resource_use(status)
    assert first is not None
    assert first.busy_cores is None
    assert 10_000_000 < first.memory_bytes < first.machine_memory_bytes
    assert first.cpu_seconds > 0
    assert sum(number * number for number in range(500_000)) > 0
    second = resource_use(status, replace(first, cpu_seconds=first.cpu_seconds - 5))
    assert second is not None and second.busy_cores is not None
    # The five seconds keep the difference positive: processes that other tests have started, and
    # whose CPU seconds count, may end meanwhile.
    expected = (second.cpu_seconds - first.cpu_seconds + 5) / (second.moment - first.moment)
    assert second.busy_cores == pytest.approx(max(expected, 0))
    assert resource_use(None) is None
    assert resource_use(replace(status, process_started=5.0)) is None
