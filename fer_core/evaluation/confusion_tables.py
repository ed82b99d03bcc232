"""Metrics of many confusion matrices at once, for the bootstrap.

The parameter ``confusions`` contains one or more confusion matrices, ``[matrices, classes,
classes]``: rows are true classes, columns are predicted classes. Undefined values are NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.metrics import ratio


def true_positives_of(confusions: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Return the correct predictions per class, ``[matrices, classes]``."""
    return np.diagonal(confusions, axis1=1, axis2=2)


def precisions_of(confusions: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the precision per class, float64 ``[matrices, classes]``."""
    return ratio(true_positives_of(confusions), confusions.sum(axis=1))


def recalls_of(confusions: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the recall per class, float64 ``[matrices, classes]``."""
    return ratio(true_positives_of(confusions), confusions.sum(axis=2))


def f1s_of(confusions: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the F1 per class, float64 ``[matrices, classes]``."""
    return ratio(2 * true_positives_of(confusions), confusions.sum(axis=1) + confusions.sum(axis=2))


def macro_f1_of(confusions: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the mean F1 of the classes that occur or are predicted, float64 ``[matrices, 1]``."""
    f1s = f1s_of(confusions)
    defined = ~np.isnan(f1s)
    return ratio(
        np.where(defined, f1s, 0).sum(axis=1, keepdims=True), defined.sum(axis=1, keepdims=True)
    )
