"""Assemble the demo set: plan it, draw the faces and inject the errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.demo.injected_errors import InjectedErrors
from fer_core.dataset.demo.shipped import demo_names
from fer_core.dataset.face_set import FACE_SIZE, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.progress import ProgressReport
from tools.draw_demo.chance import generator_for
from tools.draw_demo.objects import draw_object
from tools.draw_demo.planning import make_plan
from tools.draw_demo.rendering import draw_face

_SEED = 48_2016


def make_demo_set(report: ProgressReport | None = None) -> tuple[FaceSet, InjectedErrors]:
    """Draw the demo set, which takes about 20 s on one core.

    Args:
        report: Called at every hundredth row with the number of this row, from 1, and the total.

    Returns:
        3,540 faces, the same each time, and the errors that they contain.
    """
    plan = make_plan()
    errors, count = plan.errors, len(plan.labels)
    images = np.empty((count, FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    exact = (*errors.duplicates, *errors.conflicts, *errors.leaks)
    rows_not_drawn = {copy.row for copy in (*exact, *errors.near_duplicates)}
    rows_not_drawn |= {*errors.blanks, *errors.non_faces}
    for row in range(count):
        if report is not None and row % 100 == 0:
            report(row + 1, count)
        if row not in rows_not_drawn:
            images[row] = draw_face(EMOTIONS[plan.drawn[row]], row)
    for copy in exact:
        images[copy.row] = images[copy.source]
    for copy in errors.near_duplicates:
        images[copy.row] = slightly_changed(images[copy.source], copy.row)
    for number, row in enumerate(errors.blanks):
        # Gray values differ, because equal blank images would be unrecorded duplicates.
        images[row] = 240 * number // len(errors.blanks)
    for number, row in enumerate(errors.non_faces):
        images[row] = draw_object(number)
    return FaceSet(images, plan.labels, plan.splits, demo_names(plan.labels, plan.splits)), errors


def slightly_changed(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Return a near-duplicate: a little brighter or darker, and shifted by at most one pixel.

    Args:
        image: uint8 ``[48, 48]``.
        number: Selects the change; the same number gives the same change.

    Returns:
        uint8 ``[48, 48]``.
    """
    generator = generator_for(_SEED, number)
    change = int(generator.integers(4, 13)) * (1 if generator.integers(2) else -1)
    columns = np.clip(np.arange(FACE_SIZE) + int(generator.integers(-1, 2)), 0, FACE_SIZE - 1)
    return np.clip(image[:, columns].astype(np.int16) + change, 0, 255).astype(np.uint8)
