"""The losses that a configuration compiles, compared with values computed by hand."""

import math

import numpy as np
import pytest

from fer_core.keras_backend import prepare_backend
from fer_core.recipes import validated_config

prepare_backend()

from fer_core.recipes.architectures import build_network  # noqa: E402
from fer_core.training.fused_normalization import with_fused_normalization  # noqa: E402
from fer_core.training.model_setup import compiled_model  # noqa: E402  # after the backend

PROBABILITIES = np.array([[0.7, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]], dtype=np.float32)
FIRST = np.eye(7, dtype=np.float32)[:1]


def loss_of(weight: float | None = None, **values: object) -> float:
    config = validated_config({"architecture": "three_convolutions"} | values)
    model = compiled_model(config)
    weights = None if weight is None else np.array([weight], dtype=np.float32)
    return float(model.loss(FIRST, PROBABILITIES, sample_weight=weights))


def test_focal_loss_is_the_papers() -> None:
    expected = -((1 - 0.7) ** 2) * math.log(0.7)
    assert loss_of(loss="focal", focal_gamma=2.0) == pytest.approx(expected, rel=1e-5)


def test_without_gamma_it_is_cross_entropy() -> None:
    assert loss_of(loss="focal", focal_gamma=0.0) == pytest.approx(loss_of(), rel=1e-6)
    assert loss_of() == pytest.approx(-math.log(0.7), rel=1e-6)


def test_a_class_weight_is_the_papers_alpha() -> None:
    expected = -3.5 * (1 - 0.7) ** 2 * math.log(0.7)
    assert loss_of(3.5, loss="focal", focal_gamma=2.0) == pytest.approx(expected, rel=1e-5)


def test_smoothed_labels_are_weighed_class_by_class() -> None:
    smoothed = 1 - 0.1 + 0.1 / 7
    expected = -smoothed * 0.3**2 * math.log(0.7) - 6 * (0.1 / 7) * 0.95**2 * math.log(0.05)
    value = loss_of(loss="focal", focal_gamma=2.0, label_smoothing=0.1)
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_the_precision_of_a_training_is_not_that_of_later_networks(precision: str) -> None:
    config = validated_config({"architecture": "three_convolutions", "precision": precision})
    model = compiled_model(config)
    assert model.layers[1].dtype_policy.name == model.dtype_policy.name == precision
    assert {layer.dtype_policy.name for layer in build_network("plain_nine").layers} == {"float32"}


@pytest.mark.parametrize(
    ("total_steps", "momentum"),
    [(None, 0.999), (8_000, 0.999), (700, 0.99), (10, 0.5), (1, 0.5)],
)
def test_a_short_training_averages_its_last_steps(total_steps: int | None, momentum: float) -> None:
    config = validated_config({"architecture": "three_convolutions", "averaging_momentum": 0.999})
    model = compiled_model(config, total_steps=total_steps)
    assert model.optimizer.ema_momentum == pytest.approx(momentum)


def test_fused_normalization_trains_like_keras_own() -> None:
    network = build_network("plain_nine", dropout_scale=0)
    fused = with_fused_normalization(network)
    # The dense layer's normalization of recipe A takes no pictures and stays as it is.
    assert "FusedBatchNormalization" in {type(layer).__name__ for layer in fused.layers}
    pictures = np.random.default_rng(0).random((8, 48, 48, 1), dtype=np.float32)
    np.testing.assert_allclose(fused(pictures), network(pictures), rtol=1e-6)
    outputs = [np.asarray(model(pictures, training=True)) for model in (fused, network)]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)
    for ours, theirs in zip(fused.get_weights(), network.get_weights(), strict=True):
        # The fused variance is the unbiased one.
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    dense = with_fused_normalization(build_network("paired_convolutions"))
    names = [type(layer).__name__ for layer in dense.layers]
    assert names.count("FusedBatchNormalization") == 6
    assert names.count("BatchNormalization") == 1
