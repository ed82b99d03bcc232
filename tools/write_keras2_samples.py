"""Write the Keras 2 files in ``tests/exchange/keras2`` with ``tf_keras``, and their outputs.

``tf_keras`` is Keras 2 for TensorFlow versions that come with Keras 3. It is needed only here::

    pip install --no-deps tf_keras==2.21.0
    python -m tools.write_keras2_samples

One network contains every layer that ``tf_keras`` and Keras 3 share, each in a branch of its own.
The branches are flattened and concatenated, so that one output contains the results of all layers.
The weights are random numbers, and so are the statistics of normalization layers.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "exchange" / "keras2"
INPUT_SHAPE = (16, 18, 3)
#: Maximum number of values that are stored of each branch, equally spaced in its flat output.
STORED_VALUES = 48

Branch = Callable[["Tensors"], Any]


class Tensors:
    """The tensors that the branches begin with, one for each rank that layers expect.

    Attributes:
        layers: ``tf_keras.layers``.
        image: ``[n, 8, 9, 3]``.
        sequence: ``[n, 12, 18]``.
        short: A sequence of 4 steps, ``[n, 4, 54]``.
        volume: ``[n, 4, 6, 3, 3]``.
        vector: ``[n, 216]``.
    """

    def __init__(self, layers: Any, pixels: Any) -> None:
        self.layers = layers
        self.image = layers.AveragePooling2D(2, name="image")(pixels)
        self.sequence = layers.Reshape((12, 18), name="sequence")(self.image)
        self.short = layers.Reshape((4, 54), name="short")(self.image)
        self.volume = layers.Reshape((4, 6, 3, 3), name="volume")(self.image)
        self.vector = layers.Flatten(name="vector")(self.image)


def _apply(tensor: str, layer: str, *arguments: Any, **options: Any) -> Branch:
    """Return the branch that applies one layer to one of the tensors."""

    def branch(tensors: Tensors) -> Any:
        return getattr(tensors.layers, layer)(*arguments, **options)(getattr(tensors, tensor))

    return branch


def _merge(layer: str, **options: Any) -> Branch:
    def branch(tensors: Tensors) -> Any:
        other = tensors.layers.Conv2D(3, 1)(tensors.image)
        return getattr(tensors.layers, layer)(**options)([tensors.image, other])

    return branch


def _attention(layer: str, **options: Any) -> Branch:
    def branch(tensors: Tensors) -> Any:
        keys = tensors.layers.Dense(18)(tensors.sequence)
        return getattr(tensors.layers, layer)(**options)([tensors.sequence, keys])

    return branch


def _multi_head(tensors: Tensors) -> Any:
    return tensors.layers.MultiHeadAttention(2, 4)(tensors.sequence, tensors.sequence)


def _embedding(tensors: Tensors) -> Any:
    codes = tensors.layers.Discretization([0.3, 0.5, 0.7])(tensors.vector)
    return tensors.layers.Embedding(4, 2)(codes)


def _category_encoding(tensors: Tensors) -> Any:
    codes = tensors.layers.Discretization([0.3, 0.5, 0.7])(tensors.vector)
    return tensors.layers.CategoryEncoding(4, output_mode="multi_hot")(codes)


def _masking(tensors: Tensors) -> Any:
    masked = tensors.layers.Masking(0.0)(tensors.short)
    return tensors.layers.LSTM(3)(masked)


def _bidirectional(layer: str, **options: Any) -> Branch:
    def branch(tensors: Tensors) -> Any:
        inner = getattr(tensors.layers, layer)(3, return_sequences=True)
        return tensors.layers.Bidirectional(inner, **options)(tensors.short)

    return branch


def _cell(tensors: Tensors, cell: Any) -> Any:
    return tensors.layers.RNN(cell, return_sequences=True)(tensors.short)


def _distributed(tensors: Tensors) -> Any:
    layers = tensors.layers
    frames = layers.Reshape((4, 6, 9, 1))(tensors.image)
    return layers.TimeDistributed(layers.Conv2D(2, 3, activation="relu"))(frames)


def _normalization(tensors: Tensors) -> Any:
    return tensors.layers.Normalization()(tensors.image)


def _fixed_normalization(tensors: Tensors) -> Any:
    return tensors.layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.04, 0.05, 0.06])(
        tensors.image
    )


def _spectral(tensors: Tensors) -> Any:
    return tensors.layers.SpectralNormalization(tensors.layers.Conv2D(3, 3))(tensors.image)


def _shared(tensors: Tensors) -> Any:
    dense = tensors.layers.Dense(18, activation="tanh")
    return dense(dense(tensors.sequence))


def _frames(tensors: Tensors, dimensions: int) -> Any:
    shape = {1: (3, 24, 3), 2: (3, 8, 9, 1), 3: (2, 4, 3, 9, 1)}[dimensions]
    return tensors.layers.Reshape(shape)(tensors.image)


def _conv_lstm(dimensions: int) -> Branch:
    def branch(tensors: Tensors) -> Any:
        layer = getattr(tensors.layers, f"ConvLSTM{dimensions}D")
        return layer(2, 3, padding="same", return_sequences=True)(_frames(tensors, dimensions))

    return branch


ACTIVATIONS = (
    *("elu", "exponential", "gelu", "hard_sigmoid", "linear", "mish", "relu", "selu"),
    *("sigmoid", "softmax", "softplus", "softsign", "swish", "tanh"),
)

#: The branches. The name is the class of the layer, if necessary followed by a variant; "shared
#: layer" is a layer that is used twice.
BRANCHES: dict[str, Branch] = {
    **{f"Activation-{name}": _apply("image", "Activation", name) for name in ACTIVATIONS},
    "ActivityRegularization": _apply("image", "ActivityRegularization", l1=0.1),
    "Add": _merge("Add"),
    "AdditiveAttention": _attention("AdditiveAttention"),
    "AlphaDropout": _apply("image", "AlphaDropout", 0.3),
    "Attention": _attention("Attention", use_scale=True),
    "Attention-concat": _attention("Attention", score_mode="concat"),
    "Average": _merge("Average"),
    "AveragePooling1D": _apply("sequence", "AveragePooling1D", 2),
    "AveragePooling2D": _apply("image", "AveragePooling2D", 3, strides=2, padding="same"),
    "AveragePooling3D": _apply("volume", "AveragePooling3D", 2),
    "BatchNormalization": _apply("image", "BatchNormalization"),
    "BatchNormalization-plain": _apply("sequence", "BatchNormalization", center=False, scale=False),
    "Bidirectional": _bidirectional("LSTM"),
    "Bidirectional-sum": _bidirectional("GRU", merge_mode="sum"),
    "CategoryEncoding": _category_encoding,
    "CenterCrop": _apply("image", "CenterCrop", 4, 5),
    "Concatenate": _merge("Concatenate", axis=-1),
    "Conv1D": _apply("sequence", "Conv1D", 4, 3, dilation_rate=2, padding="causal"),
    "Conv1DTranspose": _apply("sequence", "Conv1DTranspose", 2, 3, strides=2),
    "Conv2D": _apply("image", "Conv2D", 4, 3, strides=2, padding="same", activation="relu"),
    "Conv2D-groups": _apply("image", "Conv2D", 6, 3, groups=3, use_bias=False),
    "Conv2D-hard_sigmoid": _apply("image", "Conv2D", 3, 3, activation="hard_sigmoid"),
    "Conv2DTranspose": _apply("image", "Conv2DTranspose", 2, 3, strides=2, padding="same"),
    "Conv3D": _apply("volume", "Conv3D", 2, 2),
    "Conv3DTranspose": _apply("volume", "Conv3DTranspose", 2, 2, strides=2),
    "ConvLSTM1D": _conv_lstm(1),
    "ConvLSTM2D": _conv_lstm(2),
    "ConvLSTM3D": _conv_lstm(3),
    "Cropping1D": _apply("sequence", "Cropping1D", (1, 2)),
    "Cropping2D": _apply("image", "Cropping2D", ((1, 2), (0, 1))),
    "Cropping3D": _apply("volume", "Cropping3D", ((1, 1), (0, 2), (1, 0))),
    "Dense": _apply("sequence", "Dense", 5, activation="gelu"),
    "Dense-hard_sigmoid": _apply("vector", "Dense", 9, activation="hard_sigmoid"),
    "DepthwiseConv1D": _apply("sequence", "DepthwiseConv1D", 3, depth_multiplier=2),
    "DepthwiseConv2D": _apply("image", "DepthwiseConv2D", 3, activation="hard_sigmoid"),
    "Discretization": _apply("vector", "Discretization", [0.3, 0.5, 0.7]),
    "Dot": _merge("Dot", axes=(3, 3)),
    "Dropout": _apply("image", "Dropout", 0.4, noise_shape=(None, 1, 1, 3)),
    "ELU": _apply("image", "ELU", alpha=0.7),
    "EinsumDense": _apply("sequence", "EinsumDense", "abc,cd->abd", output_shape=(None, 4)),
    "Embedding": _embedding,
    "Flatten": _apply("image", "Flatten"),
    "GRU": _apply("short", "GRU", 3),
    "GRU-old": _apply("short", "GRU", 3, reset_after=False, recurrent_activation="hard_sigmoid"),
    "GRUCell": lambda tensors: _cell(tensors, tensors.layers.GRUCell(3)),
    "GaussianDropout": _apply("image", "GaussianDropout", 0.3),
    "GaussianNoise": _apply("image", "GaussianNoise", 0.3),
    "GlobalAveragePooling1D": _apply("sequence", "GlobalAveragePooling1D"),
    "GlobalAveragePooling2D": _apply("image", "GlobalAveragePooling2D", keepdims=True),
    "GlobalAveragePooling3D": _apply("volume", "GlobalAveragePooling3D"),
    "GlobalMaxPooling1D": _apply("sequence", "GlobalMaxPooling1D"),
    "GlobalMaxPooling2D": _apply("image", "GlobalMaxPooling2D"),
    "GlobalMaxPooling3D": _apply("volume", "GlobalMaxPooling3D"),
    "GroupNormalization": _apply("image", "GroupNormalization", groups=3),
    "Identity": _apply("image", "Identity"),
    "LSTM": _apply("short", "LSTM", 3, return_sequences=True),
    "LSTM-old": _apply("short", "LSTM", 3, recurrent_activation="hard_sigmoid", go_backwards=True),
    "LSTMCell": lambda tensors: _cell(tensors, tensors.layers.LSTMCell(3)),
    "LayerNormalization": _apply("image", "LayerNormalization", axis=[2, 3]),
    "LeakyReLU": _apply("image", "LeakyReLU", alpha=0.2),
    "Masking": _masking,
    "MaxPooling1D": _apply("sequence", "MaxPooling1D", 3, padding="same"),
    "MaxPooling2D": _apply("image", "MaxPooling2D", 2),
    "MaxPooling3D": _apply("volume", "MaxPooling3D", 2),
    "Maximum": _merge("Maximum"),
    "Minimum": _merge("Minimum"),
    "MultiHeadAttention": _multi_head,
    "Multiply": _merge("Multiply"),
    "Normalization": _normalization,
    "Normalization-fixed": _fixed_normalization,
    "PReLU": _apply("image", "PReLU", shared_axes=[1, 2]),
    "Permute": _apply("image", "Permute", (3, 1, 2)),
    "RNN": lambda tensors: _cell(tensors, tensors.layers.SimpleRNNCell(3)),
    "RandomBrightness": _apply("image", "RandomBrightness", 0.2),
    "RandomContrast": _apply("image", "RandomContrast", 0.2),
    "RandomCrop": _apply("image", "RandomCrop", 6, 6),
    "RandomFlip": _apply("image", "RandomFlip"),
    "RandomRotation": _apply("image", "RandomRotation", 0.1),
    "RandomTranslation": _apply("image", "RandomTranslation", 0.1, 0.1),
    "RandomZoom": _apply("image", "RandomZoom", 0.1),
    "ReLU": _apply("image", "ReLU", max_value=0.6, negative_slope=0.1, threshold=0.2),
    "RepeatVector": _apply("vector", "RepeatVector", 2),
    "Rescaling": _apply("image", "Rescaling", 2.0, offset=-1.0),
    "Reshape": _apply("image", "Reshape", (9, -1)),
    "Resizing": _apply("image", "Resizing", 5, 13),
    "Resizing-nearest": _apply("image", "Resizing", 11, 4, interpolation="nearest"),
    "SeparableConv1D": _apply("sequence", "SeparableConv1D", 4, 3),
    "SeparableConv2D": _apply("image", "SeparableConv2D", 4, 3, activation="hard_sigmoid"),
    "SimpleRNN": _apply("short", "SimpleRNN", 3),
    "SimpleRNN-old": _apply("short", "SimpleRNN", 3, activation="hard_sigmoid"),
    "SimpleRNNCell": lambda tensors: _cell(tensors, tensors.layers.SimpleRNNCell(2)),
    "Softmax": _apply("image", "Softmax", axis=[1, 2]),
    "SpatialDropout1D": _apply("sequence", "SpatialDropout1D", 0.2),
    "SpatialDropout2D": _apply("image", "SpatialDropout2D", 0.2),
    "SpatialDropout3D": _apply("volume", "SpatialDropout3D", 0.2),
    "SpectralNormalization": _spectral,
    "StackedRNNCells": lambda tensors: _cell(
        tensors,
        tensors.layers.StackedRNNCells([tensors.layers.LSTMCell(3), tensors.layers.GRUCell(2)]),
    ),
    "Subtract": _merge("Subtract"),
    "ThresholdedReLU": _apply("image", "ThresholdedReLU", theta=0.5),
    "TimeDistributed": _distributed,
    "UnitNormalization": _apply("image", "UnitNormalization"),
    "UpSampling1D": _apply("sequence", "UpSampling1D", 2),
    "UpSampling2D": _apply("image", "UpSampling2D", 2, interpolation="bilinear"),
    "UpSampling3D": _apply("volume", "UpSampling3D", 2),
    "ZeroPadding1D": _apply("sequence", "ZeroPadding1D", 2),
    "ZeroPadding2D": _apply("image", "ZeroPadding2D", ((1, 2), (0, 1))),
    "ZeroPadding3D": _apply("volume", "ZeroPadding3D", 1),
    "shared layer": _shared,
}


def main() -> None:
    """Write the files of the tests, and with ``--each`` further ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=Path, help="also write one network per layer to this folder")
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # tf_keras uses some classes through TensorFlow, which must take them from Keras 2 as well.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    FOLDER.mkdir(exist_ok=True)
    _write(FOLDER, "layers", BRANCHES)
    for name, make in NETWORKS.items():
        _write_network(name, make)
    (FOLDER / "layers.json").write_text(json.dumps(_common_layers()))
    for path in FOLDER.glob("*.h5"):
        packed = gzip.compress(path.read_bytes(), mtime=0)
        path.with_name(f"{path.name}.gz").write_bytes(packed)
        path.unlink()
    for path in FOLDER.glob("*.keras"):
        _deflate(path)
    if arguments.each:
        arguments.each.mkdir(exist_ok=True)
        for name, branch in BRANCHES.items():
            _write(arguments.each, name.replace(" ", "_"), {name: branch})


