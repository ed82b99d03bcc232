"""Load files with weights of Keras 1 or 2 into a model that was built from the same files.

Keras 3 assigns the weights of older files in the order of ``model.layers``. If an older version
wrote the layers in another order, the weights of layers of the same shape would be exchanged
without an error. This module finds the weights of each layer by the layer's name. If a file does
not contain the names of the layers, the layers of each class are numbered in the order of the
original architecture, and the weights are found by this number.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_core.exchange.keras_config import MODEL_CLASSES
from fer_core.exchange.keras_legacy import plain_layer_name

if TYPE_CHECKING:
    import h5py
    import keras

    #: The weights of a layer in their order, each with its name in the file.
    NamedArrays = list[tuple[str, NDArray[Any]]]

#: The name of the group that contains the layers of a model. Files of TensorFlow 2.12 use the old
#: name.
_CONTAINER = "layers"
_OLD_CONTAINER = "_layer_checkpoint_dependencies"


def load_legacy_weights(model: keras.Model, file: Path, config: dict[str, Any]) -> None:
    """Load weights that Keras 1 or 2 wrote.

    Args:
        model: The model.
        file: A checked HDF5 file. Its folder should be temporary, because a second file may be
            written there.
        config: The architecture that the model was built from.

    Raises:
        ValueError: The weights do not fit the model.
    """
    import h5py

    with h5py.File(file, "r") as content:
        # An .h5 file lists the names of the layers: in the group model_weights or, if the file
        # contains no architecture, at its top level. A .keras file names the groups of the layers
        # after the classes of the layers.
        group = content.get("model_weights", content)
        has_layer_names = "layer_names" in group.attrs or "layer_names0" in group.attrs
        arranged_file = file.with_name("arranged.weights.h5")
        if has_layer_names:
            _load_by_name(model, group)
        else:
            with h5py.File(arranged_file, "w") as arranged:
                _arrange(content, arranged, model, config["config"]["layers"])
    if not has_layer_names:
        model.load_weights(arranged_file)
    _adapt_hard_sigmoid(model)


#: In Keras 2, hard_sigmoid(x) is clip(x / 5 + 1 / 2, 0, 1). In Keras 3, it is
#: clip(x / 6 + 1 / 2, 0, 1). If x is multiplied by 6 / 5, Keras 3 returns the result of Keras 2.
_HARD_SIGMOID_FACTOR = 1.2

_LSTM_PARTS = 4
#: For each class of layers whose weights consist of several parts along the last axis: the number
#: of parts, which have equal size.
_PART_COUNTS = {"LSTMCell": _LSTM_PARTS, "ConvLSTMCell": _LSTM_PARTS, "GRUCell": 3}
#: For each number of parts: the positions of the parts that belong to gates. An LSTM has an input,
#: a forget and an output gate; a GRU has an update and a reset gate.
_GATES = {_LSTM_PARTS: (0, 1, 3), 3: (0, 1)}


def _adapt_hard_sigmoid(model: keras.Model) -> None:
    """Scale the weights before hard sigmoids, so that Keras 3 computes the results of Keras 2."""
    import keras

    hard_sigmoid = keras.activations.hard_sigmoid
    for layer in model._flatten_layers():
        part_count = _PART_COUNTS.get(layer.__class__.__name__, 1)
        # One value for each part of the weights: True if a hard sigmoid is applied to the result
        # of this part.
        has_hard_sigmoid = [getattr(layer, "activation", None) is hard_sigmoid] * part_count
        if part_count > 1:
            # An LSTM also applies its activation to the cell state, which weights cannot scale.
            if has_hard_sigmoid[0] and part_count == _LSTM_PARTS:
                raise ValueError(
                    f"the layer {layer.name!r} has hard_sigmoid as its activation, which cannot "
                    "be converted to Keras 3"
                )
            for gate in _GATES[part_count]:
                has_hard_sigmoid[gate] = layer.recurrent_activation is hard_sigmoid
        if not any(has_hard_sigmoid):
            continue
        factors = np.where(has_hard_sigmoid, _HARD_SIGMOID_FACTOR, 1.0).astype(np.float32)
        # If these weights are multiplied by a factor, the argument of the hard sigmoid is
        # multiplied by the same factor.
        names: tuple[str, ...] = ("kernel", "recurrent_kernel", "bias")
        if hasattr(layer, "pointwise_kernel"):
            names = ("pointwise_kernel", "bias")
        for name in names:
            weight = getattr(layer, name, None)
            if weight is not None:
                if part_count > 1:
                    factors_by_column = np.repeat(factors, weight.shape[-1] // part_count)
                else:
                    factors_by_column = factors
                weight.assign(np.asarray(weight) * factors_by_column)


def _load_by_name(model: keras.Model, group: h5py.Group) -> None:
    """Load weights that ``model.save("name.h5")`` wrote, which have one group for each layer."""
    layers = {layer.name: layer for layer in model.layers}
    loaded = set()
    for layer_name in _strings(group, "layer_names"):
        layer_group = group.get(layer_name)
        names = [] if layer_group is None else _strings(layer_group, "weight_names")
        if not names:
            continue
        layer = layers.get(plain_layer_name(layer_name))
        if layer is None:
            raise ValueError(f"the layer {layer_name!r} of the weights is not in the architecture")
        _set_layer(layer, [(name, np.asarray(layer_group[name])) for name in names])
        loaded.add(layer.name)
    missing = [layer.name for layer in model.layers if layer.weights and layer.name not in loaded]
    if missing:
        raise ValueError(f"there are no weights for the layer {missing[0]!r}")


def _strings(group: h5py.Group, name: str) -> list[str]:
    """Return the list of strings in an attribute.

    Keras splits a long list into several attributes, which have a number after the name.
    """
    if name in group.attrs:
        values = [group.attrs[name]]
    else:
        values = []
        while f"{name}{len(values)}" in group.attrs:
            values.append(group.attrs[f"{name}{len(values)}"])
    return [
        text.decode() if isinstance(text, bytes) else str(text)
        for value in values
        for text in np.atleast_1d(value)
    ]


def _set_layer(layer: keras.Layer, arrays: NamedArrays) -> None:
    """Assign the weights of a layer or of a nested model."""
    if layer.__class__.__name__ in MODEL_CLASSES:
        arrays_by_leaf = _by_leaf(_leaves(layer), arrays)
        if arrays_by_leaf is not None:
            for leaf, values in arrays_by_leaf:
                _assign(leaf, values)
            return
    _assign(layer, [value for _, value in arrays])


def _leaves(layer: keras.Layer) -> list[keras.Layer]:
    """Return ``layer`` if it has weights; for a nested model, return its layers with weights."""
    if layer.__class__.__name__ not in MODEL_CLASSES:
        return [layer] if layer.weights else []
    leaves = [leaf for nested_layer in layer.layers for leaf in _leaves(nested_layer)]
    # A layer that is used several times is returned once.
    return list({id(leaf): leaf for leaf in leaves}.values())


def _by_leaf(
    leaves: list[keras.Layer], arrays: NamedArrays
) -> list[tuple[keras.Layer, list[NDArray[Any]]]] | None:
    """Return the weights of each layer of a nested model.

    None is returned if the names of the weights do not show to which layer they belong, or if they
    give a layer more or fewer weights than it has.
    """
    names = [leaf.name for leaf in leaves]
    if len(set(names)) < len(names):
        return None
    values: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for name, array in arrays:
        path = name.split("/")[:-1]
        # A layer's name in Keras 2 may contain slashes. Such a name is several parts of the path.
        owners = {
            plain_layer_name("/".join(path[first:last]))
            for first in range(len(path))
            for last in range(first + 1, len(path) + 1)
        } & set(names)
        if not owners:
            return None
        values[max(owners, key=len)].append(array)
    if any(len(values[leaf.name]) != len(leaf.weights) for leaf in leaves):
        return None
    return [(leaf, values[leaf.name]) for leaf in leaves]


def _assign(layer: keras.Layer, values: list[NDArray[Any]]) -> None:
    """Assign weights to a layer, after a check of their shapes.

    Args:
        layer: The layer.
        values: The weights, in the order of older files.
    """
    weights = _ordered_weights(layer)
    if len(values) != len(weights):
        raise ValueError(
            f"the layer {layer.name!r} ({layer.__class__.__name__}) has {len(weights)} weights, "
            f"and the file contains {len(values)} for it"
        )
    for weight, value in zip(weights, values, strict=True):
        if tuple(weight.shape) != value.shape:
            raise ValueError(
                f"the weight {weight.path!r} has the shape {tuple(weight.shape)}, and the file "
                f"contains {value.shape}"
            )
        weight.assign(value)
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()


def _ordered_weights(layer: keras.Layer) -> list[Any]:
    """Return the weights in the order of older files: the trainable ones first.

    The states of random generators, which older versions did not store, are omitted.
    """
    trainable = list(layer.trainable_weights)
    trainable_ids = {id(weight) for weight in trainable}
    return trainable + [
        weight for weight in layer.non_trainable_weights if id(weight) not in trainable_ids
    ]


def _arrange(
    source: h5py.Group, target: h5py.Group, model: keras.Model, configs: list[dict[str, Any]]
) -> None:
    """Copy the weights of a ``.keras`` file of Keras 2 to the groups that Keras 3 reads.

    In both versions the group of a layer is named after its class, with a number. Keras 2 numbers
    the layers of a class in the order of ``configs``, Keras 3 in the order of ``model.layers``.

    Args:
        source: The group or file that contains the weights.
        target: The group or file to copy them to.
        model: The model, or a nested model.
        configs: The configurations of the model's layers, in the order of the original
            architecture.
    """
    container = source.get(_CONTAINER) or source.get(_OLD_CONTAINER)
    if container is None:
        return
    groups = _groups_by_class(container)
    layers = {layer.name: layer for layer in model.layers}
    layer_groups: dict[str, h5py.Group] = {}
    for config in configs:
        name = plain_layer_name(str(config["config"].get("name", config.get("name"))))
        layer = layers.get(name)
        if layer is None or not layer.weights:
            continue
        class_groups = groups.get(_snake_case(layer.__class__.__name__))
        if not class_groups:
            raise ValueError(f"there are no weights for the layer {name!r}")
        layer_groups[name] = class_groups.pop(0)
    counts: dict[str, int] = {}
    for layer in model.layers:
        class_name = _snake_case(layer.__class__.__name__)
        number = counts.get(class_name, 0)
        counts[class_name] = number + 1
        if layer.name not in layer_groups:
            continue
        path = f"{_CONTAINER}/{class_name}" + (f"_{number}" if number else "")
        if layer.__class__.__name__ in MODEL_CLASSES:
            nested = next(item for item in configs if item["config"].get("name") == layer.name)
            _arrange(
                layer_groups[layer.name],
                target.create_group(path),
                layer,
                nested["config"]["layers"],
            )
        else:
            source.copy(layer_groups[layer.name], target, name=path)


def _groups_by_class(container: h5py.Group) -> dict[str, list[h5py.Group]]:
    """Return the groups that contain weights, sorted by class and number.

    The name of a group consists of the class of a layer and a number, such as ``conv2d_1``. The
    keys of the result are the classes.
    """
    numbered: dict[str, list[tuple[int, h5py.Group]]] = {}
    for name in container:
        match = re.fullmatch(r"(.*?)(?:_(\d+))?", name)
        assert match is not None  # the pattern matches any name
        class_name, number = match[1], match[2]
        if _has_arrays(container[name]):
            numbered.setdefault(class_name, []).append((int(number or 0), container[name]))
    return {
        class_name: [group for _, group in sorted(groups, key=lambda pair: pair[0])]
        for class_name, groups in numbered.items()
    }


def _has_arrays(group: h5py.Group) -> bool:
    import h5py

    # ``visititems`` stops at the first result that is not None, and returns it.
    return bool(group.visititems(lambda _, item: True if isinstance(item, h5py.Dataset) else None))


def _snake_case(name: str) -> str:
    """Return the name of a class in Keras's files, such as ``conv2d`` for ``Conv2D``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
