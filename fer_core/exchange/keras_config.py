"""Read the architecture in a Keras file, and check its classes and functions by name.

Keras builds every class and function that a config names. This module accepts only layers,
initializers and similar objects that are known to be pure arithmetic. Everything else is rejected
before Keras reads it, so that a file cannot choose code to run. Objects that a later version of
Keras adds are rejected too, until someone has reviewed them and added them to the lists below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_core.errors import InputError
from fer_core.exchange.keras_functions import FUNCTIONS

_MAX_CONFIG_BYTES = 64 * 1024 * 1024
_MAX_CONFIG_NODES = 2_000_000

MODEL_CLASSES = ("Sequential", "Functional", "Model")


def name_set(text: str) -> frozenset[str]:
    """Return the names in a text, which are separated by white space."""
    return frozenset(text.split())


_LAYERS = name_set(
    """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
    AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
    CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
    Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense
    DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten
    GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell LayerNormalization
    LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute RMSNormalization RNN RandomBrightness RandomContrast
    RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom ReLU RepeatVector Rescaling
    Reshape Resizing SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax
    SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells
    Subtract ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D
    UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)

#: Augmentation layers that only newer versions of Keras have. They are active in training only.
_NEW_AUGMENTATION = name_set(
    """
    AugMix AutoContrast Equalization RandAugment RandomColorDegeneration RandomColorJitter
    RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear Solarization
    """
)

#: Layers of augmentation and noise, which are active in training only. An import replaces them by
#: identity layers, because some exporters leave them active.
AUGMENTATION = _NEW_AUGMENTATION | name_set(
    """
    AlphaDropout GaussianDropout GaussianNoise RandomBrightness RandomContrast RandomFlip
    RandomRotation RandomTranslation RandomZoom
    """
)

#: The names that Keras 3 records for arithmetic on tensors without a layer, such as ``a + b``. None
#: of these operations takes a function or reads a file.
_OPERATIONS = name_set(
    """
    Abs Absolute Amax Amin Argmax AveragePool BatchNorm BroadcastTo Cast Ceil Celu Clip
    ConvertToTensor Copy DepthToSpace Divide DivideNoNan Einsum Elu Equal Erf Exp ExpandDims Flip
    Floor FloorDivide Gelu GetItem Glu Greater GreaterEqual HardSigmoid HardSilu HardTanh LayerNorm
    LeakyRelu Less LessEqual Log Log1p LogSigmoid LogSoftmax LogicalAnd LogicalNot LogicalOr
    Logsumexp Matmul Max MaxPool Mean Min Mod Moveaxis Negative Norm Normalize Ones OnesLike Pad
    Power Prod RGBToGrayscale RMSNorm Ravel Reciprocal Relu Relu6 Repeat Reshape Resize Roll Round
    Rsqrt Selu Sigmoid Sign Silu Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Square
    Squeeze Stack Std StopGradient Sum Swapaxes Take Tanh Tile Transpose TrueDivide Unstack Var
    Where ZerosLike
    """
)

#: Plain values that Keras 3 wraps: tensors, arrays, and the parts of an index such as ``[..., 0]``.
_VALUES = name_set("__tensor__ __numpy__ __keras_tensor__ __slice__ __ellipsis__")

#: Initializers, regularizers, constraints and dtype policies.
_OTHER_CLASSES = name_set(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
    LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform
    TruncatedNormal VarianceScaling Zeros L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm
    NonNeg UnitNorm DTypePolicy Policy
    """
)

#: Classes of the layers in which Keras 2 records arithmetic. Such a layer names a TensorFlow
#: function.
LEGACY_OPERATIONS = name_set("TFOpLambda SlicingOpLambda")

#: Activations. Keras finds other functions by name too, such as losses, but they are not part of a
#: network's arithmetic.
_FUNCTIONS = name_set(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax
    softplus softsign sparse_plus squareplus swish tanh tanh_shrink threshold
    """
)

_CLASSES = (
    _LAYERS | _NEW_AUGMENTATION | _OPERATIONS | _OTHER_CLASSES | _VALUES | frozenset(MODEL_CLASSES)
)

#: Names under which other packages and versions contain the package ``keras``.
_PACKAGE = re.compile(r"(?:tf_keras|tensorflow\.python\.keras|tensorflow\.keras)(?=\.|$)")
#: Modules of ``keras`` that contain the allowed objects.
_MODULE = re.compile(
    r"keras(\.(layers|initializers|regularizers|constraints|activations|models|dtype_policies"
    r"|mixed_precision|src\.(layers|models|ops|initializers|regularizers|constraints|activations"
    r"|engine|dtype_policies|mixed_precision)(\.[A-Za-z0-9_]+)*"
    r"|(engine|layers|initializers|regularizers|constraints|mixed_precision)(\.[a-z0-9_]+)+))?"
)


