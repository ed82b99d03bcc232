"""The whole demo set: planned, drawn, and its faults planted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.demo.chance import generator_for
from fer_core.dataset.demo.faults import PlantedFaults
from fer_core.dataset.demo.objects import draw_object
from fer_core.dataset.demo.planning import make_plan
from fer_core.dataset.demo.rendering import draw_face
from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet
from fer_core.emotions import EMOTIONS
from fer_core.progress import ProgressReport

_SEED = 48_2016


def make_demo_set(
    report: ProgressReport | None = None,
) -> tuple[FaceSet, PlantedFaults]:
    """Draw the demo set; seconds of one core.

    Args:
        report: Called now and then with the rows that are done and their number in all.

    Returns:
        3,540 faces, the same each time, and the record of what is wrong with them.
    """
    plan = make_plan()
    planted, count = plan.planted, len(plan.labels)
    images = np.empty((count, FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    exact = (*planted.duplicates, *planted.conflicts, *planted.leaks)
    not_drawn = {copy.row for copy in (*exact, *planted.near_duplicates)}
    not_drawn |= {*planted.blanks, *planted.non_faces}
    for row in range(count):
        if report is not None and row % 100 == 0:
            report(row + 1, count)
        if row not in not_drawn:
            images[row] = draw_face(EMOTIONS[plan.drawn[row]], row)
    for copy in exact:
        images[copy.row] = images[copy.source]
    for copy in planted.near_duplicates:
        images[copy.row] = slightly_changed(images[copy.source], copy.row)
    for number, row in enumerate(planted.blanks):
        # Each another grey: equal ones would be duplicates that nobody planted.
        images[row] = 240 * number // len(planted.blanks)
    for number, row in enumerate(planted.non_faces):
        images[row] = draw_object(number)
    names = tuple(
        f"{SPLITS[split]}/{EMOTIONS[label]}/demo_{row:05}"
        for row, (split, label) in enumerate(zip(plan.splits, plan.labels, strict=True))
    )
    return FaceSet(images, plan.labels, plan.splits, names), planted


def slightly_changed(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """A near duplicate: a little brighter or darker, and moved sideways by at most a pixel.

    Args:
        image: uint8 ``[48, 48]``.
        number: Which change.

    Returns:
        uint8 ``[48, 48]``.
    """
    generator = generator_for(_SEED, number)
    change = int(generator.integers(4, 13)) * (1 if generator.integers(2) else -1)
    columns = np.clip(np.arange(FACE_SIZE) + int(generator.integers(-1, 2)), 0, FACE_SIZE - 1)
    return np.clip(image[:, columns].astype(np.int16) + change, 0, 255).astype(np.uint8)
