"""Evaluation against the votes of annotators instead of the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.vote_targets import plurality_of_targets
from fer_core.evaluation.result import EvaluationResult
from fer_core.metrics import cross_entropy


def plurality_result(result: EvaluationResult, targets: NDArray[np.float32]) -> EvaluationResult:
    """Return an evaluation with the plurality of the votes as true labels.

    Args:
        result: The evaluation against the labels.
        targets: Vote distributions, float32 ``[n, classes]``; a row of zeros has no usable votes.

    Returns:
        The evaluation of the images on which one class has the most votes.
    """
    plurality = plurality_of_targets(targets)
    positions = np.flatnonzero(plurality >= 0)
    return replace(
        result,
        labels=plurality[positions].astype(np.int8),
        unscaled_probabilities=result.unscaled_probabilities[positions],
        rows=result.rows[positions],
        names=tuple(result.names[position] for position in positions) if result.names else (),
        is_leaked=None if result.is_leaked is None else result.is_leaked[positions],
        is_near_duplicate=None
        if result.is_near_duplicate is None
        else result.is_near_duplicate[positions],
        seen=None if result.seen is None else result.seen.subset(positions),
        slicings=(),
        robustness=(),
        has_vote_labels=True,
    )


def metrics_against_votes(result: EvaluationResult, targets: NDArray[np.float32]) -> dict[str, Any]:
    """Return metrics against annotator votes. A bundle stores them in its record as ``votes``.

    Args:
        result: The evaluation against the labels.
        targets: Vote distributions, float32 ``[n, classes]``; a row of zeros has no usable votes.

    Returns:
        The values of ``EvaluationResult.to_json``, without ``leak_free`` and ``seen``. They are
        computed with the plurality of the votes as true labels, on the images on which one class
        has the most votes. Only ``loss`` is computed on all images with usable votes: it is the
        cross-entropy to the distribution of the votes. ``ties`` is added: the number of images
        with tied votes.
    """
    votes_result = plurality_result(result, targets)
    is_usable = targets.any(axis=1)
    document = votes_result.to_json()
    del document["leak_free"], document["seen"]
    return document | {
        "loss": cross_entropy(targets[is_usable], result.probabilities[is_usable]),
        "ties": int(is_usable.sum()) - votes_result.n,
    }
