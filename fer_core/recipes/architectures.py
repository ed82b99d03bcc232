"""The network architectures, by name.

Each architecture builds an uncompiled Keras model. The model turns a 48x48x1 image, float32 in
[0, 1] (channels last), into the probabilities of the classes. Only Keras's own layers are used, so
that every architecture trains with the TensorFlow, JAX and PyTorch backends. Keras is imported
inside the functions, so that importing this module is fast.

Recipes A to E, which are defined in ``named.py``, follow published systems. The publication of a
system is called "the source" below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

#: Height, width and channels of an input; None means any size.
InputShape = tuple[int | None, int | None, int]

INPUT_SHAPE = (48, 48, 1)
#: Number of classes of a dataset that defines none: the seven emotions.
CLASS_COUNT = 7


@dataclass(frozen=True)
class Architecture:
    """A named network.

    Attributes:
        name: Name of the network in configurations.
        summary: Layers of the network, in one line.
        parameters: Number of trainable and non-trainable weights, for seven classes.
        multiply_adds: Multiply-adds of the convolutions and dense layers for one image, for seven
            classes.
        head_input_size: Number of inputs of the last layer, which is called the head.
        build: Builds the model. The first argument scales the dropout rates of the architecture (1:
            unchanged, 0: no dropout), the second is the shape of the input, the third the number of
            classes.
        takes_any_size: True if height and width of the input may differ from 48. This requires
            global pooling after the convolutions, and parallel branches that round the half of an
            odd size in the same direction.
        stages: The name of each stage, from the input on, and its number of convolutions and dense
            layers. A stage ends where the feature maps become smaller. The stage "dense" contains
            the hidden dense layers. The head belongs to no stage. A stage can be frozen together
            with all stages before it.
    """

    name: str
    summary: str
    parameters: int
    multiply_adds: int
    head_input_size: int
    build: Callable[[float, InputShape, int], keras.Model]
    takes_any_size: bool = False
    stages: Mapping[str, int] = field(default_factory=dict)

    def parameters_for(self, class_count: int) -> int:
        """Return the number of weights of the network for another number of classes."""
        return self.parameters + (class_count - CLASS_COUNT) * (self.head_input_size + 1)


def build_network(
    name: str,
    *,
    dropout_scale: float = 1.0,
    any_size: bool = False,
    class_count: int = CLASS_COUNT,
) -> keras.Model:
    """Build an architecture with fresh random weights.

    Args:
        name: A key of ``ARCHITECTURES``.
        dropout_scale: Factor for the architecture's dropout rates. The resulting rates are limited
            to 0.9.
        any_size: True to accept images of any height and width, which requires an architecture with
            ``takes_any_size``. The number and shapes of the weights do not change.
        class_count: Number of classes.

    Returns:
        A Keras model from ``[n, 48, 48, 1]`` in [0, 1] to ``[n, classes]`` probabilities, in the
        current dtype policy; its softmax is always float32.
    """
    shape = (None, None, 1) if any_size else INPUT_SHAPE
    return ARCHITECTURES[name].build(dropout_scale, shape, class_count)


def freeze_stages(model: keras.Model, architecture: str, stage: str) -> None:
    """Exclude all layers of a stage and of the stages before it from training.

    Args:
        model: A network of the architecture, not compiled yet.
        architecture: A key of ``ARCHITECTURES``.
        stage: A stage of the architecture.
    """
    from keras import layers

    stages = ARCHITECTURES[architecture].stages
    names = list(stages)
    remaining = sum(stages[name] for name in names[: names.index(stage) + 1])
    # The layers are in the order of the computation. All layers of a stage, including its parallel
    # branches, therefore come before the next stage.
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            if remaining == 0:
                break
            remaining -= 1
        layer.trainable = False


def count_multiply_adds(model: keras.Model) -> int:
    """Return the multiply-adds of a model's convolutions and dense layers for one image."""
    from keras import layers

    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            height, width = layer.output.shape[1:3]
            kernel_height, kernel_width, channels_in, channels_out = layer.kernel.shape
            total += height * width * kernel_height * kernel_width * channels_in * channels_out
        elif isinstance(layer, layers.Dense):
            channels_in, channels_out = layer.kernel.shape
            total += channels_in * channels_out
    return int(total)


def _input(shape: InputShape) -> Any:
    import keras

    return keras.Input(shape, name="pixels")


def _dropout(tensor: Any, rate: float, scale: float) -> Any:
    """Apply dropout with the scaled rate, which is limited to 0.9."""
    from keras import layers

    rate = min(rate * scale, 0.9)
    return layers.Dropout(rate)(tensor) if rate > 0 else tensor


