"""Build the compiled Keras model of a configuration, and save its state as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.face_set import FACE_SIZE
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.recipes import TrainingConfig
from fer_core.recipes.architectures import CLASS_COUNT, build_network, freeze_stages
from fer_core.recipes.fine_tuning import head_change
from fer_core.training.batches import LOW_RESOLUTION
from fer_core.training.fused_normalization import with_fused_normalization

if TYPE_CHECKING:
    import keras


#: The weights are averaged over a span of about ``1 / (1 - momentum)`` steps. The momentum is
#: limited so that a run is at least this many spans long. On FER2013, trainings with the recipes
#: have more than 7,000 steps, so this limit does not change the momentum of 0.999 in the recipes.
_MIN_AVERAGING_SPANS = 7
#: Minimum momentum of the averaging.
_MIN_AVERAGING_MOMENTUM = 0.5


@dataclass(frozen=True)
class StartingWeights:
    """The weights of a trained network from which a run starts.

    Attributes:
        weights: Weights of the network, in Keras's order; None if the weights are replaced later
            anyway, for example by the weights of a checkpoint.
        classes: Classes of the network, in the order of its outputs.
        freeze: The last of the frozen stages; it and all stages before it are not trained. None to
            train all layers.
    """

    weights: list[NDArray[Any]] | None
    classes: tuple[str, ...]
    freeze: str | None = None


def compiled_model(
    config: TrainingConfig,
    *,
    starting_weights: StartingWeights | None = None,
    classes: Sequence[str] = EMOTIONS,
    total_steps: int | None = None,
) -> keras.Model:
    """Build and compile the network of a configuration, with its seed and precision.

    Args:
        config: The training.
        starting_weights: Weights of a trained network; None for random weights.
        classes: The classes of the data.
        total_steps: Number of steps of the training. It limits the number of steps over which the
            weights are averaged. None for no limit.

    Raises:
        InputError: ``starting_weights`` do not fit the architecture.
    """
    import keras

    if total_steps is not None:
        config = _with_limited_averaging(config, total_steps)
    keras.utils.set_random_seed(config.seed)
    with _dtype_policy(config.precision):
        model = build_network(
            config.architecture,
            dropout_scale=config.dropout_scale,
            any_size=bool(config.low_resolution_epochs),
            class_count=len(classes),
        )
        if keras.backend.backend() == "tensorflow":
            model = with_fused_normalization(model)
    if starting_weights is not None:
        if starting_weights.weights is not None:
            model.set_weights(
                adapted_weights(
                    starting_weights.weights,
                    model.get_weights(),
                    starting_weights.classes,
                    classes,
                )
            )
        if starting_weights.freeze is not None:
            freeze_stages(model, config.architecture, starting_weights.freeze)
    loss: keras.losses.Loss
    if config.label_encoding == "integer":
        loss = keras.losses.SparseCategoricalCrossentropy()
        accuracy: keras.metrics.Metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    else:
        loss = _loss_for_distributions(config)
        accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    model.compile(
        optimizer=_optimizer(config, model),
        loss=loss,
        weighted_metrics=[accuracy],
        # With TensorFlow, XLA makes these networks slower on a CPU (2.6 times for the recipe
        # four-block-cnn-step-schedule). PyTorch's compiler takes longer than it saves. JAX always
        # compiles.
        jit_compile=keras.backend.backend() == "jax",
    )
    # For float16, Keras wraps the optimizer in a second optimizer that scales the loss. A
    # checkpoint needs the variables of both optimizers.
    model.optimizer.build(model.trainable_variables)
    return model


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Set the dtype policy of the layers that are created within a ``with`` block."""
    import keras

    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def _with_limited_averaging(config: TrainingConfig, total_steps: int) -> TrainingConfig:
    """Return a configuration that averages over at most a seventh of the run, or over 2 steps.

    The average starts with the initial weights. With a momentum of 0.999, the initial weights
    influence the average for thousands of steps, but a run on a few hundred images has only a few
    hundred steps.
    """
    momentum = config.averaging_momentum
    if momentum is None:
        return config
    limit = max(1 - _MIN_AVERAGING_SPANS / max(total_steps, 1), _MIN_AVERAGING_MOMENTUM)
    return replace(config, averaging_momentum=min(momentum, limit))


def adapted_weights(
    trained: list[NDArray[Any]],
    fresh: list[NDArray[Any]],
    model_classes: Sequence[str],
    data_classes: Sequence[str],
) -> list[NDArray[Any]]:
    """Return the weights of a trained network with a head for the classes of the data.

    Args:
        trained: Weights of the trained network; the last two are kernel and bias of the head.
        fresh: The random weights of the network to train.
        model_classes: The classes of the trained network, in the order of its outputs.
        data_classes: The classes of the data.

    Raises:
        InputError: The weights belong to another network.
    """
    if [array.shape for array in trained[:-2]] != [array.shape for array in fresh[:-2]]:
        raise InputError(
            "The weights of the starting model do not fit its architecture, because the model was "
            "trained with another version of this program; choose another model."
        )
    change = head_change(model_classes, data_classes)
    if change == "replaced":
        return [*trained[:-2], *fresh[-2:]]
    order = [list(model_classes).index(name) for name in data_classes]
    kernel, bias = trained[-2:]
    return [*trained[:-2], kernel[:, order], bias[order]]