def _common_layers() -> list[str]:
    """Return the names of the layers that both versions of Keras have, without aliases."""
    import keras
    import tf_keras

    old = vars(tf_keras.layers)
    return sorted(
        name
        for name in set(old) & set(vars(keras.layers))
        if isinstance(old[name], type) and old[name].__name__ == name
    )


def _nested(keras: Any) -> Any:
    """Return a model that contains models, and arithmetic outside of layers."""
    layers = keras.layers
    backbone_input = keras.Input((24, 24, 3))
    tensor = layers.Conv2D(6, 3, strides=2, name="stem/conv")(backbone_input)
    tensor = layers.Conv2D(6, 3, groups=3, activation="hard_sigmoid")(tensor)
    other = layers.Conv2D(6, 3, activation="gelu")(tensor)
    tensor = layers.Concatenate()([layers.Cropping2D(1)(tensor), other])
    backbone = keras.Model(backbone_input, layers.BatchNormalization()(tensor), name="backbone")
    head = keras.Sequential(
        [
            layers.SpatialDropout2D(0.2, input_shape=backbone.output_shape[1:]),
            layers.Reshape((7, -1)),
            layers.LSTM(5, recurrent_activation="hard_sigmoid"),
            layers.Dense(7),
            layers.Activation("softmax"),
        ],
        name="head",
    )
    pixels = keras.Input((24, 24, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(pixels)
    return keras.Model(pixels, head(backbone(scaled[:, :, :, ::-1])))


def _sequential(keras: Any) -> Any:
    """Return a sequential model with a backbone, as in tutorials on transfer learning."""
    layers = keras.layers
    backbone_input = keras.Input((32, 32, 1))
    tensor = layers.Normalization(mean=[128.0], variance=[4000.0])(backbone_input)
    tensor = layers.Conv2D(4, 3, strides=2, activation="relu")(tensor)
    backbone = keras.Model(backbone_input, layers.DepthwiseConv2D(3)(tensor), name="backbone")
    backbone.trainable = False
    return keras.Sequential(
        [
            backbone,
            keras.Sequential([layers.RandomFlip(), layers.ThresholdedReLU(0.1)]),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, activation="hard_sigmoid"),
            layers.Activation("hard_sigmoid"),
            layers.Dense(7, activation="softmax"),
        ]
    )


#: Complete classifiers.
NETWORKS: dict[str, Callable[[Any], Any]] = {"nested": _nested, "sequential": _sequential}


def _write_network(stem: str, make: Callable[[Any], Any]) -> None:
    import tf_keras

    tf_keras.backend.clear_session()
    model = make(tf_keras)
    _set_random_weights(model)
    shape = (4, *model.input_shape[1:])
    images = np.random.default_rng(1).integers(0, 256, shape)
    # The images differ in brightness, so that a network that averages all pixels also has different
    # outputs for them.
    brightness = np.linspace(0.1, 1, len(images)).reshape(-1, 1, 1, 1)
    images = np.rint(images * brightness).astype(np.float32)
    expected = np.asarray(model(images, training=False))
    model.save(FOLDER / f"{stem}.h5")
    model.save(FOLDER / f"{stem}.keras")
    np.savez_compressed(FOLDER / f"{stem}.npz", images=images.astype(np.uint8), expected=expected)


def _deflate(path: Path) -> None:
    """Compress the members of an archive, which Keras stores without compression."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members:
            archive.writestr(name, content)


def _write(folder: Path, stem: str, branches: dict[str, Branch]) -> None:
    import tf_keras

    tf_keras.backend.clear_session()
    layers = tf_keras.layers
    pixels = tf_keras.Input(INPUT_SHAPE)
    tensors = Tensors(layers, pixels)
    outputs = {name: _flat(layers, branch(tensors)) for name, branch in branches.items()}
    joined = list(outputs.values())
    output = layers.Concatenate(name="outputs")(joined) if len(joined) > 1 else joined[0]
    model = tf_keras.Model(pixels, output)
    _set_random_weights(model)
    generator = np.random.default_rng(1)
    images = generator.random((2, *INPUT_SHAPE), dtype=np.float32)
    expected = np.asarray(model(images, training=False))
    sizes = {name: int(tensor.shape[1]) for name, tensor in outputs.items()}
    model.save(folder / f"{stem}.h5")
    model.save(folder / f"{stem}.keras")
    stored = expected[:, stored_columns(sizes)]
    np.savez_compressed(
        folder / f"{stem}.npz", images=images, expected=stored, sizes=json.dumps(sizes)
    )


def stored_columns(sizes: dict[str, int]) -> NDArray[np.int64]:
    """Return the columns of the joined output that are stored."""
    columns = []
    first = 0
    for size in sizes.values():
        columns.append(first + np.unique(np.linspace(0, size - 1, STORED_VALUES).astype(np.int64)))
        first += size
    return np.concatenate(columns)


def _flat(layers: Any, tensor: Any) -> Any:
    tensor = layers.Flatten()(tensor)
    # Rescaling by 1 converts integers to float32.
    return tensor if tensor.dtype == "float32" else layers.Rescaling(1.0)(tensor)


def _set_random_weights(model: Any) -> None:
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if not weight.dtype.is_floating:
            continue
        values = generator.normal(0, 0.5, weight.shape).astype(np.float32)
        is_variance = "variance" in weight.name
        weight.assign(np.abs(values) + 0.5 if is_variance else values)
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


if __name__ == "__main__":
    main()
