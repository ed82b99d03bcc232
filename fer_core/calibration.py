"""Calibration of a network's probabilities: the content of ``calibration.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.files import read_errors_as_input_errors, read_json
from fer_core.metrics import adjust_for_prior, apply_temperature

#: The emphasis on rare classes: none, as calibrated (``default``), or stronger than calibrated.
Emphasis = Literal["none", "default", "strong"]
EMPHASES: tuple[Emphasis, ...] = get_args(Emphasis)

#: Added to the calibrated exponent for the emphasis "strong".
_STRONG_EXPONENT_INCREMENT = 0.25

#: The accuracy in percent that confident predictions should reach; a key of
#: ``Calibration.thresholds``.
_CONFIDENT_ACCURACY = "80"
#: The lower limit of ``Calibration.minimum_confidence``, and its value without thresholds. Below
#: 0.4, the most probable of seven classes is often not much more probable than the second.
LOWEST_MINIMUM_CONFIDENCE = 0.4
#: The upper limit of ``Calibration.minimum_confidence``, and its value if no threshold reaches the
#: accuracy ``_CONFIDENT_ACCURACY``.
_HIGHEST_MINIMUM_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model: logit adjustment, then temperature scaling.

    Attributes:
        temperature: A temperature above 1 softens probabilities, one below 1 sharpens them.
        class_prior: Share of each class in the training targets, in the order of ``classes``. If it
            is None, the shares are unknown, and there is no logit adjustment.
        prior_exponent: Exponent from 0 to 1. Probabilities are divided by the class prior raised to
            this power.
        thresholds: For each accuracy (the key, in percent), the lowest threshold such that the
            predictions on validation images whose confidence is at or above the threshold reach
            this accuracy; None if there is no such threshold.
        classes: The names of the classes.
    """

    temperature: float = 1.0
    class_prior: tuple[float, ...] | None = None
    prior_exponent: float = 0.0
    thresholds: dict[str, float | None] = field(default_factory=dict)
    classes: tuple[str, ...] = EMOTIONS

    def to_json(self) -> dict[str, Any]:
        """Return the part of ``calibration.json`` that ``read_calibration`` reads."""
        document: dict[str, Any] = {"temperature": self.temperature}
        if self.class_prior is not None:
            document["class_prior"] = dict(zip(self.classes, self.class_prior, strict=True))
            document["prior_exponent"] = self.prior_exponent
        if self.thresholds:
            document["confidence_thresholds"] = self.thresholds
        return document

    @property
    def minimum_confidence(self) -> float:
        """The confidence, 0 to 1, from which a prediction is shown as certain.

        It is the lowest threshold at which the accuracy on validation images reaches 80 %, but at
        least 0.4 and at most 0.9. If there are no thresholds, it is 0.4. If no threshold reaches
        80 %, it is 0.9.
        """
        if _CONFIDENT_ACCURACY not in self.thresholds:
            return LOWEST_MINIMUM_CONFIDENCE
        threshold = self.thresholds[_CONFIDENT_ACCURACY]
        if threshold is None:
            return _HIGHEST_MINIMUM_CONFIDENCE
        return min(max(threshold, LOWEST_MINIMUM_CONFIDENCE), _HIGHEST_MINIMUM_CONFIDENCE)

    def exponent(self, emphasis: Emphasis = "default") -> float:
        """Return the exponent of the class prior for an emphasis on rare classes."""
        if self.class_prior is None or emphasis == "none":
            return 0.0
        if emphasis == "strong":
            return min(self.prior_exponent + _STRONG_EXPONENT_INCREMENT, 1.0)
        return self.prior_exponent

    def adjusted(
        self, probabilities: NDArray[np.float32], emphasis: Emphasis = "default"
    ) -> NDArray[np.float32]:
        """Adjust probabilities of the network, float32 ``[n, classes]``, by the class prior only.

        ``calibrated`` also applies the temperature.
        """
        if self.class_prior is None:
            return probabilities
        return adjust_for_prior(probabilities, self.class_prior, self.exponent(emphasis))

    def calibrated(
        self, probabilities: NDArray[np.float32], emphasis: Emphasis = "default"
    ) -> NDArray[np.float32]:
        """Apply logit adjustment and temperature scaling to probabilities of the network.

        The argument and the result are float32 ``[n, classes]``.
        """
        return apply_temperature(self.adjusted(probabilities, emphasis), self.temperature)


def read_calibration(path: Path, name: str, classes: tuple[str, ...] = EMOTIONS) -> Calibration:
    """Read ``calibration.json``.

    If the file is missing, return a calibration that leaves probabilities unchanged.

    Args:
        path: The file.
        name: The bundle's name, for messages.
        classes: The bundle's classes.

    Raises:
        InputError: The file is damaged or has values out of range.
    """
    with read_errors_as_input_errors(
        path,
        "restore or delete the file",
        damaged=f"The bundle {name!r} is damaged: {path} is not valid",
    ):
        try:
            document = read_json(path)
        except FileNotFoundError:
            return Calibration(classes=classes)
        temperature = float(document["temperature"])
        prior = document.get("class_prior")
        calibration = Calibration(
            temperature,
            None if prior is None else tuple(float(prior[label]) for label in classes),
            float(document.get("prior_exponent", 0.0)),
            {
                str(key): None if value is None else float(value)
                for key, value in document.get("confidence_thresholds", {}).items()
            },
            classes,
        )
    if not 0.01 <= temperature <= 100:
        raise InputError(
            f"The bundle {name!r} has the temperature {temperature}, which should be 0.01 to 100; "
            f"restore or delete {path}."
        )
    # An unknown prior (None) is valid, so a valid prior takes its place in the check below.
    shares = calibration.class_prior or (1.0,)
    if not (
        0 <= calibration.prior_exponent <= 1
        and all(share >= 0 for share in shares)
        and abs(sum(shares) - 1) < 0.01
    ):
        raise InputError(
            f"The bundle {name!r} has a class prior or an exponent out of range: shares should sum "
            f"to 1, the exponent should be 0 to 1; restore or delete {path}."
        )
    for key, value in calibration.thresholds.items():
        if not (key.isdecimal() and (value is None or 0 <= value <= 1)):
            raise InputError(
                f"The bundle {name!r} has the confidence threshold {key}: {value}; expected: an "
                f"accuracy in percent and a confidence of 0 to 1; restore or delete {path}."
            )
    return calibration