def read_config(text: bytes | str, path: Path) -> dict[str, Any]:
    """Parse an architecture and check that it contains only allowed objects.

    Args:
        text: The architecture as JSON.
        path: The file that contains the architecture, for messages.

    Returns:
        The architecture, without the settings of the training.

    Raises:
        InputError: The text is not an architecture, or names an object that is not allowed.
    """
    if len(text) > _MAX_CONFIG_BYTES:
        raise InputError(f"The architecture in {path} is too large; save the model with Keras.")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged: its architecture is not valid JSON; save it again with Keras."
        ) from error
    if not isinstance(config, dict) or config.get("class_name") not in MODEL_CLASSES:
        class_name = config.get("class_name") if isinstance(config, dict) else None
        description = f"describes a {class_name!r}" if class_name else "does not describe a network"
        raise InputError(
            f"{path} {description}; it should describe a Sequential or functional Keras model, as "
            "the model's to_json() writes it."
        )
    # An import does not need these settings of the training, which often name losses or metrics in
    # custom code.
    config.pop("compile_config", None)
    check_config(config, path)
    return config


def check_config(config: Any, path: Path) -> None:
    """Reject an architecture that could run code.

    In ``config``, the names of modules of other packages, such as ``tf_keras.layers``, are replaced
    by those of ``keras``.

    Raises:
        InputError: The architecture names an object that is not allowed.
    """
    for node in dictionaries(config, path):
        # "spec_name" is the name of a class that describes a TensorFlow type.
        for key in ("class_name", "spec_name"):
            if key in node:
                _check_object(node, node[key], path)
        module = node.get("module")
        if module is None or module == "builtins":
            continue
        if isinstance(module, str):
            module = _PACKAGE.sub("keras", module)
            if _MODULE.fullmatch(module):
                node["module"] = module
                continue
        raise _not_allowed(f"something from the module {str(module)[:80]!r}", path)


def _check_object(node: dict[str, Any], name: object, path: Path) -> None:
    """Reject a node whose class, function or registered name is not allowed."""
    if name in ("Lambda", "__lambda__"):
        raise InputError(
            f"{path} contains a Lambda layer, which is program code that would run here; replace "
            "it with layers of Keras, or export the network as ONNX."
        )
    if isinstance(name, str) and name in LEGACY_OPERATIONS:
        _check_legacy_operation(node, name, path)
        return
    allowed_registered_names: tuple[object, ...]
    if name == "function":
        if not isinstance(node.get("config"), str) or node["config"] not in _FUNCTIONS:
            raise _not_allowed(f"the function {str(node.get('config'))[:80]!r}", path)
        allowed_registered_names = (None, node["config"], "function")
    elif isinstance(name, str) and name in _CLASSES:
        allowed_registered_names = (None, name)
        if name in _VALUES:
            _check_value(node, name, path)
    else:
        raise _not_allowed(f"{str(name)[:80]!r}", path)
    if node.get("registered_name") not in allowed_registered_names:
        raise _not_allowed(f"the registered object {str(node['registered_name'])[:80]!r}", path)


def _check_legacy_operation(node: dict[str, Any], name: str, path: Path) -> None:
    """Reject a TensorFlow function for which Keras 3 has no operation."""
    config = node.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    if not isinstance(function, str) or function not in FUNCTIONS:
        raise InputError(
            f"{path} calls the TensorFlow function {str(function)[:80]!r}, which cannot be "
            "converted to Keras 3; export the network as ONNX and import that."
        )
    if node.get("registered_name") not in (None, name):
        raise _not_allowed(f"the registered object {str(node['registered_name'])[:80]!r}", path)


def _check_value(node: dict[str, Any], name: str, path: Path) -> None:
    """Reject a constant that does not consist of numbers; Keras would pass it to NumPy."""
    config = node.get("config")
    if name not in ("__tensor__", "__numpy__"):
        return
    value = config.get("value") if isinstance(config, dict) else None
    dtype = config.get("dtype") if isinstance(config, dict) else None
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif not isinstance(item, (bool, int, float)):
            raise _not_allowed("a constant that is not a number", path)
    if not isinstance(dtype, str) or not re.fullmatch(r"(u?int|float|bfloat)\d+|bool", dtype):
        raise _not_allowed(f"a constant of the type {str(dtype)[:80]!r}", path)


def _not_allowed(name: str, path: Path) -> InputError:
    return InputError(
        f"{path} uses {name}, which is not one of the Keras layers that can be imported without "
        "running code from the file; export the network as ONNX and import that."
    )


def dictionaries(config: Any, path: Path) -> Iterator[dict[str, Any]]:
    """Yield all dictionaries in an architecture, at any depth.

    This function is not recursive, because a damaged or hostile file may be nested too deeply for
    recursion.

    Raises:
        InputError: The architecture is too large.
    """
    pending = [config]
    node_count = 0
    while pending:
        node = pending.pop()
        node_count += 1
        if node_count > _MAX_CONFIG_NODES:
            raise InputError(f"The architecture in {path} is too large; save the model with Keras.")
        if isinstance(node, dict):
            yield node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