def _normalized_convolution(
    tensor: Any,
    filters: int,
    *,
    kernel_size: int = 3,
    strides: int = 1,
    has_relu: bool = True,
    scale_initializer: str = "ones",
) -> Any:
    """Apply convolution, batch normalization and, optionally, ReLU.

    ``scale_initializer`` initializes the scale (gamma) of the normalization.
    """
    from keras import layers

    tensor = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(tensor)
    tensor = layers.BatchNormalization(gamma_initializer=scale_initializer)(tensor)
    return layers.ReLU()(tensor) if has_relu else tensor


def _classifier(inputs: Any, tensor: Any, name: str, class_count: int) -> keras.Model:
    """Return the model from ``inputs`` to ``tensor``, followed by a dense layer and a softmax."""
    import keras
    from keras import layers

    # The softmax stays float32 in mixed precision: the mantissa of bfloat16 has only 8 bits.
    tensor = layers.Dense(class_count, dtype="float32", name="logits")(tensor)
    outputs = layers.Softmax(dtype="float32", name="probabilities")(tensor)
    return keras.Model(inputs, outputs, name=name)


def _paired_convolutions(dropout_scale: float, shape: InputShape, class_count: int) -> keras.Model:
    """Recipe A: "several convolution layers with max pooling, batch normalization and dropout".

    The source does not give sizes; we use those of similar tutorials: pairs of 3x3
    convolutions with 32, 64 and 128 filters, each pair followed by pooling and dropout 0.25, then
    one dense layer of 256.
    """
    from keras import layers

    inputs = tensor = _input(shape)
    for filters in (32, 64, 128):
        for _ in range(2):
            tensor = _normalized_convolution(tensor, filters)
        tensor = layers.MaxPooling2D()(tensor)
        tensor = _dropout(tensor, 0.25, dropout_scale)
    tensor = layers.Flatten()(tensor)
    tensor = layers.Dense(256, activation="relu")(tensor)
    tensor = layers.BatchNormalization()(tensor)
    tensor = _dropout(tensor, 0.5, dropout_scale)
    return _classifier(inputs, tensor, "paired_convolutions", class_count)


def _four_blocks_average_pooling(
    dropout_scale: float, shape: InputShape, class_count: int
) -> keras.Model:
    """Recipe B: four blocks of 64 to 512 filters, global average pooling, dense 512 with L2.

    The source does not give the L2 factor; we use 0.01, the value of Keras's examples.
    """
    from keras import layers, regularizers

    inputs = tensor = _input(shape)
    for filters, rate in ((64, 0.3), (128, 0.3), (256, 0.4), (512, 0.4)):
        tensor = _normalized_convolution(tensor, filters)
        tensor = layers.MaxPooling2D()(tensor)
        tensor = _dropout(tensor, rate, dropout_scale)
    tensor = layers.GlobalAveragePooling2D()(tensor)
    tensor = layers.Dense(512, kernel_regularizer=regularizers.L2(0.01), use_bias=False)(tensor)
    tensor = layers.BatchNormalization()(tensor)
    tensor = layers.ReLU()(tensor)
    tensor = _dropout(tensor, 0.5, dropout_scale)
    return _classifier(inputs, tensor, "four_blocks_average_pooling", class_count)


def _three_convolutions(dropout_scale: float, shape: InputShape, class_count: int) -> keras.Model:
    """Recipe C: convolutions of 32, 64, 128, each with max pooling; flatten; dense; dropout.

    The source does not give kernel, padding, dense width and dropout rate; we use 3x3, no
    padding (Keras's default), 128 and 0.5.
    """
    from keras import layers

    inputs = tensor = _input(shape)
    for filters in (32, 64, 128):
        tensor = layers.Conv2D(filters, 3, activation="relu")(tensor)
        tensor = layers.MaxPooling2D()(tensor)
    tensor = layers.Flatten()(tensor)
    tensor = layers.Dense(128, activation="relu")(tensor)
    tensor = _dropout(tensor, 0.5, dropout_scale)
    return _classifier(inputs, tensor, "three_convolutions", class_count)


def _four_convolutions_wide(
    dropout_scale: float, shape: InputShape, class_count: int
) -> keras.Model:
    """Recipe D: "several Conv2D + ReLU + max pooling + dropout, dense ReLU layers".

    The source does not give sizes; we use the most common ones of this layout: 128, 256,
    512 and 512 filters with dropout 0.4, then dense layers of 512 (dropout 0.4) and 256 (dropout
    0.3).
    """
    from keras import layers

    inputs = tensor = _input(shape)
    for filters in (128, 256, 512, 512):
        tensor = layers.Conv2D(filters, 3, activation="relu")(tensor)
        tensor = layers.MaxPooling2D()(tensor)
        tensor = _dropout(tensor, 0.4, dropout_scale)
    tensor = layers.Flatten()(tensor)
    for units, rate in ((512, 0.4), (256, 0.3)):
        tensor = layers.Dense(units, activation="relu")(tensor)
        tensor = _dropout(tensor, rate, dropout_scale)
    return _classifier(inputs, tensor, "four_convolutions_wide", class_count)


