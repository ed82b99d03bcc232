"""Heat maps of the face regions that support a class: Grad-CAM or occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.bundle import Bundle, BundleRecord
from fer_core.errors import InputError, first_line
from fer_core.evaluation.network_cut import NetworkCut, NoFeatureMapError, cut_network
from fer_core.predictor import Predictor, load_predictor, network_input
from fer_core.recipes.architectures import INPUT_SHAPE

if TYPE_CHECKING:
    import onnx

GRAD_CAM = "grad-cam"
OCCLUSION = "occlusion"

#: Step of the numerical derivative, as a share of the standard deviation of the feature maps. It is
#: small enough to approximate a derivative, and large enough for the precision of float32.
_STEP_SHARE = 0.02
#: Side of the squares that cover parts of the face, and distance between two squares, in pixels.
_PATCH, _STRIDE = 12, 6

_SIDE = INPUT_SHAPE[0]


@dataclass(frozen=True, eq=False)
class Explanation:
    """A heat map of the regions that support a class.

    Attributes:
        heat: float32 ``[48, 48]``, 0 to 1; all 0 if no region supports the class.
        class_index: Index of the class.
        method: ``grad-cam`` or ``occlusion``.
        note: One or two sentences on how to interpret the heat map.
    """

    heat: NDArray[np.float32]
    class_index: int
    method: str
    note: str


class Explainer:
    """Explains the predictions of a bundle with ONNX Runtime; thread-safe.

    Attributes:
        method: ``grad-cam``, or ``occlusion`` for a network without a feature map.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Open the network of a bundle.

        Args:
            bundle: The model.

        Raises:
            InputError: ``model.onnx`` is missing or damaged.
        """
        predictor = load_predictor(bundle)
        import onnx

        try:
            model = onnx.load(bundle.served_network, load_external_data=False)
        except Exception as error:
            # Protobuf raises its own exception types.
            raise InputError(
                f"The bundle {bundle.name!r} is damaged: {bundle.served_network} cannot be read "
                f"({first_line(error)}); restore the file or choose another model."
            ) from error
        self._classes = predictor.classes
        self._heat_map_method = _choose_method(model, bundle.record, predictor)
        self.method = self._heat_map_method.name

    def explain(self, crop: NDArray[np.uint8], class_index: int) -> Explanation:
        """Return the heat map of a class for one face.

        Args:
            crop: Gray, uint8 ``[48, 48]``, the input of the predictor.
            class_index: Index of the class, usually of the predicted class.

        Raises:
            ValueError: ``crop`` has another shape or type, or the index is out of range.
        """
        if crop.shape != (_SIDE, _SIDE) or crop.dtype != np.uint8:
            raise ValueError(
                f"crop should be uint8 [{_SIDE}, {_SIDE}]. "
                f"Received: {crop.dtype} {list(crop.shape)}"
            )
        if not 0 <= class_index < len(self._classes):
            raise ValueError(
                f"class_index should be 0 to {len(self._classes) - 1}. Received: {class_index}"
            )
        heat = self._heat_map_method.heat(crop, class_index)
        note = (
            self._heat_map_method.note
            if heat.any()
            else "No region of this face supports this class."
        )
        return Explanation(heat, class_index, self.method, note)


class _HeatMapMethod(Protocol):
    """A method that computes heat maps."""

    name: str
    note: str

    def heat(self, crop: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]: ...


def _choose_method(
    model: onnx.ModelProto, record: BundleRecord, predictor: Predictor
) -> _HeatMapMethod:
    """Return Grad-CAM, or occlusion if the network has no feature map."""
    # Any sample will do, because the shapes of the results do not depend on the image.
    sample = network_input(np.full((1, _SIDE, _SIDE), 128, np.uint8), record)
    try:
        return _GradCam(cut_network(model, sample), record)
    except NoFeatureMapError as error:
        return _Occlusion(predictor, str(error))


class _GradCam:
    """Grad-CAM without gradients.

    After Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", ICCV 2017. The heat map is the weighted sum of the feature maps of the last
    convolution, with negative values set to 0. The weight of a feature map is the mean derivative
    of the score of the class (see ``NetworkCut.head``) with respect to the values of the map. The
    sum of these derivatives is the derivative with respect to a constant that is added to the whole
    map. This derivative is approximated by a central difference: the head (the network after this
    convolution) computes the score for the map plus a small step and for the map minus this step.
    One batch contains both changed versions of every map.
    """

    name = GRAD_CAM
    note = (
        "Bright regions support the class most in the last convolution of the network "
        "(Grad-CAM). The map shows where, not why."
    )

    def __init__(self, cut: NetworkCut, record: BundleRecord) -> None:
        self._cut = cut
        self._record = record
        self._output_indices = record.output_indices

    def heat(self, crop: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """Return the heat map of one face, float32 ``[48, 48]``, 0 to 1."""
        pixels = network_input(crop[np.newaxis], self._record)
        heat = self._map_of_image(pixels, class_index)
        if self._record.flip_averaging:
            # The prediction is the mean over the face and its mirror image, and so is the heat map.
            heat = (
                heat + self._map_of_image(pixels[:, :, ::-1], class_index)[:, ::-1]
            ) / np.float32(2)
        return _resized_and_scaled(heat)

    def _map_of_image(self, pixels: NDArray[np.float32], class_index: int) -> NDArray[np.float32]:
        """Return the unscaled heat map of one image, in the size of the feature maps."""
        (maps,) = self._cut.body(np.ascontiguousarray(pixels))
        count = len(maps)
        step = np.float32(_STEP_SHARE * max(float(maps.std()), 1e-6))
        shifted = np.repeat(maps[np.newaxis], 2 * count, axis=0)
        channels = np.arange(count)
        shifted[channels, channels] += step
        shifted[count + channels, channels] -= step
        scores = self._cut.head(shifted)[:, self._output_indices[class_index]].astype(np.float64)
        slopes = (scores[:count] - scores[count:]) / (2 * float(step))
        weights = slopes / (maps.shape[1] * maps.shape[2])
        return np.asarray(np.maximum(np.tensordot(weights, maps, axes=1), 0), np.float32)


class _Occlusion:
    """The decrease of the probability of the class when a part of the face is covered.

    After Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014: a
    gray square is moved over the face, and the value of each pixel is the mean decrease of the log
    probability over the squares that cover it.
    """

    name = OCCLUSION

    def __init__(self, predictor: Predictor, reason: str) -> None:
        self._predictor = predictor
        self.note = (
            "Covering bright regions makes the class less probable (occlusion map; this network "
            f"does not support Grad-CAM: {reason})."
        )

    def heat(self, crop: NDArray[np.uint8], class_index: int) -> NDArray[np.float32]:
        """Return the heat map of one face, float32 ``[48, 48]``, 0 to 1."""
        starts = range(0, _SIDE - _PATCH + 1, _STRIDE)
        corners = [(top, left) for top in starts for left in starts]
        # The first image stays unchanged. In each other image, one square is covered.
        images = np.repeat(crop[np.newaxis], len(corners) + 1, axis=0)
        for image, (top, left) in zip(images[1:], corners, strict=True):
            image[top : top + _PATCH, left : left + _PATCH] = round(float(crop.mean()))
        probabilities = self._predictor.probabilities(images, calibrated=False)[:, class_index]
        log_probabilities = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
        decreases, square_counts = np.zeros((_SIDE, _SIDE)), np.zeros((_SIDE, _SIDE))
        for log_probability, (top, left) in zip(log_probabilities[1:], corners, strict=True):
            decrease = log_probabilities[0] - log_probability
            decreases[top : top + _PATCH, left : left + _PATCH] += decrease
            square_counts[top : top + _PATCH, left : left + _PATCH] += 1
        return _resized_and_scaled(np.maximum(decreases / square_counts, 0).astype(np.float32))


def _resized_and_scaled(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Resize a map to the size of the face and scale it to 0 to 1."""
    resized = cv2.resize(heat, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    highest = float(resized.max())
    return np.asarray(resized / highest if highest > 0 else resized, np.float32)


def overlay(
    crop: NDArray[np.uint8],
    heat: NDArray[np.float32],
    *,
    size: int = 192,
    strength: float = 0.55,
) -> NDArray[np.uint8]:
    """Return a face with its heat map as a color overlay.

    Args:
        crop: Gray, uint8 ``[48, 48]``.
        heat: float32 ``[48, 48]``, 0 to 1.
        size: Width and height of the result in pixels.
        strength: Opacity of the color at the maximum of the map, 0 to 1.

    Returns:
        RGB, uint8 ``[size, size, 3]``.
    """
    face = cv2.resize(crop, (size, size), interpolation=cv2.INTER_CUBIC)
    enlarged = np.clip(cv2.resize(heat, (size, size), interpolation=cv2.INTER_LINEAR), 0, 1)
    colored = cv2.applyColorMap(np.rint(enlarged * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    # The color is transparent where the heat is low. Otherwise the color map, which shows 0 as
    # black, would darken the face there.
    opacity = (strength * np.sqrt(enlarged))[..., np.newaxis]
    # OpenCV's color maps are in BGR order; the result is in RGB order.
    blended = (1 - opacity) * face[..., np.newaxis] + opacity * colored[..., ::-1]
    return np.asarray(np.rint(blended), np.uint8)
