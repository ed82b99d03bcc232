"""The architectures: the built models match their descriptions."""

from typing import Any

import numpy as np
import pytest

from fer_core.keras_backend import prepare_backend
from fer_core.recipes.architectures import ARCHITECTURES, build_network, count_multiply_adds

prepare_backend()


@pytest.fixture(autouse=True)
def _float32() -> None:
    """Build networks in float32, whatever a training in the same process has set."""
    import keras

    keras.config.set_dtype_policy("float32")


# Every figure of the published descriptions, by architecture: filters of the convolutions, units of
# the dense layers before the last, and dropout rates, each in order.
PUBLISHED: dict[str, tuple[list[int], list[int], list[float]]] = {
    "paired_convolutions": (
        [32, 32, 64, 64, 128, 128],
        [256],
        [0.25, 0.25, 0.25, 0.5],
    ),
    "four_blocks_average_pooling": ([64, 128, 256, 512], [512], [0.3, 0.3, 0.4, 0.4, 0.5]),
    "three_convolutions": ([32, 64, 128], [128], [0.5]),
    "four_convolutions_wide": ([128, 256, 512, 512], [512, 256], [0.4] * 5 + [0.3]),
    "three_convolutions_dropout": ([32, 64, 128], [256], [0.25, 0.25, 0.25, 0.5]),
    "plain_eight": ([32, 32, 64, 64, 128, 128, 256, 256], [], [0.3]),
    "plain_nine": ([32] + [64] * 2 + [128] * 3 + [256] * 3, [], [0.4]),
    "residual_eleven_attention": ([32] + [64] * 2 + [128] * 4 + [192] * 4, [], [0.3]),
}


def layers_of(name: str, kind: str, **options: Any) -> list[Any]:
    return layers_of_model(build_network(name, **options), kind)


def layers_of_model(model: Any, kind: str) -> list[Any]:
    return [layer for layer in model.layers if type(layer).__name__ == kind]


def test_the_table_is_keyed_by_name() -> None:
    assert all(entry.name == name and entry.summary for name, entry in ARCHITECTURES.items())
    assert set(PUBLISHED) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_tables_figures_are_those_of_the_built_network(name: str) -> None:
    model = build_network(name)
    assert model.count_params() == ARCHITECTURES[name].parameters
    assert count_multiply_adds(model) == ARCHITECTURES[name].multiply_adds
    assert model.input_shape == (None, 48, 48, 1)
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_filters_units_and_dropout_rates_are_the_published_ones(name: str) -> None:
    filters, units, rates = PUBLISHED[name]
    convolutions = layers_of(name, "Conv2D")
    assert [layer.filters for layer in convolutions if layer.kernel_size == (3, 3)] == filters
    others = [layer.kernel_size for layer in convolutions if layer.kernel_size != (3, 3)]
    # Shortcuts of three widths, and two in each of five blocks' attention.
    assert others == ([(1, 1)] * 13 if name == "residual_eleven_attention" else [])
    assert [layer.units for layer in layers_of(name, "Dense")] == [*units, 7]
    assert [layer.rate for layer in layers_of(name, "Dropout")] == rates
    assert len(layers_of(name, "Softmax")) == 1


def test_plain_nines_convolutions_begin_as_identities() -> None:
    first, *others = layers_of("plain_nine", "Conv2D")
    assert first.kernel.shape[2] == 1
    picture = np.random.default_rng(0).random((1, 6, 6, 256), dtype=np.float32)
    for layer in others:
        channels = layer.kernel.shape[2]
        passed = np.asarray(layer(picture[..., :channels]))
        np.testing.assert_allclose(passed[..., :channels], picture[..., :channels], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n, one in ARCHITECTURES.items() if one.takes_any_size])
def test_networks_of_any_size_have_the_same_weights(name: str) -> None:
    fixed, open_size = build_network(name), build_network(name, any_size=True)
    open_size.set_weights(fixed.get_weights())
    pictures = np.random.default_rng(0).random((2, 48, 48, 1), dtype=np.float32)
    np.testing.assert_array_equal(fixed(pictures), open_size(pictures))
    assert open_size(pictures[:, :36, :36]).shape == (2, 7)


def test_recipe_bs_blocks_are_as_published() -> None:
    model = build_network("four_blocks_average_pooling")
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "Dropout"]
    head = ["Dense", "BatchNormalization", "ReLU", "Dropout"]
    assert kinds == [
        "InputLayer",
        *block * 4,
        "GlobalAveragePooling2D",
        *head,
        "Dense",
        "Softmax",
    ]
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert all(layer.padding == "same" for layer in convolutions)
    dense = next(layer for layer in model.layers if type(layer).__name__ == "Dense")
    assert float(dense.kernel_regularizer.l2) > 0


def test_a_residual_block_begins_as_its_shortcut() -> None:
    model = build_network("residual_eleven_attention")
    sums = [layer for layer in model.layers if type(layer).__name__ == "Add"]
    assert len(sums) == 5
    scales = [np.asarray(layer.gamma) for layer in layers_of_model(model, "BatchNormalization")]
    assert sum(not scale.any() for scale in scales) == 5
    assert all((scale == 1).all() for scale in scales if scale.any())


def test_channel_attention_weighs_channels_by_the_whole_picture() -> None:
    import keras

    from fer_core.recipes.architectures import _channel_attention

    inputs = keras.Input((2, 2, 8))
    model = keras.Model(inputs, _channel_attention(inputs))
    squeeze, excite = layers_of_model(model, "Conv2D")
    # One hidden unit: the mean of channel 0. Channel 1 is weighed by sigmoid of twice that.
    kernel = np.zeros((1, 1, 8, 1))
    kernel[0, 0, 0, 0] = 1
    squeeze.set_weights([kernel, np.zeros(1)])
    kernel = np.zeros((1, 1, 1, 8))
    kernel[0, 0, 0, 1] = 2
    excite.set_weights([kernel, np.zeros(8)])
    pixels = np.ones((1, 2, 2, 8), np.float32)
    pixels[0, :, :, 0] = [[1, 2], [3, 4]]
    answer = np.asarray(model(pixels))
    np.testing.assert_allclose(answer[0, :, :, 0], pixels[0, :, :, 0] / 2, rtol=1e-6)
    np.testing.assert_allclose(answer[0, :, :, 1], 1 / (1 + np.exp(-5.0)), rtol=1e-5)
    np.testing.assert_allclose(answer[0, :, :, 2:], 0.5, rtol=1e-6)


def test_dropout_can_be_scaled_switched_off_and_never_reaches_one() -> None:
    name = "four_blocks_average_pooling"
    half = [layer.rate for layer in layers_of(name, "Dropout", dropout_scale=0.5)]
    assert half == pytest.approx([0.15, 0.15, 0.2, 0.2, 0.25])
    assert layers_of(name, "Dropout", dropout_scale=0.0) == []
    assert max(layer.rate for layer in layers_of(name, "Dropout", dropout_scale=3.0)) == 0.9


@pytest.mark.parametrize("name", ["three_convolutions", "plain_eight", "residual_eleven_attention"])
def test_outputs_are_float32_probabilities_in_every_precision(name: str) -> None:
    import keras

    pixels = np.random.default_rng(0).random((3, 48, 48, 1), dtype=np.float32)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = build_network(name)
        assert model.layers[1].compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    answer = np.asarray(model(pixels, training=False))
    assert answer.dtype == np.float32
    assert (answer >= 0).all()
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-6)