def _three_convolutions_dropout(
    dropout_scale: float, shape: InputShape, class_count: int
) -> keras.Model:
    """Recipe E: convolution + max pooling + dropout, one fully connected layer, softmax.

    The source does not give sizes; we use 32, 64 and 128 filters with dropout 0.25 and a
    dense layer of 256 with dropout 0.5.
    """
    from keras import layers

    inputs = tensor = _input(shape)
    for filters in (32, 64, 128):
        tensor = layers.Conv2D(filters, 3, padding="same", activation="relu")(tensor)
        tensor = layers.MaxPooling2D()(tensor)
        tensor = _dropout(tensor, 0.25, dropout_scale)
    tensor = layers.Flatten()(tensor)
    tensor = layers.Dense(256, activation="relu")(tensor)
    tensor = _dropout(tensor, 0.5, dropout_scale)
    return _classifier(inputs, tensor, "three_convolutions_dropout", class_count)


def _plain_eight(dropout_scale: float, shape: InputShape, class_count: int) -> keras.Model:
    """Eight normalized 3x3 convolutions in four pairs (32 to 256 filters), average pooling.

    There are only plain convolutions, because they are compute-bound on two CPU cores. Residual
    sums, depthwise convolutions and squeeze-and-excitation are memory-bound there, so they take
    more time than their number of operations suggests.
    """
    from keras import layers

    inputs = tensor = _input(shape)
    for stage, filters in enumerate((32, 64, 128, 256)):
        if stage > 0:
            tensor = layers.MaxPooling2D()(tensor)
        for _ in range(2):
            tensor = _normalized_convolution(tensor, filters)
    tensor = layers.GlobalAveragePooling2D()(tensor)
    tensor = _dropout(tensor, 0.3, dropout_scale)
    return _classifier(inputs, tensor, "plain_eight", class_count)


def _plain_nine(dropout_scale: float, shape: InputShape, class_count: int) -> keras.Model:
    """Nine normalized 3x3 convolutions: 32 filters, two of 64, three of 128, three of 256.

    Only one convolution works at 48x48 pixels, where normalization and ReLU cost the most memory
    traffic; most convolutions work at 12x12 and 6x6. Except in the first convolution, the first
    filters initially copy the input: one filter for each input channel. See Zagoruyko and
    Komodakis, "DiracNets: training very deep neural networks without skip-connections", 2017, and
    its use in Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.
    """
    import keras
    from keras import layers

    inputs = tensor = _input(shape)
    for stage, (filters, depth) in enumerate(((32, 1), (64, 2), (128, 3), (256, 3))):
        if stage > 0:
            tensor = layers.MaxPooling2D()(tensor)
        for _ in range(depth):
            tensor = _normalized_convolution(tensor, filters)
    tensor = layers.GlobalAveragePooling2D()(tensor)
    tensor = _dropout(tensor, 0.4, dropout_scale)
    model = _classifier(inputs, tensor, "plain_nine", class_count)
    for layer in model.layers:
        # The first convolution has one input channel; its filters stay random.
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2] > 1:
            _initialize_as_identity(layer)
    return model