def _loss_for_distributions(config: TrainingConfig) -> keras.losses.Loss:
    """Return the loss for targets that are distributions over the classes."""
    import keras

    if config.loss == "focal":
        # Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5. The alpha of
        # this equation is 1 here: if class weights are configured, they are passed as sample
        # weights. As with cross-entropy, label smoothing is applied first.
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=config.focal_gamma, label_smoothing=config.label_smoothing
        )
    return keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)


def build_float32_model(
    config: TrainingConfig, weights: list[NDArray[Any]], class_count: int = CLASS_COUNT
) -> keras.Model:
    """Return the configured network with these weights, in float32 and without an optimizer.

    A bundle contains this network. No weight is rounded, because weights are float32 in every
    training precision.
    """
    with _dtype_policy("float32"):
        model = build_network(
            config.architecture, dropout_scale=config.dropout_scale, class_count=class_count
        )
    model.set_weights(weights)
    return model


def _optimizer(config: TrainingConfig, model: keras.Model) -> keras.optimizers.Optimizer:
    import keras

    arguments: dict[str, Any] = {"learning_rate": config.learning_rate}
    if config.gradient_clip_norm is not None:
        arguments["global_clipnorm"] = config.gradient_clip_norm
    if config.averaging_momentum is not None:
        arguments |= {"use_ema": True, "ema_momentum": config.averaging_momentum}
    if config.weight_decay:
        arguments["weight_decay"] = config.weight_decay
    optimizer: keras.optimizers.Optimizer
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=config.momentum, nesterov=True, **arguments)
    elif config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(**arguments)
    else:
        optimizer = keras.optimizers.Adam(**arguments)
    if config.weight_decay:
        # Biases, and the scales and offsets of batch normalization, are vectors. They do not decay.
        optimizer.exclude_from_weight_decay(
            var_list=[variable for variable in model.trainable_variables if len(variable.shape) < 2]
        )
    return optimizer


def state_arrays(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return all variables of a compiled model and its optimizer, named by their indices."""
    from keras import ops

    variables = {f"model_{index:03}": variable for index, variable in enumerate(model.variables)}
    variables |= {
        f"optimizer_{index:03}": variable
        for index, variable in enumerate(model.optimizer.variables)
    }
    return {
        name: np.asarray(ops.convert_to_numpy(variable)) for name, variable in variables.items()
    }


def restore_state(model: keras.Model, arrays: dict[str, NDArray[Any]]) -> None:
    """Assign the arrays that ``state_arrays`` returned to the variables of a model.

    Raises:
        InputError: The arrays belong to another network or optimizer.
    """
    current = state_arrays(model)
    if {name: array.shape for name, array in current.items()} != {
        name: array.shape for name, array in arrays.items()
    }:
        raise InputError(
            "The checkpoint belongs to another network or optimizer than the ones in config.json; "
            "start a new run."
        )
    for prefix, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for index, variable in enumerate(variables):
            variable.assign(arrays[f"{prefix}_{index:03}"])


def trace_both_sizes(model: keras.Model, batch_size: int) -> None:
    """Compile the training step for 48x48 and for 36x36 pixels without changing the model's state.

    TensorFlow compiles the first size into a graph of fixed size, and the second size into a graph
    of variable size. The two graphs round differently. Because both sizes are compiled in a fixed
    order, a resumed run computes the same values as an uninterrupted run, even if the resumed run
    starts with the second size.

    Args:
        model: A compiled model for one-hot labels.
        batch_size: The batch size of the training.
    """
    state = state_arrays(model)
    class_count = model.output_shape[-1]
    targets = np.full((batch_size, class_count), 1 / class_count, np.float32)
    for size in (FACE_SIZE, LOW_RESOLUTION):
        model.train_on_batch(np.zeros((batch_size, size, size, 1), np.float32), targets)
    restore_state(model, state)
    model.reset_metrics()


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the random state of the model's dropout layers for an epoch.

    With this state and the batches of ``TrainingBatches``, an epoch depends only on its number and
    on the state of the model before the epoch. A resumed run therefore computes the same values as
    an uninterrupted run.
    """
    for index, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            # The state of Keras's generator is two 32-bit numbers.
            state = np.random.default_rng([seed, epoch, index]).integers(0, 2**32, size=2)
            generator.state.assign(state.astype(np.uint32))