def _initialize_as_identity(layer: Any) -> None:
    """Initialize a convolution so that its first filters copy the channels of its input."""
    from keras import ops

    kernel = ops.convert_to_numpy(layer.kernel).copy()
    height, width, channels, _ = kernel.shape
    kernel[..., :channels] = 0
    for channel in range(channels):
        kernel[height // 2, width // 2, channel, channel] = 1
    layer.kernel.assign(kernel)


def _channel_attention(tensor: Any) -> Any:
    """Scale each channel by a weight computed from its global average.

    See Hu et al., "Squeeze-and-excitation networks", CVPR 2018. The reduction ratio is
    8 here.
    """
    from keras import layers

    channels = tensor.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True)(tensor)
    weights = layers.Conv2D(channels // 8, 1, activation="relu")(weights)
    weights = layers.Conv2D(channels, 1, activation="sigmoid")(weights)
    return layers.Multiply()([tensor, weights])


def _residual_block(tensor: Any, filters: int, strides: int) -> Any:
    """Apply two normalized 3x3 convolutions with channel attention, and add the input.

    The normalization of the second convolution starts with a scale of 0. In a strided block, the
    shortcut applies average pooling before its 1x1 convolution. See He et al., "Bag of tricks for
    image classification with convolutional neural networks", CVPR 2019.
    """
    from keras import layers

    shortcut = tensor
    if strides > 1:
        shortcut = layers.AveragePooling2D(strides)(shortcut)
    if shortcut.shape[-1] != filters:
        shortcut = _normalized_convolution(shortcut, filters, kernel_size=1, has_relu=False)
    tensor = _normalized_convolution(tensor, filters, strides=strides)
    tensor = _normalized_convolution(tensor, filters, has_relu=False, scale_initializer="zeros")
    return layers.ReLU()(layers.Add()([shortcut, _channel_attention(tensor)]))


def _residual_eleven_attention(
    dropout_scale: float, shape: InputShape, class_count: int
) -> keras.Model:
    """Eleven 3x3 convolutions: one of 32 filters, then ten in residual blocks with attention.

    The blocks have 64, 128 and 192 filters.

    This is a smaller version of the networks of He et al., "Deep residual learning for image
    recognition", CVPR 2016. One CPU core processes a face and its mirror image in less than 4 ms,
    because only the first convolution works at 48x48 pixels, and most layers work at 12x12 and 6x6.
    """
    from keras import layers

    inputs = _input(shape)
    tensor = _normalized_convolution(inputs, 32)
    for filters, blocks in ((64, 1), (128, 2), (192, 2)):
        for number in range(blocks):
            tensor = _residual_block(tensor, filters, strides=2 if number == 0 else 1)
    tensor = layers.GlobalAveragePooling2D()(tensor)
    tensor = _dropout(tensor, 0.3, dropout_scale)
    return _classifier(inputs, tensor, "residual_eleven_attention", class_count)


_ARCHITECTURES = (
    Architecture(
        "three_convolutions",
        "convolutions 32, 64, 128 with max pooling, dense 128",
        parameters=355_847,
        multiply_adds=13_719_552,
        head_input_size=128,
        build=_three_convolutions,
        stages={"stage1": 1, "stage2": 1, "stage3": 1, "dense": 1},
    ),
    Architecture(
        "three_convolutions_dropout",
        "convolutions 32, 64, 128 with max pooling and dropout, dense 256",
        parameters=1_274_375,
        multiply_adds=23_078_656,
        head_input_size=256,
        build=_three_convolutions_dropout,
        stages={"stage1": 1, "stage2": 1, "stage3": 1, "dense": 1},
    ),
    Architecture(
        "paired_convolutions",
        "pairs of normalized convolutions 32, 64, 128 with max pooling and dropout, dense 256",
        parameters=1_470_503,
        multiply_adds=86_779_648,
        head_input_size=256,
        build=_paired_convolutions,
        stages={"stage1": 2, "stage2": 2, "stage3": 2, "dense": 1},
    ),
    Architecture(
        "four_blocks_average_pooling",
        "normalized convolutions 64, 128, 256, 512 with dropout, average pooling, dense 512",
        parameters=1_820_487,
        multiply_adds=128_994_816,
        head_input_size=512,
        build=_four_blocks_average_pooling,
        takes_any_size=True,
        stages={"stage1": 1, "stage2": 1, "stage3": 1, "stage4": 1, "dense": 1},
    ),
    Architecture(
        "four_convolutions_wide",
        "convolutions 128, 256, 512, 512 with dropout, dense 512 and 256",
        parameters=4_232_199,
        multiply_adds=217_823_488,
        head_input_size=256,
        build=_four_convolutions_wide,
        stages={"stage1": 1, "stage2": 1, "stage3": 1, "stage4": 1, "dense": 2},
    ),
    Architecture(
        "plain_eight",
        "eight normalized 3x3 convolutions in pairs of 32, 64, 128, 256, average pooling",
        parameters=1_176_359,
        multiply_adds=117_450_496,
        head_input_size=256,
        build=_plain_eight,
        takes_any_size=True,
        stages={"stage1": 2, "stage2": 2, "stage3": 2, "stage4": 2},
    ),
    Architecture(
        "plain_nine",
        "nine normalized 3x3 convolutions of 32 to 256 filters initialized as identities, average "
        "pooling",
        parameters=1_905_831,
        multiply_adds=138_684_160,
        head_input_size=256,
        build=_plain_nine,
        takes_any_size=True,
        stages={"stage1": 1, "stage2": 2, "stage3": 3, "stage4": 3},
    ),
    Architecture(
        "residual_eleven_attention",
        "eleven 3x3 convolutions in residual blocks of 64, 128, 192 with channel attention",
        parameters=1_860_095,
        multiply_adds=153_899_328,
        head_input_size=192,
        build=_residual_eleven_attention,
        # These numbers include the two convolutions of channel attention in each block, and the one
        # in the shortcut where the number of channels changes.
        stages={"stage1": 1, "stage2": 5, "stage3": 9, "stage4": 9},
    ),
)

#: Every architecture by name.
ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture for architecture in _ARCHITECTURES
}
